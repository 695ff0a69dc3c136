//! The same bytes, whole and in pieces, give the same inputs; and every rule that a client can break
//! has its close code.

use std::time::Duration;

use proptest::prelude::*;
use roundtable::{CloseCode, Timestamp};
use roundtable_server::{Codec, Input, Settings, frame};

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

const NOW: Timestamp = Timestamp::from_millis(5000);

/// A client's frame (RFC 6455 §5.2), masked.
fn client(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | u8::try_from(len).unwrap()),
        len @ 126..=0xFFFF => {
            bytes.push(0x80 | 0x7E);
            bytes.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 0x7F);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xFA, 0x21, 0x3D];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn text(payload: &str) -> Vec<u8> {
    client(FIN | TEXT, payload.as_bytes())
}

fn said(text: &str) -> Input {
    Input::Text(text.to_owned())
}

fn fail(code: CloseCode) -> Input {
    Input::Fail { code, frame: frame::close(code) }
}

/// What `bytes` say when they come in pieces of at most `size`, but for signs of life.
fn inputs(settings: &Settings, bytes: &[u8], size: usize) -> Vec<Input> {
    let mut codec = Codec::new(settings);
    let mut inputs = Vec::new();
    for piece in bytes.chunks(size) {
        codec.feed(NOW, piece, &mut inputs);
    }
    inputs.retain(|input| *input != Input::Heard);
    inputs
}

/// Holds for the bytes whole, byte by byte, in between, and cut in two anywhere.
#[track_caller]
fn check_with(settings: &Settings, bytes: &[u8], expected: &[Input]) {
    for size in [bytes.len().max(1), 1, 2, 5, 64] {
        assert_eq!(inputs(settings, bytes, size), expected, "in pieces of {size}");
    }
    for cut in 0..bytes.len().min(600) {
        let mut pieces = Vec::new();
        let mut codec = Codec::new(settings);
        codec.feed(NOW, &bytes[..cut], &mut pieces);
        codec.feed(NOW, &bytes[cut..], &mut pieces);
        pieces.retain(|input| *input != Input::Heard);
        assert_eq!(pieces, expected, "cut at {cut}");
    }
}

#[track_caller]
fn check(bytes: &[u8], expected: &[Input]) {
    check_with(&Settings::default(), bytes, expected);
}

#[test]
fn messages_are_whole_however_they_are_fragmented() {
    check(&[], &[]);
    check(&text("hi"), &[said("hi")]);
    check(&[text(""), text("zwölf")].concat(), &[said(""), said("zwölf")]);
    check(&client(FIN | BINARY, &[0xFF]), &[Input::Binary]);
    for len in [125, 126, 127, 32 * 1024] {
        let long = "x".repeat(len);
        check(&text(&long), &[said(&long)]);
    }
    // A character may be cut by a fragment, and control frames may stand between fragments.
    let fragments = [
        client(TEXT, b"zw\xC3"),
        client(FIN | PING, b"are you there"),
        client(CONTINUATION, b""),
        client(FIN | PONG, b""),
        client(FIN | CONTINUATION, b"\xB6lf"),
    ];
    check(&fragments.concat(), &[Input::Pong(frame::pong(b"are you there")), said("zwölf")]);
}

#[test]
fn each_ping_has_its_answer_and_a_pong_has_none() {
    let pings = [client(FIN | PING, b"1"), client(FIN | PONG, b"?"), client(FIN | PING, b"")];
    check(&pings.concat(), &[Input::Pong(frame::pong(b"1")), Input::Pong(frame::pong(b""))]);
}

#[test]
fn a_close_is_echoed_with_its_code_and_ends_all() {
    let closes: [(&[u8], Option<u16>); 4] = [
        (b"", None),
        (b"\x03\xE8", Some(1000)),
        (b"\x0F\xA0bye", Some(4000)),
        // 1005 may not stand in a frame (RFC 6455 §7.4.1).
        (b"\x03\xED", Some(1002)),
    ];
    for (payload, code) in closes {
        let bytes = [text("last"), client(FIN | CLOSE, payload), text("too late")].concat();
        check(&bytes, &[said("last"), Input::Close(frame::close_echo(code))]);
    }
}

#[test]
fn what_breaks_the_protocol_closes_with_1002() {
    let mut broken = vec![
        vec![FIN | TEXT, 2, b'h', b'i'],
        vec![FIN | PING, 0],
        vec![FIN | CLOSE, 2, 3, 0xE8],
        client(FIN | CONTINUATION, b"of nothing"),
        [client(TEXT, b"a"), client(FIN | TEXT, b"within another")].concat(),
        client(PING, b"a fragmented ping"),
        client(FIN | PING, &[0; 126]),
        client(CLOSE, b"\x03\xE8"),
        client(FIN | CLOSE, b"\x03"),
        client(FIN | CLOSE, &[0; 126]),
    ];
    broken.extend([0x40, 0x20, 0x10].map(|bit| client(FIN | bit | TEXT, b"a reserved bit")));
    let reserved = (0x3..=0x7).chain(0xB..=0xF);
    broken.extend(reserved.map(|opcode| client(FIN | opcode, b"a reserved opcode")));
    for bytes in broken {
        let bytes = [text("before"), bytes, text("behind")].concat();
        check(&bytes, &[said("before"), fail(CloseCode::Protocol)]);
    }
}

#[test]
fn bad_utf_8_closes_with_1007() {
    check(&client(FIN | TEXT, b"a\xFFb"), &[fail(CloseCode::BadUtf8)]);
    check(&client(FIN | TEXT, b"cut \xC3"), &[fail(CloseCode::BadUtf8)]);
    let fragments = [client(TEXT, b"zw\xC3"), client(FIN | CONTINUATION, b"lf")];
    check(&fragments.concat(), &[fail(CloseCode::BadUtf8)]);
    check(&client(FIN | CLOSE, b"\x03\xE8\xFF"), &[fail(CloseCode::BadUtf8)]);
}

#[test]
fn what_is_too_long_closes_with_1009() {
    let mut settings = Settings::default();
    settings.hub.max_message_bytes = 1000;
    let most = "x".repeat(1000);
    check_with(&settings, &text(&most), &[said(&most)]);
    check_with(&settings, &text(&"x".repeat(1001)), &[fail(CloseCode::TooBig)]);
    let half = vec![b'x'; 501];
    let fragments = [client(TEXT, &half), client(CONTINUATION, &half)].concat();
    check_with(&settings, &fragments, &[fail(CloseCode::TooBig)]);
    // The header is enough: nobody waits for 2^63 bytes, or has memory for them.
    let announced = [FIN | BINARY, 0xFF, 0x7F, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4];
    check(&announced, &[fail(CloseCode::TooBig)]);
    let header = 4 + 4;
    check_with(&settings, &text(&"x".repeat(1001))[..header], &[fail(CloseCode::TooBig)]);
    check_with(&settings, &text(&most)[..header], &[]);
}

#[test]
fn a_flood_of_frames_closes_with_4029_behind_what_was_allowed() {
    let mut settings = Settings::default();
    settings.wire.frame_burst = 5;
    settings.wire.frames_per_second = 1;
    let flood = [text("a"), client(TEXT, b"")].concat();
    let flood = [flood, client(CONTINUATION, b"").repeat(3), text("b")].concat();
    check_with(&settings, &flood, &[said("a"), fail(CloseCode::RateLimited)]);
    // What ends the connection before the flood begins is what counts.
    let bye = [client(FIN | CLOSE, b"\x03\xE8"), text("a").repeat(9)].concat();
    check_with(&settings, &bye, &[Input::Close(frame::close_echo(Some(1000)))]);
}

#[test]
fn the_burst_of_frames_is_as_long_as_it_is_set() {
    let settings = Settings::default();
    let burst = settings.wire.frame_burst as usize;
    let empty = client(CONTINUATION, b"");
    let most = [client(TEXT, b""), empty.repeat(burst - 1)].concat();
    check_with(&settings, &most, &[]);
    check_with(&settings, &[most, empty].concat(), &[fail(CloseCode::RateLimited)]);
}

#[test]
fn frames_at_the_allowed_rate_go_on_for_ever() {
    let mut settings = Settings::default();
    settings.wire.frame_burst = 5;
    settings.wire.frames_per_second = 10;
    let mut codec = Codec::new(&settings);
    let mut inputs = Vec::new();
    for tenth in 0..100 {
        codec.feed(Timestamp::from_millis(tenth * 100), &text("a"), &mut inputs);
    }
    assert_eq!(inputs, vec![said("a"); 100]);
}

#[test]
fn a_message_that_is_not_complete_has_a_deadline() {
    let settings = Settings::default();
    let at = |seconds| Timestamp::new(Duration::from_secs(seconds));
    let (mut codec, mut inputs) = (Codec::new(&settings), Vec::new());
    assert_eq!(codec.deadline(), None);
    codec.feed(at(1), &client(TEXT, b"a"), &mut inputs);
    assert_eq!(codec.deadline(), Some(at(21)));
    codec.feed(at(15), &client(FIN | PING, b""), &mut inputs);
    codec.feed(at(16), &client(CONTINUATION, b""), &mut inputs);
    assert_eq!(codec.deadline(), Some(at(21)), "a fragment more does not win time");
    let end_and_another = [client(FIN | CONTINUATION, b"b"), vec![FIN | TEXT]].concat();
    codec.feed(at(17), &end_and_another, &mut inputs);
    assert!(inputs.contains(&said("ab")));
    assert_eq!(codec.deadline(), Some(at(37)), "the next message has its own time");
    inputs.clear();
    codec.expire(&mut inputs);
    assert_eq!(inputs, [fail(CloseCode::Protocol)]);
    assert_eq!(codec.deadline(), None);
    codec.feed(at(38), &text("too late"), &mut inputs);
    codec.expire(&mut inputs);
    assert_eq!(inputs.len(), 1);
}

#[test]
fn a_frame_that_drips_has_the_deadline_of_its_first_byte() {
    let at = |seconds| Timestamp::new(Duration::from_secs(seconds));
    let settings = Settings::default();
    let (mut codec, mut inputs) = (Codec::new(&settings), Vec::new());
    let frame = text("never to be said");
    for (second, byte) in (3..23).zip(&frame) {
        codec.feed(at(second), &[*byte], &mut inputs);
        assert_eq!(codec.deadline(), Some(at(23)));
    }
    inputs.retain(|input| *input != Input::Heard);
    assert_eq!(inputs, []);
    codec.expire(&mut inputs);
    assert_eq!(inputs, [fail(CloseCode::Protocol)]);
}

#[test]
fn pings_that_are_cut_are_not_one_long_message() {
    let settings = Settings::default();
    let mut codec = Codec::new(&settings);
    let ping = client(FIN | PING, b"");
    let (mut inputs, cut) = (Vec::new(), [&ping[2..], &ping[..2]].concat());
    codec.feed(Timestamp::ZERO, &ping[..2], &mut inputs);
    for second in 1..60 {
        let now = Timestamp::new(Duration::from_secs(second));
        codec.feed(now, &cut, &mut inputs);
        assert!(codec.deadline() > Some(now + Duration::from_secs(19)));
    }
}

#[test]
fn the_answer_to_the_earliest_ping_is_told() {
    let mut settings = Settings::default();
    settings.hub.ping_after = Duration::from_secs(1);
    settings.validate().expect("the shortest silence that may be set");
    let (mut codec, mut inputs) = (Codec::new(&settings), Vec::new());
    let pong = client(FIN | PONG, b"");
    // A ping comes as early as a tenth before its time.
    for millis in [0, 900, 1800] {
        inputs.clear();
        codec.feed(Timestamp::from_millis(millis), &pong, &mut inputs);
        assert_eq!(inputs, [Input::Heard], "after {millis} ms");
    }
}

#[test]
fn other_signs_of_life_are_told_once_a_second() {
    let settings = Settings::default();
    let mut codec = Codec::new(&settings);
    let pong = client(FIN | PONG, b"");
    let mut heard = |millis, bytes: &[u8]| {
        let mut inputs = Vec::new();
        codec.feed(Timestamp::from_millis(millis), bytes, &mut inputs);
        inputs.contains(&Input::Heard)
    };
    assert!(heard(0, &pong));
    assert!(!heard(999, &pong));
    assert!(heard(1000, &pong[..1]));
    assert!(!heard(1999, &pong[1..]));
    assert!(!heard(2500, &text("a text says it itself")));
    assert!(!heard(3400, &pong));
    assert!(heard(3500, &pong));
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![
        4 => Just(TEXT), 2 => Just(CONTINUATION), 1 => Just(BINARY),
        2 => Just(PING), 1 => Just(PONG), 1 => 0_u8..16,
    ];
    let first = (prop::bool::weighted(0.7), opcode)
        .prop_map(|(is_final, opcode)| if is_final { FIN | opcode } else { opcode });
    let payload = prop_oneof![
        4 => "\\PC{0,20}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ];
    prop::collection::vec((first, payload), 0..12).prop_map(|frames| {
        frames.iter().flat_map(|(first, payload)| client(*first, payload)).collect()
    })
}

proptest! {
    #[test]
    fn any_stream_in_any_pieces_says_the_same(
        stream in frames(),
        noise in prop::collection::vec(any::<u8>(), 0..20),
        burst in 1_u32..20,
        size in 1_usize..80,
    ) {
        let mut settings = Settings::default();
        settings.hub.max_message_bytes = 256;
        settings.wire.frame_burst = burst;
        let bytes = [stream, noise].concat();
        let whole = inputs(&settings, &bytes, bytes.len().max(1));
        prop_assert_eq!(&whole, &inputs(&settings, &bytes, 1));
        prop_assert_eq!(&whole, &inputs(&settings, &bytes, size));
        let is_end = |input: &Input| matches!(input, Input::Close(_) | Input::Fail { .. });
        let end = whole.iter().position(is_end);
        prop_assert!(end.is_none_or(|end| end + 1 == whole.len()), "{:?}", whole);
    }

    #[test]
    fn noise_is_read_the_same_and_panics_nobody(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        size in 1_usize..20,
    ) {
        let settings = Settings::default();
        let whole = inputs(&settings, &bytes, bytes.len().max(1));
        prop_assert_eq!(whole, inputs(&settings, &bytes, size));
    }

    #[test]
    fn a_peer_that_sends_is_heard_each_second_and_not_more(
        feeds in prop::collection::vec((0_u64..1500, any::<bool>()), 1..50),
    ) {
        let settings = Settings::default();
        let mut codec = Codec::new(&settings);
        let (mut millis, mut told) = (0, None);
        for (pause, is_text) in feeds {
            millis += pause;
            let bytes = if is_text { text("a") } else { client(FIN | PONG, b"") };
            let mut inputs = Vec::new();
            codec.feed(Timestamp::from_millis(millis), &bytes, &mut inputs);
            let is_due = told.is_none_or(|told| millis >= told + 1000);
            let expected = match (is_text, is_due) {
                (true, _) => vec![said("a")],
                (false, true) => vec![Input::Heard],
                (false, false) => vec![],
            };
            if !expected.is_empty() {
                told = Some(millis);
            }
            prop_assert_eq!(inputs, expected);
        }
    }
}
