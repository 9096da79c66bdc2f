//! The one list of configuration keys: flags, environment variables and the file's keys all come
//! from it, and `docs/configuration.md` is checked against it.

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// One text, named as in the usage.
    Text(&'static str),
    /// Several texts: a repeated flag, commas in the environment, an array in the file.
    List(&'static str),
    /// A whole number in this range.
    Number { min: u64, max: u64 },
    /// True or false; the flag alone means true.
    Switch,
    /// A text that only the environment may hold, since flags and files are read by others.
    Secret,
}

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    pub name: &'static str,
    pub takes: Takes,
    /// As it would be written; empty where there is none.
    pub default: &'static str,
    pub sentence: &'static str,
}

impl Key {
    /// `connections_max` is `--connections-max`.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// `connections_max` is `INKWIRE_CONNECTIONS_MAX`.
    pub fn variable(&self) -> String {
        format!("INKWIRE_{}", self.name.to_ascii_uppercase())
    }

    /// Whether flags and the file may hold it.
    pub fn is_public(&self) -> bool {
        self.takes != Takes::Secret
    }
}

macro_rules! keys {
    ($($constant:ident $name:literal $takes:expr, $default:literal, $sentence:literal;)*) => {
        $(
            #[doc = $sentence]
            pub const $constant: Key = Key {
                name: $name, takes: $takes, default: $default, sentence: $sentence,
            };
        )*

        /// Every key, in the order of the documentation.
        pub const KEYS: &[&Key] = &[$(&$constant,)*];
    };
}

const fn number(min: u64, max: u64) -> Takes {
    Takes::Number { min, max }
}

/// A day: no timeout is longer.
const DAY_MS: u64 = 86_400_000;

keys! {
    LISTEN "listen" Takes::List("ADDRESS"), "127.0.0.1:8080",
        "Where clients connect: one or more addresses with ports.";
    ADMIN "admin" Takes::Text("ADDRESS"), "127.0.0.1:9090",
        "Where `/livez` and `/readyz` answer. Keep it away from the public.";
    REDIS "redis" Takes::Text("URL"), "",
        "The Redis that the replicas share, as `redis://[user:password@]host:port[/db]`. Without it the replica stands alone: logs live in its memory and end with it.";
    ACK "ack" Takes::Text("LEVEL"), "accepted",
        "When an append is acknowledged: `accepted` (in the master's memory) or `replicated` (after `WAIT replicas_min`).";
    REPLICAS_MIN "replicas_min" number(0, 16), "0",
        "How many Redis replicas must hold a change of access, and at `ack = replicated` every append, before it is acknowledged. Count every replica that can be promoted.";
    REPLICA "replica" Takes::Text("NAME"), "",
        "This replica's name in logs and in `welcome`. By default the host's name and a random suffix.";
    TOKEN_SECRET_FILE "token_secret_file" Takes::Text("FILE"), "",
        "A file with the secret of HS256 tokens, at least 32 bytes; white space at its end is not part of it.";
    TOKEN_SECRET "token_secret" Takes::Secret, "",
        "The secret itself. Give this or the file.";
    ALLOW_ORIGIN "allow_origin" Takes::List("ORIGIN"), "",
        "Origins whose pages may connect, exactly as browsers send them, like `https://app.example.org`. Without any, only pages that this replica served itself (same host and port).";
    ALLOW_ANONYMOUS_ANYWHERE "allow_anonymous_anywhere" Takes::Switch, "false",
        "Permits sessions without a token from everywhere, also where tokens are configured. Without it they are permitted only where there is no secret, every listener is bound to loopback and the request's Host is a loopback name.";
    ANONYMOUS_ROLE "anonymous_role" Takes::Text("ROLE"), "writer",
        "The role of sessions without a token, in every document: `viewer`, `reviewer`, `writer` or `owner`.";
    LOG_FORMAT "log_format" Takes::Text("FORMAT"), "text",
        "Logs on standard error as `text` or as `json`, one object a line.";
    LOG_FILTER "log_filter" Takes::Text("FILTER"), "info",
        "Which logs: a level, or a list such as `info,inkwire_hub=debug`.";
    CONNECTIONS_MAX "connections_max" number(1, 10_000_000), "50000",
        "Most connections at once, over all listeners. Those above wait in the listen queue.";
    HEADER_BYTES_MAX "header_bytes_max" number(8_192, 1_048_576), "16384",
        "Largest head of an HTTP request.";
    HEADER_READ_TIMEOUT_MS "header_read_timeout_ms" number(100, DAY_MS), "10000",
        "How long the head of a request may take.";
    HELLO_TIMEOUT_MS "hello_timeout_ms" number(100, DAY_MS), "10000",
        "How long a session may take to say `hello`.";
    HEARTBEAT_MS "heartbeat_ms" number(100, DAY_MS), "25000",
        "A client that was silent for so long gets a ping. At most a third of the smallest idle timeout on the way.";
    SILENCE_TIMEOUT_MS "silence_timeout_ms" number(200, DAY_MS), "85000",
        "A session whose client was silent for so long ends with `heartbeat_timeout`: at least twice `heartbeat_ms`, and 60 s more than it where browsers connect, since they slow the timers of hidden pages.";
    CLOSE_TIMEOUT_MS "close_timeout_ms" number(10, DAY_MS), "2000",
        "How long the replica waits for the other side's close.";
    STOP_TIMEOUT_MS "stop_timeout_ms" number(0, DAY_MS), "10000",
        "How long a stop waits for appends on their way and for sessions to end.";
    MESSAGE_BYTES_MAX "message_bytes_max" number(1_024, 67_108_864), "2097152",
        "Largest message of a client, all its fragments together; above, `frame_too_large` and a close.";
    FRAGMENTS_MAX "fragments_max" number(1, 16_777_216), "65536",
        "Most fragments of a message; above, `frame_too_large` and a close.";
    PAYLOAD_BYTES_MAX "payload_bytes_max" number(1, 33_554_432), "1048576",
        "Largest payload of an entry; above, `too_large`.";
    SIGNAL_BYTES_MAX "signal_bytes_max" number(1, 33_554_432), "16384",
        "Largest payload of a signal; above, `too_large`.";
    DOCUMENTS_PER_SESSION_MAX "documents_per_session_max" number(1, 100_000), "64",
        "Most documents that one session has joined at once; above, `too_many_documents`.";
    APPENDS_PER_SECOND "appends_per_second" number(1, 10_000_000), "2000",
        "Entries of one session per second in the long run; above, `throttled`.";
    APPENDS_BURST "appends_burst" number(1, 10_000_000), "4000",
        "Entries of one session at once.";
    BYTES_PER_SECOND "bytes_per_second" number(1_024, 1_099_511_627_776), "4194304",
        "Bytes of payload of one session per second in the long run; above, `throttled`.";
    BYTES_BURST "bytes_burst" number(1_024, 1_099_511_627_776), "8388608",
        "Bytes of payload of one session at once.";
    SIGNALS_PER_SECOND "signals_per_second" number(1, 10_000_000), "50",
        "Signals of one session per second in the long run; above, `throttled`.";
    SIGNALS_BURST "signals_burst" number(1, 10_000_000), "100",
        "Signals of one session at once.";
    REQUESTS_PER_SECOND "requests_per_second" number(1, 10_000_000), "50",
        "Joins, changes of access and renewals of credentials of one session per second in the long run; above, `throttled`.";
    REQUESTS_BURST "requests_burst" number(1, 10_000_000), "200",
        "Joins, changes of access and renewals of credentials of one session at once.";
    OUTBOX_MESSAGES_MAX "outbox_messages_max" number(16, 10_000_000), "16384",
        "Most messages that wait for one slow connection; above, signals go first, then it ends with `slow_consumer`.";
    OUTBOX_BYTES_MAX "outbox_bytes_max" number(65_536, 1_073_741_824), "4194304",
        "Most bytes that wait for one slow connection.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_plain() {
        let names: HashSet<_> = KEYS.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), KEYS.len());
        for name in names {
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
        }
    }

    #[test]
    fn a_key_has_one_name_everywhere() {
        assert_eq!(CONNECTIONS_MAX.flag(), "connections-max");
        assert_eq!(CONNECTIONS_MAX.variable(), "INKWIRE_CONNECTIONS_MAX");
    }
}
