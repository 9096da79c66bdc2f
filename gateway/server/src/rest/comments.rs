//! Comments of a document: read as they are, and changed by entries of the log, so that everybody sees
//! each change in order with the text (C11).

use axum::extract::State;
use http::StatusCode;
use inkwire_model::{Capability, Code, Comment, CommentId, ContentType, DocumentId, Kind};
use inkwire_session::posts::{Post, Posting};
use serde_json::{Map, Value, json};

use super::{
    answer::{self, Answer},
    body::{RawBody, invalid},
    caller::Caller,
    paths::{InDocument, OfComment},
    refused::{settled, unavailable, unknown_document},
    schema::{ChangeComment, CommentBody, CommentWritten, Comments, CreateComment, ReplyBody},
    submission::Authored,
};
use crate::{problem::Problem, routes::Gateway};

/// The comments of a document
///
/// In the order of their creation, those that were deleted without their text.
#[utoipa::path(
    get,
    path = "/v1/documents/{id}/comments",
    tag = "comments",
    params(("id" = String, Path, description = "The document, as one percent-encoded segment", example = "essay-42")),
    responses((status = 200, description = "All of them", body = Comments)),
)]
pub(super) async fn all(
    State(gateway): State<Gateway>,
    InDocument(document): InDocument,
    caller: Caller,
) -> Answer {
    caller.reads(&gateway, &document).await?;
    let comments = gateway.review.comments(&document).await;
    let comments = comments
        .map_err(unavailable)?
        .ok_or_else(unknown_document)?;
    answer::json(StatusCode::OK, &json!({ "comments": comments }))
}

/// One comment
#[utoipa::path(
    get,
    path = "/v1/documents/{id}/comments/{comment}",
    tag = "comments",
    params(
        ("id" = String, Path, description = "The document", example = "essay-42"),
        ("comment" = String, Path, description = "The comment's id"),
    ),
    responses((status = 200, description = "The comment", body = CommentBody)),
)]
pub(super) async fn one(
    State(gateway): State<Gateway>,
    OfComment(document, comment): OfComment,
    caller: Caller,
) -> Answer {
    caller.reads(&gateway, &document).await?;
    answer::json(StatusCode::OK, &find(&gateway, &document, comment).await?)
}

/// Comment on a document
///
/// With an `anchor`, on a place in the text as it was at a position.
#[utoipa::path(
    post,
    path = "/v1/documents/{id}/comments",
    tag = "comments",
    params(
        ("id" = String, Path, description = "The document", example = "essay-42"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the request, so that it can be repeated"),
    ),
    request_body = CreateComment,
    responses((status = 201, description = "Written, or there already", body = CommentWritten)),
)]
pub(super) async fn create(
    State(gateway): State<Gateway>,
    InDocument(document): InDocument,
    caller: Caller,
    body: RawBody,
) -> Answer {
    let fields = fields_of(&body, &["anchor", "text", "mentions"])?;
    let change = Change::new("comment.create", fields, None);
    write(&gateway, document, &caller, &body, change).await
}

/// Reply in a thread
#[utoipa::path(
    post,
    path = "/v1/documents/{id}/comments/{comment}/replies",
    tag = "comments",
    params(
        ("id" = String, Path, description = "The document", example = "essay-42"),
        ("comment" = String, Path, description = "The first comment of the thread"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the request, so that it can be repeated"),
    ),
    request_body = ReplyBody,
    responses((status = 201, description = "Written, or there already", body = CommentWritten)),
)]
pub(super) async fn reply(
    State(gateway): State<Gateway>,
    OfComment(document, thread): OfComment,
    caller: Caller,
    body: RawBody,
) -> Answer {
    let mut fields = fields_of(&body, &["text", "mentions"])?;
    caller.may(&document, Capability::Comment)?;
    find(&gateway, &document, thread).await?;
    fields.insert("comment".to_owned(), thread.to_string().into());
    let change = Change::new("comment.reply", fields, None);
    write(&gateway, document, &caller, &body, change).await
}

/// Edit or resolve a comment
///
/// `text` (and `mentions`) edits it, `resolved` resolves its thread or opens it again: one of both.
#[utoipa::path(
    patch,
    path = "/v1/documents/{id}/comments/{comment}",
    tag = "comments",
    params(
        ("id" = String, Path, description = "The document", example = "essay-42"),
        ("comment" = String, Path, description = "The comment's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the request, so that it can be repeated"),
    ),
    request_body = ChangeComment,
    responses((status = 200, description = "Changed", body = CommentWritten)),
)]
pub(super) async fn change(
    State(gateway): State<Gateway>,
    OfComment(document, comment): OfComment,
    caller: Caller,
    body: RawBody,
) -> Answer {
    let mut fields = fields_of(&body, &["text", "mentions", "resolved"])?;
    let kind = match (fields.contains_key("text"), fields.contains_key("resolved")) {
        (true, false) => "comment.edit",
        (false, true) if !fields.contains_key("mentions") => "comment.resolve",
        _ => return Err(invalid("Give `text` (with `mentions`), or `resolved`.")),
    };
    caller.may(&document, Capability::Comment)?;
    find(&gateway, &document, comment).await?;
    fields.insert("comment".to_owned(), comment.to_string().into());
    let change = Change::new(kind, fields, Some(comment));
    write(&gateway, document, &caller, &body, change).await
}

/// Delete a comment
///
/// Its id and thread stay, its text goes.
#[utoipa::path(
    delete,
    path = "/v1/documents/{id}/comments/{comment}",
    tag = "comments",
    params(
        ("id" = String, Path, description = "The document", example = "essay-42"),
        ("comment" = String, Path, description = "The comment's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the request, so that it can be repeated"),
    ),
    responses((status = 200, description = "Deleted", body = CommentWritten)),
)]
pub(super) async fn delete(
    State(gateway): State<Gateway>,
    OfComment(document, comment): OfComment,
    caller: Caller,
    body: RawBody,
) -> Answer {
    caller.may(&document, Capability::Comment)?;
    find(&gateway, &document, comment).await?;
    let mut fields = Map::new();
    fields.insert("comment".to_owned(), comment.to_string().into());
    let change = Change::new("comment.delete", fields, Some(comment));
    write(&gateway, document, &caller, &body, change).await
}

/// What an entry is to change.
struct Change {
    kind: &'static str,
    payload: Value,
    /// The comment that it changes; `None` for a new one.
    of: Option<CommentId>,
}

impl Change {
    fn new(kind: &'static str, fields: Map<String, Value>, of: Option<CommentId>) -> Self {
        let payload = Value::Object(fields);
        Self { kind, payload, of }
    }
}

async fn write(
    gateway: &Gateway,
    document: DocumentId,
    caller: &Caller,
    body: &RawBody,
    change: Change,
) -> Answer {
    let subject = &caller.grant.subject;
    let Authored {
        client,
        client_seq,
        naming,
    } = Authored::read(body, subject)?;
    let id = change.of;
    let id = id.unwrap_or_else(|| CommentId::of(subject, &client, client_seq));
    let posting = Posting {
        client_seq,
        kind: Kind::parse(change.kind).map_err(invalid)?,
        content_type: ContentType::default(),
        payload: change.payload.to_string().into(),
        traceparent: body.trace()?,
    };
    let post = Post {
        document: document.clone(),
        client,
        entries: vec![posting],
    };
    let outcome = gateway.posts.append(&caller.grant, post).await;
    let outcome = outcome.into_iter().next();
    let outcome = outcome.ok_or_else(|| Problem::of(Code::Internal, "Nothing was appended."))?;
    let (position, duplicate) = settled(outcome, naming)?;
    // It is in the log, whether or not it can be read now.
    let comment = gateway.review.comment(&document, id).await.ok().flatten();
    let status = match change.of {
        None => StatusCode::CREATED,
        Some(_) => StatusCode::OK,
    };
    let written = json!({
        "id": id,
        "position": position.to_string(),
        "client_seq": client_seq,
        "duplicate": duplicate,
        "comment": comment,
    });
    answer::json(status, &written)
}

async fn find(
    gateway: &Gateway,
    document: &DocumentId,
    comment: CommentId,
) -> Result<Comment, Problem> {
    let found = gateway.review.comment(document, comment).await;
    let code = Code::UnknownComment;
    found
        .map_err(unavailable)?
        .ok_or_else(|| Problem::of(code, code.row().sentence))
}

/// Those of these fields that the body has.
fn fields_of(body: &RawBody, names: &[&str]) -> Result<Map<String, Value>, Problem> {
    let mut fields: Map<String, Value> = body.object()?;
    fields.retain(|name, value| names.contains(&name.as_str()) && !value.is_null());
    Ok(fields)
}
