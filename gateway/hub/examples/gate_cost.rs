//! What the gate of tracing costs an entry that is not traced, and what counting a delivery costs, in
//! nanoseconds of one core:
//!
//! ```sh
//! cargo run --release -p inkwire-hub --example gate_cost
//! ```

use std::{hint::black_box, sync::Arc, time::Instant};

use bytes::Bytes;
use inkwire_bus::{Append, Ticket};
use inkwire_hub::{
    Observed, Unwatched,
    document::{Note, Outcome},
};
use inkwire_model::{ClientId, ContentType, DocumentId, Entry, Kind, NewEntry, Position, Subject};

const ROUNDS: u64 = 5_000_000;
const ENTRIES_PER_CALL: u64 = 16;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let document = DocumentId::parse("essay")?;
    let position: Position = "1-0123456789abcdef".parse()?;
    let new = NewEntry {
        at: 0,
        author: Subject::parse("alice")?,
        client: ClientId::random(),
        client_seq: 1,
        kind: Kind::default(),
        content_type: ContentType::default(),
        payload: Bytes::from_static(b"1"),
        traceparent: None,
        comment: None,
    };
    let entry: Arc<Entry> = Arc::new(new.clone().at(position));
    let mut observed = Observed::new(Arc::new(Unwatched), Arc::default());

    for entries in [1, ENTRIES_PER_CALL] {
        let batch = (0..entries).map(|_| new.clone()).collect();
        let mut call = Append::new(Ticket(1), document.clone(), batch);
        let gate = nanos_each(ROUNDS / entries, || observed.append(black_box(&mut call)));
        println!(
            "gate, calls of {entries}: {:.1} ns per entry",
            gate / entries as f64
        );
    }
    let answered = nanos_each(ROUNDS, || {
        observed.note(&document, black_box(Note::Answered(Outcome::Appended)));
    });
    println!("an answer counted: {answered:.1} ns");
    let delivered = nanos_each(ROUNDS, || {
        let note = Note::Delivered {
            entry: black_box(&entry),
            members: 2,
            since: None,
        };
        observed.note(&document, note);
    });
    println!("a delivery counted, its latency too: {delivered:.1} ns per entry");
    Ok(())
}

fn nanos_each(rounds: u64, mut each: impl FnMut()) -> f64 {
    let began = Instant::now();
    for _ in 0..rounds {
        each();
    }
    began.elapsed().as_nanos() as f64 / rounds as f64
}
