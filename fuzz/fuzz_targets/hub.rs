//! Bytes as a script to a hub, every answer to the auditor and the reference.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| roundtable_tests::fuzz::hub(bytes));
