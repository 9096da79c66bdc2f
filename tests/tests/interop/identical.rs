//! A writer on Spring; reviewers on stompjs in Chromium, stomp.py over TCP, native MessagePack, and
//! SockJS by polling: the same text for all of them, with every link cut again and again.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use inkwire_client::{ConnectOptions, Connection, Event, JoinOptions};
use inkwire_model::DocumentId;
use inkwire_protocol::native::Encoding;
use inkwire_test_support::LineProgram;
use inkwire_tests::History;

use crate::{
    history::histories,
    program::{Library, Line},
    scene::{Pages, Scene, Way},
};

const CUT_EVERY: u64 = 500;
const PATIENCE: Duration = Duration::from_secs(300);
/// So much longer may a writer take for each entry.
const PATIENCE_PER_ENTRY: Duration = Duration::from_millis(20);

/// Everyone who reads over a foreign library: enough that each replica has some of them.
const READERS: &[(Library, &str)] = &[
    (Library::SameOrigin, "websocket"),
    (Library::Python, "tcp"),
    (Library::Node, "sockjs:xhr-polling"),
    (Library::Spring, "sockjs:websocket"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_has_the_same_text_with_every_link_cut() {
    let scene = Scene::start(Pages::Own);
    for history in &chosen() {
        replay(&scene, history, Library::Spring, "websocket", READERS).await;
    }
}

/// Event streams, in a page and over curl, of which nothing is known but the last id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_source_has_the_same_text_with_every_link_cut() {
    let scene = Scene::start(Pages::Own);
    let readers = [(Library::SameOrigin, "sse"), (Library::Node, "sse")];
    for history in &chosen() {
        replay(&scene, history, Library::Node, "websocket", &readers).await;
    }
}

/// Every transport that sockjs-client has in a browser, on a page of the gateway's own and on another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transport_of_sockjs_client_in_chromium() {
    let short = inkwire_tests::generate(600, 3);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("short.json.gz");
    short.write(&path).unwrap();
    let own = [
        "websocket",
        "xhr-streaming",
        "eventsource",
        "htmlfile",
        "xhr-polling",
        "jsonp-polling",
    ];
    let others = [
        "websocket",
        "xhr-streaming",
        "iframe-eventsource",
        "iframe-htmlfile",
        "xhr-polling",
        "iframe-xhr-polling",
    ];
    for (pages, library, transports) in [
        (Pages::Own, Library::SameOrigin, own),
        (Pages::Others, Library::Chromium, others),
    ] {
        let scene = Scene::start(pages);
        for transport in transports {
            let transport = format!("sockjs:{transport}");
            let reader = (library, transport.as_str());
            replay(&scene, &path, library, &transport, &[reader]).await;
        }
    }
}

/// The shortest history, whole; with `INKWIRE_INTEROP=full` each of them, which takes many minutes.
fn chosen() -> Vec<PathBuf> {
    let mut histories = histories().to_vec();
    if std::env::var_os("INKWIRE_INTEROP").is_none_or(|value| value != "full") {
        histories.sort_by_cached_key(|path| History::read(path).unwrap().transactions.len());
        histories.truncate(1);
    }
    histories
}

/// Writes one history into a new document, while `readers` and a native one look on.
async fn replay(
    scene: &Scene,
    history: &Path,
    writer: Library,
    transport: &str,
    readers: &[(Library, &str)],
) {
    let history = History::read(history).unwrap();
    let payloads = history.payloads().unwrap();
    let document = format!("interop-{}", uuid::Uuid::new_v4());

    let own_way = scene.link(transport);
    let readers: Vec<(Way, LineProgram)> = readers
        .iter()
        .map(|(library, transport)| {
            let way = scene.link(transport);
            let program = library.start("reader", transport, &way.url, &document);
            (way, program)
        })
        .collect();
    let native_way = scene.link("native");
    let native = tokio::spawn(read_natively(
        native_way.url.clone(),
        document.clone(),
        payloads.len(),
    ));
    for (_, program) in &readers {
        let joined = |said: &[String]| said.iter().any(|line| Line::parse(line) == Line::Joined);
        program.wait("its join", PATIENCE, joined).unwrap();
    }

    let mut program = writer.start("writer", transport, &own_way.url, &document);
    let telling = program.tell_all(payloads.clone()).unwrap();
    let ways: Vec<&Way> = readers
        .iter()
        .map(|(way, _)| way)
        .chain([&own_way, &native_way])
        .collect();
    let patience = PATIENCE + PATIENCE_PER_ENTRY * u32::try_from(payloads.len()).unwrap();
    let began = Instant::now();
    let mut cuts = 0;
    let mut looked_at = 0;
    tokio::task::block_in_place(|| {
        let mut next_cut = CUT_EVERY;
        program.wait("everything in the log", patience, |said| {
            let mut is_done = false;
            for line in &said[looked_at..] {
                match Line::parse(line) {
                    Line::Acked(number) if number >= next_cut => {
                        cuts += ways.iter().map(|way| way.link.cut()).sum::<usize>();
                        next_cut = number + CUT_EVERY;
                    }
                    Line::Done => is_done = true,
                    Line::Trouble(line) => panic!("{line}"),
                    _ => {}
                }
            }
            looked_at = said.len();
            is_done
        })
    })
    .unwrap();
    telling.join().unwrap().unwrap();
    program.finish().unwrap();

    let expected = native.await.unwrap();
    assert_eq!(expected.len(), payloads.len());
    for ((_, body), payload) in expected.iter().zip(&payloads) {
        assert_eq!(body, payload);
    }
    for (_, program) in readers {
        let name = program.name().to_owned();
        let count = |said: &[String]| {
            said.iter()
                .filter(|line| line.starts_with("entry "))
                .count()
        };
        let waited = program.wait("the last entry", PATIENCE, |said| {
            count(said) >= payloads.len()
        });
        waited.unwrap();
        let (_, said) = program.finish().unwrap();
        let heard: Vec<(String, Vec<u8>)> = said
            .iter()
            .filter_map(|line| match Line::parse(line) {
                Line::Entry { position, body } => {
                    Some((position.to_owned(), STANDARD.decode(body).unwrap()))
                }
                Line::Joined | Line::Cut => None,
                other => panic!("{name}: {other:?}"),
            })
            .collect();
        let same = heard
            .iter()
            .zip(&expected)
            .take_while(|(a, b)| a == b)
            .count();
        assert_eq!(
            (heard.len(), same),
            (expected.len(), expected.len()),
            "{name} parts at {:?}, expected {:?}",
            heard.get(same),
            expected.get(same)
        );
    }
    println!(
        "{writer:?} over {transport}: {} entries, identical for everyone; {cuts} links cut; {} s",
        payloads.len(),
        began.elapsed().as_secs()
    );
}

/// The whole log by the native client library: positions and payloads.
async fn read_natively(url: String, document: String, count: usize) -> Vec<(String, Vec<u8>)> {
    let options = ConnectOptions::new(url).encoding(Encoding::MessagePack);
    let connection = Connection::open(options).unwrap();
    let document = DocumentId::parse(&document).unwrap();
    let options = JoinOptions {
        read_only: true,
        ..JoinOptions::default()
    };
    let (_document, mut events) = connection.document(document, options).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < count {
        let event = tokio::time::timeout(PATIENCE, events.next()).await;
        match event.expect("nothing came for long").expect("it ended") {
            Event::Entry(entry) => {
                heard.push((entry.position.to_string(), entry.payload.to_vec()));
            }
            Event::Reset { cause, .. } => panic!("reset: {cause:?}"),
            _ => {}
        }
    }
    heard
}
