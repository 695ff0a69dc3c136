//! Bytes as what a hub kept: whatever they are, a hub that takes them lives.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| roundtable_tests::fuzz::restore(bytes));
