//! Comments and notices as they stand in Redis; the layout stands in `lua/review.lua`.

use inkwire_bus::Notice;
use inkwire_model::{Anchor, ClientId, Comment, CommentId, NotificationKind, Resolved, Subject};
use serde::{Deserialize, de::IgnoredAny};

#[derive(Deserialize)]
struct Record<'a>(
    /* thread */ &'a str,
    /* author */ &'a str,
    /* at */ u64,
    /* position */ &'a str,
    /* anchored_at */ IgnoredAny,
    /* anchor */ &'a str,
    /* text */ &'a str,
    /* mentions */ &'a str,
    /* edited_at */ u64,
    /* resolved_by */ &'a str,
    /* resolved_at */ u64,
    /* deleted */ u8,
    /* orphaned */ u8,
    /* quote_bytes */ IgnoredAny,
);

#[derive(Deserialize)]
struct Row<'a>(
    /* author */ &'a str,
    /* client */ &'a str,
    /* client_seq */ u64,
    /* at */ u64,
    /* comment */ &'a str,
    /* thread */ &'a str,
    // Cut after so many bytes, maybe within a character.
    /* text */
    #[serde(borrow)] &'a serde_bytes::Bytes,
    /* mention */ &'a str,
    /* reply */ &'a str,
    /* comment */ &'a str,
    /* resolve */ &'a str,
);

/// A comment; `None` if it has another form.
pub(crate) fn comment(id: &[u8], packed: &[u8], is_gone: bool) -> Option<Comment> {
    let Record(
        thread,
        author,
        at,
        position,
        _,
        anchor,
        text,
        mentions,
        edited_at,
        resolved_by,
        resolved_at,
        deleted,
        orphaned,
        _,
    ) = rmp_serde::from_slice(packed).ok()?;
    let resolved = match resolved_by {
        "" => None,
        by => Some(Resolved {
            by: Subject::parse_author(by).ok()?,
            at: resolved_at,
        }),
    };
    Some(Comment {
        id: std::str::from_utf8(id).ok()?.parse().ok()?,
        thread: thread.parse().ok()?,
        author: Subject::parse_author(author).ok()?,
        at,
        position: position.parse().ok()?,
        anchor: match anchor {
            "" => None,
            json => Some(Anchor::from_json(json.as_bytes()).ok()?),
        },
        orphaned: orphaned != 0 || is_gone,
        text: text.to_owned(),
        mentions: subjects(mentions)?,
        edited_at: (edited_at > 0).then_some(edited_at),
        resolved,
        deleted: deleted != 0,
    })
}

/// A row of an outbox; `None` if it has another form.
pub(crate) fn notice(packed: &[u8]) -> Option<Notice> {
    let Row(author, client, client_seq, at, comment, thread, text, mention, reply, on, resolve) =
        rmp_serde::from_slice(packed).ok()?;
    let reasons = [
        (mention, NotificationKind::Mention),
        (reply, NotificationKind::Reply),
        (on, NotificationKind::Comment),
        (resolve, NotificationKind::Resolve),
    ];
    let mut recipients = Vec::new();
    for (names, kind) in reasons {
        recipients.extend(subjects(names)?.into_iter().map(|who| (who, kind)));
    }
    let id = |text: &str| text.parse::<CommentId>().ok();
    Some(Notice {
        by: Subject::parse_author(author).ok()?,
        client: ClientId::parse_any(client).ok()?,
        client_seq,
        at,
        comment: id(comment)?,
        thread: id(thread)?,
        text: whole_characters(text),
        recipients,
    })
}

fn subjects(lines: &str) -> Option<Vec<Subject>> {
    let names = lines.split('\n').filter(|name| !name.is_empty());
    names.map(|name| Subject::parse_author(name).ok()).collect()
}

fn whole_characters(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(cut) => {
            let whole = bytes.get(..cut.valid_up_to()).unwrap_or_default();
            String::from_utf8_lossy(whole).into_owned()
        }
    }
}
