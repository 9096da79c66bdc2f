#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inkwire_fuzz::native::check_server(
    inkwire_protocol::native::Encoding::MessagePack,
    bytes
));
