//! Access of a subject to a document: revoked and granted by owners. The answer comes when the change is
//! in the log (C10).

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use http::StatusCode;
use inkwire_hub::{Command, Delivery, Join, JoinFrom, MemberKey, Subscriber};
use inkwire_model::{AccessAction, Capability, Code, DocumentId, Position, Subject};
use serde_json::json;
use tokio::{sync::mpsc, time::timeout};

use super::{
    answer::{self, Answer},
    caller::Caller,
    paths::OfSubject,
    refused::later,
    schema::AccessChanged,
};
use crate::{problem::Problem, routes::Gateway};

/// How long the log may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(12);

const RETRY_MS: u64 = 1_000;

/// What a visit hears of: two things, at most a few times.
const NEWS_MAX: usize = 8;

/// Revoke access
///
/// Nothing of the subject's is appended after it, and its sessions in this document end.
#[utoipa::path(
    delete,
    path = "/v1/documents/{id}/participants/{subject}",
    tag = "participants",
    params(
        ("id" = String, Path, description = "The document", example = "essay-42"),
        ("subject" = String, Path, description = "Whose access", example = "mallory"),
    ),
    responses((status = 200, description = "The change is in the log", body = AccessChanged)),
)]
pub(super) async fn revoke(
    State(gateway): State<Gateway>,
    of: OfSubject,
    caller: Caller,
) -> Answer {
    change(&gateway, of, &caller, AccessAction::Revoke).await
}

/// Give access back
///
/// Undoes a revocation; the role is the one of the subject's token.
#[utoipa::path(
    put,
    path = "/v1/documents/{id}/participants/{subject}",
    tag = "participants",
    params(
        ("id" = String, Path, description = "The document", example = "essay-42"),
        ("subject" = String, Path, description = "Whose access", example = "mallory"),
    ),
    responses((status = 200, description = "The change is in the log", body = AccessChanged)),
)]
pub(super) async fn grant(State(gateway): State<Gateway>, of: OfSubject, caller: Caller) -> Answer {
    change(&gateway, of, &caller, AccessAction::Grant).await
}

async fn change(
    gateway: &Gateway,
    OfSubject(document, subject): OfSubject,
    caller: &Caller,
    action: AccessAction,
) -> Answer {
    caller.may(&document, Capability::Manage)?;
    let by = caller.grant.subject.clone();
    let member = MemberKey::next();
    let asked = ask(gateway, &document, member, by, subject, action);
    let asked = timeout(ANSWER_MAX, asked).await;
    // Whatever came of it; a hub that stopped has forgotten the member anyway.
    let _stopped = gateway
        .websocket
        .hub
        .send(&document, Command::Leave(member))
        .await;
    let position = asked.map_err(|_| later(Code::Unavailable, RETRY_MS))??;
    answer::json(StatusCode::OK, &json!({ "position": position.to_string() }))
}

async fn ask(
    gateway: &Gateway,
    document: &DocumentId,
    member: MemberKey,
    by: Subject,
    subject: Subject,
    action: AccessAction,
) -> Result<Position, Problem> {
    let hub = &gateway.websocket.hub;
    let stopped = |_| Problem::passing(Code::GoingAway, Code::GoingAway.row().sentence);
    let (tell, mut heard) = mpsc::channel(NEWS_MAX);
    let join = Join {
        member,
        subject: by.clone(),
        client: None,
        from: JoinFrom::Head,
        receive: false,
        attendance: None,
        subscriber: Arc::new(Visit(tell)) as _,
    };
    hub.send(document, Command::Join(join))
        .await
        .map_err(stopped)?;
    let unavailable = || later(Code::Unavailable, RETRY_MS);
    let mut has_asked = false;
    loop {
        match heard.recv().await.ok_or_else(unavailable)? {
            News::Joined if has_asked => {}
            News::Joined => {
                has_asked = true;
                let (subject, by) = (subject.clone(), by.clone());
                let change = Command::ChangeAccess {
                    member,
                    subject,
                    action,
                    by,
                };
                hub.send(document, change).await.map_err(stopped)?;
            }
            News::Changed(result) => return result.ok_or_else(unavailable),
            News::Waiting(after_ms) => return Err(later(Code::Unavailable, after_ms)),
            News::Ended(code) => return Err(Problem::of(code, code.row().sentence)),
        }
    }
}

enum News {
    Joined,
    Changed(Option<Position>),
    Waiting(u64),
    Ended(Code),
}

/// A membership for one question.
struct Visit(mpsc::Sender<News>);

impl Subscriber for Visit {
    fn deliver(&self, _: &DocumentId, delivery: &Delivery<'_>) -> bool {
        let news = match delivery {
            Delivery::Joined { .. } => News::Joined,
            Delivery::AccessChanged { result, .. } => News::Changed(result.ok()),
            Delivery::Waiting { after_ms } => News::Waiting(*after_ms),
            Delivery::Ended(code) => News::Ended(*code),
            _ => return false,
        };
        // Who asks may have gone, or has heard enough.
        let _told = self.0.try_send(news);
        false
    }

    fn flush(&self) {}

    fn has_room(&self) -> bool {
        true
    }
}
