//! SockJS's payloads: what is taken is texts, and comes out of a frame as the same texts.

use inkwire_protocol::sockjs::{
    Callback, Envelope, PayloadFault, message_frame, messages_of_jsonp_send, messages_of_websocket,
    messages_of_xhr_send,
};

/// The body of a request, and the message of a WebSocket.
pub fn check_payload(bytes: &[u8]) {
    let sent = messages_of_xhr_send(bytes);
    assert_eq!(messages_of_jsonp_send(None, bytes), sent);
    if let Ok(texts) = &sent {
        assert_eq!(messages_of_websocket(bytes).as_ref(), Ok(texts));
        let frame = message_frame(texts.iter().map(String::as_str));
        assert_eq!(messages_of_xhr_send(&frame[1..]).as_ref(), Ok(texts));
        check_envelopes(&frame);
    }
    // What is JSON is never called broken.
    let is_json = serde_json::from_slice::<&serde_json::value::RawValue>(bytes).is_ok();
    let is_text = std::str::from_utf8(bytes).is_ok();
    if is_json && is_text {
        assert_ne!(sent, Err(PayloadFault::BrokenJson));
    }
    let form = Some("application/x-www-form-urlencoded");
    let _ = messages_of_jsonp_send(form, bytes);
    let encoded: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("d", &String::from_utf8_lossy(bytes))
        .finish();
    if is_text {
        assert_eq!(messages_of_jsonp_send(form, encoded.as_bytes()), sent);
    }
    let _ = Callback::parse(std::str::from_utf8(bytes).ok());
}

/// Nothing in a frame ends what is around it.
fn check_envelopes(frame: &[u8]) {
    let callback = Callback::parse(Some("c")).expect("a plain name");
    for envelope in [
        Envelope::Xhr,
        Envelope::XhrStreaming,
        Envelope::EventSource,
        Envelope::HtmlFile(callback.clone()),
        Envelope::Jsonp(callback),
    ] {
        let wrapped = envelope.wrap(frame);
        let wrapped = std::str::from_utf8(&wrapped).expect("text");
        let lines = wrapped
            .matches(['\n', '\r', '\u{2028}', '\u{2029}'])
            .count();
        let expected = match envelope {
            Envelope::Xhr | Envelope::XhrStreaming => 1,
            Envelope::EventSource => 4,
            Envelope::HtmlFile(_) => 4,
            Envelope::Jsonp(_) => 2,
        };
        assert_eq!(lines, expected, "{wrapped:?}");
        if matches!(envelope, Envelope::HtmlFile(_)) {
            assert_eq!(wrapped.matches('<').count(), 2);
        }
    }
}
