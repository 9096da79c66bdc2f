//! Writes the corpus that fuzzing starts from: the examples of docs/protocol.md in both encodings,
//! and conversations, frames, handshakes and records made of them; STOMP and SockJS as clients speak them.
//!
//! usage: cargo run -p inkwire-decoders --example seeds docs/protocol.md tests/fuzz/corpus

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use inkwire_decoders::messages::joined;
use inkwire_protocol::native::{ClientPacket, Encoding, ServerPacket};

struct Corpus(PathBuf);

impl Corpus {
    fn put(&self, target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        let folder = self.0.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    }
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let (Some(page), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("usage: seeds PROTOCOL_PAGE CORPUS_FOLDER"));
    };
    let corpus = Corpus(folder.into());
    let examples = examples(&fs::read_to_string(Path::new(&page))?);
    let mut from_client = Vec::new();
    let mut from_gateway = Vec::new();
    for (n, json) in examples.iter().enumerate() {
        if let Ok(packet) = Encoding::Json.decode_client(json.as_bytes()) {
            from_client.push((n, packet));
        }
        if let Ok(packet) = Encoding::Json.decode_server(json.as_bytes()) {
            from_gateway.push((n, packet));
        }
    }
    packets(&corpus, &from_client, &from_gateway)?;
    conversations(&corpus, &from_client, &from_gateway)?;
    frames(&corpus, &from_client)?;
    handshakes(&corpus)?;
    event_streams(&corpus)?;
    names(&corpus)?;
    comments(&corpus)?;
    door(&corpus)?;
    stomp(&corpus)?;
    sockjs(&corpus)?;
    records(&corpus, &from_gateway)
}

/// The blocks of the page that are packets.
fn examples(page: &str) -> Vec<String> {
    let mut lines = page.lines();
    let mut examples = Vec::new();
    while let Some(line) = lines.next() {
        if line == "```json packet" {
            let block = lines.by_ref().take_while(|line| *line != "```");
            examples.push(block.map(str::trim).collect());
        }
    }
    examples
}

type Numbered<T> = [(usize, T)];

fn packets(
    corpus: &Corpus,
    from_client: &Numbered<ClientPacket>,
    from_gateway: &Numbered<ServerPacket>,
) -> io::Result<()> {
    let targets = [(Encoding::Json, "json"), (Encoding::MessagePack, "msgpack")];
    for (encoding, name) in targets {
        for (n, packet) in from_client {
            let bytes = encoding.encode_client(packet);
            corpus.put(&format!("native_{name}"), &format!("{n:02}"), &bytes)?;
        }
        for (n, packet) in from_gateway {
            let bytes = encoding.encode_server(packet);
            corpus.put(
                &format!("native_{name}_of_server"),
                &format!("{n:02}"),
                &bytes,
            )?;
        }
    }
    Ok(())
}

/// All packets of the page one after another, with 10 ms between them.
fn conversations(
    corpus: &Corpus,
    from_client: &Numbered<ClientPacket>,
    from_gateway: &Numbered<ServerPacket>,
) -> io::Result<()> {
    let timed = |bytes: Bytes| [&[1], &*bytes].concat();
    for (choice, encoding) in Encoding::ALL.into_iter().enumerate() {
        let all: Vec<_> = from_client
            .iter()
            .map(|(_, packet)| timed(encoding.encode_client(packet)))
            .collect();
        let choice = u8::try_from(choice).unwrap_or(0);
        let input = [&[choice], &*joined(&all)].concat();
        corpus.put("native_session", &format!("all-{choice}"), &input)?;
        // A greeting, and then two requests by themselves.
        let (greeting, requests) = all.split_at(1);
        for (n, pair) in requests.chunks(2).enumerate() {
            let input = [&[choice], &*joined(&[greeting, pair].concat())].concat();
            corpus.put("native_session", &format!("part-{choice}-{n:02}"), &input)?;
        }
    }
    let all: Vec<_> = from_gateway
        .iter()
        .map(|(_, packet)| timed(Encoding::Json.encode_server(packet)))
        .collect();
    corpus.put("client_session", "all", &joined(&all))
}

/// A client's frames: each packet masked, one in fragments, and every control frame.
fn frames(corpus: &Corpus, from_client: &Numbered<ClientPacket>) -> io::Result<()> {
    let mut all = vec![0];
    for (n, packet) in from_client {
        let text = Encoding::Json.encode_client(packet);
        let frame = frame(0x81, &text);
        all.extend_from_slice(&frame);
        corpus.put(
            "websocket_frames",
            &format!("{n:02}"),
            &[&[7], &*frame].concat(),
        )?;
    }
    corpus.put("websocket_frames", "all", &all)?;
    let fragments = [
        frame(0x01, "h\u{e9}llo ".as_bytes()),
        frame(0x89, b"ping"),
        frame(0x00, "\u{1f600}".as_bytes()),
        frame(0x80, b"!"),
        frame(0x8a, b""),
        frame(0x82, &[0; 300]),
        frame(0x88, b"\x03\xe8bye"),
    ];
    corpus.put(
        "websocket_frames",
        "fragments",
        &[&[2], &*fragments.concat()].concat(),
    )
}

fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut frame = vec![head];
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            let length = u16::try_from(payload.len()).expect("an example is small");
            frame.extend_from_slice(&length.to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

fn handshakes(corpus: &Corpus) -> io::Result<()> {
    let good = "GET\nHost: docs.example.org\nConnection: keep-alive, Upgrade\nUpgrade: websocket\n\
        Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\
        Sec-WebSocket-Protocol: x, inkwire.v1.msgpack, inkwire.v1.json";
    corpus.put("websocket_handshake", "good", good.as_bytes())?;
    let old = good.replace("13", "8");
    corpus.put("websocket_handshake", "old-version", old.as_bytes())?;
    let extended = "CONNECT\nprotocol: websocket\nSec-WebSocket-Version: 13";
    corpus.put("websocket_handshake", "over-http2", extended.as_bytes())
}

fn event_streams(corpus: &Corpus) -> io::Result<()> {
    const AT: &str = "5-0123456789abcdef";
    let seeds = [
        AT.to_owned(),
        format!("{AT},{AT}"),
        format!(",{AT}"),
        format!("{AT},{}", ",".repeat(30)),
        format!("retry: 1500\nevent: joined\nid: {AT}\ndata: {{}}\n\n:\n\n"),
        format!("id: {AT}\r\ndata: a\r\ndata: b\r\n\r\n"),
        "\u{feff}data\rdata\r\r".to_owned(),
    ];
    for (n, seed) in seeds.iter().enumerate() {
        corpus.put("event_streams", &format!("{n:02}"), seed.as_bytes())?;
    }
    Ok(())
}

fn names(corpus: &Corpus) -> io::Result<()> {
    let names = [
        "essay-42",
        "a/b/c.d~e:f",
        "41-0123456789abcdef",
        "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b",
        "access:alice",
        "text/plain; charset=utf-8",
        "comment.create",
        "writer",
    ];
    for (n, name) in names.iter().enumerate() {
        corpus.put("names", &format!("{n:02}"), name.as_bytes())?;
    }
    Ok(())
}

fn comments(corpus: &Corpus) -> io::Result<()> {
    let id = "cffa8cf16a7d1b976557fc342df8ea07f";
    let anchor =
        r#"{"position":"41-0123456789abcdef","start":0,"end":4,"unit":"utf16","quote":"text"}"#;
    let payloads = [
        r#"{"text":"why?","mentions":["bob"]}"#.to_owned(),
        format!(r#"{{"text":"why?","anchor":{anchor}}}"#),
        format!(r#"{{"comment":"{id}","text":"so","mentions":["bob","carol"]}}"#),
        format!(r#"{{"comment":"{id}","resolved":true}}"#),
        format!(r#"{{"comment":"{id}"}}"#),
        anchor.to_owned(),
        format!(r#"{{"{id}":{{"start":3,"end":5}}}}"#),
        format!(r#"{{"{id}":"orphaned"}}"#),
    ];
    for (n, payload) in payloads.iter().enumerate() {
        corpus.put("comments", &format!("{n:02}"), payload.as_bytes())?;
    }
    Ok(())
}

fn door(corpus: &Corpus) -> io::Result<()> {
    let claims = r#"{"iss":"issuer","aud":"inkwire","sub":"alice","exp":1800000000,"nbf":1600000000,
        "roles":{"essay-42":"writer"},"role":"viewer"}"#;
    corpus.put("token", "claims", claims.as_bytes())?;
    corpus.put(
        "token",
        "unsigned",
        b"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.",
    )?;
    let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","alg":"EdDSA","use":"sig",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},{"kty":"EC","crv":"P-256","kid":"b",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
    corpus.put("jwks", "two", keys.as_bytes())?;
    let line = "PROXY TCP4 192.0.2.1 10.0.0.1 5000 80\r\nGET / HTTP/1.1\r\n";
    corpus.put("proxy_header", "v1", line.as_bytes())?;
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\x0a\0\0\x01\x13\x88\0\x50GET";
    corpus.put("proxy_header", "v2", v2)?;
    let hops = "192.0.2.7, 10.1.2.3\nfor=\"[2001:db8::1]:4711\";proto=https, for=10.0.0.2";
    corpus.put("forwarded", "both", hops.as_bytes())?;
    // What once hid the word of the proxy behind it.
    corpus.put("forwarded", "no_text", b"\xff")?;
    corpus.put("forwarded", "open_quote", b"for=203.0.113.9;x=\"")
}

/// What stands in Redis for the entries and signals of the page.
fn records(corpus: &Corpus, from_gateway: &Numbered<ServerPacket>) -> io::Result<()> {
    for (n, packet) in from_gateway {
        let bytes = match packet {
            ServerPacket::Entry { entry, .. } => inkwire_bus_redis::fuzzing::record_of(entry),
            ServerPacket::Signal { signal, .. } => inkwire_bus_redis::fuzzing::message_of(signal),
            _ => continue,
        };
        corpus.put("redis_record", &format!("{n:02}"), &bytes)?;
    }
    Ok(())
}

/// What clients of each version say, and what they are answered.
fn stomp(corpus: &Corpus) -> io::Result<()> {
    let subscribe = "SUBSCRIBE\nid:0\ndestination:/topic/documents/a\nack:client\nreceipt:s\n\n\0";
    let transaction = "BEGIN\ntransaction:t\nreceipt:b\n\n\0SEND\ndestination:/q\ntransaction:t\n\nx\0\
        ACK\nid:7\nmessage-id:7\nsubscription:0\ntransaction:t\n\n\0COMMIT\ntransaction:t\n\n\0";
    let client = [
        subscribe,
        "SEND\ndestination:/app/documents/a\ncontent-length:5\n\na\0b\n\0\0\n\n",
        "SEND\r\ndestination: /topic/x \r\nk\\cn:a\\n\\\\\\r\r\n\r\nbody\0\r\n",
        transaction,
        "BEGIN\ntransaction:t\n\n\0ABORT\ntransaction:t\nreceipt:a\n\n\0",
        "NACK\nid:7\nmessage-id:7\nsubscription:0\n\n\0",
        "UNSUBSCRIBE\nid:0\ndestination:/topic/documents/a\n\n\0",
        "DISCONNECT\nreceipt:d\n\n\0",
    ];
    let server = [
        "CONNECTED\nversion:1.2\nheart-beat:10000,10000\nsession:s\nserver:inkwire\nuser-name:a\n\n\0",
        "MESSAGE\nsubscription:0\nmessage-id:m\ndestination:/t\nack:1\ncontent-length:2\n\nhi\0\n",
        "RECEIPT\nreceipt-id:s\n\n\0",
        "ERROR\nmessage:no\ncontent-length:1\n\nx\0",
    ];
    for (n, text) in client.iter().chain(&server).enumerate() {
        for choice in 0..4 {
            let input = [&[n as u8, choice], text.as_bytes()].concat();
            corpus.put("stomp_frames", &format!("{n:02}-{choice}"), &input)?;
        }
    }
    let greetings = [
        "CONNECT\nlogin: a\npasscode:p\n\n\0",
        "CONNECT\naccept-version:1.0,1.1\nheart-beat:1000,0\nhost:h\n\n\0",
        "STOMP\naccept-version:1.2\nheart-beat:0,5000\n\n\0\n",
    ];
    let timed = |text: &str| [&[1], text.as_bytes()].concat();
    for (version, greeting) in greetings.iter().enumerate() {
        let all: Vec<_> = std::iter::once(greeting)
            .chain(&client)
            .map(|t| timed(t))
            .collect();
        let input = [&[3], &*joined(&all)].concat();
        corpus.put("stomp_conversation", &format!("all-{version}"), &input)?;
        for (n, text) in client.iter().enumerate() {
            let input = [&[0], &*joined(&[timed(greeting), timed(text)])].concat();
            corpus.put("stomp_conversation", &format!("{version}-{n}"), &input)?;
        }
    }
    let nobody = "CONNECT\naccept-version:9\nreceipt:r\n\n\0";
    corpus.put(
        "stomp_conversation",
        "no-version",
        &[&[0], &*joined(&[timed(nobody)])].concat(),
    )
}

fn sockjs(corpus: &Corpus) -> io::Result<()> {
    for (name, payload) in [
        ("one", r#"["CONNECT\naccept-version:1.2\n\n\u0000"]"#),
        ("several", r#" [ "a", "\u200c\ud83d\ude00\ud83d", "" ] "#),
        ("none", "[]"),
        ("lone", r#""a%25\n""#),
        ("form", "d=%5B%22x+y%22%5D&e=1"),
        ("other", r#"{"a":[1,null]}"#),
        ("broken", r#"["x"#),
        ("script", r#"["</script>\u2028'\\\""]"#),
    ] {
        corpus.put("sockjs_payload", name, payload.as_bytes())?;
    }
    Ok(())
}
