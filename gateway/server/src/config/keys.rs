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
    TLS_LISTEN "tls_listen" Takes::List("ADDRESS"), "",
        "Where clients connect within TLS, with HTTP/2 and HTTP/1.1: addresses with ports, customarily 8443. Needs `tls_certificate` and `tls_key`. Without any, what stands before the replicas ends TLS.";
    STOMP_LISTEN "stomp_listen" Takes::List("ADDRESS"), "",
        "Where STOMP clients connect without a WebSocket, in the clear: addresses with ports, customarily 61613. Without any there is no such port.";
    STOMP_TLS_LISTEN "stomp_tls_listen" Takes::List("ADDRESS"), "",
        "STOMP within TLS, customarily on 61614; needs `tls_certificate` and `tls_key`.";
    TLS_CERTIFICATE "tls_certificate" Takes::Text("FILE"), "",
        "A PEM file with this gateway's certificate for its clients, and behind it those between it and its authority. Looked at every 2 s, and on SIGHUP.";
    TLS_KEY "tls_key" Takes::Text("FILE"), "",
        "A PEM file with the key of `tls_certificate`, looked at together with it.";
    ADMIN "admin" Takes::Text("ADDRESS"), "127.0.0.1:9090",
        "Where `/livez`, `/readyz`, `/metrics` and `/tracing` answer. Keep it away from the public.";
    REDIS "redis" Takes::Text("URL"), "",
        "The Redis that the replicas share, as `redis://[user:password@]host:port`, or `rediss://` for TLS. Without it the replica stands alone: logs live in its memory and end with it.";
    REDIS_USERNAME "redis_username" Takes::Text("NAME"), "",
        "The Redis user, in the place of the one in `redis`.";
    REDIS_PASSWORD "redis_password" Takes::Secret, "",
        "The Redis password, in the place of the one in `redis`.";
    REDIS_PASSWORD_FILE "redis_password_file" Takes::Text("FILE"), "",
        "A file with the Redis password; white space at its end is not part of it. Give this or the variable.";
    REDIS_CA_FILE "redis_ca_file" Takes::Text("FILE"), "",
        "A PEM file with the authorities that sign Redis's certificate, and no others count. By default those of the machine.";
    REDIS_CERT_FILE "redis_cert_file" Takes::Text("FILE"), "",
        "A PEM file with this gateway's own certificate for Redis, where Redis asks for one.";
    REDIS_KEY_FILE "redis_key_file" Takes::Text("FILE"), "",
        "A PEM file with the key of `redis_cert_file`.";
    REDIS_PREFIX "redis_prefix" Takes::Text("PREFIX"), "inkwire",
        "The first part of every key and channel. Replicas with the same prefix share their documents.";
    ACK "ack" Takes::Text("LEVEL"), "accepted",
        "When an append is acknowledged: `accepted` (in the master's memory) or `replicated` (after `WAIT replicas_min`).";
    REPLICAS_MIN "replicas_min" number(0, 16), "0",
        "How many Redis replicas must hold a change of access, and with `ack = \"replicated\"` every append, before it is acknowledged. Count every replica that can be promoted.";
    REPLICA "replica" Takes::Text("NAME"), "",
        "This replica's name in logs and in `welcome`. By default the host's name and a random suffix.";
    TOKEN_SECRET_FILE "token_secret_file" Takes::Text("FILE"), "",
        "A file with the secret of HS256 tokens, at least 32 bytes; white space at its end is not part of it.";
    TOKEN_SECRET "token_secret" Takes::Secret, "",
        "The secret itself. Give this or the file.";
    JWKS_FILE "jwks_file" Takes::Text("FILE"), "",
        "A file with the public keys of RS256, ES256 and EdDSA tokens, as a JWK Set. It is read again when it changes.";
    JWKS_URL "jwks_url" Takes::Text("URL"), "",
        "Where the issuer publishes these keys, in the place of the file: `https://…`, or `http://` on a loopback address. Redirects are not followed.";
    JWKS_CA_FILE "jwks_ca_file" Takes::Text("FILE"), "",
        "The certificate authorities (PEM) that `jwks_url` is trusted by, in the place of those of the machine.";
    JWKS_REFRESH_MS "jwks_refresh_ms" number(1_000, DAY_MS), "300000",
        "How often `jwks_url` is asked, give or take 10 %. A key that is no longer there no longer counts.";
    JWKS_RETRY_MS "jwks_retry_ms" number(100, DAY_MS), "10000",
        "How soon `jwks_url` is asked again after a failure, or because a token names an unknown key, at the earliest.";
    JWKS_TIMEOUT_MS "jwks_timeout_ms" number(100, 60_000), "5000",
        "How long one attempt to ask `jwks_url` may take.";
    TOKEN_ISSUER "token_issuer" Takes::List("NAME"), "",
        "Issuers whose tokens are taken: `iss` has to be one of them. Without any, it is not looked at.";
    TOKEN_AUDIENCE "token_audience" Takes::List("NAME"), "",
        "Names of this gateway: `aud` has to hold one of them. Without any, tokens that have an `aud` are refused.";
    TOKEN_LEEWAY_MS "token_leeway_ms" number(0, 300_000), "5000",
        "How far the clocks of issuer and replica may differ: so long `exp` and `nbf` give way.";
    SERVER_KEYS_FILE "server_keys_file" Takes::Text("FILE"), "",
        "A file with the keys of back ends: a line `name:hash` or `name:hash:rights` for each, where the hash is the SHA-256 of the key in hex digits, and the rights are `act`, `notify`, both with a comma, or `none`; without them, both.";
    TICKET_LIFETIME_MS "ticket_lifetime_ms" number(1_000, 300_000), "30000",
        "How long a one-time ticket of `POST /v1/tickets` is valid.";
    TICKETS_PER_SECOND "tickets_per_second" number(1, 10_000), "5",
        "Tickets of one subject per second in the long run, on one replica; above, `throttled`.";
    TICKETS_BURST "tickets_burst" number(1, 10_000), "50",
        "Tickets of one subject at once, on one replica.";
    REFUSED_TICKETS_PER_SECOND "refused_tickets_per_second" number(1, 1_000_000), "50",
        "Tickets that one client's address (IPv6: one /64) shows in vain, per second in the long run, on one replica; above, its handshakes with tickets are answered 429 `throttled`.";
    REFUSED_TICKETS_BURST "refused_tickets_burst" number(1, 1_000_000), "500",
        "Tickets that one client's address shows in vain at once, on one replica.";
    ALLOW_ORIGIN "allow_origin" Takes::List("ORIGIN"), "",
        "Origins whose pages may connect, exactly as browsers send them, like `https://app.example.org`. Without any, only pages that this replica served itself (same host and port).";
    ALLOW_ANONYMOUS_ANYWHERE "allow_anonymous_anywhere" Takes::Switch, "false",
        "Permits sessions without a token from everywhere, also where tokens are configured. Without it they are permitted only where there is no secret and no key, every listener is bound to loopback, the request's Host is a loopback name and no proxy passed it on.";
    ANONYMOUS_ROLE "anonymous_role" Takes::Text("ROLE"), "writer",
        "The role of sessions without a token, in every document: `viewer`, `reviewer`, `writer` or `owner`.";
    LOG_FORMAT "log_format" Takes::Text("FORMAT"), "text",
        "Logs on standard error as `text` or as `json`, one object a line.";
    LOG_FILTER "log_filter" Takes::Text("FILTER"), "info",
        "Which logs: a level, or a list such as `info,inkwire_hub=debug`.";
    OTLP_ENDPOINT "otlp_endpoint" Takes::Text("URL"), "",
        "Where traces and metrics go, by OTLP over HTTP in protobuf, like `http://127.0.0.1:4318`. Without it nothing is sent and nothing is traced; then `OTEL_EXPORTER_OTLP_ENDPOINT` counts.";
    OTLP_HEADERS "otlp_headers" Takes::Secret, "",
        "Headers for the receiver, as `name=value,name=value`; without it `OTEL_EXPORTER_OTLP_HEADERS` counts.";
    OTLP_SERVICE_NAME "otlp_service_name" Takes::Text("NAME"), "",
        "The name of the service in traces and metrics, `inkwire` where nothing else is said; without it `OTEL_SERVICE_NAME` counts.";
    OTLP_ATTRIBUTES "otlp_attributes" Takes::Text("PAIRS"), "",
        "More of who sends, as `name=value,name=value`; without it `OTEL_RESOURCE_ATTRIBUTES` counts.";
    OTLP_TIMEOUT_MS "otlp_timeout_ms" number(10, 60_000), "5000",
        "How long the receiver may take.";
    OTLP_QUEUE_MAX "otlp_queue_max" number(16, 1_000_000), "4096",
        "Most spans that wait for the receiver; above, they are dropped and counted.";
    OTLP_METRICS_INTERVAL_MS "otlp_metrics_interval_ms" number(0, DAY_MS), "60000",
        "How often metrics are pushed; 0 for never, `/metrics` has them in any case.";
    TRACE_RATIO "trace_ratio" Takes::Text("RATIO"), "0.001",
        "The part of all entries that is traced, from 0 to 1. Decided once, at the append; what a client asks for decides nothing.";
    CONNECTIONS_MAX "connections_max" number(1, 10_000_000), "60000",
        "Most connections at once, over all listeners. Those above wait in the listen queue.";
    STREAMS_PER_CONNECTION_MAX "streams_per_connection_max" number(1, 65_535), "256",
        "Most requests and WebSockets at once on one HTTP/2 connection. A client that opens more waits, or is answered REFUSED_STREAM.";
    CONNECTIONS_PER_ADDRESS_MAX "connections_per_address_max" number(1, 10_000_000), "20000",
        "Most connections of one address at once (IPv6: of one /64); above, 429 `too_many_connections` and a close. Those of trusted proxies are not counted: their clients' sessions are.";
    TRUSTED_PROXIES "trusted_proxies" Takes::List("RANGE"), "",
        "Addresses of proxies whose `forwarded_header` is believed, like `10.0.0.0/8`. Without any, a client is who connects.";
    FORWARDED_HEADER "forwarded_header" Takes::Text("HEADER"), "x-forwarded-for",
        "Which header the trusted proxies write: `x-forwarded-for` or `forwarded`. The last address in it that is no trusted proxy's is the client's.";
    PROXY_PROTOCOL_FROM "proxy_protocol_from" Takes::List("RANGE"), "",
        "Addresses whose connections begin with a PROXY protocol header (version 1 or 2), and must; it names the client. Nobody else's is read.";
    UNSENT_BYTES_MAX "unsent_bytes_max" number(4_096, 1_073_741_824), "131072",
        "Most bytes that the kernel holds unsent for one connection; what is above waits in the connection's outbox, where it is counted.";
    HEADER_BYTES_MAX "header_bytes_max" number(8_192, 1_048_576), "16384",
        "Largest head of an HTTP request.";
    HEADER_READ_TIMEOUT_MS "header_read_timeout_ms" number(100, DAY_MS), "10000",
        "How long the head of a request may take.";
    HELLO_TIMEOUT_MS "hello_timeout_ms" number(100, DAY_MS), "10000",
        "How long a session may take to say `hello`, or `CONNECT`.";
    HEARTBEAT_MS "heartbeat_ms" number(100, DAY_MS), "25000",
        "A client that was silent for so long gets a ping. At most a third of the smallest idle timeout on the way.";
    SILENCE_TIMEOUT_MS "silence_timeout_ms" number(200, DAY_MS), "85000",
        "A session whose client was silent for so long ends with `heartbeat_timeout`: at least twice `heartbeat_ms`, and 60 s more than it where browsers connect, since they slow the timers of hidden pages.";
    CLOSE_TIMEOUT_MS "close_timeout_ms" number(10, DAY_MS), "2000",
        "How long the replica waits for the other side's close.";
    STOP_TIMEOUT_MS "stop_timeout_ms" number(0, DAY_MS), "90000",
        "How long a stop may take, the drain included; then what is left is cut. At least `drain_delay_ms` and `drain_window_ms` together and 10000 more, for the goodbyes of the last sessions.";
    DRAIN_DELAY_MS "drain_delay_ms" number(0, DAY_MS), "0",
        "How long a replica that was told to stop still takes new sessions, while `/readyz` already fails: as long as load balancers need to see that. 0 where something else waits for them, such as a `preStop` of Kubernetes.";
    DRAIN_WINDOW_MS "drain_window_ms" number(0, DAY_MS), "60000",
        "How long moving all sessions to other replicas may take. 0 moves none: they are closed. Without `redis` there is no other replica, and it is 0 unless it is set.";
    DRAIN_AFTER_MS "drain_after_ms" number(0, DAY_MS), "5000",
        "The most that a session is told to take until it opens its other connection; each is told a random time from half of this up, and has as long again. At most a quarter of the window counts.";
    DRAIN_SESSIONS_PER_SECOND "drain_sessions_per_second" number(1, 1_000_000), "100",
        "How many sessions are told to move in a second; more, if the window is too short for that.";
    SOCKJS_BASE "sockjs_base" Takes::List("PATH"), "/sockjs",
        "Base paths under which SockJS clients connect.";
    SOCKJS_CLIENT_URL "sockjs_client_url" Takes::Text("URL"), "/sockjs.js",
        "Where the page for SockJS's iframe transports finds the SockJS client: a path, or `https://…`. By default the one that this replica serves. Whatever is there runs as if it were a page of this gateway.";
    SOCKJS_RESPONSE_BYTES_MAX "sockjs_response_bytes_max" number(1_024, 1_073_741_824), "131072",
        "With so many bytes a streaming response of SockJS ends and the client sends another request, since browsers keep all of it.";
    SOCKJS_SEND_BYTES_MAX "sockjs_send_bytes_max" number(1_024, 67_108_864), "4194304",
        "Largest body of a request that sends messages over SockJS, all its messages together; above, 413 `too_large`.";
    SOCKJS_DISCONNECT_DELAY_MS "sockjs_disconnect_delay_ms" number(100, DAY_MS), "5000",
        "A SockJS session for which no request receives is over after so long.";
    SSE_HEARTBEAT_MS "sse_heartbeat_ms" number(100, DAY_MS), "20000",
        "How often an event stream shows that it lives, with a comment: less than the smallest idle timeout on the way.";
    SSE_RETRY_MS "sse_retry_ms" number(1, DAY_MS), "2000",
        "How long a client whose event stream ended is told to wait until it connects again.";
    BODY_READ_TIMEOUT_MS "body_read_timeout_ms" number(100, DAY_MS), "10000",
        "How long the body of a request may take; above, 408.";
    MESSAGE_BYTES_MAX "message_bytes_max" number(1_024, 67_108_864), "2097152",
        "Largest message of a client, all its fragments together; above, `frame_too_large` and a close.";
    FRAGMENTS_MAX "fragments_max" number(1, 16_777_216), "65536",
        "Most fragments of a message; above, `frame_too_large` and a close.";
    SESSIONS_MAX "sessions_max" number(1, 10_000_000), "50000",
        "Most sessions at once; above, handshakes are answered 429 `too_many_sessions`.";
    SESSIONS_PER_ADDRESS_MAX "sessions_per_address_max" number(1, 10_000_000), "20000",
        "Most sessions of one client's address at once (IPv6: of one /64); above, handshakes are answered 429 `too_many_of_address`.";
    SESSIONS_PER_SUBJECT_MAX "sessions_per_subject_max" number(1, 10_000_000), "1000",
        "Most sessions of one subject with a token at once; above, `too_many_of_subject` and a close.";
    JOINS_PER_SUBJECT_MAX "joins_per_subject_max" number(1, 10_000_000), "10000",
        "Most documents that all sessions of one subject with a token have joined at once, each session's counted; above, `too_many_joins`.";
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
        "Most bytes that wait for one slow connection: at least 4 times `page_bytes_max` and twice `payload_bytes_max`.";
    MEMORY_BYTES_MAX "memory_bytes_max" number(65_536, 17_592_186_044_416), "2147483648",
        "Most bytes that wait for all slow connections, or came from them in part; above, those that hold the most end with `slow_consumer` (or `overloaded`).";
    MEMORY_SOFT_PERCENT "memory_soft_percent" number(1, 100), "75",
        "Above this share of `memory_bytes_max` no session is taken in: handshakes are answered 503 `overloaded`.";
    HEAD_INTERVAL_MS "head_interval_ms" number(100, DAY_MS), "15000",
        "How often the heads of followed documents are compared with Redis, give or take 10 %: finds what pub/sub lost silently.";
    LINGER_MS "linger_ms" number(0, DAY_MS), "10000",
        "How long a document is still followed after its last member left.";
    PRESENCE_GRACE_MS "presence_grace_ms" number(0, 600_000), "5000",
        "How long a participant who left is still shown, in case it comes back, on whichever replica.";
    LEASE_MS "lease_ms" number(100, 3_600_000), "10000",
        "How long what a replica holds for others to see, such as its participants, outlives its last sign of life.";
    LEASE_RENEW_MS "lease_renew_ms" number(10, 600_000), "3000",
        "How often a replica renews its lease; three times this, and this with `presence_grace_ms`, are at most `lease_ms`.";
    COMMANDS_QUEUED_MAX "commands_queued_max" number(16, 1_000_000), "4096",
        "Most commands of sessions that wait for one shard of the hub; above, those sessions are not read from.";
    ANNOUNCEMENTS_QUEUED_MAX "announcements_queued_max" number(16, 10_000_000), "65536",
        "Most announcements of Redis that wait for one shard of the hub; above, its documents are read from the log.";
    ANNOUNCEMENTS_BYTES_MAX "announcements_bytes_max" number(1_048_576, 4_294_967_296), "67108864",
        "Most bytes of payload in the announcements that wait for one shard of the hub; above, its documents are read from the log.";
    PAGE_ENTRIES_MAX "page_entries_max" number(1, 100_000), "1000",
        "Most entries in one read of a log.";
    PAGE_BYTES_MAX "page_bytes_max" number(1_024, 67_108_864), "262144",
        "Most bytes in one read of a log; one entry is read however large it is.";
    TOPIC_ENTRIES_MAX "topic_entries_max" number(1, 10_000_000), "1000",
        "The latest entries that a topic keeps, for whoever comes back; up to an eighth more stand there before they are dropped. The same on all replicas.";
    QUEUE_MESSAGES_MAX "queue_messages_max" number(1, 4_294_967_295), "100000",
        "Most messages in one queue, held ones too; above, a SEND is answered `queue_full`. The same on all replicas, as the next two.";
    QUEUE_ATTEMPTS_MAX "queue_attempts_max" number(0, 1_000_000), "20",
        "How often a queue's message is given out before it is parked in `/queue/<name>.parked`; 0: it never is.";
    QUEUE_LEASE_MS "queue_lease_ms" number(500, DAY_MS), "10000",
        "How long a replica without a sign of life holds what its receivers have of queues; then others get it.";
    COMMENTS_MAX "comments_max" number(1, 1_000_000), "10000",
        "The most comments of a document, with those that were deleted; above, a new one is answered `invalid`. The same on all replicas, as the next one.";
    NOTIFICATIONS_KEPT "notifications_kept" number(1, 1_000_000), "1000",
        "The latest notifications that a subject's log keeps; up to an eighth more stand there before they are dropped.";
    LOG_ENTRIES_MAX "log_entries_max" number(1, 4_294_967_295), "100000",
        "Most entries of a log in Redis; above, appends are answered `log_full`.";
    CLIENT_ROW_KEPT_S "client_row_kept_s" number(86_400, 4_294_967_295), "86400",
        "How long Redis remembers an unused client's numbers, at least a day.";
    REDIS_APPEND_CONNECTIONS "redis_append_connections" number(1, 64), "1",
        "Connections for appends. Each gathers for itself, so more of them cost Redis more.";
    REDIS_SUBSCRIBER_CONNECTIONS "redis_subscriber_connections" number(1, 64), "1",
        "Connections that hear announcements.";
    REDIS_GATHER_US "redis_gather_us" number(0, 1_000_000), "500",
        "How long, in microseconds, a busy connection gathers appends of all documents before it sends them.";
    REDIS_DEADLINE_MS "redis_deadline_ms" number(100, 60_000), "5000",
        "After this time Redis itself refuses an append that was late on its way.";
    REDIS_COMMAND_TIMEOUT_MS "redis_command_timeout_ms" number(50, 60_000), "2000",
        "After this time without an answer the outcome of a command is unknown.";
    REDIS_CONNECT_TIMEOUT_MS "redis_connect_timeout_ms" number(50, 60_000), "1000",
        "How long one attempt to connect to Redis may take.";
    REDIS_WAIT_TIMEOUT_MS "redis_wait_timeout_ms" number(1, 60_000), "1000",
        "How long `WAIT` waits for `replicas_min`.";
    REDIS_QUEUED_ENTRIES_MAX "redis_queued_entries_max" number(1, 10_000_000), "65536",
        "Most entries that wait for an answer of Redis; above, `unavailable` at once.";
    REDIS_QUEUED_BYTES_MAX "redis_queued_bytes_max" number(65_536, 17_179_869_184), "67108864",
        "Most bytes of entries that wait for an answer of Redis; above, `unavailable` at once.";
    REDIS_CALL_ENTRIES_MAX "redis_call_entries_max" number(1, 10_000), "256",
        "Most entries of one document in one call.";
    REDIS_CALL_BYTES_MAX "redis_call_bytes_max" number(1, 1_073_741_824), "1048576",
        "Most bytes of one document in one call; one entry is sent however large it is.";
    REDIS_QUEUED_READS_MAX "redis_queued_reads_max" number(1, 1_000_000), "4096",
        "Most reads and comparisons of heads that wait; above, they are tried again later.";
    REDIS_PROBE_INTERVAL_MS "redis_probe_interval_ms" number(10, 60_000), "1000",
        "How often a probe is published to each subscriber connection.";
    REDIS_DEAF_AFTER_MS "redis_deaf_after_ms" number(10, 600_000), "2000",
        "A subscriber connection that did not hear its probe for so long is replaced.";
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
