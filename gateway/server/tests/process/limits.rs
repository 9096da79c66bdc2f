//! What strangers and crowds cannot do: take all places, wait for ever, or fill the memory. Each
//! breach is refused or ended with its code, counted, and felt by nobody else.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    peer::{
        Peer, connect_from, frame, read_answer, shake_hands, shake_hands_in_bytes, trickle,
        wait_for_end,
    },
    replica::{Answer, Replica, exchange, get, inkwire, wait_until},
};

const HERE: [u8; 4] = [127, 0, 0, 1];
const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];
const CLIENT: &str = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b";

#[test]
fn a_flood_from_one_address_leaves_room_for_others() {
    let replica = Replica::start(&["--connections-per-address-max", "8"]);
    let flood: Vec<_> = (0..8)
        .map(|_| connect_from(ELSEWHERE, replica.address))
        .collect();
    wait_until("the ninth is refused", || {
        let mut ninth = connect_from(ELSEWHERE, replica.address);
        let mut text = String::new();
        ninth.read_to_string(&mut text).ok()?;
        let answer = Answer::parse(&text);
        answer.expect_problem(429, "too_many_connections");
        assert!(answer.head.contains("retry-after: "), "{answer:?}");
        Some(())
    });
    assert_eq!(get(replica.address, "/").status, 200);
    assert!(replica.count("limits", "connections_per_address") >= 1);
    assert!(replica.count("refusals", "too_many_connections") >= 1);
    drop(flood);
    wait_until("the places are free", || {
        let mut stream = connect_from(ELSEWHERE, replica.address);
        stream
            .write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.starts_with("HTTP/1.0 200").then_some(())
    });
}

#[test]
fn sessions_are_counted_by_the_client_behind_a_trusted_proxy() {
    let replica = Replica::start(&[
        "--allow-anonymous-anywhere",
        "--trusted-proxies",
        "127.0.0.1",
        "--sessions-per-address-max",
        "1",
    ]);
    let ask = |from: [u8; 4], forwarded: &str| {
        let mut stream = connect_from(from, replica.address);
        let answer = shake_hands(&mut stream, &[forwarded]);
        (stream, answer)
    };
    let (first, answer) = ask(HERE, "X-Forwarded-For: 192.0.2.1");
    assert_eq!(answer.status, 101);
    // What stands before the proxy's own word is the client's invention.
    let (_, answer) = ask(HERE, "X-Forwarded-For: 203.0.113.9, 192.0.2.1");
    answer.expect_problem(429, "too_many_of_address");
    assert!(answer.head.contains("retry-after: "), "{answer:?}");
    assert_eq!(ask(HERE, "X-Forwarded-For: 192.0.2.2").1.status, 101);
    // Who is no proxy speaks for itself, whatever it says.
    let (_kept, answer) = ask(ELSEWHERE, "X-Forwarded-For: 192.0.2.3");
    assert_eq!(answer.status, 101);
    let (_, answer) = ask(ELSEWHERE, "X-Forwarded-For: 192.0.2.4");
    answer.expect_problem(429, "too_many_of_address");
    assert_eq!(replica.count("limits", "sessions_per_address"), 2);
    drop(first);
    wait_until("the place is free", || {
        (ask(HERE, "X-Forwarded-For: 192.0.2.1").1.status == 101).then_some(())
    });
}

/// A client writes what it likes before the proxy's own word, and sometimes hides that.
#[test]
fn nobody_escapes_the_limit_of_an_address_by_what_they_write() {
    let table: [(&str, [&[u8]; 3]); 2] = [
        (
            "x-forwarded-for",
            [
                b"X-Forwarded-For: \", 192.0.2.1",
                b"X-Forwarded-For: \xff, 192.0.2.1",
                b"X-Forwarded-For: 192.0.2.1",
            ],
        ),
        // The open quote swallows the proxy's word: they count as the proxy.
        (
            "forwarded",
            [
                b"Forwarded: \", for=192.0.2.1",
                b"Forwarded: for=203.0.113.9;x=\", for=192.0.2.1",
                b"Forwarded: for=unknown",
            ],
        ),
    ];
    for (header, lines) in table {
        let replica = Replica::start(&[
            "--allow-anonymous-anywhere",
            "--trusted-proxies",
            "127.0.0.1",
            "--forwarded-header",
            header,
            "--sessions-per-address-max",
            "1",
        ]);
        let [first, others @ ..] = lines;
        let mut kept = connect_from(HERE, replica.address);
        assert_eq!(shake_hands_in_bytes(&mut kept, &[first]).status, 101);
        for line in others {
            let mut stream = connect_from(HERE, replica.address);
            let answer = shake_hands_in_bytes(&mut stream, &[line]);
            answer.expect_problem(429, "too_many_of_address");
        }
    }
}

#[test]
fn the_proxy_protocol_names_the_client_and_only_proxies_speak_it() {
    let replica = Replica::start(&[
        "--proxy-protocol-from",
        "127.0.0.2/32",
        "--connections-per-address-max",
        "1",
        "--header-read-timeout-ms",
        "500",
    ]);
    let with = |header: &[u8]| {
        let mut stream = connect_from(ELSEWHERE, replica.address);
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(&[header, request].concat()).unwrap();
        stream
    };
    let mut first = with(b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n");
    assert_eq!(read_answer(&mut first).status, 200);
    let mut second = with(b"PROXY TCP4 192.0.2.1 10.0.0.1 4712 80\r\n");
    let mut answer = Vec::new();
    // What was sent and not read may turn the end into a reset.
    let _reset = second.read_to_end(&mut answer);
    assert_eq!(replica.count("limits", "connections_per_address"), 1);
    let v2 = [
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(),
        &[192, 0, 2, 2, 10, 0, 0, 1, 1, 2, 0, 80],
    ];
    assert_eq!(read_answer(&mut with(&v2.concat())).status, 200);

    // A proxy that does not say for whom it speaks, or not in time.
    wait_for_end(&mut with(b""));
    let mut slow = connect_from(ELSEWHERE, replica.address);
    slow.write_all(b"PROXY TCP4").unwrap();
    wait_for_end(&mut slow);
    assert_eq!(replica.count("limits", "proxy_header"), 2);

    // A stranger who says it is no proxy: it is no HTTP.
    let text = exchange(
        replica.address,
        "PROXY TCP4 192.0.2.9 10.0.0.1 4711 80\r\nGET / HTTP/1.1\r\n\r\n",
    );
    assert_eq!(Answer::parse(&text).status, 400);
}

#[test]
fn who_is_slow_on_purpose_is_cut_off_wherever_that_is() {
    let replica = Replica::start(&[
        "--header-read-timeout-ms",
        "500",
        "--hello-timeout-ms",
        "500",
        "--close-timeout-ms",
        "300",
    ]);
    let pause = Duration::from_millis(40);
    // The head of a request, byte by byte.
    let mut stream = connect_from(HERE, replica.address);
    let head = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: {}",
        "a".repeat(400)
    );
    trickle(&mut stream, head.as_bytes(), pause);
    wait_for_end(&mut stream);
    // Nothing at all.
    wait_for_end(&mut connect_from(HERE, replica.address));
    wait_until("both are counted", || {
        (replica.count("limits", "header_time") == 2).then_some(())
    });
    // The body of a request, which nobody asked for.
    let mut stream = connect_from(HERE, replica.address);
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
        .unwrap();
    read_answer(&mut stream).expect_problem(405, "method_not_allowed");
    trickle(&mut stream, &[b'a'; 400], pause);
    wait_for_end(&mut stream);
    // The first frame, with pings between that keep nothing alive.
    let mut peer = Peer::connect(&replica);
    let hello = frame(&format!(r#"{{"type":"hello"{}}}"#, " ".repeat(1_000)));
    trickle(&mut peer.0, &hello, pause);
    assert_eq!(replica.count("closes", "handshake_timeout"), 1);
    let mut peer = Peer::connect(&replica);
    for _ in 0..100 {
        if peer.0.write_all(&[0x89, 0x80, 0, 0, 0, 0]).is_err() {
            break;
        }
        thread::sleep(pause / 4);
    }
    wait_until("the one that only pings is gone, too", || {
        (replica.count("closes", "handshake_timeout") == 2).then_some(())
    });
    Peer::known(&replica);
}

#[test]
fn a_head_that_is_too_large_is_counted() {
    let replica = Replica::start(&["--header-bytes-max", "8192"]);
    let mut stream = connect_from(HERE, replica.address);
    let head = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n",
        "a".repeat(20_000)
    );
    let _cut = stream.write_all(head.as_bytes());
    wait_until("it is counted", || {
        (replica.count("limits", "header_bytes") == 1).then_some(())
    });
}

/// Passes bytes on between a peer and the replica until told to swallow them: neither side hears that
/// the other is gone.
struct BlackHole {
    address: SocketAddr,
    is_open: Arc<AtomicBool>,
}

impl BlackHole {
    fn before(replica: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_open = Arc::new(AtomicBool::new(false));
        let swallows = is_open.clone();
        // They end with their sockets, at the latest with the test's process.
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let server = TcpStream::connect(replica).unwrap();
                for (mut from, mut to) in [
                    (client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (server, client),
                ] {
                    let swallows = swallows.clone();
                    thread::spawn(move || {
                        let mut bytes = [0; 4096];
                        while let Ok(read @ 1..) = from.read(&mut bytes) {
                            if !swallows.load(Ordering::Relaxed) {
                                let _gone = to.write_all(&bytes[..read]);
                            }
                        }
                        // Kept open: its end would tell.
                        thread::park();
                    });
                }
            }
        });
        Self { address, is_open }
    }
}

#[test]
fn a_peer_that_vanished_without_a_word_gives_its_place_back() {
    let replica = Replica::start(&[
        "--sessions-max",
        "1",
        "--heartbeat-ms",
        "200",
        "--silence-timeout-ms",
        "600",
        "--close-timeout-ms",
        "200",
    ]);
    let hole = BlackHole::before(replica.address);
    let mut peer = Peer::connect_to(hole.address, &[]);
    peer.say(r#"{"type":"hello"}"#);
    peer.expect("welcome");
    peer.join("a", None);
    hole.is_open.store(true, Ordering::Relaxed);
    wait_until("the place is free", || {
        let mut stream = connect_from(HERE, replica.address);
        (shake_hands(&mut stream, &[]).status == 101).then_some(())
    });
    assert_eq!(replica.count("closes", "heartbeat_timeout"), 1);
    assert!(replica.count("refusals", "too_many_sessions") >= 1);
}

/// Small outboxes and little in the kernel.
pub(crate) const NARROW: [&str; 10] = [
    "--unsent-bytes-max",
    "4096",
    "--outbox-bytes-max",
    "65536",
    "--outbox-messages-max",
    "64",
    "--page-bytes-max",
    "1024",
    "--payload-bytes-max",
    "32768",
];

#[test]
fn who_sends_and_never_reads_ends_alone() {
    let replica = Replica::start(&[&["--close-timeout-ms", "100"], &NARROW[..]].concat());
    let mut witness = Peer::known(&replica);
    witness.join("b", Some(CLIENT));
    let mut deaf = Peer::known(&replica);
    deaf.join("a", Some(CLIENT));
    // Each is answered, and no answer is read: the answers pile up here, and end it. Again and again from
    // the first one: behind a refusal, of too many at once, nothing is answered until it is sent again.
    wait_until("it is ended", || {
        for client_seq in 1..=200 {
            let append = format!(
                r#"{{"type":"append","document":"a","client_seq":{client_seq},"payload":[1]}}"#
            );
            if deaf.try_say(&append).is_err() {
                break;
            }
        }
        (replica.count("closes", "slow_consumer") == 1).then_some(())
    });
    witness.say(r#"{"type":"append","document":"b","client_seq":1,"payload":[1]}"#);
    let kinds = [witness.hear(), witness.hear()].map(|packet| packet.unwrap()["type"].clone());
    assert!(
        kinds.contains(&"ack".into()) && kinds.contains(&"entry".into()),
        "{kinds:?}"
    );
}

#[test]
fn who_never_reads_ends_alone_and_little_waits_for_it() {
    let replica = Replica::start(&[&["--close-timeout-ms", "100"], &NARROW[..]].concat());
    let mut deaf = Peer::known(&replica);
    deaf.join("a", None);
    let mut writer = Peer::known(&replica);
    writer.join("a", Some(CLIENT));
    let payload = "x".repeat(8_000);
    let mut sent_bytes = 0;
    for client_seq in 1.. {
        writer.say(&format!(
            r#"{{"type":"append","document":"a","client_seq":{client_seq},"payload":"{payload}"}}"#
        ));
        // Its own entry and the acknowledgement.
        writer.hear().unwrap();
        writer.hear().unwrap();
        sent_bytes += payload.len();
        if replica.count("closes", "slow_consumer") == 1 {
            break;
        }
        assert!(sent_bytes < 4 << 20, "the kernel took it all");
    }
}

#[test]
fn joins_have_a_rate() {
    let replica = Replica::start(&["--requests-burst", "5", "--requests-per-second", "1"]);
    let mut peer = Peer::known(&replica);
    for n in 0..20 {
        peer.say(&format!(r#"{{"type":"join","document":"d{n}"}}"#));
    }
    let answers: Vec<_> = (0..20).map(|_| peer.hear().unwrap()).collect();
    let throttled = answers
        .iter()
        .filter(|answer| answer["code"] == "throttled");
    let throttled = throttled.inspect(|answer| assert!(answer["after_ms"].as_u64() > Some(0)));
    assert!(throttled.count() >= 10, "{answers:?}");
    assert!(replica.count("refusals", "throttled") >= 10);
}

fn token(subject: &str) -> String {
    let mut command = inkwire();
    command
        .args(["token", "--subject", subject])
        .args(["--document", "a", "--role", "writer"])
        .args(["--document", "b", "--role", "writer"])
        .env("INKWIRE_TOKEN_SECRET", SECRET);
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn a_subject_has_a_share_whatever_its_addresses() {
    let mut command = inkwire();
    command
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .args(["--log-format", "json"])
        .args(["--sessions-per-subject-max", "2"])
        .args(["--joins-per-subject-max", "2"])
        .env("INKWIRE_TOKEN_SECRET", SECRET);
    let replica = Replica::start_command(&mut command);
    let hello = |subject: &str| {
        let mut peer = Peer::connect(&replica);
        let token = token(subject);
        peer.say(&format!(r#"{{"type":"hello","token":"{token}"}}"#));
        let answer = peer.hear().unwrap();
        (peer, answer)
    };
    let (mut one, answer) = hello("alice");
    assert_eq!(answer["type"], "welcome", "{answer}");
    let (mut two, _) = hello("alice");
    let (mut third, answer) = hello("alice");
    assert_eq!(answer["code"], "too_many_of_subject", "{answer}");
    assert_eq!(third.close_code(), 4030);
    let (_bob, answer) = hello("bob");
    assert_eq!(answer["type"], "welcome", "{answer}");

    one.join("a", None);
    two.join("a", None);
    two.say(r#"{"type":"join","document":"b"}"#);
    assert_eq!(two.expect("error")["code"], "too_many_joins");
    one.say(r#"{"type":"leave","document":"a"}"#);
    one.expect("left");
    two.join("b", None);
    wait_until("its end is counted", || {
        (replica.count("closes", "too_many_of_subject") == 1).then_some(())
    });
    assert_eq!(replica.count("refusals", "too_many_joins"), 1);
    drop(one);
    wait_until("its place is free", || {
        (hello("alice").1["type"] == "welcome").then_some(())
    });
}

/// The beginning of a message of 2 MB that never ends.
fn unfinished(bytes: usize) -> Vec<u8> {
    let mut beginning = vec![0x81, 0x80 | 127];
    beginning.extend(2_000_000_u64.to_be_bytes());
    beginning.extend([0; 4]);
    beginning.extend(vec![b' '; bytes]);
    beginning
}

#[test]
fn short_of_memory_it_takes_nobody_in() {
    let replica = Replica::start(&[
        "--memory-bytes-max",
        "8388608",
        "--memory-soft-percent",
        "5",
    ]);
    let mut old = Peer::known(&replica);
    let mut greedy = Peer::known(&replica);
    greedy.0.write_all(&unfinished(900_000)).unwrap();
    let ask = || shake_hands(&mut connect_from(HERE, replica.address), &[]);
    let answer = wait_until("it refuses", || {
        let answer = ask();
        (answer.status != 101).then_some(answer)
    });
    answer.expect_problem(503, "overloaded");
    assert!(answer.head.contains("retry-after: "), "{answer:?}");
    old.join("a", None);
    drop(greedy);
    wait_until("there is room again", || {
        (ask().status == 101).then_some(())
    });
    assert!(replica.count("limits", "memory_soft") >= 1);
}

#[test]
fn over_the_limit_of_memory_the_largest_go_and_the_others_stay() {
    let replica = Replica::start(&["--memory-bytes-max", "1048576", "--close-timeout-ms", "300"]);
    let mut modest: Vec<_> = (0..4).map(|_| Peer::known(&replica)).collect();
    let mut greedy = Peer::known(&replica);
    // It may be cut before all is written.
    let _cut = greedy.0.write_all(&unfinished(1_900_000));
    wait_until("it is ended", || {
        (replica.count("closes", "overloaded") == 1).then_some(())
    });
    assert_eq!(replica.count("limits", "memory_hard"), 1);
    for peer in &mut modest {
        peer.join("a", None);
    }
}
