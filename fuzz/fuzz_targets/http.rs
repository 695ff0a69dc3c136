//! Bytes as what comes in at the front door, whole and byte by byte.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| roundtable_tests::fuzz::http(bytes));
