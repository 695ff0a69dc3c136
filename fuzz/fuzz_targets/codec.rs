//! Bytes as a client's WebSocket stream, whole and in pieces.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| roundtable_tests::fuzz::codec(bytes));
