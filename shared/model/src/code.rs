//! The one table of errors and closes: every code with its HTTP status, WebSocket close code,
//! retry advice and sentence. `docs/protocol.md` is checked against it.

/// What a client does after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same request will fail again.
    Never,
    /// After changing the request as the sentence says.
    Corrected,
    /// With fresh credentials.
    Reauthenticated,
    /// After a pause, with jitter; nothing is lost.
    Later,
    /// Go back to the number that it names, and send from there.
    Resend,
}

impl Retry {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Corrected => "corrected",
            Self::Reauthenticated => "reauthenticated",
            Self::Later => "later",
            Self::Resend => "resend",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRow {
    pub code: Code,
    /// On the wire, and as the metric label.
    pub name: &'static str,
    /// Status of an HTTP answer with this problem.
    pub http_status: u16,
    /// WebSocket close code, if the session ends for this reason; 0 where it never does.
    pub close_code: u16,
    pub retry: Retry,
    pub sentence: &'static str,
}

macro_rules! codes {
    ($($variant:ident $name:literal $http:literal $close:literal $retry:ident $sentence:literal;)*) => {
        /// The cause of an error or a close.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $sentence] $variant,)* }

        /// The whole table, in the order of the documentation.
        pub const CODES: &[CodeRow] = &[$(CodeRow {
            code: Code::$variant, name: $name, http_status: $http, close_code: $close,
            retry: Retry::$retry, sentence: $sentence,
        },)*];

        impl Code {
            pub fn row(self) -> &'static CodeRow {
                match self { $(Self::$variant => &CodeRow {
                    code: Code::$variant, name: $name, http_status: $http, close_code: $close,
                    retry: Retry::$retry, sentence: $sentence,
                },)* }
            }
        }
    };
}

codes! {
    BadHandshake         "bad_handshake"         400 0    Corrected "This is no WebSocket handshake that can be accepted; 426 for another version than 13.";
    Malformed            "malformed"             400 1002 Corrected "The frame could not be parsed.";
    BadText              "bad_text"              400 1007 Corrected "A text message was not UTF-8.";
    UnexpectedFrame      "unexpected_frame"      400 1002 Corrected "This frame may not come now; a session begins with hello.";
    UnknownPacket        "unknown_packet"        400 0    Corrected "No packet has this type.";
    UnsupportedVersion   "unsupported_version"   400 1002 Corrected "None of the versions that the client accepts is spoken here.";
    UnknownCommand       "unknown_command"       400 1002 Corrected "No frame of a client has this command.";
    MissingHeader        "missing_header"        400 1002 Corrected "The frame needs a header that it does not have.";
    DuplicateId          "duplicate_id"          409 1002 Corrected "A subscription or transaction with this id is open already.";
    UnknownTransaction   "unknown_transaction"   409 1002 Corrected "No transaction with this id is open.";
    UnknownAck           "unknown_ack"           409 1002 Corrected "No message with this id waits for an acknowledgement.";
    TransactionTooLarge  "transaction_too_large" 413 1008 Corrected "More transactions are open, or more is in them, than may be.";
    TooManySubscriptions "too_many_subscriptions" 429 1008 Corrected "The session has as many subscriptions as it may.";
    FrameTooLarge        "frame_too_large"       413 1009 Corrected "The message is larger than the limit; the connection closes.";
    InvalidDocumentId    "invalid_document_id"   400 0    Corrected "The document id is not valid.";
    NoRoute              "no_route"              404 0    Corrected "Nothing is served at this destination.";
    InvalidPosition      "invalid_position"      400 0    Corrected "The position is not of the form seq-hash.";
    Invalid              "invalid"               400 0    Corrected "A field has a value that is not permitted.";
    UnknownDocument      "unknown_document"      404 0    Corrected "No document has this id; the first append creates it.";
    NotJoined            "not_joined"            409 0    Corrected "Join the document first.";
    AlreadyJoined        "already_joined"        409 0    Corrected "This session has joined the document already.";
    TooManyDocuments     "too_many_documents"    429 0    Corrected "The session has joined as many documents as it may.";
    Unauthenticated      "unauthenticated"       401 4401 Reauthenticated "The credentials are missing or not valid.";
    TokenExpired         "token_expired"         401 4401 Reauthenticated "The token has expired.";
    TokenInUrl           "token_in_url"          400 0    Corrected "A token stands in the address; addresses end up in logs.";
    TicketRefused        "ticket_refused"        401 0    Reauthenticated "The ticket is unknown, over, or was used before.";
    UnknownComment       "unknown_comment"       404 0    Corrected "The document has no comment of this id.";
    Forbidden            "forbidden"             403 0    Never     "The role in this document does not permit it.";
    SnapshotLacksAnchors "snapshot_lacks_anchors" 409 0   Corrected "The snapshot has to say where each open anchored comment is, or that it is orphaned.";
    OriginRefused        "origin_refused"        403 0    Never     "Pages of this origin may not connect.";
    Revoked              "revoked"               403 0    Never     "Access to this document was revoked.";
    Gap                  "gap"                   409 0    Resend    "The number is ahead; send again from the expected one.";
    UnknownClient        "unknown_client"        409 0    Resend    "The log does not know this client; send again from 1 or take a new client.";
    ClientConflict       "client_conflict"       409 0    Never     "This number was used for other content.";
    IdempotencyConflict  "idempotency_conflict"  409 0    Never     "This Idempotency-Key was used for other content.";
    NoSnapshot           "no_snapshot"           404 0    Later     "No snapshot was put yet.";
    SnapshotNotInHistory "snapshot_not_in_history" 409 0  Corrected "The snapshot's position is not in this history, or is held no more; a seed needs a document without entries.";
    SnapshotNotNewer     "snapshot_not_newer"    409 0    Never     "There is a snapshot at this position or a later one.";
    NotReached           "not_reached"           409 0    Later     "The log does not have this position yet; read again in a moment.";
    Diverged             "diverged"              409 0    Never     "This position is of another history than the log's.";
    TooLarge             "too_large"             413 0    Corrected "The payload is larger than the limit.";
    Throttled            "throttled"             429 0    Later     "Too many messages; wait as told and send again.";
    LogFull              "log_full"              507 0    Later     "The log is full until a snapshot is put.";
    QueueFull            "queue_full"            507 0    Later     "The queue holds as many messages as it may until some are received.";
    LeaseLost            "lease_lost"            503 4014 Later     "This replica was away from the queue too long: the message comes again, maybe to another receiver.";
    Unknown              "unknown"               504 0    Never     "Whether the log has it is not known; read before you send it again, or send an Idempotency-Key next time.";
    Unavailable          "unavailable"           503 1013 Later     "The log cannot be reached, or the outcome is unknown; keep the queue and send again.";
    SlowConsumer         "slow_consumer"         503 4008 Later     "The connection did not read fast enough; resume by position.";
    HeartbeatTimeout     "heartbeat_timeout"     408 4009 Later     "Nothing was heard in time.";
    HandshakeTimeout     "handshake_timeout"     408 4010 Later     "The hello did not come in time.";
    TooManySessions      "too_many_sessions"     429 4029 Later     "This replica has as many sessions as it takes.";
    TooManyConnections   "too_many_connections"  429 0    Later     "This address has as many connections as it may.";
    TooManyOfAddress     "too_many_of_address"   429 0    Later     "This address has as many sessions as it may.";
    TooManyOfSubject     "too_many_of_subject"   429 4030 Later     "This subject has as many sessions as it may.";
    TooManyJoins         "too_many_joins"        429 0    Later     "The sessions of this subject have joined as many documents as they may.";
    Overloaded           "overloaded"            503 4013 Later     "This replica is short of memory; connect to another one.";
    GoingAway            "going_away"            503 1012 Later     "This replica restarts; connect again and resume.";
    Internal             "internal"              500 1011 Later     "The gateway failed; this is a defect.";
}

impl Code {
    /// The name on the wire, and the metric label.
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The close code of a session that ends by this: of one whose protocol knows no milder answer it
    /// may be any cause, and what is no violation of the protocol is one of what may be asked.
    pub fn close_code(self) -> u16 {
        const POLICY: u16 = 1_008;
        match self.row().close_code {
            0 => POLICY,
            code => code,
        }
    }

    /// The code with this name.
    pub fn parse(name: &str) -> Option<Self> {
        CODES
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        for row in CODES {
            assert_eq!(Code::parse(row.name), Some(row.code));
            assert_eq!(row.code.row(), row);
        }
    }

    #[test]
    fn close_code_1002_is_for_protocol_errors_alone() {
        let with_1002: Vec<_> = CODES
            .iter()
            .filter(|r| r.close_code == 1002)
            .map(|r| r.code)
            .collect();
        assert_eq!(
            with_1002,
            [
                Code::Malformed,
                Code::UnexpectedFrame,
                Code::UnsupportedVersion,
                Code::UnknownCommand,
                Code::MissingHeader,
                Code::DuplicateId,
                Code::UnknownTransaction,
                Code::UnknownAck,
            ]
        );
    }
}
