//! The table of all metrics: what a scrape calls each, what OTLP calls it, its unit and labels.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Only grows.
    Counter,
    Gauge,
    /// Of durations.
    Histogram,
}

impl Shape {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// In a scrape.
    pub name: &'static str,
    /// In OTLP.
    pub otlp_name: &'static str,
    pub shape: Shape,
    /// In UCUM.
    pub unit: &'static str,
    pub labels: &'static [&'static str],
    pub sentence: &'static str,
}

macro_rules! metrics {
    ($($constant:ident $name:literal $otlp:literal $shape:ident $unit:literal [$($label:literal)*] $sentence:literal;)*) => {
        $(
            #[doc = $sentence]
            pub(super) const $constant: Metric = Metric {
                name: $name, otlp_name: $otlp, shape: Shape::$shape, unit: $unit,
                labels: &[$($label),*], sentence: $sentence,
            };
        )*

        /// Every metric, in the order of the page and of a scrape.
        pub const METRICS: &[&Metric] = &[$(&$constant,)*];
    };
}

metrics! {
    BUILD "inkwire_build_info" "inkwire.build" Gauge "1" ["version"]
        "1, with the version that runs.";
    READY "inkwire_ready" "inkwire.ready" Gauge "1" []
        "1 while the replica takes sessions.";
    DRAINING "inkwire_draining" "inkwire.draining" Gauge "1" []
        "1 once the replica stops.";
    DRAINED "inkwire_drained_sessions_total" "inkwire.drained_sessions" Counter "{session}" ["outcome"]
        "Sessions that the drain `told` to move, that then `left`, and that were `cut` when their time was over.";
    CONNECTIONS "inkwire_connections" "inkwire.connections" Gauge "{connection}" ["transport" "protocol"]
        "Sessions and handshakes that are open.";
    HANDSHAKE_DURATION "inkwire_handshake_duration_seconds" "inkwire.handshake.duration" Histogram "s" ["outcome"]
        "From a handshake's request to `welcome`, or to the refusal.";
    DISCONNECTS "inkwire_disconnects_total" "inkwire.disconnects" Counter "{connection}" ["code"]
        "Sessions that ended: by the code that the gateway ended them with, `left` where the client closed, `gone` where the connection just ended.";
    SLOW_CONSUMERS "inkwire_slow_consumers_total" "inkwire.slow_consumers" Counter "{connection}" []
        "Sessions that were closed because they did not read fast enough; also in the disconnects.";
    REJECTED_CREDENTIALS "inkwire_rejected_credentials_total" "inkwire.rejected_credentials" Counter "{rejection}" ["code"]
        "Handshakes and sessions that ended for their credentials.";
    REFUSALS "inkwire_refusals_total" "inkwire.refusals" Counter "{refusal}" ["code"]
        "Requests that were refused, of sessions that go on and of HTTP, by code.";
    LIMITS "inkwire_limits_total" "inkwire.limits" Counter "{breach}" ["limit"]
        "Breaches of limits that are met before there is a session to be told.";
    OUTBOX_MESSAGES "inkwire_outbox_messages" "inkwire.outbox.messages" Gauge "{message}" []
        "Messages that wait for full sockets.";
    OUTBOX_BYTES "inkwire_outbox_bytes" "inkwire.outbox.size" Gauge "By" []
        "Bytes that wait for full sockets.";
    OUTBOX_BLOCKED "inkwire_outbox_blocked" "inkwire.outbox.blocked" Gauge "{connection}" []
        "Connections whose socket is full.";
    MEMORY "inkwire_memory_bytes" "inkwire.memory.size" Gauge "By" []
        "Bytes that wait for slow connections, or came from them in part: what `memory_bytes_max` limits.";
    LOG_LINES_DROPPED "inkwire_log_lines_dropped_total" "inkwire.log.lines_dropped" Counter "{line}" []
        "Log lines that were dropped because standard error was not read fast enough.";
    DOCUMENTS "inkwire_documents" "inkwire.documents" Gauge "{document}" []
        "Documents that the replica follows.";
    APPENDS "inkwire_appends_total" "inkwire.appends" Counter "{entry}" ["outcome"]
        "Entries by what their writer was told.";
    APPENDS_IN_FLIGHT "inkwire_appends_in_flight" "inkwire.appends.in_flight" Gauge "{call}" []
        "Calls of the log that have no answer yet.";
    APPEND_DURATION "inkwire_append_duration_seconds" "inkwire.append.duration" Histogram "s" []
        "Calls of the log, from the hand-over to the bus to the answer, the wait for their turn included.";
    ENTRIES "inkwire_entries_total" "inkwire.entries" Counter "{entry}" []
        "Entries that entered the live order of a followed document.";
    DELIVERIES "inkwire_deliveries_total" "inkwire.deliveries" Counter "{delivery}" []
        "Entries written to live sessions, one for each session.";
    DELIVERY_DURATION "inkwire_delivery_duration_seconds" "inkwire.delivery.duration" Histogram "s" []
        "From the receipt of an entry, by the clock of the writer's replica (in whole milliseconds), to the write to a session here; one value for each session. With exemplars.";
    SAME_NODE_DURATION "inkwire_same_node_duration_seconds" "inkwire.delivery.same_node.duration" Histogram "s" []
        "From the hand-over of an own writer's entry to the bus to the write to the sessions here, by one clock; one entry at a time is timed for each document.";
    JOIN_DURATION "inkwire_join_duration_seconds" "inkwire.join.duration" Histogram "s" []
        "From a join to the live order, and of sessions that start over.";
    GAPS "inkwire_gaps_total" "inkwire.gaps" Counter "{gap}" []
        "Announcements that came before the one that they follow.";
    RESYNCS "inkwire_resyncs_total" "inkwire.resyncs" Counter "{resync}" ["reason"]
        "Reads of the log because the live order was in doubt.";
    RESETS "inkwire_resets_total" "inkwire.resets" Counter "{reset}" ["cause"]
        "Sessions that were told to start over.";
    FORKS "inkwire_forks_total" "inkwire.forks" Counter "{fork}" []
        "Live orders that the log contradicted by hash.";
    QUEUE_MESSAGES "inkwire_queue_messages_total" "inkwire.queue.messages" Counter "{message}" ["event"]
        "Messages of queues: `sent` ones are stored, `refused` ones found the queue full, `delivered` and of them `redelivered` ones went to a receiver, `acked`, `nacked`, `lost` ones were settled too late, `parked` ones were given out too often.";
    QUEUE_TAKEN_BACK "inkwire_queue_taken_back_total" "inkwire.queue.taken_back" Counter "{receiver}" []
        "Receivers that lost what they held since the replica was away for longer than its lease.";
    REDIS_AVAILABLE "inkwire_bus_available" "inkwire.bus.available" Gauge "1" []
        "1 while the log can be reached.";
    REDIS_ROUND_TRIP "inkwire_redis_round_trip_seconds" "inkwire.redis.round_trip" Histogram "s" []
        "From the sending of gathered appends to the last of their replies; empty on the embedded bus.";
    REDIS_RECONNECTS "inkwire_redis_subscriber_reconnects_total" "inkwire.redis.subscriber_reconnects" Counter "{reconnect}" []
        "Subscriber connections that ended, or could not be opened.";
    LETTERS_LOST "inkwire_letters_lost_total" "inkwire.letters_lost" Counter "{letter}" []
        "Letters to other replicas that found no room on their way, or Redis away.";
    SOCKJS_RELAY_REQUESTS "inkwire_sockjs_relay_requests_total" "inkwire.sockjs.relay.requests" Counter "{request}" []
        "Requests of SockJS sessions of this replica that arrived at another one.";
    SOCKJS_RELAY_FRAMES "inkwire_sockjs_relay_frames_total" "inkwire.sockjs.relay.frames" Counter "{frame}" ["event"]
        "Frames that were `sent` to responses at other replicas, and that were sent `again` since nobody confirmed them.";
    SOCKJS_RELAY_UNCONFIRMED "inkwire_sockjs_relay_unconfirmed_total" "inkwire.sockjs.relay.unconfirmed" Counter "{request}" []
        "Relayed requests that the other replica left without an answer; each ended its session.";
    TRACE_RATIO "inkwire_trace_ratio" "inkwire.trace.ratio" Gauge "1" []
        "The part of all entries that is traced; 0 where tracing is off.";
    TRACED_DOCUMENTS "inkwire_traced_documents" "inkwire.trace.documents" Gauge "{document}" []
        "Documents of which every entry is traced.";
    SPANS "inkwire_spans_total" "inkwire.trace.spans" Counter "{span}" ["outcome"]
        "Spans: `exported`, `dropped` because too many waited, `withheld` because too many of their kind came at once, `failed` because the receiver did not take them.";
    PROCESS_CPU "process_cpu_seconds_total" "process.cpu.time" Counter "s" []
        "Processor time of the process.";
    PROCESS_MEMORY "process_resident_memory_bytes" "process.memory.usage" Gauge "By" []
        "Memory that the process holds.";
    PROCESS_FDS "process_open_fds" "process.unix.file_descriptor.count" Gauge "{file_descriptor}" []
        "Open file descriptors.";
    PROCESS_FDS_MAX "process_max_fds" "process.unix.file_descriptor.limit" Gauge "{file_descriptor}" []
        "Most file descriptors that may be open.";
    PROCESS_START "process_start_time_seconds" "process.start_time" Gauge "s" []
        "When the process started, in seconds since 1970.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = METRICS.iter().map(|metric| metric.name).collect();
        let otlp: HashSet<_> = METRICS.iter().map(|metric| metric.otlp_name).collect();
        assert_eq!((names.len(), otlp.len()), (METRICS.len(), METRICS.len()));
    }

    #[test]
    fn counters_and_units_show_in_the_name() {
        for metric in METRICS {
            let is_total = metric.name.ends_with("_total");
            assert_eq!(is_total, metric.shape == Shape::Counter, "{}", metric.name);
            if metric.shape == Shape::Histogram {
                assert!(metric.name.ends_with("_seconds"), "{}", metric.name);
            }
        }
    }
}
