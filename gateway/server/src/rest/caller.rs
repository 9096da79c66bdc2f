//! `Caller`: who asks. A token, a ticket or a server key makes a grant before the request is looked at;
//! a server key may speak for a subject.

use axum::extract::FromRequestParts;
use http::{HeaderMap, request::Parts};
use inkwire_model::{Capability, Code, DocumentId, Subject};
use inkwire_session::{AuthenticationError, Grant};

use super::server_keys::{Rights, owner};
use crate::{
    clock,
    listener::Slot,
    problem::Problem,
    routes::Gateway,
    tickets::{Credential, unauthenticated},
};

/// For whom a server key speaks.
const SUBJECT: &str = "inkwire-subject";

#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) grant: Grant,
    /// What it may beside its roles, if it came with a server key.
    pub(super) rights: Option<Rights>,
}

impl Caller {
    pub(super) fn may(&self, document: &DocumentId, capability: Capability) -> Result<(), Problem> {
        let role = self.grant.role_in(document);
        match role.is_some_and(|role| role.may(capability)) {
            true => Ok(()),
            false => {
                let need = capability.needs().as_str();
                let code = Code::Forbidden;
                Err(Problem::of(code, code.row().sentence).with_member("need", need))
            }
        }
    }

    /// Whether it may read a document: by its role, and unless its access was revoked.
    pub(super) async fn reads(
        &self,
        gateway: &Gateway,
        document: &DocumentId,
    ) -> Result<(), Problem> {
        self.may(document, Capability::Receive)?;
        let is_revoked = gateway.documents.is_revoked(document, &self.grant.subject);
        match is_revoked.await.map_err(super::refused::unavailable)? {
            false => Ok(()),
            true => Err(Problem::of(Code::Revoked, Code::Revoked.row().sentence)),
        }
    }

    /// Only back ends notify people.
    pub(super) fn may_notify(&self) -> Result<(), Problem> {
        match self.rights {
            Some(Rights { notify: true, .. }) => Ok(()),
            _ => Err(Problem::of(
                Code::Forbidden,
                "Only a server key with the right `notify` may do this.",
            )),
        }
    }
}

impl FromRequestParts<Gateway> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        let caller = identify(parts, gateway).await?;
        gateway
            .posts
            .request(&caller.grant.subject)
            .map_err(|after_ms| super::refused::later(Code::Throttled, after_ms))?;
        Ok(caller)
    }
}

async fn identify(parts: &Parts, gateway: &Gateway) -> Result<Caller, Problem> {
    let Some(slot) = parts.extensions.get::<Slot>() else {
        let detail = "This request came on no connection of the gateway's.";
        return Err(Problem::of(Code::Internal, detail));
    };
    if gateway.websocket.memory.is_short() {
        let code = Code::Overloaded;
        return Err(Problem::passing(code, code.row().sentence));
    }
    let headers = &parts.headers;
    let credential = Credential::read(&parts.uri, headers)?;
    let spoken_for = spoken_for(headers)?;
    if let Credential::Token(token) = &credential
        && let Some(checked) = gateway.server_keys.check(token)
    {
        let (grant, rights) = checked?;
        let grant = match spoken_for {
            None => grant,
            Some(subject) if rights.act => owner(subject),
            Some(_) => {
                let detail = "This server key speaks for nobody: it lacks the right `act`.";
                return Err(Problem::of(Code::Forbidden, detail));
            }
        };
        let rights = Some(rights);
        return Ok(Caller { grant, rights });
    }
    if spoken_for.is_some() {
        let detail = "Only a server key speaks for another subject (Inkwire-Subject).";
        return Err(Problem::of(Code::Forbidden, detail));
    }
    let proxies = &gateway.addresses.proxies;
    let client = proxies.client_of(slot.peer.ip(), headers);
    let client = client.unwrap_or(slot.peer.ip());
    let presented = credential.redeem(&gateway.tickets, client).await?;
    let context = gateway.admission.context(slot.peer, headers);
    let grant = presented
        .grant(None, &*context.authenticator, clock::now_ms())
        .map_err(refused)?;
    Ok(Caller {
        grant,
        rights: None,
    })
}

fn spoken_for(headers: &HeaderMap) -> Result<Option<Subject>, Problem> {
    let Some(value) = headers.get(SUBJECT) else {
        return Ok(None);
    };
    let invalid = |why: String| Problem::of(Code::Invalid, format!("Inkwire-Subject: {why}"));
    // UTF-8, though HTTP's own texts are ASCII: subjects are anything printable.
    let text = std::str::from_utf8(value.as_bytes()).map_err(|e| invalid(e.to_string()))?;
    let subject = Subject::parse(text).map_err(|e| invalid(e.to_string()))?;
    Ok(Some(subject))
}

fn refused(error: AuthenticationError) -> Problem {
    match error.code() {
        Code::Unauthenticated => unauthenticated(&error.to_string()),
        code => Problem::of(code, error.to_string()),
    }
}
