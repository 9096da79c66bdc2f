//! What the bodies are made of, as the OpenAPI document shows them. Requests are read by hand
//! (`submission`), so that payloads stay the bytes that they were.

#![expect(
    dead_code,
    reason = "these types describe bodies; nobody makes values of them"
)]

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A failure (RFC 9457). `code` is of the one table of codes.
#[derive(ToSchema)]
pub(super) struct ProblemBody {
    #[schema(example = "about:blank")]
    r#type: String,
    title: String,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    #[schema(example = "gap")]
    code: String,
    detail: String,
    /// When to try again.
    after_ms: Option<u64>,
    /// The number that the client goes back to (`gap`).
    expected: Option<u64>,
    row: Option<ClientRowBody>,
    /// The role that it takes (`forbidden`).
    need: Option<String>,
    max_bytes: Option<u64>,
}

/// What the log knows of a client.
#[derive(ToSchema)]
pub(super) struct ClientRowBody {
    client_seq: u64,
    position: String,
    /// 8 hex digits for each of the client's last numbers.
    digests: String,
}

/// An entry to append, with exactly one of `payload`, `text` and `base64`; or several of one client.
#[derive(ToSchema)]
#[schema(example = json!({
    "client": "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b", "client_seq": 1, "kind": "edit",
    "payload": { "insert": "Hello" }
}))]
pub(super) struct AppendBody {
    /// Whose number it is; with `client_seq`, or neither.
    #[schema(pattern = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
    client: Option<String>,
    #[schema(minimum = 1, maximum = 9007199254740991_i64)]
    client_seq: Option<u64>,
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$", default = "edit")]
    kind: Option<String>,
    #[schema(pattern = "^[ -~]{1,127}$")]
    content_type: Option<String>,
    /// Any JSON value: the log keeps its bytes.
    payload: Option<Value>,
    text: Option<String>,
    /// Standard Base64 with padding.
    #[schema(pattern = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")]
    base64: Option<String>,
    /// Several entries of one client, in the place of the fields above.
    #[schema(min_items = 1, max_items = 256)]
    entries: Option<Vec<EntryBody>>,
}

/// One of several entries; their numbers follow one another.
#[derive(ToSchema)]
pub(super) struct EntryBody {
    #[schema(minimum = 1, maximum = 9007199254740991_i64)]
    client_seq: Option<u64>,
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$", default = "edit")]
    kind: Option<String>,
    #[schema(pattern = "^[ -~]{1,127}$")]
    content_type: Option<String>,
    payload: Option<Value>,
    text: Option<String>,
    base64: Option<String>,
}

/// The entry is in the log.
#[derive(ToSchema, Serialize)]
pub(super) struct Appended {
    /// From here on the log has it: a `min_position` for those who want to read it.
    #[schema(example = "42-9f3c5e71a2b4d680")]
    pub(super) position: String,
    pub(super) client_seq: u64,
    /// It was there before this request.
    pub(super) duplicate: bool,
}

/// What became of several entries, in order.
#[derive(ToSchema)]
pub(super) struct Results {
    results: Vec<OneResult>,
}

#[derive(ToSchema)]
pub(super) struct OneResult {
    client_seq: u64,
    position: Option<String>,
    duplicate: Option<bool>,
    /// Why it was not appended, with the members of a problem.
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
}

/// What an append gives: of one entry, or of several.
#[derive(ToSchema)]
#[schema(title = "AppendAnswer")]
#[serde(untagged)]
pub(super) enum AppendAnswer {
    One(Appended),
    Several(Results),
}

/// The place in the text that a comment is about, as it was at a position.
#[derive(ToSchema)]
pub(super) struct AnchorBody {
    #[schema(
        example = "42-9f3c5e71a2b4d680",
        pattern = "^(0|[1-9][0-9]{0,14})-[0-9a-f]{16}$"
    )]
    position: String,
    #[schema(maximum = 9007199254740992_i64)]
    start: u64,
    #[schema(maximum = 9007199254740992_i64)]
    end: u64,
    /// What `start` and `end` count.
    #[schema(example = "utf16", pattern = "^[A-Za-z0-9._-]{1,32}$")]
    unit: String,
    quote: Option<String>,
}

/// A new comment. `client` and `client_seq` as in an append.
#[derive(ToSchema)]
#[schema(example = json!({ "text": "Is this so?", "mentions": ["zoe"] }))]
pub(super) struct CreateComment {
    anchor: Option<AnchorBody>,
    #[schema(min_length = 1)]
    text: String,
    mentions: Option<Vec<String>>,
    client: Option<String>,
    client_seq: Option<u64>,
}

#[derive(ToSchema)]
#[schema(example = json!({ "text": "It is." }))]
pub(super) struct ReplyBody {
    #[schema(min_length = 1)]
    text: String,
    mentions: Option<Vec<String>>,
    client: Option<String>,
    client_seq: Option<u64>,
}

#[derive(ToSchema)]
#[schema(example = json!({ "resolved": true }))]
pub(super) struct ChangeComment {
    text: Option<String>,
    mentions: Option<Vec<String>>,
    resolved: Option<bool>,
    client: Option<String>,
    client_seq: Option<u64>,
}

#[derive(ToSchema)]
pub(super) struct CommentBody {
    id: String,
    /// The first comment of its thread.
    thread: String,
    author: String,
    at: u64,
    position: String,
    /// Where it is now, at the position of the last snapshot that says so.
    anchor: Option<AnchorBody>,
    orphaned: Option<bool>,
    text: String,
    mentions: Vec<String>,
    edited_at: Option<u64>,
    resolved: Option<ResolvedBody>,
    deleted: Option<bool>,
}

#[derive(ToSchema)]
pub(super) struct ResolvedBody {
    by: String,
    at: u64,
}

#[derive(ToSchema)]
pub(super) struct Comments {
    comments: Vec<CommentBody>,
}

/// A change of a comment that is in the log.
#[derive(ToSchema)]
pub(super) struct CommentWritten {
    id: String,
    position: String,
    client_seq: u64,
    duplicate: bool,
    /// As it is now; `null` if it cannot be read at the moment.
    comment: Option<CommentBody>,
}

/// A message to a subject.
#[derive(ToSchema)]
#[schema(example = json!({ "subject": "alice", "payload": { "text": "Your export is ready." } }))]
pub(super) struct NotifyBody {
    #[schema(min_length = 1)]
    subject: String,
    /// Any JSON value.
    payload: Value,
}

#[derive(ToSchema)]
pub(super) struct Notified {
    position: String,
    duplicate: bool,
}

/// A change of access that is in the log.
#[derive(ToSchema)]
pub(super) struct AccessChanged {
    position: String,
}

/// Where a document's log begins and ends.
#[derive(ToSchema)]
pub(super) struct AboutBody {
    document: String,
    /// The position of the last entry.
    #[schema(example = "42-9f3c5e71a2b4d680")]
    head: String,
    /// The position just below the first entry that is held.
    base: String,
    /// Of the last snapshot.
    snapshot: Option<String>,
}

/// Where the empty log of a deleted document begins.
#[derive(ToSchema)]
pub(super) struct Deleted {
    position: String,
}

/// A page of a log.
#[derive(ToSchema)]
pub(super) struct PageBody {
    /// Why the page starts over, if `since` is not in this history: `trimmed`, `diverged` or `deleted`.
    reset: Option<String>,
    /// The packet `snapshot` that the page starts from.
    #[schema(value_type = Option<Object>)]
    snapshot: Option<Value>,
    /// The position just below the first of `entries`.
    after: String,
    /// Packets `entry` of the native protocol.
    #[schema(value_type = Vec<Object>)]
    entries: Vec<Value>,
    /// Where the page ends: `since` of the next one.
    position: String,
    /// The position of the log's last entry.
    head: String,
    is_last: bool,
}

/// A snapshot, with exactly one of `payload`, `text` and `base64`.
#[derive(ToSchema)]
#[schema(example = json!({ "content_type": "text/plain", "text": "Hello" }))]
pub(super) struct SnapshotBody {
    /// Exactly the entries up to here are in it; without it, it is a seed.
    #[schema(pattern = "^(0|[1-9][0-9]{0,14})-[0-9a-f]{16}$")]
    position: Option<String>,
    #[schema(pattern = "^[ -~]{1,127}$")]
    content_type: Option<String>,
    payload: Option<Value>,
    text: Option<String>,
    base64: Option<String>,
    /// Where each open anchored comment is now, by its id: `{start, end}` or `"orphaned"`.
    #[schema(value_type = Option<Object>)]
    anchors: Option<Value>,
}

/// A snapshot that is kept.
#[derive(ToSchema)]
pub(super) struct SnapshotPutBody {
    position: String,
    /// Where the log begins now.
    base: String,
}
