//! Payloads of comments, and what a snapshot says of their anchors: what is taken is within its limits.

use std::collections::BTreeMap;

use inkwire_model::{
    Anchor, CommentChange, CommentId, ContentType, Kind, MENTIONS_MAX, MappedAnchor,
    QUOTE_BYTES_MAX, Subject, TEXT_BYTES_MAX,
};

const KINDS: [&str; 5] = [
    "comment.create",
    "comment.reply",
    "comment.edit",
    "comment.resolve",
    "comment.delete",
];

/// The same payload under each kind; as a stored anchor; and as the anchors of a snapshot.
pub fn check(bytes: &[u8]) {
    for kind in KINDS {
        let kind = Kind::parse(kind).expect("a kind");
        if let Ok(change) = CommentChange::parse(&kind, &ContentType::default(), bytes) {
            check_change(&change);
        }
    }
    if let Ok(anchor) = Anchor::from_json(bytes) {
        check_anchor(&anchor);
    }
    if let Ok(anchors) = serde_json::from_slice::<BTreeMap<CommentId, MappedAnchor>>(bytes) {
        for mapped in anchors.values() {
            assert_eq!(mapped.range().is_none(), *mapped == MappedAnchor::Orphaned);
        }
        let written = serde_json::to_vec(&anchors).expect("JSON");
        assert_eq!(serde_json::from_slice(&written).ok(), Some(anchors));
    }
}

fn check_change(change: &CommentChange) {
    let (text, mentions): (&str, &[Subject]) = match change {
        CommentChange::Create {
            anchor,
            text,
            mentions,
        } => {
            if let Some(anchor) = anchor {
                check_anchor(anchor);
            }
            (text, mentions)
        }
        CommentChange::Reply { text, mentions, .. } => (text, mentions),
        CommentChange::Edit { text, mentions, .. } => (text, mentions.as_deref().unwrap_or(&[])),
        CommentChange::Resolve { .. } | CommentChange::Delete { .. } => return,
    };
    assert!((1..=TEXT_BYTES_MAX).contains(&text.len()));
    assert!(mentions.len() <= MENTIONS_MAX);
    // In Redis they stand one on each line.
    assert!(mentions.iter().all(|who| !who.as_str().contains('\n')));
}

/// It is written as it was read, and its unit begins behind its numbers, where Redis looks for it.
fn check_anchor(anchor: &Anchor) {
    assert!(anchor.start <= anchor.end && anchor.quote.len() <= QUOTE_BYTES_MAX);
    let written = serde_json::to_string(anchor).expect("JSON");
    assert_eq!(Anchor::from_json(written.as_bytes()).as_ref(), Ok(anchor));
    let (position, start, end) = (anchor.position, anchor.start, anchor.end);
    let head = format!(r#"{{"position":"{position}","start":{start},"end":{end}"#);
    let unit = written.find(r#","unit":"#).expect("a unit");
    assert_eq!(&written[..unit], head);
}
