//! Bytes as a client's WebSocket stream. This file knows that pieces must not matter, and what a
//! reader of the RFC would say; it does not know how the codec reads.

use roundtable::Timestamp;
use roundtable_server::{Codec, Input, Settings};

use super::wire::{self, Stream};

const NOW: Timestamp = Timestamp::from_millis(5000);

/// Feeds a stream whole, byte by byte, in pieces and cut in two: it says the same each time, and
/// what a second reader says.
///
/// # Panics
///
/// If the pieces matter, or the readers disagree.
pub fn codec(bytes: &[u8]) {
    let Some(stream) = Stream::of(bytes) else { return };
    let mut settings = Settings::default();
    settings.hub.max_message_bytes = wire::MESSAGE_BYTES;
    settings.wire.frame_burst = stream.frame_burst;
    let bytes = &stream.bytes;
    let whole = feed(&settings, [&**bytes]);
    assert_eq!(whole.0, wire::read(&stream), "the codec (left) and the second reader (right)");
    assert_eq!(feed(&settings, bytes.chunks(1)), whole, "byte by byte (left) and whole (right)");
    let size = 2 + usize::from(stream.cut % 64);
    assert_eq!(feed(&settings, bytes.chunks(size)), whole, "by {size} (left) and whole (right)");
    let cut = bytes.len() * usize::from(stream.cut) / 256;
    let two = [&bytes[..cut], &bytes[cut..]];
    assert_eq!(feed(&settings, two), whole, "cut at {cut} (left) and whole (right)");
}

/// What the pieces say, but for signs of life, and when the message that is not complete must be.
fn feed<'a>(
    settings: &Settings,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Input>, Option<Timestamp>) {
    let mut codec = Codec::new(settings);
    let mut inputs = Vec::new();
    for piece in pieces {
        codec.feed(NOW, piece, &mut inputs);
    }
    let lives = inputs.iter().filter(|input| **input == Input::Heard).count();
    assert!(lives <= 1, "heard {lives} times in one instant");
    inputs.retain(|input| *input != Input::Heard);
    let is_end = |input: &Input| matches!(input, Input::Close(_) | Input::Fail { .. });
    let end = inputs.iter().position(is_end);
    assert!(end.is_none_or(|end| end + 1 == inputs.len()), "something behind the end: {inputs:?}");
    let deadline = codec.deadline();
    assert!(end.is_none() || deadline.is_none(), "a deadline of what is over");
    (inputs, deadline)
}
