//! `Sources`: where the numbers are, and the one place that brings them together.

use std::{sync::Arc, time::SystemTime};

use inkwire_bus_redis::RedisTally;
use inkwire_hub::{Hub, ShardTally, document::Outcome, document::ResyncReason};
use inkwire_measure::{Count, Histogram, HistogramReading, Level};
use inkwire_model::{Code, ResetCause};
use inkwire_session::Protocol;
use inkwire_session::{DrainCounts, DrainTally};

use super::{
    process::Process,
    table::{self, Metric},
};
use crate::{
    counters::Counters,
    health::{Health, Readiness},
    in_flight::InFlight,
    memory::Memory,
    sockjs::relay::RelayTally,
    telemetry::{
        Transport, Visits, lines_dropped,
        tracing::{Exemplar, Tracer},
        visits::{Over, is_of_credentials},
    },
};

/// Everything that counts.
pub struct Sources {
    pub hub: Hub,
    pub health: Arc<Health>,
    pub in_flight: InFlight,
    pub visits: Arc<Visits>,
    /// `None` for the embedded bus.
    pub redis: Option<Arc<RedisTally>>,
    pub relay: Arc<RelayTally>,
    /// `None` where tracing is off.
    pub tracer: Option<Arc<Tracer>>,
    pub drain: Arc<DrainTally>,
    pub counters: Arc<Counters>,
    pub memory: Arc<Memory>,
    pub started: SystemTime,
}

/// A metric and its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    pub metric: &'static Metric,
    pub points: Vec<Point>,
}

/// The value for these labels, in the order of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub labels: Vec<&'static str>,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Number(f64),
    Durations(HistogramReading, Vec<(usize, Exemplar)>),
}

impl Sources {
    /// Every metric of the table, in its order.
    pub fn gather(&self) -> Vec<Family> {
        let mut families = self.of_replica();
        families.extend(self.of_sessions());
        families.extend(self.of_documents());
        families.extend(self.of_queues());
        families.extend(self.of_bus());
        families.extend(self.of_relay());
        families.extend(self.of_traces());
        families.extend(self.of_process());
        families
    }

    fn of_replica(&self) -> Vec<Family> {
        let readiness = self.health.readiness();
        let DrainCounts { told, left, cut } = self.drain.counts();
        vec![
            Family {
                metric: &table::BUILD,
                points: vec![point(&[env!("CARGO_PKG_VERSION")], 1.0)],
            },
            one(&table::READY, f64::from(u8::from(readiness.is_ready()))),
            one(
                &table::DRAINING,
                f64::from(u8::from(readiness == Readiness::Draining)),
            ),
            Family {
                metric: &table::DRAINED,
                points: vec![
                    point(&["told"], told as f64),
                    point(&["left"], left as f64),
                    point(&["cut"], cut as f64),
                ],
            },
        ]
    }

    fn of_sessions(&self) -> Vec<Family> {
        let visits = &self.visits;
        let connections = Transport::ALL.into_iter().zip(&visits.sessions);
        let connections = connections.flat_map(|(transport, levels)| {
            let levels = Protocol::ALL.into_iter().zip(levels);
            levels.map(move |(protocol, level)| {
                point(
                    &[transport.as_str(), protocol.as_str()],
                    level.read() as f64,
                )
            })
        });
        let codes = visits
            .codes
            .all()
            .filter(|(code, _)| code.row().close_code != 0);
        let disconnects = codes.map(|(code, count)| point(&[code.as_str()], count as f64));
        let over = Over::ALL
            .into_iter()
            .zip(&visits.over)
            .map(|(over, count)| point(&[over.as_str()], count.read() as f64));
        let slow = visits
            .codes
            .all()
            .find(|(code, _)| *code == Code::SlowConsumer);
        let rejected = visits
            .rejected_credentials
            .all()
            .filter(|(code, _)| is_of_credentials(*code));
        let waits = visits.waits();
        let refusals = self.counters.refusals.all();
        let breaches = self.counters.all_breaches();
        vec![
            Family {
                metric: &table::CONNECTIONS,
                points: connections.collect(),
            },
            Family {
                metric: &table::HANDSHAKE_DURATION,
                points: vec![
                    durations(&["welcomed"], visits.welcomed.read()),
                    durations(&["refused"], visits.refused.read()),
                ],
            },
            Family {
                metric: &table::DISCONNECTS,
                points: disconnects.chain(over).collect(),
            },
            one(
                &table::SLOW_CONSUMERS,
                slow.map_or(0.0, |(_, count)| count as f64),
            ),
            Family {
                metric: &table::REJECTED_CREDENTIALS,
                points: rejected
                    .map(|(code, count)| point(&[code.as_str()], count as f64))
                    .collect(),
            },
            Family {
                metric: &table::REFUSALS,
                points: refusals
                    .map(|(code, count)| point(&[code.as_str()], count as f64))
                    .collect(),
            },
            Family {
                metric: &table::LIMITS,
                points: breaches
                    .map(|(limit, count)| point(&[limit.as_str()], count as f64))
                    .collect(),
            },
            one(&table::OUTBOX_MESSAGES, waits.messages as f64),
            one(&table::OUTBOX_BYTES, waits.bytes as f64),
            one(&table::OUTBOX_BLOCKED, waits.blocked as f64),
            one(&table::MEMORY, self.memory.bytes() as f64),
            one(&table::LOG_LINES_DROPPED, lines_dropped() as f64),
        ]
    }

    fn of_documents(&self) -> Vec<Family> {
        let sum = |count: fn(&ShardTally) -> &Count| {
            let tallies = self.hub.tallies().iter();
            tallies.map(|tally| count(tally).read()).sum::<u64>() as f64
        };
        let level = |level: fn(&ShardTally) -> &Level| {
            let tallies = self.hub.tallies().iter();
            tallies.map(|tally| level(tally).read()).sum::<i64>() as f64
        };
        let histogram = |metric, histogram: fn(&ShardTally) -> &Histogram, exemplars| {
            let mut sum = Histogram::of_durations().read();
            for tally in self.hub.tallies() {
                sum.add(&histogram(tally).read());
            }
            let value = Value::Durations(sum, exemplars);
            Family {
                metric,
                points: vec![Point {
                    labels: Vec::new(),
                    value,
                }],
            }
        };
        let exemplars = self.tracer.as_ref().map(|tracer| tracer.exemplars());
        let outcomes = Outcome::ALL.iter().map(|outcome| outcome.as_str());
        let reasons = ResyncReason::ALL.iter().map(|reason| reason.as_str());
        let causes = ResetCause::ALL.iter().map(|cause| cause.as_str());
        vec![
            one(&table::DOCUMENTS, level(|tally| &tally.documents)),
            self.by_label(&table::APPENDS, outcomes, |tally| &tally.outcomes),
            one(&table::APPENDS_IN_FLIGHT, self.in_flight.count() as f64),
            histogram(&table::APPEND_DURATION, |t| &t.append_duration, Vec::new()),
            one(&table::ENTRIES, sum(|tally| &tally.entries)),
            one(&table::DELIVERIES, sum(|tally| &tally.deliveries)),
            histogram(
                &table::DELIVERY_DURATION,
                |t| &t.delivery_latency,
                exemplars.unwrap_or_default(),
            ),
            histogram(
                &table::SAME_NODE_DURATION,
                |t| &t.same_node_latency,
                Vec::new(),
            ),
            histogram(&table::JOIN_DURATION, |t| &t.join_duration, Vec::new()),
            one(&table::GAPS, sum(|tally| &tally.gaps)),
            self.by_label(&table::RESYNCS, reasons, |tally| &tally.resyncs),
            self.by_label(&table::RESETS, causes, |tally| &tally.resets),
            one(&table::FORKS, sum(|tally| &tally.forks)),
        ]
    }

    /// The sums of the counts that stand in the order of their label's values.
    fn by_label(
        &self,
        metric: &'static Metric,
        labels: impl Iterator<Item = &'static str>,
        counts: fn(&ShardTally) -> &[Count],
    ) -> Family {
        let sum = |place: usize| {
            let counts = self.hub.tallies().iter().map(|tally| counts(tally));
            let values = counts.filter_map(|counts| counts.get(place).map(Count::read));
            values.sum::<u64>() as f64
        };
        let points = labels.enumerate();
        Family {
            metric,
            points: points
                .map(|(place, label)| point(&[label], sum(place)))
                .collect(),
        }
    }

    fn of_queues(&self) -> Vec<Family> {
        let tally = self.hub.queue_tally();
        let events = [
            ("sent", &tally.sent),
            ("refused", &tally.refused),
            ("delivered", &tally.delivered),
            ("redelivered", &tally.redelivered),
            ("acked", &tally.acked),
            ("nacked", &tally.nacked),
            ("lost", &tally.lost),
            ("parked", &tally.parked),
        ];
        let points = events.map(|(event, count)| point(&[event], count.read() as f64));
        vec![
            Family {
                metric: &table::QUEUE_MESSAGES,
                points: points.into(),
            },
            one(&table::QUEUE_TAKEN_BACK, tally.taken_back.read() as f64),
        ]
    }

    fn of_bus(&self) -> Vec<Family> {
        let round_trip = match &self.redis {
            Some(redis) => redis.round_trip.read(),
            None => Histogram::of_durations().read(),
        };
        let reconnects = self
            .redis
            .as_ref()
            .map_or(0, |redis| redis.reconnects.read());
        vec![
            one(
                &table::REDIS_AVAILABLE,
                f64::from(u8::from(self.hub.is_available())),
            ),
            Family {
                metric: &table::REDIS_ROUND_TRIP,
                points: vec![durations(&[], round_trip)],
            },
            one(&table::REDIS_RECONNECTS, reconnects as f64),
        ]
    }

    fn of_relay(&self) -> Vec<Family> {
        let lost = self.redis.as_ref();
        let lost = lost.map_or(0, |redis| redis.letters_lost.read());
        let tally = &self.relay;
        let frames = [("sent", &tally.frames), ("again", &tally.frames_again)];
        vec![
            one(&table::LETTERS_LOST, lost as f64),
            one(&table::SOCKJS_RELAY_REQUESTS, tally.requests.read() as f64),
            Family {
                metric: &table::SOCKJS_RELAY_FRAMES,
                points: frames
                    .map(|(event, count)| point(&[event], count.read() as f64))
                    .into(),
            },
            one(
                &table::SOCKJS_RELAY_UNCONFIRMED,
                tally.unconfirmed.read() as f64,
            ),
        ]
    }

    fn of_traces(&self) -> Vec<Family> {
        let tracer = self.tracer.as_ref();
        let documents = tracer.map_or(0, |tracer| {
            tracer.documents().list(std::time::Instant::now()).len()
        });
        let counts = tracer.map(|tracer| tracer.counts());
        let spans = [
            (
                "exported",
                counts.map_or(0, |counts| counts.exported.read()),
            ),
            ("dropped", counts.map_or(0, |counts| counts.dropped.read())),
            (
                "withheld",
                counts.map_or(0, |counts| counts.withheld.read()),
            ),
            ("failed", counts.map_or(0, |counts| counts.failed.read())),
        ];
        vec![
            one(
                &table::TRACE_RATIO,
                tracer.map_or(0.0, |tracer| tracer.trace_ratio()),
            ),
            one(&table::TRACED_DOCUMENTS, documents as f64),
            Family {
                metric: &table::SPANS,
                points: spans
                    .into_iter()
                    .map(|(outcome, count)| point(&[outcome], count as f64))
                    .collect(),
            },
        ]
    }

    fn of_process(&self) -> Vec<Family> {
        let process = Process::read();
        let started = self
            .started
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        vec![
            one(&table::PROCESS_CPU, process.cpu_s),
            one(&table::PROCESS_MEMORY, process.resident_bytes as f64),
            one(&table::PROCESS_FDS, process.open_files as f64),
            one(&table::PROCESS_FDS_MAX, process.open_files_max as f64),
            one(&table::PROCESS_START, started.as_secs_f64()),
        ]
    }
}

fn one(metric: &'static Metric, value: f64) -> Family {
    Family {
        metric,
        points: vec![point(&[], value)],
    }
}

fn point(labels: &[&'static str], value: f64) -> Point {
    Point {
        labels: labels.to_vec(),
        value: Value::Number(value),
    }
}

fn durations(labels: &[&'static str], reading: HistogramReading) -> Point {
    Point {
        labels: labels.to_vec(),
        value: Value::Durations(reading, Vec::new()),
    }
}
