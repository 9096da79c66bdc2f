//! Entries of a document, and of a topic: appended without a session, and read by position.

use axum::extract::State;
use http::StatusCode;
use inkwire_model::{ClientSeq, Code, DocumentId};
use inkwire_session::posts::{Outcome, Post};
use serde_json::{Value, json};

use super::{
    answer::{self, Answer},
    body::RawBody,
    caller::Caller,
    paths::{InDocument, InTopic},
    refused::{Naming, settled},
    schema::{AppendAnswer, AppendBody, Appended},
    submission::Submission,
};
use crate::{problem::Problem, routes::Gateway};

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
