//! Names that strangers give: parsed once, and written as they were read.

use inkwire_model::{
    ClientId, CommentChange, CommentId, ContentType, DocumentId, Kind, Position, Role, Subject,
};

pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(id) = text.parse::<CommentId>() {
        assert_eq!(id.to_string(), text);
    }
    for what in ["create", "reply", "edit", "resolve", "delete"] {
        if let Ok(kind) = Kind::parse(&format!("comment.{what}")) {
            let _change = CommentChange::parse(&kind, &ContentType::default(), bytes);
        }
    }
    if let Ok(id) = DocumentId::parse(text) {
        assert_eq!(id.as_str(), text);
        assert!((1..=200).contains(&text.len()));
        assert!(text.split('/').all(|segment| !matches!(
            segment,
            "" | "."
                | ".."
                | "signals"
                | "presence"
                | "events"
                | "entries"
                | "snapshot"
                | "comments"
                | "participants"
        )));
    }
    if let Ok(position) = text.parse::<Position>() {
        assert_eq!(position.to_string(), text);
    }
    if let Ok(client) = ClientId::parse(text) {
        // A stranger is never the reserved client of somebody's access.
        assert!(!matches!(client, ClientId::Access(_)));
        assert!(client.to_string().eq_ignore_ascii_case(text));
    }
    if let Ok(client) = ClientId::parse_any(text) {
        let again = ClientId::parse_any(&client.to_string());
        assert_eq!(again.ok(), Some(client));
    }
    if let Ok(subject) = Subject::parse(text) {
        assert_eq!(subject.as_str(), text);
    }
    if let Ok(kind) = Kind::parse(text) {
        assert_eq!(kind.as_str(), text);
    }
    if let Ok(content_type) = ContentType::parse(text) {
        assert_eq!(content_type.as_str(), text);
    }
    if let Ok(role) = text.parse::<Role>() {
        assert_eq!(role.to_string(), text);
    }
}
