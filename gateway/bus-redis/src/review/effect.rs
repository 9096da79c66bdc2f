//! Effects of entries on comments, as the append function takes them; the layout stands in
//! `lua/review.lua`.

use bytes::Bytes;
use inkwire_bus::{RECIPIENTS_MAX, ReviewLimits};
use inkwire_model::{Anchor, CommentChange, CommentEffect, CommentId, NewEntry, Subject};
use serde::Serialize;

#[derive(Serialize)]
struct Packed<'a>(
    /* place */ usize,
    /* what */ &'a str,
    /* comment */ String,
    /* answered */ String,
    /* by_owner */ u8,
    /* author */ &'a str,
    /* client */ String,
    /* client_seq */ u64,
    /* at */ u64,
    /* text */ &'a str,
    /* mentions */ String,
    /* names_mentions */ u8,
    /* anchored_at */ String,
    /* anchor */ String,
    /* quote_bytes */ usize,
    /* comments_max */ u32,
    /* bytes_max */ u32,
    /* people_max */ usize,
);

/// Packs what the entry at a place of its call does.
pub(crate) fn pack(
    place: usize,
    entry: &NewEntry,
    effect: &CommentEffect,
    limits: ReviewLimits,
) -> Bytes {
    let own = || CommentId::of(&entry.author, &entry.client, entry.client_seq).to_string();
    let none: &[Subject] = &[];
    let (what, comment, answered, text, mentions, anchor) = match &effect.change {
        CommentChange::Create {
            anchor,
            text,
            mentions,
        } => (
            "c",
            own(),
            String::new(),
            text.as_str(),
            Some(mentions.as_slice()),
            anchor.as_ref(),
        ),
        CommentChange::Reply {
            thread,
            text,
            mentions,
        } => (
            "r",
            own(),
            thread.to_string(),
            text.as_str(),
            Some(mentions.as_slice()),
            None,
        ),
        CommentChange::Edit {
            comment,
            text,
            mentions,
        } => (
            "e",
            comment.to_string(),
            String::new(),
            text.as_str(),
            mentions.as_deref(),
            None,
        ),
        CommentChange::Resolve { comment, resolved } => {
            let what = if *resolved { "s" } else { "u" };
            (
                what,
                comment.to_string(),
                String::new(),
                "",
                Some(none),
                None,
            )
        }
        CommentChange::Delete { comment } => (
            "d",
            comment.to_string(),
            String::new(),
            "",
            Some(none),
            None,
        ),
    };
    let packed = Packed(
        place,
        what,
        comment,
        answered,
        effect.by_owner.into(),
        entry.author.as_str(),
        entry.client.to_string(),
        entry.client_seq,
        entry.at,
        text,
        lines(mentions.unwrap_or(none)),
        mentions.is_some().into(),
        anchor.map_or_else(String::new, |anchor| anchor.position.to_string()),
        anchor.map_or_else(String::new, json),
        anchor.map_or(0, |anchor| anchor.quote.len()),
        limits.comments_max,
        limits.comments_bytes_max,
        RECIPIENTS_MAX,
    );
    // Writing into memory does not fail.
    rmp_serde::to_vec(&packed).unwrap_or_default().into()
}

fn json(anchor: &Anchor) -> String {
    serde_json::to_string(anchor).unwrap_or_default()
}

/// A subject has no control characters, so one stands on each line.
fn lines(subjects: &[Subject]) -> String {
    let names: Vec<&str> = subjects.iter().map(Subject::as_str).collect();
    names.join("\n")
}
