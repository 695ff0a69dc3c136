//! Bytes as a recording that is played.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| roundtable_tests::fuzz::replay(bytes));
