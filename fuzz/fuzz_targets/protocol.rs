//! Bytes as a client's frame: read, written, and read again.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| roundtable_tests::fuzz::protocol(bytes));
