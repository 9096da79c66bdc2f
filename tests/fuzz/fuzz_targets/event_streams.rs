#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inkwire_decoders::check("event_streams", bytes));
