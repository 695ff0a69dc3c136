//! Bytes as what happens to an outbox and its socket.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| roundtable_tests::fuzz::outbox(bytes));
