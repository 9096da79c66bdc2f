#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inkwire_fuzz::native::check_client(
    inkwire_protocol::native::Encoding::Json,
    bytes
));
