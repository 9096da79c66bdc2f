//! What a stranger sends: frames with random payloads, valid packets made wrong, bytes that are no
//! frames at all.

use inkwire_protocol::native::Encoding;
use rand::{Rng as _, RngCore as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};

use crate::frames::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame};

/// Largest random payload; control frames have at most 125.
const PAYLOAD_BYTES_MAX: usize = 300;
const CONTROL_BYTES_MAX: usize = 125;

/// A frame of proper form with bytes that mean nothing, or with reserved bits and opcodes now and then.
pub(super) fn random_frame(rng: &mut StdRng) -> Vec<u8> {
    let opcode = *[TEXT, TEXT, BINARY, BINARY, CONTINUATION, PING, PONG, CLOSE]
        .choose(rng)
        .unwrap();
    let opcode = if rng.random_ratio(1, 20) {
        rng.random_range(0..16)
    } else {
        opcode
    };
    let is_control = opcode & 0x8 != 0;
    let bytes_max = if is_control {
        CONTROL_BYTES_MAX
    } else {
        PAYLOAD_BYTES_MAX
    };
    let mut payload = vec![0; rng.random_range(0..=bytes_max)];
    if rng.random() {
        rng.fill_bytes(&mut payload);
    } else {
        // Likelier to be text.
        payload.fill_with(|| rng.random_range(b' '..=b'~'));
    }
    let mut random = frame(opcode, payload).mask(rng.random());
    if rng.random_ratio(1, 3) && !is_control {
        random = random.more_follows();
    }
    if rng.random_ratio(1, 40) {
        random = random.reserved(*[0x10, 0x20, 0x40].choose(rng).unwrap());
    }
    if rng.random_ratio(1, 40) {
        random = random.unmasked();
    }
    random.bytes()
}

/// Bytes that nobody framed.
pub(super) fn random_bytes(rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = vec![0; rng.random_range(1..400)];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// A packet that may come, in a frame.
pub(super) fn valid_packet(rng: &mut StdRng, encoding: Encoding, documents: &[String]) -> Vec<u8> {
    frame_of(encoding, &encode(encoding, &packet(rng, documents)))
}

/// A packet that was valid before something in it changed.
pub(super) fn mutated_packet(
    rng: &mut StdRng,
    encoding: Encoding,
    documents: &[String],
) -> Vec<u8> {
    let mut packet = packet(rng, documents);
    let bytes = if rng.random() {
        mutate_field(rng, &mut packet);
        match encoding {
            Encoding::Json => packet.to_string().into_bytes(),
            Encoding::MessagePack => rmp_serde::to_vec_named(&packet).unwrap(),
        }
    } else {
        let mut bytes = encode(encoding, &packet);
        for _ in 0..rng.random_range(1..4) {
            mutate_bytes(rng, &mut bytes);
        }
        bytes
    };
    frame_of(encoding, &bytes)
}

fn frame_of(encoding: Encoding, packet: &[u8]) -> Vec<u8> {
    let opcode = match encoding {
        Encoding::Json => TEXT,
        Encoding::MessagePack => BINARY,
    };
    frame(opcode, packet).bytes()
}

fn encode(encoding: Encoding, packet: &Value) -> Vec<u8> {
    let text = packet.to_string().into_bytes();
    match encoding {
        Encoding::Json => text,
        Encoding::MessagePack => {
            let packet = Encoding::Json.decode_client(&text).expect("a valid packet");
            encoding.encode_client(&packet).to_vec()
        }
    }
}

fn packet(rng: &mut StdRng, documents: &[String]) -> Value {
    let document = documents.choose(rng).unwrap();
    let number = rng.random_range(1..4_u64);
    let client = inkwire_model::ClientId::random().to_string();
    match rng.random_range(0..11) {
        0 => json!({ "type": "hello" }),
        1 => json!({ "type": "auth", "token": "e30.e30.c2ln" }),
        2 => json!({ "type": "join", "document": document, "receive": true }),
        3 => json!({ "type": "join", "document": document, "client": client, "receive": false }),
        4 => json!({
            "type": "join", "document": document, "since": "40-7c1e5a0f93b2d684", "receive": true,
        }),
        5 => json!({ "type": "leave", "document": document }),
        6 => json!({
            "type": "append", "document": document, "client_seq": number, "kind": "edit",
            "content_type": "application/json", "payload": [[0, 0, "h"]],
        }),
        7 => json!({
            "type": "append", "document": document, "client_seq": number, "kind": "edit",
            "content_type": "application/octet-stream", "base64": "AAH+/w==",
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        }),
        8 => json!({
            "type": "signal", "document": document, "kind": "cursor",
            "content_type": "text/plain", "text": "here", "position": "1-7c1e5a0f93b2d684",
        }),
        9 => json!({ "type": "revoke", "document": document, "subject": "somebody" }),
        _ => json!({ "type": "ping", "id": number }),
    }
}

/// Another value, another name, or nothing, in the place of a field.
fn mutate_field(rng: &mut StdRng, packet: &mut Value) {
    let fields = packet.as_object_mut().expect("packets are objects");
    let names: Vec<String> = fields.keys().cloned().collect();
    let name = names.choose(rng).expect("packets have fields");
    let value = fields.remove(name).unwrap_or_default();
    match rng.random_range(0..3) {
        0 => {}
        1 => {
            fields.insert(name.to_uppercase(), value);
        }
        _ => {
            fields.insert(name.clone(), random_value(rng, 0));
        }
    }
}

fn random_value(rng: &mut StdRng, depth: usize) -> Value {
    match rng.random_range(0..if depth < 4 { 9 } else { 6 }) {
        0 => Value::Null,
        1 => json!(rng.random::<bool>()),
        2 => json!(rng.random::<u64>()),
        3 => json!(rng.random::<i64>()),
        4 => json!(rng.random::<f64>()),
        5 => json!(
            (0..rng.random_range(0..40))
                .map(|_| rng.random::<char>())
                .collect::<String>()
        ),
        6 => json!("x".repeat(rng.random_range(0..2_000))),
        7 => (0..rng.random_range(0..4))
            .map(|_| random_value(rng, depth + 1))
            .collect(),
        _ => json!({ "type": random_value(rng, depth + 1) }),
    }
}

fn mutate_bytes(rng: &mut StdRng, bytes: &mut Vec<u8>) {
    let at = rng.random_range(0..=bytes.len());
    match rng.random_range(0..5) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, rng.random()),
        2 => {
            let tail = bytes.split_off(at);
            bytes.extend(tail.repeat(2));
        }
        3 => {
            bytes.drain(at..(at + 3).min(bytes.len()));
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.random_range(0..8);
            }
        }
    }
}
