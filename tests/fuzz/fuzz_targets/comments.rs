#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inkwire_decoders::check("comments", bytes));
