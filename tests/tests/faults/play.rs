//! `Play`: writers and readers on all replicas while a fault happens, and what became of it.

use std::{
    fs::File,
    io::BufWriter,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use inkwire_checker::{LOG, Verdict, check};
use inkwire_client::{Connection, Document, Events, JoinOptions};
use inkwire_model::{ClientId, DocumentId};
use inkwire_tests::recording;
use tokio::time::{sleep, timeout};

use crate::{
    cast::Cast,
    reader::{Reader, Reading, text},
    row::Row,
    scene::{REPLICAS, Scene},
    writer::Writer,
};

/// How long anything may take that has to come.
const DEADLINE: Duration = Duration::from_secs(90);
/// How long a first join may take.
const JOIN_DEADLINE: Duration = Duration::from_secs(20);
/// What should not come after the end is waited for so long.
const SETTLE: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(2);

/// Everybody at work.
pub(crate) struct Play {
    documents: Vec<Playing>,
    cast: Cast,
    fault: Option<Fault>,
}

/// One document, with its writer and its readers.
struct Playing {
    id: DocumentId,
    edits: Vec<Bytes>,
    writer: Writer,
    readers: Vec<Reader>,
}

/// The fault, as it was told.
struct Fault {
    began: Instant,
    lasted: Duration,
    /// How much of each document was submitted when it began.
    submitted: Vec<u64>,
    recovered: Option<Duration>,
}

/// What became of it all.
pub(crate) struct Outcome {
    pub(crate) row: Row,
    /// Of each document.
    pub(crate) verdicts: Vec<Verdict>,
    /// How many resets each reader was told.
    pub(crate) resets: Vec<(String, u64)>,
    /// Each reader's longest silence while edits were being sent, the shortest first.
    pub(crate) silences: Vec<Duration>,
}

impl Play {
    /// Connects everybody; once all are live, the writers begin.
    pub(crate) async fn start(scene: &Scene, cast: Cast) -> Self {
        let mut documents = Vec::new();
        for (index, edits) in cast.histories.iter().enumerate() {
            let id = DocumentId::parse(&format!("fault-{}", ClientId::random())).unwrap();
            let mut readers = Vec::new();
            for replica in (0..REPLICAS).cycle().take(REPLICAS * cast.readers) {
                let (connection, opened) = join(&cast, scene, replica, &id, true).await;
                let name = format!("reader {} of document {index}", readers.len() + 1);
                readers.push(Reader::start(name, connection, opened));
            }
            for reader in &readers {
                timeout(JOIN_DEADLINE, reader.live())
                    .await
                    .expect("a reader is live");
            }
            let (connection, opened) = join(&cast, scene, index % REPLICAS, &id, false).await;
            documents.push((id, edits.clone(), connection, opened, readers));
        }
        // All at once, since the first one has nobody to wait for.
        let begin = |(index, (id, edits, connection, opened, readers)): (
            usize,
            (_, Vec<Bytes>, _, _, _),
        )| {
            let name = format!("writer of document {index}");
            let writer = Writer::start(&name, connection, opened, edits.clone(), cast.rate);
            Playing {
                id,
                edits,
                writer,
                readers,
            }
        };
        let documents = documents.into_iter().enumerate().map(begin).collect();
        Self {
            documents,
            cast,
            fault: None,
        }
    }

    /// Waits until this share of every document is acknowledged.
    pub(crate) async fn reach(&self, share: f64) {
        let is_there = |playing: &Playing| {
            playing.writer.acknowledged() as f64 >= playing.edits.len() as f64 * share
        };
        let what = format!("{:.0} % are acknowledged", share * 100.0);
        until(&what, || self.documents.iter().all(is_there)).await;
    }

    /// Waits until so much more of every document is acknowledged.
    pub(crate) async fn write_more(&self, edits: u64) {
        let goals: Vec<_> = self
            .documents
            .iter()
            .map(|p| p.writer.acknowledged() + edits)
            .collect();
        let is_there = || {
            let mut documents = self.documents.iter().zip(&goals);
            documents.all(|(playing, goal)| {
                playing.writer.acknowledged() >= (*goal).min(playing.writer.edits)
            })
        };
        until("more is acknowledged", is_there).await;
    }

    /// Now.
    pub(crate) fn fault_begins(&mut self) {
        self.fault = Some(Fault {
            began: Instant::now(),
            lasted: Duration::ZERO,
            submitted: self
                .documents
                .iter()
                .map(|p| p.writer.submitted())
                .collect(),
            recovered: None,
        });
    }

    /// Now; without this it is a moment.
    pub(crate) fn fault_ends(&mut self) {
        let fault = self.fault.as_mut().expect("a fault that began");
        fault.lasted = fault.began.elapsed();
    }

    /// Waits until every reader has the writer's newest acknowledged entry, one that was submitted
    /// after the fault began. Says how long after that this was. It may come before the fault ends.
    pub(crate) async fn recovered(&mut self) -> Duration {
        let fault = self.fault.as_ref().expect("a fault that began");
        let documents = &self.documents;
        let after_fault = || {
            let mut documents = documents.iter().zip(&fault.submitted);
            documents.all(|(playing, submitted)| {
                let writer = &playing.writer;
                writer.acknowledged() > *submitted || writer.acknowledged() == writer.edits
            })
        };
        until("something new is acknowledged", after_fault).await;
        // One writer each, so that the n-th acknowledged append is entry n.
        let goals: Vec<_> = documents.iter().map(|p| p.writer.acknowledged()).collect();
        let all_there = || {
            documents.iter().zip(&goals).all(|(playing, goal)| {
                let mut shown = playing.readers.iter().map(Reader::shown);
                shown.all(|shown| shown >= *goal) && playing.writer.shown() >= *goal
            })
        };
        until("every reader has what is acknowledged", all_there).await;
        let recovered = fault.began.elapsed();
        if let Some(fault) = &mut self.fault {
            fault.recovered = Some(recovered);
        }
        recovered
    }

    /// Everybody's connections, as a test cuts them.
    pub(crate) fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.documents.iter().flat_map(|playing| {
            let readers = playing.readers.iter().map(Reader::connection);
            readers.chain([playing.writer.connection()])
        })
    }

    /// Waits for the end of the writing, reads every log anew on every replica, and lets the checker
    /// judge. Whatever it finds fails the test.
    pub(crate) async fn finish(mut self, scene: &Scene, fault: &str) -> Outcome {
        let told = self.fault.take().expect("a fault that began");
        let recovered = told.recovered.expect("`recovered` was awaited");
        let mut outcome = Outcome {
            row: Row {
                fault: fault.to_owned(),
                sent: 0,
                acknowledged: 0,
                lost: 0,
                repeated: 0,
                resets: 0,
                longest_silence: Duration::ZERO,
                lasted: told.lasted,
                recovered,
            },
            verdicts: Vec::new(),
            resets: Vec::new(),
            silences: Vec::new(),
        };
        // In time or not, the checker says what is missing.
        let edits = self.documents.iter().map(|playing| playing.edits.len());
        let writing = edits.max().unwrap_or(0) as f64 / self.cast.rate;
        let all_arrived = join_all(self.documents.iter().map(Playing::arrived));
        let _ = timeout(DEADLINE + Duration::from_secs_f64(writing), all_arrived).await;
        sleep(SETTLE).await;
        let mut is_clean = true;
        for playing in self.documents {
            let document = playing.id.to_string();
            let history = playing.finish(scene, &mut outcome).await;
            let verdict = check(&history);
            if !verdict.is_clean() {
                is_clean = false;
                let name = format!("{document}.jsonl");
                let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
                history
                    .write(BufWriter::new(File::create(&path).unwrap()))
                    .unwrap();
                println!("{fault}: {verdict}kept in {}", path.display());
            }
            let counts = verdict.counts;
            let row = &mut outcome.row;
            row.acknowledged += counts.acknowledged;
            row.lost += counts.missing + counts.told_lost + counts.forgotten;
            row.repeated += counts.repeated;
            row.resets += counts.resets;
            outcome.verdicts.push(verdict);
        }
        outcome.silences.sort();
        outcome.row.longest_silence = outcome.silences.last().copied().unwrap_or_default();
        outcome.row.clone().print();
        assert!(is_clean, "{fault}: the contract was broken, see above");
        assert_eq!((outcome.row.lost, outcome.row.repeated), (0, 0), "{fault}");
        outcome
    }
}

impl Playing {
    async fn finish(self, scene: &Scene, outcome: &mut Outcome) -> inkwire_checker::Recording {
        let mut tapes = Vec::new();
        let names = [LOG.to_owned()].into_iter();
        let names = names.chain((1..REPLICAS).map(|n| format!("late reader {n}")));
        for (replica, name) in names.enumerate() {
            let late = read_whole(scene, replica, &self.id, &name);
            let late = timeout(DEADLINE, late).await;
            tapes.push(late.expect("a log can be read anew").tape);
        }
        let writing = self.writer.finish().await;
        for reader in self.readers {
            let name = reader.name.clone();
            let reading = reader.finish().await;
            let silence = reading.longest_silence(writing.first_sent, writing.last_sent);
            outcome.silences.push(silence);
            outcome.resets.push((name, reading.resets));
            tapes.push(reading.tape);
        }
        outcome.row.sent += writing.sent;
        tapes.push(writing.reading.tape);
        // What the text should be, by the edits themselves.
        let mut wanted = inkwire_tests::Tape::of(LOG);
        let sent = usize::try_from(writing.sent).unwrap();
        wanted.has_text(&text(&self.edits[..sent]).unwrap());
        tapes.push(wanted);
        recording(tapes)
    }

    /// Everything was sent and answered, and everybody has it.
    async fn arrived(&self) {
        while !self.writer.is_done() {
            sleep(POLL).await;
        }
        let goal = self.writer.acknowledged();
        let everybody = || {
            let readers = self.readers.iter().map(Reader::shown);
            readers.chain([self.writer.shown()])
        };
        while !everybody().all(|shown| shown >= goal) {
            sleep(POLL).await;
        }
    }
}

async fn join(
    cast: &Cast,
    scene: &Scene,
    replica: usize,
    id: &DocumentId,
    read_only: bool,
) -> (Connection, (Document, Events)) {
    let connection = Connection::open(cast.options(scene, replica)).unwrap();
    let options = JoinOptions {
        read_only,
        ..JoinOptions::default()
    };
    let opened = connection.document(id.clone(), options).await.unwrap();
    (connection, opened)
}

/// Somebody who comes when all is written.
async fn read_whole(scene: &Scene, replica: usize, id: &DocumentId, name: &str) -> Reading {
    let url = scene.replicas[replica].url();
    let connection = Connection::open(inkwire_client::ConnectOptions::new(url)).unwrap();
    let options = JoinOptions {
        read_only: true,
        ..JoinOptions::default()
    };
    let opened = connection.document(id.clone(), options).await.unwrap();
    let reader = Reader::start(name.to_owned(), connection, opened);
    reader.live().await;
    reader.finish().await
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            sleep(POLL).await;
        }
    };
    let waited = timeout(DEADLINE, waiting).await;
    assert!(
        waited.is_ok(),
        "waited {DEADLINE:?} in vain for this: {what}"
    );
}
