//! Bytes to a script, the script to a hub, and every answer to the auditor and the reference.

#![no_main]

use libfuzzer_sys::fuzz_target;
use roundtable_tests::check;
use roundtable_tests::decode::decode;

fuzz_target!(|bytes: &[u8]| check(&decode(bytes)));
