//! `Credential`: what a handshake brings along, read from its headers and its address, and made good
//! before the session begins. A token in an address is refused: addresses end up in logs.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Uri, header};
use inkwire_model::Code;
use inkwire_session::Presented;

use super::OneTimeTickets;
use crate::problem::Problem;

/// Names under which others take a token in an address.
const TOKEN_NAMES: [&str; 6] = [
    "token",
    "access_token",
    "id_token",
    "bearer",
    "jwt",
    "authorization",
];

/// A credential, not looked at yet.
#[derive(Debug)]
pub enum Credential {
    Nothing,
    Token(String),
    Ticket {
        ticket: String,
        origin: Option<String>,
    },
}

impl Credential {
    pub fn read(uri: &Uri, headers: &HeaderMap) -> Result<Self, Problem> {
        let ticket = ticket_of(uri.query().unwrap_or_default())?;
        let token = bearer_token(headers)?;
        match (token, ticket) {
            (Some(_), Some(_)) => Err(Problem::of(
                Code::Invalid,
                "Give a ticket or an Authorization header, not both.",
            )),
            (Some(token), None) => Ok(Self::Token(token)),
            (None, Some(ticket)) => Ok(Self::Ticket {
                ticket,
                origin: origin_of(headers).map(str::to_owned),
            }),
            (None, None) => Ok(Self::Nothing),
        }
    }

    /// What the session gets. A token is judged with its `hello`; a ticket is redeemed here.
    pub async fn redeem(
        self,
        tickets: &OneTimeTickets,
        peer: IpAddr,
    ) -> Result<Presented, Problem> {
        match self {
            Self::Nothing => Ok(Presented::Nothing),
            Self::Token(token) => Ok(Presented::Token(token)),
            Self::Ticket { ticket, origin } => {
                let grant = tickets.redeem(&ticket, origin.as_deref(), peer).await?;
                Ok(Presented::Grant(Box::new(grant)))
            }
        }
    }
}

/// The page that a request comes from, if it comes from one.
pub(super) fn origin_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ORIGIN)?.to_str().ok()
}

/// The token of an `Authorization` header. Another scheme than `Bearer` is a fault: to go on without
/// credentials would be a surprise.
pub(super) fn bearer_token(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.trim().to_owned())
    });
    match token {
        Some(token) => Ok(Some(token)),
        None => Err(unauthenticated(
            "Send the token as `Authorization: Bearer …`.",
        )),
    }
}

/// A refusal that says how to authenticate.
pub(crate) fn unauthenticated(detail: &str) -> Problem {
    Problem::of(Code::Unauthenticated, detail)
        .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

/// The ticket in an address.
fn ticket_of(query: &str) -> Result<Option<String>, Problem> {
    let mut ticket = None;
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let is_ticket = name == "ticket";
        // A JSON Web Token has two dots, a ticket none.
        if TOKEN_NAMES
            .iter()
            .any(|other| name.eq_ignore_ascii_case(other))
            || (is_ticket && value.contains(['.', '%']))
        {
            return Err(Problem::of(
                Code::TokenInUrl,
                "A token never stands in an address, which ends up in logs. Send it as \
                 `Authorization: Bearer …` or in `hello`, or ask `POST /v1/tickets` for a ticket. \
                 Consider this token public.",
            ));
        }
        if is_ticket && ticket.replace(value.to_owned()).is_some() {
            return Err(Problem::of(Code::Invalid, "Give one ticket."));
        }
    }
    Ok(ticket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(address: &str, headers: &[(&'static str, &str)]) -> Result<Credential, Problem> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Credential::read(&address.parse().unwrap(), &map)
    }

    fn code(address: &str, headers: &[(&'static str, &str)]) -> &'static str {
        match read(address, headers) {
            Ok(Credential::Nothing) => "nothing",
            Ok(Credential::Token(_)) => "token",
            Ok(Credential::Ticket { .. }) => "ticket",
            Err(problem) => problem.code(),
        }
    }

    #[test]
    fn what_a_handshake_may_bring() {
        let bearer = ("authorization", "Bearer a.b.c");
        for (address, headers, expected) in [
            ("/ws", &[][..], "nothing"),
            ("/ws?", &[], "nothing"),
            ("/ws?room=7", &[], "nothing"),
            ("/ws", &[bearer], "token"),
            ("/ws", &[("authorization", "bearer a.b.c")], "token"),
            ("/ws", &[("authorization", "Basic YTpi")], "unauthenticated"),
            ("/ws", &[("authorization", "Bearer")], "unauthenticated"),
            ("/ws?ticket=abc", &[], "ticket"),
            ("/ws?room=7&ticket=abc", &[], "ticket"),
            ("/ws?ticket=", &[], "ticket"),
            ("/ws?ticket=abc&ticket=abd", &[], "invalid"),
            ("/ws?ticket=abc", &[bearer], "invalid"),
            ("/ws?ticket=eyJ.eyJ.sig", &[], "token_in_url"),
            ("/ws?ticket=eyJ%2eeyJ%2esig", &[], "token_in_url"),
            ("/ws?token=abc", &[], "token_in_url"),
            ("/ws?a=b&Access_Token=abc", &[], "token_in_url"),
            ("/ws?authorization=Bearer", &[], "token_in_url"),
            ("/ws?jwt", &[bearer], "token_in_url"),
        ] {
            assert_eq!(code(address, headers), expected, "{address} {headers:?}");
        }
    }
}
