//! What a tracer makes of what happens, and what the log says of it.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use inkwire_bus::Refusal;
use inkwire_hub::{Joined, RareEvent, Watch, document::ResyncReason};
use inkwire_model::{DocumentId, ResetCause};
use opentelemetry_proto::tonic::trace::v1::Span;
use tracing_subscriber::fmt::MakeWriter;

use super::{SpanQueue, Tracer, Untraced};

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The lines, of what operators see by default, that this leads to.
fn lines_of(run: impl FnOnce()) -> Vec<String> {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, run);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn essay() -> DocumentId {
    DocumentId::parse("essay").unwrap()
}

fn fork() -> RareEvent {
    RareEvent::Resynced {
        reason: ResyncReason::Head,
        took: Duration::from_millis(3),
        entries: 0,
        broken: Some(ResetCause::Diverged),
        members: 3,
    }
}

fn started_over(again: bool) -> RareEvent {
    RareEvent::Joined(Joined {
        session: None,
        took: Duration::from_millis(3),
        pages: 1,
        reset: Some(ResetCause::Diverged),
        again,
    })
}

fn tracer() -> (Tracer, tokio::sync::mpsc::Receiver<Span>) {
    let (queue, spans) = SpanQueue::unsent(100_000);
    (Tracer::new(queue, 0.0, "memory"), spans)
}

fn drain(spans: &mut tokio::sync::mpsc::Receiver<Span>) -> Vec<Span> {
    std::iter::from_fn(|| spans.try_recv().ok()).collect()
}

#[test]
fn a_fork_is_said_with_and_without_a_receiver_of_traces() {
    let lines = lines_of(|| Untraced.happened(&essay(), &fork()));
    assert_eq!(lines.len(), 1, "{lines:?}");
    let expected =
        "its sessions start over document=essay reason=\"head\" cause=\"diverged\" members=3";
    assert!(lines[0].contains(expected), "{lines:?}");
    assert!(!lines[0].contains("trace_id"), "{lines:?}");

    let (tracer, mut spans) = tracer();
    let lines = lines_of(|| tracer.happened(&essay(), &fork()));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("trace_id"), "{lines:?}");
    assert_eq!(drain(&mut spans).len(), 1);
}

#[test]
fn members_that_start_over_write_no_lines_and_not_endlessly_many_spans() {
    let (tracer, mut spans) = tracer();
    let lines = lines_of(|| {
        for place in 0..10_000 {
            tracer.happened(&essay(), &started_over(place % 2 == 0));
        }
    });
    assert_eq!(lines, [""; 0]);
    let made = drain(&mut spans).len();
    // The burst, and what the time that this took adds.
    assert!((500..5_000).contains(&made), "{made}");
    assert_eq!(tracer.counts().withheld.read(), 10_000 - made as u64);

    // A fork keeps its place, and its line.
    assert_eq!(lines_of(|| tracer.happened(&essay(), &fork())).len(), 1);
    assert_eq!(drain(&mut spans).len(), 1);
}

#[test]
fn a_call_that_failed_is_an_error_though_nothing_in_it_was_traced() {
    let (tracer, mut spans) = tracer();
    for (refusal, name) in [(None, "unavailable"), (Some(Refusal::LogFull), "log_full")] {
        let took = Duration::from_millis(40);
        tracer.happened(&essay(), &RareEvent::CallFailed { refusal, took });
        let span = drain(&mut spans).remove(0);
        assert_eq!(span.name, "append");
        assert!(span.end_time_unix_nano - span.start_time_unix_nano >= 40_000_000);
        let said = format!("{:?}", span.attributes);
        assert!(said.contains(name) && said.contains("essay"), "{said}");
        assert!(span.status.is_some());
    }
}
