//! `Ask`: what a request for a stream asks for, read from its address and its headers.

use std::borrow::Cow;

use http::{HeaderMap, Uri};
use inkwire_model::{ClientId, Code, DocumentId};
use inkwire_protocol::sse::Positions;
use inkwire_session::sse::{Log, Wishes};
use sha2::{Digest as _, Sha256};

use crate::problem::Problem;

/// What an `EventSource` sends that connects again.
const LAST_EVENT_ID: &str = "last-event-id";

/// The log of a subject's notifications.
const NOTIFICATIONS: &str = "notifications";

/// Which logs the path names.
#[derive(Debug, Clone)]
pub(super) enum Named {
    Document(String),
    /// Those of the query's `document`s.
    Documents,
    Topic(String),
    Notifications,
}

/// A request for a stream.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) wishes: Wishes,
    /// It was connected before, and heard something.
    pub(super) is_again: bool,
    /// Stands for the stream, whoever asks for it and how far it is.
    pub(super) stream: [u8; 32],
}

impl Ask {
    pub(super) fn read(named: Named, uri: &Uri, headers: &HeaderMap) -> Result<Self, Problem> {
        let mut given = Given::default();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            given.take(&name, value)?;
        }
        let logs = match &named {
            Named::Documents if given.documents.is_empty() => {
                return Err(invalid(
                    "Name one or more documents: ?document=a&document=b.",
                ));
            }
            Named::Documents => {
                let documents = given.documents.iter();
                documents.map(|id| document(id)).collect::<Result<_, _>>()?
            }
            _ if !given.documents.is_empty() => {
                return Err(invalid("Several documents have one stream at /v1/events."));
            }
            Named::Document(id) => vec![document(id)?],
            Named::Topic(name) => {
                let topic = DocumentId::topic(name);
                vec![Log::Named(topic.map_err(|fault| {
                    Problem::of(
                        Code::InvalidDocumentId,
                        format!("The topic's name: {fault}."),
                    )
                })?)]
            }
            Named::Notifications => vec![Log::Own(NOTIFICATIONS)],
        };
        let again = last_event_id(headers)?;
        let since = again.as_deref().unwrap_or(&given.since);
        let since = Positions::parse(since, logs.len())
            .map_err(|fault| Problem::of(Code::InvalidPosition, format!("{fault}.")))?;
        let mut stream = Sha256::new();
        stream.update(uri.path());
        for id in &given.documents {
            stream.update("\n");
            stream.update(&**id);
        }
        Ok(Self {
            wishes: Wishes {
                logs,
                since,
                client: given.client,
                presence: given.presence,
                signals: given.signals,
            },
            is_again: again.is_some(),
            stream: stream.finalize().into(),
        })
    }
}

/// What the query holds.
struct Given<'q> {
    documents: Vec<Cow<'q, str>>,
    /// All of them, joined as an event's id is.
    since: String,
    has_since: bool,
    client: Option<ClientId>,
    presence: bool,
    signals: bool,
}

impl Default for Given<'_> {
    fn default() -> Self {
        Self {
            documents: Vec::new(),
            since: String::new(),
            has_since: false,
            client: None,
            presence: false,
            signals: true,
        }
    }
}

impl<'q> Given<'q> {
    /// Other parameters are not ours.
    fn take(&mut self, name: &str, value: Cow<'q, str>) -> Result<(), Problem> {
        match name {
            "document" => self.documents.push(value),
            "since" => {
                if std::mem::replace(&mut self.has_since, true) {
                    self.since.push(',');
                }
                self.since.push_str(&value);
            }
            "client" => {
                let client = ClientId::parse(&value);
                let client = client.map_err(|fault| invalid(format!("{fault}.")))?;
                self.client = Some(client);
            }
            "presence" => self.presence = is_wanted(name, &value)?,
            "signals" => self.signals = is_wanted(name, &value)?,
            _ => {}
        }
        Ok(())
    }
}

fn is_wanted(name: &str, value: &str) -> Result<bool, Problem> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(invalid(format!("{name} is true or false."))),
    }
}

fn document(id: &str) -> Result<Log, Problem> {
    match DocumentId::parse(id) {
        Ok(id) => Ok(Log::Named(id)),
        Err(fault) => Err(Problem::of(Code::InvalidDocumentId, format!("{fault}."))),
    }
}

/// It beats `since`, which stands in the address for ever.
fn last_event_id(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok("") => Ok(None),
        Ok(id) => Ok(Some(id.to_owned())),
        Err(_) => {
            let detail = "Last-Event-ID is the id of an event of this stream.";
            Err(Problem::of(Code::InvalidPosition, detail))
        }
    }
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::of(Code::Invalid, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "5-0123456789abcdef";
    const B: &str = "7-0123456789abcdef";

    fn ask(named: Named, query: &str, last: Option<&str>) -> Result<Ask, Problem> {
        let mut headers = HeaderMap::new();
        if let Some(last) = last {
            headers.insert(LAST_EVENT_ID, last.parse().unwrap());
        }
        let uri = format!("/v1/events?{query}").parse().unwrap();
        Ask::read(named, &uri, &headers)
    }

    fn code(query: &str, last: Option<&str>) -> &'static str {
        match ask(Named::Documents, query, last) {
            Ok(_) => "ok",
            Err(problem) => problem.code(),
        }
    }

    #[test]
    fn where_a_stream_begins() {
        let since = |query: &str, last| {
            let ask = ask(Named::Documents, query, last).unwrap();
            (ask.wishes.since.to_string(), ask.is_again)
        };
        let both = "document=a&document=b";
        assert_eq!(since(both, None), (",".to_owned(), false));
        let one_for_each = format!("{both}&since={A}&since={B}");
        assert_eq!(since(&one_for_each, None), (format!("{A},{B}"), false));
        let joined = format!("{both}&since={A},");
        assert_eq!(since(&joined, None), (format!("{A},"), false));
        let first_unknown = format!("{both}&since=&since={B}");
        assert_eq!(since(&first_unknown, None), (format!(",{B}"), false));
        let last = format!("{B},{B}");
        assert_eq!(since(&one_for_each, Some(&last)), (last.clone(), true));
        assert_eq!(since(both, Some("")), (",".to_owned(), false));
    }

    #[test]
    fn each_fault_has_its_code() {
        for (query, last, expected) in [
            ("", None, "invalid"),
            ("document=a%2Fb&ticket=x&_=1", None, "ok"),
            ("document=a%20b", None, "invalid_document_id"),
            ("document=$user/a/b", None, "invalid_document_id"),
            ("document=a&client=me", None, "invalid"),
            ("document=a&presence=1", None, "invalid"),
            ("document=a&since=5", None, "invalid_position"),
            ("document=a&since=&since=", None, "invalid_position"),
            ("document=a", Some("undefined"), "invalid_position"),
            ("document=a", Some("\u{e9}"), "invalid_position"),
            ("document=a", Some(","), "invalid_position"),
        ] {
            assert_eq!(code(query, last), expected, "{query} {last:?}");
        }
        let named = Named::Document("a".to_owned());
        assert_eq!(
            ask(named, "document=b", None).unwrap_err().code(),
            "invalid"
        );
    }

    #[test]
    fn a_stream_is_what_it_is_of() {
        let stream = |query: &str| ask(Named::Documents, query, None).unwrap().stream;
        let since = format!("document=a&document=b&since={A},{B}&ticket=x");
        assert_eq!(stream("document=a&document=b"), stream(&since));
        assert_ne!(stream("document=a&document=b"), stream("document=a"));
        assert_ne!(stream("document=a/b"), stream("document=a&document=b"));
    }
}
