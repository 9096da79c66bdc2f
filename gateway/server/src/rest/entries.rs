//! Entries of a document, and of a topic: appended without a session, and read by position.

use axum::extract::State;
use http::StatusCode;
use inkwire_bus::{Continuity, LogPage, PageLimit, ReadFrom};
use inkwire_model::{ClientSeq, Code, DocumentId};
use inkwire_protocol::native::{Encoding, ServerPacket};
use inkwire_session::posts::{Outcome, Post};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    answer::{self, Answer},
    body::{RawBody, invalid},
    caller::Caller,
    paths::{InDocument, InTopic},
    reached::{Asked, PageQuery, position, reached},
    refused::{Naming, settled, unavailable, unknown_document},
    schema::{AppendAnswer, AppendBody, Appended, PageBody},
    submission::Submission,
};
use crate::{problem::Problem, routes::Gateway};

/// The most that one page holds.
const PAGE_ENTRIES_MAX: usize = 1_000;
const PAGE_BYTES_MAX: usize = 4 << 20;
const PAGE_ENTRIES: usize = 100;

/// Read a document's entries
///
/// One page in order: ask again with its `position` as `since` until it `is_last`. Entries are the packets
/// of the native protocol in JSON. If `since` is not in this history the page starts over and `reset` says
/// why; a page that starts (over) at a snapshot has it.
#[utoipa::path(
    get,
    path = "/v1/documents/{id}/entries",
    tag = "entries",
    params(("id" = String, Path, description = "The document, as one percent-encoded segment", example = "essay-42"), PageQuery),
    responses((status = 200, description = "A page", body = PageBody)),
)]
pub(super) async fn page(
    State(gateway): State<Gateway>,
    InDocument(document): InDocument,
    caller: Caller,
    Asked(query): Asked<PageQuery>,
) -> Answer {
    page_of(&gateway, &document, &caller, &query).await
}

/// Read a topic's entries
#[utoipa::path(
    get,
    path = "/v1/topics/{name}/entries",
    tag = "topics",
    params(("name" = String, Path, description = "The topic, as one percent-encoded segment", example = "news"), PageQuery),
    responses((status = 200, description = "A page", body = PageBody)),
)]
pub(super) async fn page_of_topic(
    State(gateway): State<Gateway>,
    InTopic(topic): InTopic,
    caller: Caller,
    Asked(query): Asked<PageQuery>,
) -> Answer {
    page_of(&gateway, &topic, &caller, &query).await
}

async fn page_of(
    gateway: &Gateway,
    document: &DocumentId,
    caller: &Caller,
    query: &PageQuery,
) -> Answer {
    let entries = query.limit.unwrap_or(PAGE_ENTRIES);
    if !(1..=PAGE_ENTRIES_MAX).contains(&entries) {
        return Err(invalid(format!("`limit` is 1 to {PAGE_ENTRIES_MAX}.")));
    }
    let since = query.since.as_deref().map(position).transpose()?;
    caller.reads(gateway, document).await?;
    reached(gateway, document, query.min_position.as_deref()).await?;
    let from = since.map_or(ReadFrom::Start, ReadFrom::After);
    let bytes = PAGE_BYTES_MAX;
    let page = gateway
        .documents
        .page(document, from, PageLimit { entries, bytes })
        .await;
    let page = page.map_err(unavailable)?.ok_or_else(unknown_document)?;
    answer::json(StatusCode::OK, &body_of(document, &page)?)
}

/// The page in JSON, its packets as their encoder wrote them.
fn body_of(document: &DocumentId, page: &LogPage) -> Result<PageJson, Problem> {
    let packet = |packet: &ServerPacket| {
        let bytes = Encoding::Json.encode_server(packet);
        let text = String::from_utf8(bytes.into());
        let packet = text.ok().and_then(|text| RawValue::from_string(text).ok());
        packet.ok_or_else(|| Problem::of(Code::Internal, "An entry could not be written."))
    };
    let entries = page.entries.iter().map(|entry| {
        packet(&ServerPacket::Entry {
            document: document.clone(),
            entry: entry.clone(),
        })
    });
    let snapshot = page.snapshot.as_ref().map(|snapshot| {
        packet(&ServerPacket::Snapshot {
            document: document.clone(),
            snapshot: snapshot.clone(),
        })
    });
    Ok(PageJson {
        reset: match page.continuity {
            Continuity::Continues => None,
            Continuity::Broken(cause) => Some(cause.as_str()),
        },
        snapshot: snapshot.transpose()?,
        after: page.after.to_string(),
        entries: entries.collect::<Result<_, _>>()?,
        position: page.end().to_string(),
        head: page.head.to_string(),
        is_last: page.is_last(),
    })
}

#[derive(Serialize)]
struct PageJson {
    reset: Option<&'static str>,
    snapshot: Option<Box<RawValue>>,
    after: String,
    entries: Vec<Box<RawValue>>,
    position: String,
    head: String,
    is_last: bool,
}

/// Append to a document
///
/// One entry, or several of one client. The first append creates the document. Numbers of one client
/// may arrive out of order and at different replicas: a later one waits up to 2 s for those before it.
/// Without `client` and `client_seq`, an `Idempotency-Key` makes it safe to ask again. A body that is
/// no JSON, or that comes with one of the headers `Inkwire-Client`, `Inkwire-Client-Seq` and
/// `Inkwire-Kind`, is the payload itself.
#[utoipa::path(
    post,
    path = "/v1/documents/{id}/entries",
    tag = "entries",
    params(
        ("id" = String, Path, description = "The document, as one percent-encoded segment", example = "essay-42"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the request, so that it can be repeated"),
    ),
    request_body = AppendBody,
    responses((status = 200, description = "Appended, or what became of each of several entries", body = AppendAnswer)),
)]
pub(super) async fn post(
    State(gateway): State<Gateway>,
    InDocument(document): InDocument,
    caller: Caller,
    body: RawBody,
) -> Answer {
    append(&gateway, document, &caller, &body).await
}

/// Publish to a topic
///
/// As an append to a document. A topic keeps its latest entries and forgets the others.
#[utoipa::path(
    post,
    path = "/v1/topics/{name}/entries",
    tag = "topics",
    params(
        ("name" = String, Path, description = "The topic, as one percent-encoded segment", example = "news"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the request, so that it can be repeated"),
    ),
    request_body = AppendBody,
    responses((status = 200, description = "Published, or what became of each of several entries", body = AppendAnswer)),
)]
pub(super) async fn post_to_topic(
    State(gateway): State<Gateway>,
    InTopic(topic): InTopic,
    caller: Caller,
    body: RawBody,
) -> Answer {
    append(&gateway, topic, &caller, &body).await
}

async fn append(
    gateway: &Gateway,
    document: DocumentId,
    caller: &Caller,
    body: &RawBody,
) -> Answer {
    let Submission {
        client,
        naming,
        entries,
        is_batch,
    } = Submission::read(body, &caller.grant.subject)?;
    let numbers: Vec<ClientSeq> = entries.iter().map(|entry| entry.client_seq).collect();
    let post = Post {
        document,
        client,
        entries,
    };
    let outcomes = gateway.posts.append(&caller.grant, post).await;
    let mut results = numbers.into_iter().zip(outcomes);
    if is_batch {
        let results: Vec<Value> = results
            .map(
                |(client_seq, outcome)| match appended(client_seq, outcome, naming) {
                    Ok(appended) => json!(appended),
                    Err(problem) => {
                        json!({ "client_seq": client_seq, "error": problem.into_members() })
                    }
                },
            )
            .collect();
        return answer::json(StatusCode::OK, &json!({ "results": results }));
    }
    let (client_seq, outcome) = results
        .next()
        .ok_or_else(|| Problem::of(Code::Internal, "Nothing was appended."))?;
    let appended = appended(client_seq, outcome, naming)?;
    answer::json(StatusCode::OK, &appended)
}

fn appended(client_seq: ClientSeq, outcome: Outcome, naming: Naming) -> Result<Appended, Problem> {
    let (position, duplicate) = settled(outcome, naming)?;
    Ok(Appended {
        position: position.to_string(),
        client_seq,
        duplicate,
    })
}
