//! Bytes as a recording. This file knows how records lie in a file, so that the fuzzer gets behind
//! their checksums; it does not know what they should come to.

use roundtable_server::record::{Head, Mark, Redaction};
use roundtable_server::replay::{Error, Log, check, compare};

use crate::ORIGIN;
use crate::generator::Limits;

/// Plays a recording: whatever it is, nobody panics; what can be played can be played again, up to
/// wherever it was cut off; and it can be played under other limits.
///
/// # Panics
///
/// If that does not hold.
pub fn replay(bytes: &[u8]) {
    let Some(file) = file(bytes) else { return };
    let whole = check(&file);
    if let Err(error) = &whole {
        assert!(!error.to_string().is_empty(), "says nothing: {error:?}");
    }
    if let Ok(whole) = whole {
        let again = check(&file).expect("it was played before");
        assert_eq!(again, whole, "played again");
        let cut = file.len() * usize::from(bytes[1]) / 256;
        match check(&file[..cut]) {
            Ok(part) => {
                assert!(part.events <= whole.events && part.span <= whole.span, "{part:?}");
                assert!(part.difference.is_none() || part.difference == whole.difference);
            }
            Err(Error::Empty) => {}
            Err(error) => panic!("cut off at {cut} of {}: {error}", file.len()),
        }
    }
    // Under other limits no answer is compared: every event is played.
    for limits in [Limits::Tiny, Limits::Default] {
        if let Ok(mut log) = Log::open(&*file)
            && let Err(error) = compare(&mut log, limits.config())
        {
            assert!(!error.to_string().is_empty(), "says nothing: {error:?}");
        }
    }
}

/// What a recording of today's format begins with.
pub(super) const START: &[u8] = b"roundtable recording\n\x05\x00";

/// What a piece of an image has in the place of a kind, and the last one.
pub(super) const PIECE: u8 = 0xFD;
pub(super) const LAST_PIECE: u8 = 0xFE;

/// The recording in an input, whose second byte says where it is cut off.
pub(super) fn file(bytes: &[u8]) -> Option<Vec<u8>> {
    let [kind, _, rest @ ..] = bytes else { return None };
    Some(if kind & 1 == 0 { rest.to_vec() } else { framed(*kind, rest) })
}

/// A recording whose first byte says under which limits, and whose records are `[kind, len] body`
/// each: lengths and checksums are right, the answers are those of nobody.
fn framed(kind: u8, mut rest: &[u8]) -> Vec<u8> {
    let has_image = matches!(rest, [PIECE | LAST_PIECE, ..]);
    let head = Head {
        build: "fuzz".to_owned(),
        config: Limits::ALL[usize::from(kind >> 1) % Limits::ALL.len()].config(),
        origin: ORIGIN,
        redaction: Redaction::default(),
        part: 0,
        so_far: Mark::default(),
        image: has_image,
    };
    let mut file = START.to_vec();
    record(&mut file, 0, &serde_json::to_vec(&head).expect("a head is JSON"));
    while let [kind, len, tail @ ..] = rest {
        let (body, next) = tail.split_at(usize::from(*len).min(tail.len()));
        match kind % 8 {
            _ if *kind == PIECE => record(&mut file, 3, body),
            _ if *kind == LAST_PIECE => record(&mut file, 4, body),
            0 => record(&mut file, 0, body),
            1 => record(&mut file, 2, body),
            2 => file.extend_from_slice(body),
            _ => record(&mut file, 1, &[body, &[0; 4]].concat()),
        }
        rest = next;
    }
    file
}

/// Writes one record: its length, what checks the length, the checksum of all, the kind, the rest.
fn record(file: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    let len = u32::try_from(1 + payload.len()).expect("a short record").to_le_bytes();
    let start = file.len();
    file.extend(len);
    file.push(len.iter().fold(0xA5, |check, byte| check ^ byte));
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&file[start..]);
    hasher.update(&[kind]);
    hasher.update(payload);
    file.extend(hasher.finalize().to_le_bytes());
    file.push(kind);
    file.extend_from_slice(payload);
}
