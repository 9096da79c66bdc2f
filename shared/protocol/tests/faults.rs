//! Each fault of a packet has its code, and says where it belongs.

use inkwire_model::Code;
use inkwire_protocol::native::{ClientPacket, DecodeError, Encoding};

fn json(text: &str) -> Result<ClientPacket, DecodeError> {
    Encoding::Json.decode_client(text.as_bytes())
}

fn msgpack(bytes: &[u8]) -> Result<ClientPacket, DecodeError> {
    Encoding::MessagePack.decode_client(bytes)
}

#[test]
fn json_faults() {
    let cases: &[(&str, Code)] = &[
        ("", Code::Malformed),
        ("{", Code::Malformed),
        ("null", Code::Malformed),
        ("[]", Code::Malformed),
        ("[\"ping\"]", Code::Malformed),
        ("\"ping\"", Code::Malformed),
        (r#"{"type":"ping"} {}"#, Code::Malformed),
        (r#"{"type":"ping","type":"ping"}"#, Code::Malformed),
        (r#"{"type":"ping",}"#, Code::Malformed),
        (r#"{"type":"hello","token":"\ud83d"}"#, Code::Malformed),
        (r#"{"type":"append","payload":[1,}"#, Code::Malformed),
        ("{}", Code::UnknownPacket),
        (r#"{"type":7}"#, Code::UnknownPacket),
        (r#"{"type":"dance"}"#, Code::UnknownPacket),
        (r#"{"type":"welcome"}"#, Code::UnknownPacket),
        (r#"{"type":"ping","id":-1}"#, Code::Invalid),
        (r#"{"type":"ping","id":9007199254740992}"#, Code::Invalid),
        (r#"{"type":"ping","id":1.5}"#, Code::Invalid),
        (r#"{"type":"auth"}"#, Code::Invalid),
        (r#"{"type":"hello","token":["a"]}"#, Code::Invalid),
        (r#"{"type":"join"}"#, Code::Invalid),
        (
            r#"{"type":"join","document":"a//b"}"#,
            Code::InvalidDocumentId,
        ),
        (r#"{"type":"join","document":7}"#, Code::InvalidDocumentId),
        // Topics and the logs of subjects have ids that nobody can name.
        (
            r#"{"type":"join","document":"$topic/news"}"#,
            Code::InvalidDocumentId,
        ),
        (
            r#"{"type":"join","document":"$user/alice/errors"}"#,
            Code::InvalidDocumentId,
        ),
        (
            r#"{"type":"join","document":"a","since":"7"}"#,
            Code::InvalidPosition,
        ),
        (
            r#"{"type":"join","document":"a","since":7}"#,
            Code::InvalidPosition,
        ),
        (
            r#"{"type":"join","document":"a","client":"me"}"#,
            Code::Invalid,
        ),
        (
            r#"{"type":"join","document":"a","receive":"no"}"#,
            Code::Invalid,
        ),
        (
            r#"{"type":"revoke","document":"a","subject":"inkwire"}"#,
            Code::Invalid,
        ),
        (r#"{"type":"revoke","document":"a"}"#, Code::Invalid),
        (
            r#"{"type":"signal","document":"a","payload":1}"#,
            Code::Invalid,
        ),
    ];
    for (text, code) in cases {
        assert_eq!(json(text).map_err(|e| e.code), Err(*code), "{text}");
    }
}

#[test]
fn messagepack_faults() {
    let cases: &[(&[u8], Code)] = &[
        (b"", Code::Malformed),
        (b"\xc0", Code::Malformed),
        (b"\x91\xa4ping", Code::Malformed),
        (b"\x81", Code::Malformed),
        (b"\x81\xa4type", Code::Malformed),
        // More after the packet: a value, a list that ends too soon, a text that does.
        (b"\x81\xa4type\xa4ping\xc0", Code::Malformed),
        (b"\x81\xa4type\xa4ping\x91", Code::Malformed),
        (b"\x81\xa4type\xa4ping\xa5a", Code::Malformed),
        (b"\xdf\xff\xff\xff\xff\xa4type\xa4ping", Code::Malformed),
        (b"\x80", Code::UnknownPacket),
        (b"\x81\xa4type\xa5dance", Code::UnknownPacket),
        (b"\x82\xa4type\xa4ping\xa2id\xff", Code::Invalid),
        (b"\x82\xa4type\xa4ping\xa2id\xd4\x01\x01", Code::Invalid),
        (
            b"\x82\xa4type\xa4join\xa8document\xa1\xff",
            Code::InvalidDocumentId,
        ),
    ];
    for (bytes, code) in cases {
        assert_eq!(
            msgpack(bytes).map_err(|e| e.code),
            Err(*code),
            "{bytes:02x?}"
        );
    }
}

#[test]
fn a_faulty_append_is_known_by_its_number() {
    let cases = [
        r#"{"type":"append","document":"a","client_seq":7}"#,
        r#"{"type":"append","document":"a","client_seq":7,"payload":1,"text":"1"}"#,
        r#"{"type":"append","document":"a","client_seq":7,"payload":1,"kind":"no blanks"}"#,
        r#"{"type":"append","document":"a","client_seq":7,"text":7}"#,
        r#"{"type":"append","document":"a","client_seq":7,"base64":"%"}"#,
        r#"{"type":"append","document":"a","client_seq":7,"base64":"YQ"}"#,
        r#"{"type":"append","document":"a","client_seq":7,"payload":1,"content_type":"text/plain"}"#,
        r#"{"type":"append","document":"a","client_seq":7,"text":"{","content_type":"application/json"}"#,
        r#"{"type":"append","document":"a","client_seq":7,"payload":1,"content_type":""}"#,
        r#"{"type":"append","document":"a","client_seq":7,"payload":1,"traceparent":"00-1"}"#,
    ];
    for text in cases {
        let fault = json(text).expect_err(text);
        assert_eq!(fault.code, Code::Invalid, "{text}");
        assert_eq!(fault.document.unwrap().as_str(), "a", "{text}");
        assert_eq!(fault.client_seq, Some(7), "{text}");
    }
}

#[test]
fn what_cannot_be_read_of_a_faulty_append_is_left_out() {
    let fault = json(r#"{"type":"append","document":"a","client_seq":0,"payload":1}"#).unwrap_err();
    assert_eq!((fault.code, fault.client_seq), (Code::Invalid, None));
    let fault = json(r#"{"type":"append","document":"","client_seq":1,"payload":1}"#).unwrap_err();
    assert_eq!(
        (fault.code, fault.document),
        (Code::InvalidDocumentId, None)
    );
    // Only an append's number is a number that can be refused.
    let fault = json(r#"{"type":"join","document":"a","client_seq":1,"since":"x"}"#).unwrap_err();
    assert_eq!(
        (fault.code, fault.client_seq),
        (Code::InvalidPosition, None)
    );
}

#[test]
fn unknown_fields_and_nulls_are_as_if_absent() {
    let text = r#"{"future":{"a":[1,{"b":null}]},"type":"join","since":null,"document":"a"}"#;
    assert!(matches!(
        json(text),
        Ok(ClientPacket::Join {
            since: None,
            client: None,
            receive: true,
            ..
        })
    ));
}

#[test]
fn payloads_keep_their_bytes() {
    let cases = [
        (
            r#""payload": [1, 2.50,"\u00e9"]"#,
            "application/json",
            &b"[1, 2.50,\"\\u00e9\"]"[..],
        ),
        (r#""payload":null"#, "application/json", b"null"),
        (r#""payload":"\ud83d""#, "application/json", b"\"\\ud83d\""),
        (
            r#""payload":{},"content_type":"application/x+json""#,
            "application/x+json",
            b"{}",
        ),
        (
            r#""text":"\u00e9\n""#,
            "text/plain; charset=utf-8",
            "é\n".as_bytes(),
        ),
        (
            r#""text":" 1 ","content_type":"application/json""#,
            "application/json",
            b" 1 ",
        ),
        (
            r#""base64":"AP8=""#,
            "application/octet-stream",
            b"\x00\xff",
        ),
    ];
    for (field, expected_type, expected) in cases {
        let text = format!(r#"{{"type":"append","document":"a","client_seq":1,{field}}}"#);
        let Ok(ClientPacket::Append {
            content_type,
            payload,
            ..
        }) = json(&text)
        else {
            panic!("{text}");
        };
        assert_eq!(
            (content_type.as_str(), &payload[..]),
            (expected_type, expected),
            "{text}"
        );
    }
}

#[test]
fn deep_nesting_costs_no_stack() {
    let deep = "[".repeat(1_000_000);
    let text = format!(r#"{{"type":"append","document":"a","client_seq":1,"payload":{deep}}}"#);
    assert_eq!(json(&text).unwrap_err().code, Code::Malformed);
    let closed = format!("{deep}{}", "]".repeat(1_000_000));
    for field in ["payload", "future"] {
        let text =
            format!(r#"{{"type":"append","document":"a","client_seq":1,"{field}":{closed}}}"#);
        let _ = json(&text);
    }
    // A list of one in a list of one …
    let mut bytes = b"\x82\xa4type\xa4ping\xa6future".to_vec();
    bytes.extend(std::iter::repeat_n(0x91, 1_000_000));
    bytes.push(0xc0);
    assert_eq!(msgpack(&bytes).unwrap_err().code, Code::Malformed);
    // … also where a text is expected, and as a key.
    let mut bytes = b"\x81\xa4type".to_vec();
    bytes.extend(std::iter::repeat_n(0x91, 1_000_000));
    assert_eq!(msgpack(&bytes).unwrap_err().code, Code::Malformed);
    assert_eq!(
        msgpack(&[0x81; 1_000_000]).unwrap_err().code,
        Code::Malformed
    );
}
