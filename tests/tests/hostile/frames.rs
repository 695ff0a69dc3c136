//! Frames that break RFC 6455: each is closed with the code that says so, and holds up nobody.

use roundtable_tests::conformance::{Raw, frame};

use crate::on_each;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

/// A frame that announces so many bytes, of which none come.
fn announcing(first: u8, length: u64) -> Vec<u8> {
    [&[first, 0xFF][..], &length.to_be_bytes(), &[0; 4]].concat()
}

/// A message in two fragments.
fn in_two(one: &[u8], other: &[u8]) -> Vec<u8> {
    [frame(0x01, true, one), frame(0x80, true, other)].concat()
}

fn cases() -> Vec<(String, Vec<u8>, u16)> {
    let mut cases: Vec<(String, Vec<u8>, u16)> = [
        ("an unmasked text", frame(TEXT, false, b"hi"), 1002),
        ("an unmasked ping", frame(PING, false, b""), 1002),
        ("an unmasked close", frame(CLOSE, false, b"\x03\xE8"), 1002),
        ("a fragmented ping", frame(0x09, true, b""), 1002),
        ("a fragmented close", frame(0x08, true, b"\x03\xE8"), 1002),
        ("a ping of 126 bytes", [&[PING, 0xFE, 0, 126, 0, 0, 0, 0][..], &[0; 126]].concat(), 1002),
        (
            "a close of 126 bytes",
            [&[CLOSE, 0xFE, 0, 126, 0, 0, 0, 0][..], &[3; 126]].concat(),
            1002,
        ),
        ("a ping that announces 2^63-1", announcing(PING, u64::MAX >> 1), 1009),
        ("16 MiB", announcing(TEXT, 16 << 20), 1009),
        ("2^63-1 bytes", announcing(TEXT, u64::MAX >> 1), 1009),
        ("the top bit of a length", announcing(TEXT, 1 << 63), 1009),
        ("all bits of a length", announcing(0x82, u64::MAX), 1009),
        ("a byte too many", announcing(TEXT, 32 * 1024 + 1), 1009),
        ("fragments that add up", in_two(&vec![b'x'; 20_000], &vec![b'x'; 20_000]), 1009),
        ("a continuation of nothing", frame(0x80, true, b"hi"), 1002),
        (
            "a text within another",
            [frame(0x01, true, b"a"), frame(TEXT, true, b"b")].concat(),
            1002,
        ),
        ("no UTF-8", frame(TEXT, true, &[0xC3, 0x28]), 1007),
        ("an overlong slash", frame(TEXT, true, &[0xC0, 0xAF]), 1007),
        ("half a surrogate pair", frame(TEXT, true, &[0xED, 0xA0, 0x80]), 1007),
        ("a character cut off", in_two(b"zw\xC3", b"lf"), 1007),
        ("a character that never ends", in_two(b"zw\xC3", b""), 1007),
        ("a close of one byte", frame(CLOSE, true, &[3]), 1002),
        ("a close in no UTF-8", frame(CLOSE, true, b"\x03\xE8\xFF"), 1007),
    ]
    .map(|(what, bytes, code)| (what.to_owned(), bytes, code))
    .into();
    for bit in [0x40, 0x20, 0x10] {
        cases.push((format!("reserved bit {bit:#x}"), frame(TEXT | bit, true, b"hi"), 1002));
    }
    for opcode in (3..8).chain(11..16) {
        cases.push((format!("opcode {opcode}"), frame(0x80 | opcode, true, b""), 1002));
    }
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2999, 5000, 65_535] {
        let close = frame(CLOSE, true, &code.to_be_bytes());
        cases.push((format!("close code {code}"), close, 1002));
    }
    cases
}

#[test]
fn a_frame_that_breaks_the_rules_closes_with_the_code_that_says_so() {
    on_each(|name, server| {
        for (what, bytes, expected) in cases() {
            let mut raw = Raw::upgraded(server.addr, "room=");
            assert_eq!(raw.json()["type"], "welcome");
            raw.try_write(&bytes);
            assert_eq!(raw.close_code(), expected, "{name}, {what}");
            assert!(raw.is_over(), "{name}, {what}: nothing follows a close");
        }
    });
}
