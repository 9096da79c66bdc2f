//! Every key and channel name, and nowhere else one is made.
//!
//! All keys of a document carry the hash tag `{document}`, so that one call may touch them in a
//! Cluster; a document id has no braces, so the tag is the whole id and nothing else.

use inkwire_bus::{ClaimKey, ReplicaAddress, TicketHash};
use inkwire_model::{DocumentId, LogClass, QueueName};

/// Version of what stands in Redis. Whoever changes the layout of a key, a row or a record raises it.
pub(crate) const DATA_VERSION: u32 = 1;

const LIVE: &str = "}:live";

/// The names under one prefix.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// `<prefix>:<version>:`
    root: String,
}

/// Why a text cannot be a prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key prefix has 1 to 64 of A-Z a-z 0-9 . _ - and :, this is {0:?}")]
pub struct InvalidPrefix(pub String);

impl Keys {
    pub(crate) fn new(prefix: &str) -> Result<Self, InvalidPrefix> {
        let permitted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
        if prefix.is_empty() || prefix.len() > 64 || !prefix.chars().all(permitted) {
            return Err(InvalidPrefix(prefix.chars().take(80).collect()));
        }
        Ok(Self {
            root: format!("{prefix}:{DATA_VERSION}:"),
        })
    }

    /// The hash that holds position, base, rows and access.
    pub(crate) fn state(&self, document: &DocumentId) -> String {
        format!("{}{{{document}}}:state", self.root)
    }

    /// The stream that holds the records.
    pub(crate) fn log(&self, document: &DocumentId) -> String {
        format!("{}{{{document}}}:log", self.root)
    }

    /// The channel on which what is appended is announced, and signals go.
    pub(crate) fn live(&self, document: &DocumentId) -> String {
        format!("{}{{{document}{LIVE}", self.root)
    }

    /// The hash of who is in a document.
    pub(crate) fn presence(&self, document: &DocumentId) -> String {
        format!("{}{{{document}}}:presence", self.root)
    }

    /// The hash of a document's comments.
    pub(crate) fn comments(&self, document: &DocumentId) -> String {
        format!("{}{{{document}}}:comments", self.root)
    }

    /// The hash of what people are to be notified of.
    pub(crate) fn outbox(&self, document: &DocumentId) -> String {
        format!("{}{{{document}}}:outbox", self.root)
    }

    /// The hash of the documents whose outbox may have something.
    pub(crate) fn outboxes(&self) -> String {
        format!("{}replicas:{{outboxes}}", self.root)
    }

    /// State and log, of a document also comments and outbox: what an append touches.
    pub(crate) fn of_append(&self, document: &DocumentId) -> Vec<String> {
        let mut keys = vec![self.state(document), self.log(document)];
        if document.class() == LogClass::Document {
            keys.extend([self.comments(document), self.outbox(document)]);
        }
        keys
    }

    /// The hash of all replicas' leases.
    pub(crate) fn leases(&self) -> String {
        format!("{}replicas:{{leases}}", self.root)
    }

    /// The hash of the documents in which an incarnation of a replica may hold somebody.
    pub(crate) fn documents_of(&self, incarnation: &str) -> String {
        format!("{}replicas:{{{incarnation}}}:documents", self.root)
    }

    /// The document id in the name of its channel.
    pub(crate) fn document_of_live<'a>(&self, channel: &'a [u8]) -> Option<&'a str> {
        let tagged = channel
            .strip_prefix(self.root.as_bytes())?
            .strip_prefix(b"{")?;
        std::str::from_utf8(tagged.strip_suffix(LIVE.as_bytes())?).ok()
    }

    /// The hash that holds what is kept under a one-time ticket.
    pub(crate) fn ticket(&self, ticket: &TicketHash) -> String {
        let digits: String = ticket.0.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}ticket:{{{digits}}}", self.root)
    }

    /// The hash that says whose something is. The tag is one of 256, so that a bulk renewal is one call
    /// for each of them, also in a Cluster.
    pub(crate) fn claim(&self, key: &ClaimKey) -> String {
        format!("{}claim:{{{:02x}}}:{key}", self.root, Self::claim_tag(key))
    }

    /// Claims with the same one may be touched in one call.
    pub(crate) fn claim_tag(key: &ClaimKey) -> u8 {
        key.0.first().copied().unwrap_or_default()
    }

    /// Something of a queue. Where its messages are parked has the same tag, so that parking is one call.
    fn queue(&self, queue: &QueueName, part: &str) -> String {
        let (root, base) = (&self.root, queue.base());
        let parked = if queue.is_parked() { ":parked" } else { "" };
        format!("{root}queue:{{{base}}}{parked}:{part}")
    }

    /// The hash of what was sent and refused.
    pub(crate) fn queue_state(&self, queue: &QueueName) -> String {
        self.queue(queue, "state")
    }

    /// The hash of the replicas that receive, and the ends of their leases.
    pub(crate) fn queue_nodes(&self, queue: &QueueName) -> String {
        self.queue(queue, "nodes")
    }

    /// The stream of its messages.
    pub(crate) fn queue_log(&self, queue: &QueueName) -> String {
        self.queue(queue, "log")
    }

    /// The channel that says that there may be something.
    pub(crate) fn queue_live(&self, queue: &QueueName) -> String {
        self.queue(queue, "live")
    }

    /// The channel of one replica's letters.
    pub(crate) fn mail(&self, address: ReplicaAddress) -> String {
        format!("{}mail:{{{address}}}", self.root)
    }

    /// State, log and channel of a document whose id is none.
    pub(crate) fn of_nobody(&self, id: &str) -> [String; 3] {
        let root = &self.root;
        ["}:state", "}:log", LIVE].map(|end| format!("{root}{{{id}{end}"))
    }

    /// What every key and channel begins with.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// The channel of one subscriber connection's probe.
    pub(crate) fn probe(&self, connection: &str) -> String {
        format!("{}probe:{{{connection}}}", self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_the_document_and_the_channel_names_it() {
        let keys = Keys::new("inkwire").unwrap();
        let document = DocumentId::parse("team:7/essay-42").unwrap();
        assert_eq!(keys.state(&document), "inkwire:1:{team:7/essay-42}:state");
        assert_eq!(keys.log(&document), "inkwire:1:{team:7/essay-42}:log");
        let channel = keys.live(&document);
        assert_eq!(channel, "inkwire:1:{team:7/essay-42}:live");
        assert_eq!(
            keys.document_of_live(channel.as_bytes()),
            Some("team:7/essay-42")
        );
        assert_eq!(keys.document_of_live(b"inkwire:1:probe:{x}"), None);
    }

    #[test]
    fn a_ticket_is_named_by_its_hash() {
        let keys = Keys::new("inkwire").unwrap();
        let key = keys.ticket(&TicketHash([0x0f; 32]));
        assert_eq!(key, format!("inkwire:1:ticket:{{{}}}", "0f".repeat(32)));
    }

    #[test]
    fn claims_share_a_tag_and_mail_is_addressed() {
        let keys = Keys::new("inkwire").unwrap();
        let claim = keys.claim(&ClaimKey([0xab; 32]));
        assert_eq!(claim, format!("inkwire:1:claim:{{ab}}:{}", "ab".repeat(32)));
        let mail = keys.mail(ReplicaAddress([1; 16]));
        assert_eq!(mail, format!("inkwire:1:mail:{{{}}}", "01".repeat(16)));
    }

    #[test]
    fn what_is_parked_stands_beside_its_queue() {
        let keys = Keys::new("inkwire").unwrap();
        let queue = QueueName::parse("team:7/jobs").unwrap();
        let parked = queue.parked().unwrap();
        assert_eq!(keys.queue_log(&queue), "inkwire:1:queue:{team:7/jobs}:log");
        assert_eq!(
            keys.queue_log(&parked),
            "inkwire:1:queue:{team:7/jobs}:parked:log"
        );
    }

    #[test]
    fn a_prefix_has_no_braces() {
        assert!(Keys::new("ink{wire}").is_err());
        assert!(Keys::new("").is_err());
    }
}
