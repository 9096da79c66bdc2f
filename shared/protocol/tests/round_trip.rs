//! Every packet survives each encoding, and random bytes never harm a decoder.

mod arbitrary;

use inkwire_protocol::native::Encoding;
use proptest::prelude::*;

use arbitrary::{client_packet, server_packet};

proptest! {
    #[test]
    fn client_packets_survive(packet in client_packet()) {
        for encoding in Encoding::ALL {
            let bytes = encoding.encode_client(&packet);
            prop_assert_eq!(encoding.decode_client(&bytes), Ok(packet.clone()), "{:?}", bytes);
        }
    }

    #[test]
    fn server_packets_survive(packet in server_packet()) {
        for encoding in Encoding::ALL {
            let bytes = encoding.encode_server(&packet);
            prop_assert_eq!(encoding.decode_server(&bytes), Ok(packet.clone()), "{:?}", bytes);
        }
    }

    /// What one encoding carried can be carried on by the other.
    #[test]
    fn packets_survive_a_change_of_encoding(packet in server_packet()) {
        let json = Encoding::Json.encode_server(&packet);
        let packet = Encoding::Json.decode_server(&json).unwrap();
        let msgpack = Encoding::MessagePack.encode_server(&packet);
        let packet = Encoding::MessagePack.decode_server(&msgpack).unwrap();
        prop_assert_eq!(Encoding::Json.encode_server(&packet), json);
    }

    #[test]
    fn random_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        for encoding in Encoding::ALL {
            let _ = encoding.decode_client(&bytes);
            let _ = encoding.decode_server(&bytes);
        }
    }

    /// Bytes that nearly are a packet reach deeper than random ones.
    #[test]
    fn damaged_packets_are_refused_or_read(
        packet in client_packet(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        end in any::<prop::sample::Index>(),
    ) {
        for encoding in Encoding::ALL {
            let mut bytes = encoding.encode_client(&packet).to_vec();
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            let _ = encoding.decode_client(&bytes);
            bytes.truncate(end.index(bytes.len()));
            let _ = encoding.decode_client(&bytes);
        }
    }

    #[test]
    fn damaged_server_packets_are_refused_or_read(
        packet in server_packet(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        for encoding in Encoding::ALL {
            let mut bytes = encoding.encode_server(&packet).to_vec();
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            let _ = encoding.decode_server(&bytes);
        }
    }
}
