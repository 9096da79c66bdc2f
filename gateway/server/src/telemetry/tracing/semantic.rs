//! The names of spans and of what they say: OpenTelemetry's where it has one, ours else. The one place
//! that changes with another version of the conventions.

/// The version of the semantic conventions that the names below are of.
pub(super) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.36.0";

pub(super) const PUBLISH: &str = "publish document";
pub(super) const APPEND: &str = "append";
pub(super) const DELIVER: &str = "deliver document";
pub(super) const HANDSHAKE: &str = "handshake";
pub(super) const JOIN: &str = "join document";
pub(super) const RESYNC: &str = "resync document";
pub(super) const RESYNC_SESSION: &str = "resync session";
pub(super) const CLOSE: &str = "close session";
pub(super) const DRAIN_SESSION: &str = "drain session";
pub(super) const DRAIN: &str = "drain replica";

pub(super) const SYSTEM: &str = "messaging.system";
pub(super) const OPERATION: &str = "messaging.operation.name";
pub(super) const OPERATION_TYPE: &str = "messaging.operation.type";
pub(super) const DESTINATION: &str = "messaging.destination.name";
pub(super) const MESSAGE_ID: &str = "messaging.message.id";
pub(super) const BODY_SIZE: &str = "messaging.message.body.size";
pub(super) const BATCH_COUNT: &str = "messaging.batch.message_count";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const SESSION_ID: &str = "session.id";
pub(super) const TRANSPORT: &str = "network.protocol.name";

pub(super) const DOCUMENT: &str = "inkwire.document.id";
pub(super) const MEMBERS: &str = "inkwire.delivery.members";
pub(super) const CLIENT_SEQ: &str = "inkwire.client_seq";
pub(super) const OUTCOME: &str = "inkwire.append.outcome";
pub(super) const PAGES: &str = "inkwire.join.pages";
pub(super) const RESET_CAUSE: &str = "inkwire.reset.cause";
pub(super) const RESYNC_REASON: &str = "inkwire.resync.reason";
pub(super) const RESYNC_ENTRIES: &str = "inkwire.resync.entries";
pub(super) const PROTOCOL: &str = "inkwire.protocol";
pub(super) const SESSIONS: &str = "inkwire.sessions";

/// What each span tells of, for the page that operators read.
pub const SPANS: &[(&str, &str, &str)] = &[
    (
        PUBLISH,
        "PRODUCER",
        "An entry from its receipt to its answer, on the writer's replica. Its context is stored in the entry as `traceparent`.",
    ),
    (
        APPEND,
        "CLIENT",
        "The call of the log that carried it, one for all entries of the call: child of the first traced one, linked to the others. Of a call that failed there is one even if nothing in it is traced.",
    ),
    (
        DELIVER,
        "CONSUMER",
        "The entry on one replica, from its announcement to the write to all its members there; child of `publish document`, and linked to it. `inkwire.delivery.members` is how many.",
    ),
    (
        HANDSHAKE,
        "SERVER",
        "A session from the request to `welcome`, or to the refusal. Its trace id is the session id's digits.",
    ),
    (
        JOIN,
        "INTERNAL",
        "A join, from the request to the live order. With `inkwire.reset.cause` the session started over.",
    ),
    (
        RESYNC,
        "INTERNAL",
        "The live order of a document was in doubt on this replica, and the log was read. With `inkwire.reset.cause` the log had another history, or began later.",
    ),
    (
        RESYNC_SESSION,
        "INTERNAL",
        "A session that had joined read the log again, since the live order was contradicted.",
    ),
    (
        CLOSE,
        "INTERNAL",
        "The gateway ended a session for a fault; `error.type` is the code.",
    ),
    (
        DRAIN_SESSION,
        "INTERNAL",
        "A session's end because the replica stops.",
    ),
    (
        DRAIN,
        "INTERNAL",
        "The replica's own stop, from the signal until all sessions ended.",
    ),
];
