//! SockJS's octets: frames, what is put around them, and what clients send.

use inkwire_protocol::sockjs::{
    Callback, CallbackFault, Envelope, HEARTBEAT, IframePage, MESSAGES_BETWEEN, MESSAGES_END,
    MESSAGES_START, OPEN, PayloadFault, close_frame, escape_into, message_frame,
    messages_of_jsonp_send, messages_of_websocket, messages_of_xhr_send,
};
use proptest::prelude::*;

fn callback(name: &str) -> Callback {
    Callback::parse(Some(name)).expect("a plain name")
}

#[test]
fn frames_are_as_clients_compare_them() {
    assert_eq!((OPEN, HEARTBEAT), (&b"o"[..], &b"h"[..]));
    assert_eq!(message_frame(["x"]), r#"a["x"]"#);
    assert_eq!(message_frame(["x", "", "a\"b\\"]), r#"a["x","","a\"b\\"]"#);
    assert_eq!(message_frame([]), "a[]");
    assert_eq!(close_frame(3000, "Go away!"), r#"c[3000,"Go away!"]"#);
    assert_eq!(
        close_frame(2010, "Another connection still open"),
        r#"c[2010,"Another connection still open"]"#
    );
}

#[test]
fn what_browsers_change_is_escaped() {
    let escaped = [
        0x00..=0x1f,
        0x200c..=0x200f,
        0x2028..=0x202f,
        0x2060..=0x206f,
        0xfff0..=0xffff,
    ];
    for unit in (0..=0xffff).filter(|unit| !(0xd800..=0xdfff).contains(unit)) {
        let character = char::from_u32(unit).unwrap();
        let mut out = Vec::new();
        escape_into(&mut out, &character.to_string());
        let expected = match unit {
            0x08 => r"\b".to_owned(),
            0x09 => r"\t".to_owned(),
            0x0a => r"\n".to_owned(),
            0x0c => r"\f".to_owned(),
            0x0d => r"\r".to_owned(),
            0x22 => r#"\""#.to_owned(),
            0x5c => r"\\".to_owned(),
            _ if escaped.iter().any(|range| range.contains(&unit)) => format!("\\u{unit:04x}"),
            _ => character.to_string(),
        };
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
    assert_eq!(
        message_frame(["\u{1f58b}"]),
        r#"a["\ud83d\udd8b"]"#,
        "surrogates"
    );
}

#[test]
fn polling_has_a_line_end() {
    assert_eq!(Envelope::Xhr.prelude(), "");
    assert_eq!(Envelope::Xhr.wrap(OPEN), "o\n");
    assert_eq!(Envelope::XhrStreaming.prelude(), "h".repeat(2048) + "\n");
    assert_eq!(Envelope::XhrStreaming.wrap(b"a[\"x\"]"), "a[\"x\"]\n");
    assert!(!Envelope::Xhr.is_streaming() && Envelope::XhrStreaming.is_streaming());
}

#[test]
fn an_event_stream_is_percent_encoded() {
    let envelope = Envelope::EventSource;
    assert_eq!(envelope.content_type(), "text/event-stream");
    assert_eq!(envelope.prelude(), "\r\n");
    assert_eq!(envelope.wrap(OPEN), "data: o\r\n\r\n");
    assert_eq!(
        envelope.wrap(&message_frame(["  \0\n\r "])),
        "data: a[\"  \\u0000\\n\\r \"]\r\n\r\n"
    );
    assert_eq!(
        envelope.wrap(b"a[\"50% %41\"]"),
        "data: a[\"50%25 %2541\"]\r\n\r\n",
        "decodeURI would take it for an escape"
    );
}

#[test]
fn an_html_file_is_a_page_of_scripts() {
    let envelope = Envelope::HtmlFile(callback("_jp.a"));
    let prelude = envelope.prelude();
    let page = std::str::from_utf8(&prelude).unwrap();
    assert!(page.len() > 1024);
    assert!(page.starts_with("<!doctype html>\n<html><head>\n"));
    assert!(page.contains("    var c = parent._jp.a;\n    c.start();\n    function p(d) {c.message(d);};\n    window.onload = function() {c.stop();};\n"));
    assert_eq!(page.trim_end().rsplit_once('\n').unwrap().1, "  </script>");
    assert!(page.ends_with("\r\n\r\n"));
    assert_eq!(envelope.wrap(OPEN), "<script>\np(\"o\");\n</script>\r\n");
    assert_eq!(
        envelope.wrap(b"a[\"x\"]"),
        "<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n"
    );
    let attack = message_frame(["</script><script>alert(1)</script>"]);
    let wrapped = envelope.wrap(&attack);
    assert_eq!(wrapped.iter().filter(|byte| **byte == b'<').count(), 2);
}

#[test]
fn jsonp_is_a_call() {
    let envelope = Envelope::Jsonp(callback("cb"));
    assert_eq!(envelope.wrap(OPEN), "/**/cb(\"o\");\r\n");
    assert_eq!(envelope.wrap(b"a[\"x\"]"), "/**/cb(\"a[\\\"x\\\"]\");\r\n");
    assert_eq!(
        envelope.wrap(&message_frame(["\u{2028}\n"])),
        "/**/cb(\"a[\\\"\\\\u2028\\\\n\\\"]\");\r\n"
    );
}

#[test]
fn a_callback_is_a_plain_name() {
    for name in [None, Some("")] {
        let fault = Callback::parse(name).unwrap_err();
        assert_eq!(fault, CallbackFault::Missing);
        assert_eq!(fault.to_string(), "\"callback\" parameter required");
    }
    let long = "a".repeat(33);
    for name in [" ", "*", "abc(", "a;b", "ä", "a\n", "<", &long] {
        let fault = Callback::parse(Some(name)).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "invalid \"callback\" parameter",
            "{name}"
        );
    }
    assert_eq!(callback("_jp.Az-9").as_str(), "_jp.Az-9");
}

#[test]
fn the_iframe_is_exact() {
    let page = IframePage::new("https://cdn.example/sockjs.min.js?a=1&b=\"");
    let body = std::str::from_utf8(&page.body).unwrap();
    assert_eq!(
        body,
        r#"<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="https://cdn.example/sockjs.min.js?a=1&amp;b=&quot;"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>"#
    );
    assert_ne!(page.etag, IframePage::new("/other.js").etag);
    assert_eq!(page.etag.len(), 18);
}

#[test]
fn bodies_are_arrays_of_texts() {
    let texts = |texts: &[&str]| Ok(texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
    assert_eq!(messages_of_xhr_send(br#"["a"]"#), texts(&["a"]));
    assert_eq!(
        messages_of_xhr_send(br#" ["a" , "\u00e4\n\ud83d\udd8b"] "#),
        texts(&["a", "ä\n🖋"])
    );
    assert_eq!(messages_of_xhr_send(b"[]"), texts(&[]));
    for missing in [
        "",
        "{}",
        "\"a\"",
        "1",
        "null",
        "[1]",
        "[\"a\",null]",
        "[[\"a\"]]",
    ] {
        let found = messages_of_xhr_send(missing.as_bytes());
        assert_eq!(found, Err(PayloadFault::Missing), "{missing}");
    }
    for broken in [
        "[\"x",
        " ",
        "[\"a\"]]",
        "[\"a\",]",
        "[\"\n\"]",
        "[\"\\x\"]",
        "[\"\\ud8\"]",
        "a",
    ] {
        let found = messages_of_xhr_send(broken.as_bytes());
        assert_eq!(found, Err(PayloadFault::BrokenJson), "{broken}");
    }
    assert_eq!(
        messages_of_xhr_send(b"[\"\xff\"]"),
        Err(PayloadFault::BrokenJson)
    );
    assert_eq!(PayloadFault::Missing.to_string(), "Payload expected.");
    assert_eq!(
        PayloadFault::BrokenJson.to_string(),
        "Broken JSON encoding."
    );
    let deep = "[".repeat(100_000);
    assert_eq!(
        messages_of_xhr_send(deep.as_bytes()),
        Err(PayloadFault::BrokenJson)
    );
}

#[test]
fn half_a_character_is_replaced() {
    for (json, text) in [
        (r#"["a\ud83db"]"#, "a\u{fffd}b"),
        (r#"["\udd8b\ud83d"]"#, "\u{fffd}\u{fffd}"),
        (r#"["\ud83d\ud83d\udd8b"]"#, "\u{fffd}🖋"),
        (r#"["\ud83d\n\u0041"]"#, "\u{fffd}\nA"),
        (
            r#"["\ud800\udbff\udc00\udfff"]"#,
            "\u{fffd}\u{10fc00}\u{fffd}",
        ),
    ] {
        assert_eq!(
            messages_of_xhr_send(json.as_bytes()),
            Ok(vec![text.to_owned()]),
            "{json}"
        );
        let lone = json.trim_matches(['[', ']']);
        assert_eq!(
            messages_of_websocket(lone.as_bytes()),
            Ok(vec![text.to_owned()]),
            "{json}"
        );
    }
}

#[test]
fn a_websocket_takes_one_text_too() {
    let a = vec!["a".to_owned()];
    assert_eq!(messages_of_websocket(b""), Ok(vec![]));
    assert_eq!(messages_of_websocket(br#"["a"]"#), Ok(a.clone()));
    assert_eq!(messages_of_websocket(br#" "a" "#), Ok(a));
    assert_eq!(
        messages_of_websocket(b"[\"a"),
        Err(PayloadFault::BrokenJson)
    );
    assert_eq!(messages_of_websocket(b"\"a"), Err(PayloadFault::BrokenJson));
    assert_eq!(
        messages_of_websocket(b"\"a\"\"b\""),
        Err(PayloadFault::BrokenJson)
    );
    assert_eq!(messages_of_websocket(b"\n"), Err(PayloadFault::BrokenJson));
    assert_eq!(messages_of_websocket(b"7"), Err(PayloadFault::Missing));
}

#[test]
fn jsonp_sends_a_form_or_not() {
    let form = Some("Application/x-www-form-urlencoded; charset=UTF-8");
    let b = Ok(vec!["b c+".to_owned()]);
    assert_eq!(messages_of_jsonp_send(form, b"x=1&d=%5B%22b+c%2B%22%5D"), b);
    for missing in ["", "d=", "p=p"] {
        let found = messages_of_jsonp_send(form, missing.as_bytes());
        assert_eq!(found, Err(PayloadFault::Missing), "{missing}");
    }
    assert_eq!(
        messages_of_jsonp_send(form, b"d=%5B%22x"),
        Err(PayloadFault::BrokenJson)
    );
    for other in [None, Some("text/plain"), Some("")] {
        assert_eq!(
            messages_of_jsonp_send(other, br#"["%61bc"]"#),
            Ok(vec!["%61bc".to_owned()])
        );
    }
}

proptest! {
    #[test]
    fn messages_survive(texts in prop::collection::vec(any::<String>(), 1..5)) {
        let frame = message_frame(texts.iter().map(String::as_str));
        prop_assert_eq!(messages_of_xhr_send(&frame[1..]), Ok(texts.clone()));
        let mut joined = MESSAGES_START.to_vec();
        for (n, text) in texts.iter().enumerate() {
            if n > 0 {
                joined.extend_from_slice(MESSAGES_BETWEEN);
            }
            let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
            escape_into(&mut joined, &text[..middle]);
            escape_into(&mut joined, &text[middle..]);
        }
        joined.extend_from_slice(MESSAGES_END);
        prop_assert_eq!(joined, frame);
    }
}
