//! Packets of the native protocol: what was understood can be said again, and means the same.

use inkwire_model::Code;
use inkwire_protocol::native::Encoding;

/// A packet of a client.
pub fn check_client(encoding: Encoding, bytes: &[u8]) {
    match encoding.decode_client(bytes) {
        Ok(packet) => {
            let again = encoding.decode_client(&encoding.encode_client(&packet));
            assert_eq!(again.as_ref(), Ok(&packet));
            // The other encoding has room for everything too.
            for other in Encoding::ALL {
                let there = other.decode_client(&other.encode_client(&packet));
                assert_eq!(there.as_ref(), Ok(&packet));
            }
        }
        Err(error) => {
            assert!(!error.detail.is_empty());
            assert!(error.code != Code::Malformed || error.client_seq.is_none());
        }
    }
}

/// A packet of a gateway, as a client reads it.
pub fn check_server(encoding: Encoding, bytes: &[u8]) {
    if let Ok(packet) = encoding.decode_server(bytes) {
        let again = encoding.decode_server(&encoding.encode_server(&packet));
        assert_eq!(again.as_ref(), Ok(&packet));
    }
}
