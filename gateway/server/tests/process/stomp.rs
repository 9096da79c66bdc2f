//! STOMP as a client of it meets it, octet by octet: over a socket, within TLS, and over a WebSocket.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
};

use tokio_rustls::rustls::{ClientConnection, StreamOwned, pki_types::ServerName};

use super::{
    limits::NARROW,
    native::token,
    peer::{connect_from, frame, shake_hands_at, wait_for_end},
    replica::{Replica, get, inkwire, wait_until},
    tickets::ticket,
    tls::{self, certificate},
};

const HERE: [u8; 4] = [127, 0, 0, 1];
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const STOMP: [&str; 2] = ["--stomp-listen", "127.0.0.1:0"];
const CONNECT: &str = "CONNECT\naccept-version:1.2\nhost:inkwire\n\n\0";

/// A frame of the gateway.
#[derive(Debug)]
struct Frame {
    command: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Frame {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// Asserts that this is an ERROR with this code.
    fn expect_error(&self, code: &str) {
        assert_eq!(self.command, "ERROR", "{self:?}");
        assert_eq!(self.header("code"), Some(code), "{self:?}");
    }
}

/// One end of a link, and what was read of it and not understood.
struct Stomp<L> {
    link: L,
    read: Vec<u8>,
}

/// What carries octets of STOMP.
trait Link {
    fn send(&mut self, octets: &[u8]) -> io::Result<()>;

    /// Some octets; none at the end.
    fn receive(&mut self) -> Vec<u8>;
}

impl Link for TcpStream {
    fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.write_all(octets)
    }

    fn receive(&mut self) -> Vec<u8> {
        read_some(self)
    }
}

type Secured = StreamOwned<ClientConnection, TcpStream>;

impl Link for Secured {
    fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.write_all(octets)
    }

    fn receive(&mut self) -> Vec<u8> {
        read_some(self)
    }
}

fn read_some(stream: &mut impl Read) -> Vec<u8> {
    let mut octets = vec![0; 4_096];
    let length = stream.read(&mut octets).expect("something in time");
    octets.truncate(length);
    octets
}

/// A WebSocket; its close ends it and leaves its code.
struct WebSocket {
    stream: TcpStream,
    close_code: Option<u16>,
}

impl Link for WebSocket {
    fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream
            .write_all(&frame(str::from_utf8(octets).unwrap()))
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).expect("a frame in time");
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length).unwrap();
                u16::from_be_bytes(length).into()
            }
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).unwrap();
        if head[0] & 0x0f == 8 {
            self.close_code = Some(u16::from_be_bytes([payload[0], payload[1]]));
            return Vec::new();
        }
        payload
    }
}

impl<L: Link> Stomp<L> {
    fn new(link: L) -> Self {
        Self {
            link,
            read: Vec::new(),
        }
    }

    fn say(&mut self, octets: &str) {
        self.link.send(octets.as_bytes()).unwrap();
    }

    /// The next frame; `None` at the end.
    fn hear(&mut self) -> Option<Frame> {
        loop {
            let filler = self
                .read
                .iter()
                .take_while(|octet| **octet == b'\n')
                .count();
            self.read.drain(..filler);
            if let Some((frame, length)) = parse(&self.read) {
                self.read.drain(..length);
                return Some(frame);
            }
            let more = self.link.receive();
            if more.is_empty() {
                assert!(self.read.is_empty(), "half a frame: {:?}", self.read);
                return None;
            }
            self.read.extend(more);
        }
    }

    fn expect(&mut self, command: &str) -> Frame {
        let frame = self.hear().expect("a frame");
        assert_eq!(frame.command, command, "{frame:?}");
        frame
    }

    /// Asserts that an ERROR with this code comes, and then the end.
    fn expect_end(&mut self, code: &str) {
        self.expect("ERROR").expect_error(code);
        assert!(self.hear().is_none());
    }

    fn connected(mut self) -> Self {
        self.say(CONNECT);
        let connected = self.expect("CONNECTED");
        assert_eq!(connected.header("version"), Some("1.2"));
        self
    }

    /// One entry to a document of its own and back.
    fn write_and_read(&mut self, document: &str) {
        self.say(&format!(
            "SUBSCRIBE\nid:s\ndestination:/topic/documents/{document}\nreceipt:r1\n\n\0"
        ));
        assert_eq!(self.expect("RECEIPT").header("receipt-id"), Some("r1"));
        self.say(&format!(
            "SEND\ndestination:/app/documents/{document}\nreceipt:r2\n\nhello\0"
        ));
        let mut answers = [self.hear().unwrap(), self.hear().unwrap()];
        answers.sort_by(|one, other| one.command.cmp(&other.command));
        let [message, receipt] = answers;
        assert_eq!(message.command, "MESSAGE", "{message:?}");
        assert_eq!(message.body, "hello");
        assert_eq!(message.header("subscription"), Some("s"));
        assert_eq!(receipt.command, "RECEIPT", "{receipt:?}");
        assert_eq!(receipt.header("position"), message.header("position"));
    }

    /// A goodbye with a receipt, after which the client is awaited to close.
    fn disconnect(&mut self) {
        self.say("DISCONNECT\nreceipt:bye\n\n\0");
        assert_eq!(self.expect("RECEIPT").header("receipt-id"), Some("bye"));
    }
}

/// The first frame and its length, if it is whole.
fn parse(octets: &[u8]) -> Option<(Frame, usize)> {
    let head_end = octets.windows(2).position(|pair| pair == b"\n\n")?;
    let head = str::from_utf8(&octets[..head_end]).unwrap();
    let (command, headers) = head.split_once('\n').unwrap_or((head, ""));
    let headers: Vec<_> = headers
        .lines()
        .map(|line| line.split_once(':').expect("a header"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let rest = &octets[head_end + 2..];
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map(|(_, length)| length.parse().unwrap());
    let length = match length {
        Some(length) if rest.len() > length => length,
        Some(_) => return None,
        None => rest.iter().position(|octet| *octet == 0)?,
    };
    assert_eq!(rest[length], 0, "a frame ends with NUL");
    let frame = Frame {
        command: command.to_owned(),
        headers,
        body: String::from_utf8(rest[..length].to_vec()).unwrap(),
    };
    Some((frame, head_end + 2 + length + 1))
}

fn start(flags: &[&str]) -> Replica {
    Replica::start(&[&STOMP, flags].concat())
}

fn over_tcp(replica: &Replica) -> Stomp<TcpStream> {
    Stomp::new(connect_from(HERE, replica.stomp.expect("it listens")))
}

fn over_websocket(replica: &Replica, path: &str, headers: &[&str]) -> Stomp<WebSocket> {
    let mut stream = connect_from(HERE, replica.address);
    let headers: Vec<_> = headers.iter().map(|header| header.as_bytes()).collect();
    let answer = shake_hands_at(path, &mut stream, &headers);
    assert_eq!(answer.status, 101, "{answer:?}");
    Stomp::new(WebSocket {
        stream,
        close_code: None,
    })
}

fn over_tls(replica: &Replica, certificate: &str) -> Stomp<Secured> {
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(tls::trusting(certificate, &[]), name).unwrap();
    let stream = connect_from(HERE, replica.stomp_tls.expect("it listens"));
    Stomp::new(StreamOwned::new(connection, stream))
}

#[test]
fn the_same_over_a_socket_within_tls_and_over_a_websocket() {
    let (_directory, certificate, flags) = certificate();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let replica = start(&[&["--stomp-tls-listen", "127.0.0.1:0"], &flags[..]].concat());

    let mut socket = over_tcp(&replica).connected();
    socket.write_and_read("one");
    socket.disconnect();
    drop(socket);

    let mut secured = over_tls(&replica, &certificate).connected();
    secured.write_and_read("two");
    secured.disconnect();
    drop(secured);

    for (document, path, headers) in [
        ("three", "/stomp", &[][..]),
        (
            "four",
            "/stomp",
            &["Sec-WebSocket-Protocol: v10.stomp, v12.stomp"],
        ),
        ("five", "/ws", &["Sec-WebSocket-Protocol: v12.stomp"]),
    ] {
        let mut peer = over_websocket(&replica, path, headers).connected();
        peer.write_and_read(document);
        peer.disconnect();
    }
    wait_until("all of them left, by themselves", || {
        let left = get(replica.admin, "/counts").json()["left"].as_u64();
        (left == Some(5)).then_some(())
    });
}

#[test]
fn an_error_ends_a_websocket_with_the_code_of_its_cause() {
    let replica = start(&[]);
    let mut peer = over_websocket(&replica, "/stomp", &[]);
    peer.say("HELLO\n\n\0");
    peer.expect_end("unknown_command");
    assert_eq!(peer.link.close_code, Some(1002));
    let mut peer = over_tcp(&replica);
    peer.say("SEND\ndestination:/topic/x\n\n\0");
    let error = peer.expect("ERROR");
    assert!(error.header("code").is_some(), "{error:?}");
    assert!(peer.hear().is_none());
}

#[test]
fn frames_come_in_halves_and_several_at_once() {
    let replica = start(&[]);
    let mut peer = over_tcp(&replica);
    for octet in CONNECT.as_bytes() {
        peer.link.send(&[*octet]).unwrap();
    }
    peer.expect("CONNECTED");
    peer.write_and_read("essay");

    let mut peer = over_websocket(&replica, "/stomp", &[]);
    for part in [
        "\n\nCONN",
        "ECT\naccept-version:1.2\nho",
        "st:inkwire\n\n",
        "\0\n",
    ] {
        peer.say(part);
    }
    peer.expect("CONNECTED");
    peer.say(
        "SUBSCRIBE\nid:s\ndestination:/topic/documents/other\nreceipt:1\n\n\0\n\
         UNSUBSCRIBE\nid:s\nreceipt:2\n\n\0",
    );
    for receipt in ["1", "2"] {
        assert_eq!(peer.expect("RECEIPT").header("receipt-id"), Some(receipt));
    }
}

#[test]
fn who_says_nothing_is_told_and_cut() {
    let replica = start(&["--hello-timeout-ms", "200"]);
    over_tcp(&replica).expect_end("handshake_timeout");
    let mut peer = over_websocket(&replica, "/stomp", &[]);
    peer.expect_end("handshake_timeout");
    assert_eq!(peer.link.close_code, Some(4010));
    let mut half = over_tcp(&replica);
    half.say("CONNECT\nhost:");
    half.expect_end("handshake_timeout");
}

#[test]
fn floods_of_nothing_and_endless_lines_end() {
    let replica = start(&[]);
    let mut nul = over_tcp(&replica);
    // It may be cut before all of it went.
    let _cut = nul.link.send(&[0; 64 * 1024]);
    nul.expect("ERROR");
    let mut line = over_tcp(&replica);
    let _cut = line.link.send(&[b'A'; 256 * 1024]);
    let error = line.expect("ERROR");
    assert!(error.header("code").is_some(), "{error:?}");
    // Line ends are no frames: they may be sent for ever.
    let mut idle = over_tcp(&replica);
    idle.link.send(&[b'\n'; 64 * 1024]).unwrap();
    idle.connected();
}

#[test]
fn a_token_comes_as_passcode_or_with_the_handshake() {
    let replica = Replica::start_command(
        inkwire()
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(STOMP)
            .args(["--log-format", "json"])
            .env("INKWIRE_TOKEN_SECRET", SECRET),
    );
    let token = token(&[
        "--subject",
        "ann",
        "--document",
        "essay",
        "--role",
        "writer",
    ]);

    let mut stranger = over_tcp(&replica);
    stranger.say(CONNECT);
    stranger.expect_end("unauthenticated");

    let mut known = over_tcp(&replica);
    known.say(&format!(
        "CONNECT\naccept-version:1.2\nhost:x\nlogin:ann\npasscode:{token}\n\n\0"
    ));
    let connected = known.expect("CONNECTED");
    assert_eq!(connected.header("user-name"), Some("ann"));
    known.write_and_read("essay");

    let header = format!("Authorization: Bearer {token}");
    let mut known = over_websocket(&replica, "/stomp", &[&header]).connected();
    known.say("SUBSCRIBE\nid:s\ndestination:/topic/documents/essay\nreceipt:1\n\n\0");
    // What is in the log already comes first.
    known.expect("MESSAGE");
    assert_eq!(known.expect("RECEIPT").header("receipt-id"), Some("1"));
}

#[test]
fn who_never_reads_is_told_and_ends_alone() {
    let replica = start(&[&["--close-timeout-ms", "60000"], &NARROW[..]].concat());
    let mut deaf = over_tcp(&replica).connected();
    deaf.say("SUBSCRIBE\nid:s\ndestination:/topic/documents/essay\nreceipt:1\n\n\0");
    deaf.expect("RECEIPT");
    let mut writer = over_tcp(&replica).connected();
    let body = "x".repeat(8_000);
    for _ in 0..600 {
        writer.say(&format!(
            "SEND\ndestination:/app/documents/essay\nreceipt:r\n\n{body}\0"
        ));
        writer.expect("RECEIPT");
    }
    // Some of what it did not read is still on its way, and behind it why.
    let mut messages = 0;
    let last = loop {
        match deaf.hear().expect("an ERROR before the end") {
            message if message.command == "MESSAGE" => messages += 1,
            other => break other,
        }
    };
    last.expect_error("slow_consumer");
    assert!(messages < 600, "the kernel took it all");
    assert!(deaf.hear().is_none());
    drop(deaf);
    wait_until("it is counted", || {
        (replica.count("closes", "slow_consumer") == 1).then_some(())
    });
}

/// Small queues, and small buffers in the kernel's place.
const TIGHT: [&str; 12] = [
    "--unsent-bytes-max",
    "4096",
    "--outbox-bytes-max",
    "65536",
    "--outbox-messages-max",
    "64",
    "--page-bytes-max",
    "16384",
    "--payload-bytes-max",
    "32768",
    "--close-timeout-ms",
    "60000",
];

/// Everything up to the ERROR, or as many as there are: the numbers and the last position.
fn read_on<L: Link>(peer: &mut Stomp<L>, entries: usize) -> (Vec<usize>, Option<String>, bool) {
    let (mut numbers, mut position) = (Vec::new(), None);
    while numbers.last() != Some(&entries) {
        let frame = peer.hear().expect("an ERROR before the end");
        if frame.command == "ERROR" {
            frame.expect_error("slow_consumer");
            assert!(peer.hear().is_none());
            return (numbers, position, true);
        }
        assert_eq!(frame.command, "MESSAGE", "{frame:?}");
        numbers.push(frame.header("seq").unwrap().parse().unwrap());
        position = frame.header("position").map(str::to_owned);
    }
    (numbers, position, false)
}

/// Subscribes and reads nothing until all is written; then goes on, in as many sessions as it takes.
fn resumes_after_reading_nothing<L: Link>(
    replica: &Replica,
    connect: impl Fn() -> Stomp<L>,
    ended: impl Fn(&L),
) {
    const ENTRIES: usize = 600;
    const DEAF: usize = 5;
    let deaf: Vec<_> = (0..DEAF)
        .map(|_| {
            let mut deaf = connect().connected();
            deaf.say("SUBSCRIBE\nid:s\ndestination:/topic/documents/essay\nreceipt:1\n\n\0");
            deaf.expect("RECEIPT");
            deaf
        })
        .collect();
    let mut writer = over_tcp(replica).connected();
    let body = "x".repeat(8_000);
    for _ in 0..ENTRIES {
        writer.say(&format!(
            "SEND\ndestination:/app/documents/essay\nreceipt:r\n\n{body}\0"
        ));
        writer.expect("RECEIPT");
    }
    for mut peer in deaf {
        let (mut all, mut position, is_slow) = read_on(&mut peer, ENTRIES);
        assert!(is_slow, "the kernel took it all");
        ended(&peer.link);
        drop(peer);
        while all.last() != Some(&ENTRIES) {
            let since = position.as_deref().expect("it read something");
            let mut peer = connect().connected();
            peer.say(&format!(
                "SUBSCRIBE\nid:s\ndestination:/topic/documents/essay\nsince:{since}\n\n\0"
            ));
            let (more, reached, _) = read_on(&mut peer, ENTRIES);
            all.extend(more);
            position = reached.or(position);
        }
        // Nothing is missing, and nothing came twice.
        assert!(all.iter().copied().eq(1..=ENTRIES), "{all:?}");
    }
}

#[test]
fn who_never_reads_goes_on_from_its_position_over_a_socket() {
    let replica = start(&TIGHT);
    resumes_after_reading_nothing(&replica, || over_tcp(&replica), |_| {});
    assert!(replica.count("closes", "slow_consumer") >= 5);
}

#[test]
fn who_never_reads_goes_on_from_its_position_over_a_websocket() {
    let replica = start(&TIGHT);
    let connect = || over_websocket(&replica, "/stomp", &[]);
    resumes_after_reading_nothing(&replica, connect, |link| {
        assert_eq!(link.close_code, Some(4008));
    });
    assert!(replica.count("closes", "slow_consumer") >= 5);
}

/// Whom a comment names hears of it, and of what came meanwhile after a position.
#[test]
fn a_comment_comes_to_whom_it_names() {
    let replica = Replica::start_command(
        inkwire()
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(STOMP)
            .args(["--log-format", "json"])
            .env("INKWIRE_TOKEN_SECRET", SECRET),
    );
    let session = |who: &str| {
        let token = token(&[
            "--subject",
            who,
            "--document",
            "essay",
            "--role",
            "reviewer",
        ]);
        let mut peer = over_tcp(&replica);
        peer.say(&format!(
            "CONNECT\naccept-version:1.2\nhost:x\npasscode:{token}\n\n\0"
        ));
        peer.expect("CONNECTED");
        peer
    };
    let listen = "SUBSCRIBE\nid:n\ndestination:/user/queue/notifications\nreceipt:n";
    let mut bob = session("bob");
    bob.say(&format!("{listen}\n\n\0"));
    bob.expect("RECEIPT");
    let mut alice = session("alice");
    let mut comment = |text: &str| {
        alice.say(&format!(
            "SEND\ndestination:/app/documents/essay\nkind:comment.create\n\
             content-type:application/json\nreceipt:c\n\n{{\"text\":\"{text}\",\"mentions\":[\"bob\"]}}\0"
        ));
        alice.expect("RECEIPT");
    };
    comment("why?");
    let told = bob.expect("MESSAGE");
    assert_eq!(told.header("kind"), Some("notification.mention"));
    assert!(told.body.contains(r#""text":"why?""#), "{told:?}");
    let position = told.header("position").unwrap().to_owned();
    drop(bob);

    comment("and why?");
    let mut bob = session("bob");
    bob.say(&format!("{listen}\nsince:{position}\n\n\0"));
    let mut heard = [bob.hear().unwrap(), bob.hear().unwrap()];
    heard.sort_by(|one, other| one.command.cmp(&other.command));
    let [told, receipt] = heard;
    assert_eq!(receipt.command, "RECEIPT", "{receipt:?}");
    assert_eq!(told.header("seq"), Some("2"));
    assert!(told.body.contains(r#""text":"and why?""#), "{told:?}");
}

#[test]
fn what_was_sent_before_the_end_of_a_connection_is_in_the_log() {
    let (_directory, certificate, flags) = certificate();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let replica = start(&[&["--stomp-tls-listen", "127.0.0.1:0"], &flags[..]].concat());
    let mut reader = over_tcp(&replica).connected();
    // Each of them is to a document that nobody has joined: its join is still under way at the end.
    let send =
        |n: usize| format!("SEND\ndestination:/app/documents/d{n}\nreceipt:r\n\nlast words\0");
    for n in 0..20 {
        match n % 4 {
            // It ends its own direction, and still hears what becomes of it.
            0 => {
                let mut peer = over_tcp(&replica);
                peer.say(&format!("{CONNECT}{}", send(n)));
                peer.link.shutdown(Shutdown::Write).unwrap();
                peer.expect("CONNECTED");
                assert_eq!(peer.expect("RECEIPT").header("receipt-id"), Some("r"));
                assert!(peer.hear().is_none());
            }
            1 => over_tcp(&replica).connected().say(&send(n)),
            2 => {
                let mut peer = over_tls(&replica, &certificate).connected();
                peer.say(&send(n));
                peer.link.conn.send_close_notify();
                peer.link.flush().unwrap();
            }
            _ => {
                let mut peer = over_websocket(&replica, "/stomp", &[]).connected();
                peer.say(&send(n));
                let close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
                peer.link.stream.write_all(&close).unwrap();
                assert_eq!(peer.expect("RECEIPT").header("receipt-id"), Some("r"));
                assert!(peer.hear().is_none());
                assert_eq!(peer.link.close_code, Some(1000));
            }
        }
        reader.say(&format!(
            "SUBSCRIBE\nid:{n}\ndestination:/topic/documents/d{n}\n\n\0"
        ));
        assert_eq!(reader.expect("MESSAGE").body, "last words");
    }
}

#[test]
fn a_replica_that_drains_turns_newcomers_away_and_moves_who_is_here() {
    let mut replica = start(&["--drain-window-ms", "4000"]);
    let mut here = over_tcp(&replica).connected();
    replica.terminate();
    let mut newcomer = wait_until("newcomers are turned away", || {
        let mut newcomer = over_tcp(&replica);
        newcomer.say(CONNECT);
        let answer = newcomer.hear()?;
        (answer.command == "ERROR").then(|| {
            answer.expect_error("going_away");
            newcomer
        })
    });
    assert!(newcomer.hear().is_none());
    here.expect_end("going_away");
    assert_eq!(replica.wait_exit().code(), Some(0));
}

#[test]
fn the_limits_of_connections_hold_for_its_port() {
    let replica = start(&["--connections-per-address-max", "2"]);
    let held = [over_tcp(&replica), over_tcp(&replica)].map(Stomp::connected);
    let mut third = over_tcp(&replica);
    third.expect_end("too_many_connections");
    drop(held);
    wait_until("the places are free", || {
        let mut next = over_tcp(&replica);
        next.link.send(CONNECT.as_bytes()).ok()?;
        (next.hear()?.command == "CONNECTED").then_some(())
    });

    let replica = start(&["--sessions-max", "1"]);
    let _held = over_tcp(&replica).connected();
    over_tcp(&replica).expect_end("too_many_sessions");

    let replica = start(&[
        "--proxy-protocol-from",
        "127.0.0.0/8",
        "--sessions-per-address-max",
        "1",
        "--allow-anonymous-anywhere",
    ]);
    let from = |address: &str| {
        let mut peer = over_tcp(&replica);
        peer.say(&format!("PROXY TCP4 {address} 10.0.0.1 4711 61613\r\n"));
        peer
    };
    let _held = from("192.0.2.1").connected();
    from("192.0.2.1").expect_end("too_many_of_address");
    let _other = from("192.0.2.2").connected();
}

#[test]
fn a_tls_handshake_has_its_time_and_plain_words_are_none() {
    let (_directory, certificate, flags) = certificate();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let replica = Replica::start(
        &[
            &["--stomp-tls-listen", "127.0.0.1:0"],
            &["--header-read-timeout-ms", "300"],
            &flags[..],
        ]
        .concat(),
    );
    let mut silent = connect_from(HERE, replica.stomp_tls.unwrap());
    wait_for_end(&mut silent);
    wait_until("it is counted", || {
        (replica.count("limits", "header_time") == 1).then_some(())
    });
    let mut plain = connect_from(HERE, replica.stomp_tls.unwrap());
    plain.write_all(CONNECT.as_bytes()).unwrap();
    wait_for_end(&mut plain);
    over_tls(&replica, &certificate).connected().disconnect();
}

#[test]
fn a_bad_certificate_is_a_fault_that_check_names() {
    let (directory, _, flags) = certificate();
    let key = directory.path().join("key.pem");
    std::fs::write(&key, "no key").unwrap();
    let check = |flags: &[&str]| {
        let mut command = inkwire();
        command.arg("check").args(flags);
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let text = check(&flags);
    assert!(
        text.contains("tls_key (flag --tls-key): has no private key"),
        "{text}"
    );
    let text = check(&flags[..2]);
    assert!(
        text.contains("tls_certificate (flag --tls-certificate): needs tls_key too"),
        "{text}"
    );
    let text = check(&["--stomp-tls-listen", "127.0.0.1:0"]);
    assert!(
        text.contains("stomp_tls_listen (flag --stomp-tls-listen): needs"),
        "{text}"
    );
    let text = check(&["--tls-listen", "127.0.0.1:0"]);
    assert!(
        text.contains("tls_listen (flag --tls-listen): needs tls_certificate and tls_key"),
        "{text}"
    );
    // Two that do not belong together.
    let (other, _, _) = certificate();
    std::fs::copy(other.path().join("key.pem"), &key).unwrap();
    let text = check(&flags);
    assert!(
        text.contains("tls_key (flag --tls-key): does not go with the certificate"),
        "{text}"
    );
}

#[test]
fn tls_carries_more_than_a_socket_takes_at_once() {
    let (_directory, certificate, flags) = certificate();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let replica = start(&[&["--stomp-tls-listen", "127.0.0.1:0"], &flags[..]].concat());
    let mut reader = over_tls(&replica, &certificate).connected();
    reader.say("SUBSCRIBE\nid:s\ndestination:/topic/documents/essay\nreceipt:1\n\n\0");
    reader.expect("RECEIPT");
    let mut writer = over_tcp(&replica).connected();
    let body = "y".repeat(200_000);
    for n in 0..8 {
        writer.say(&format!(
            "SEND\ndestination:/app/documents/essay\nreceipt:{n}\n\n{n}{body}\0"
        ));
        writer.expect("RECEIPT");
    }
    // Nothing was read meanwhile; all of it comes, in order, and ends where the last one does.
    for n in 0..8 {
        let message = reader.expect("MESSAGE");
        assert_eq!(message.body.len(), body.len() + 1);
        assert!(message.body.starts_with(&n.to_string()), "{n}");
    }
}

#[test]
fn a_ticket_of_the_handshake_is_who_connects() {
    let replica = Replica::start_with_secret(SECRET, &[]);
    let ticket = ticket(replica.address, &[]);
    let path = format!("/stomp?ticket={ticket}");
    // What a library says where its user said nothing is no token, and the ticket counts.
    for login in ["", "login:guest\npasscode:guest\n"] {
        let mut peer = over_websocket(&replica, &path, &[]);
        peer.say(&format!("CONNECT\naccept-version:1.2\nhost:x\n{login}\n\0"));
        let connected = peer.expect("CONNECTED");
        assert_eq!(connected.header("user-name"), Some("alice"));
        peer.say("SUBSCRIBE\nid:s\ndestination:/topic/documents/essay\nreceipt:1\n\n\0");
        assert_eq!(peer.expect("RECEIPT").header("receipt-id"), Some("1"));
        // It says where, too.
        peer.say("SUBSCRIBE\nid:t\ndestination:/topic/documents/other\nreceipt:2\n\n\0");
        peer.expect_end("forbidden");
    }
    // Whoever shows a token is who it says, and a token that is none is nobody.
    let mut wrong = over_websocket(&replica, &path, &[]);
    wrong.say("CONNECT\naccept-version:1.2\nhost:x\npasscode:wrong\n\n\0");
    wrong.expect_end("unauthenticated");
}

/// From now on the kernel drops all that comes for this socket, unheard: to the other side, its peer is
/// gone without a word.
#[cfg(target_os = "linux")]
fn vanish(stream: &TcpStream) {
    // BPF_RET | BPF_K: of every segment, nothing is kept.
    let nothing = socket2::SockFilter::new(6, 0, 0, 0);
    let socket = socket2::SockRef::from(stream);
    socket.attach_filter(&[nothing]).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn who_vanishes_without_a_word_is_found_although_it_promised_no_heart_beats() {
    let (_directory, certificate, flags) = certificate();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let replica = start(
        &[
            &["--stomp-tls-listen", "127.0.0.1:0"][..],
            &["--heartbeat-ms", "1000", "--silence-timeout-ms", "2000"],
            &flags[..],
        ]
        .concat(),
    );
    let subscribe = "SUBSCRIBE\nid:s\ndestination:/topic/documents/essay\nreceipt:1\n\n\0";
    // To one of each nothing is said, so that only probes find out; to the other what it never takes.
    let silent = over_tcp(&replica).connected();
    let silent_tls = over_tls(&replica, &certificate).connected();
    let mut waiting = over_tcp(&replica).connected();
    let mut waiting_tls = over_tls(&replica, &certificate).connected();
    waiting.say(subscribe);
    waiting.expect("RECEIPT");
    waiting_tls.say(subscribe);
    waiting_tls.expect("RECEIPT");
    for gone in [
        &silent.link,
        &silent_tls.link.sock,
        &waiting.link,
        &waiting_tls.link.sock,
    ] {
        vanish(gone);
    }
    let mut writer = over_tcp(&replica).connected();
    writer.say("SEND\ndestination:/app/documents/essay\nreceipt:1\n\nhello\0");
    writer.expect("RECEIPT");
    wait_until("all four are found", || {
        let left = get(replica.admin, "/counts").json()["left"].as_u64();
        (left == Some(4)).then_some(())
    });
    // Who only says nothing is still here.
    writer.write_and_read("other");
}
