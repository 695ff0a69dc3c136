//! WebSocket frames (RFC 6455 §5.2), read and written at the price of a glance. This file does not
//! know who talks to whom, and trusts that lengths fit into memory that its caller bounds.

/// The longest head of a frame: two bytes, a length of eight, a mask.
const LONGEST_HEAD: usize = 14;

/// Instead of a length, it says that two bytes of length follow.
const TWO_BYTES: u8 = 126;

/// Instead of a length, it says that eight bytes of length follow.
const EIGHT_BYTES: u8 = 127;

/// The longest frame that is taken, so that a broken peer is noticed and not waited for.
pub const LONGEST_PAYLOAD: usize = 16 << 20;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// The next part of a message.
    Continuation,
    /// A text, or its first part.
    Text,
    /// Bytes, or their first part.
    Binary,
    /// The end of the conversation.
    Close,
    /// A question for a sign of life.
    Ping,
    /// Its answer.
    Pong,
}

impl Opcode {
    fn of(byte: u8) -> Option<Self> {
        match byte & 0x0f {
            0 => Some(Self::Continuation),
            1 => Some(Self::Text),
            2 => Some(Self::Binary),
            8 => Some(Self::Close),
            9 => Some(Self::Ping),
            10 => Some(Self::Pong),
            _ => None,
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }
}

/// Whether a frame ends its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// More frames follow.
    First,
    /// It is the last one, or the only one.
    Last,
}

/// One frame's head, and where its payload lies in what was scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub opcode: Opcode,
    /// Whether it ends its message.
    pub part: Part,
    /// The key of a client's frame.
    pub mask: Option<[u8; 4]>,
    /// Where the payload begins.
    pub start: usize,
    /// Where it ends, and the next frame begins.
    pub end: usize,
}

/// The bytes are no frame: an opcode nobody knows, or a length out of all proportion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFrame;

/// The frame at the beginning of `bytes`; none, if it is not all there.
///
/// # Errors
///
/// If more bytes would not make a frame of it.
pub fn scan(bytes: &[u8]) -> Result<Option<Frame>, NoFrame> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let opcode = Opcode::of(*first).ok_or(NoFrame)?;
    let part = if first & 0x80 == 0 { Part::First } else { Part::Last };
    let (length, mut start) = match second & 0x7f {
        TWO_BYTES => match rest.first_chunk() {
            Some(length) => (usize::from(u16::from_be_bytes(*length)), 4),
            None => return Ok(None),
        },
        EIGHT_BYTES => match rest.first_chunk() {
            Some(length) => {
                let length = u64::from_be_bytes(*length);
                (usize::try_from(length).map_err(|_| NoFrame)?, 10)
            }
            None => return Ok(None),
        },
        length => (usize::from(length), 2),
    };
    if length > LONGEST_PAYLOAD {
        return Err(NoFrame);
    }
    let mut mask = None;
    if second & 0x80 != 0 {
        let Some(key) = bytes.get(start..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
        mask = Some(*key);
        start += 4;
    }
    let end = start + length;
    let frame = Frame { opcode, part, mask, start, end };
    Ok((bytes.len() >= end).then_some(frame))
}

/// Masks `payload`, or takes its mask off (RFC 6455 §5.3).
pub fn mask(payload: &mut [u8], key: [u8; 4]) {
    for (byte, key) in payload.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// Appends a whole message of a server to `out`.
pub fn write_server(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    write_head(out, opcode, payload.len(), 0);
    out.extend_from_slice(payload);
}

/// Appends a text of a server to `out`, with spaces behind it if it has fewer than `least` bytes.
pub fn write_padded(out: &mut Vec<u8>, text: &[u8], least: usize) {
    let length = text.len().max(least);
    write_head(out, Opcode::Text, length, 0);
    out.extend_from_slice(text);
    out.resize(out.len() + length - text.len(), b' ');
}

/// Appends a whole message of a client to `out`, masked with `key`.
pub fn write_client(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], key: [u8; 4]) {
    write_head(out, opcode, payload.len(), 0x80);
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    mask(&mut out[start..], key);
}

fn write_head(out: &mut Vec<u8>, opcode: Opcode, length: usize, masked: u8) {
    out.reserve(LONGEST_HEAD + length);
    out.push(0x80 | opcode.byte());
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..TWO_BYTES), _) => out.push(masked | short),
        (_, Ok(middle)) => {
            out.push(masked | TWO_BYTES);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(masked | EIGHT_BYTES);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 4] = [1, 2, 3, 4];

    #[test]
    fn frames_of_every_length_come_back_and_not_before_they_are_whole() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload: Vec<u8> = (0..=250).cycle().take(length).collect();
            let (mut server, mut client) = (Vec::new(), Vec::new());
            write_server(&mut server, Opcode::Text, &payload);
            write_client(&mut client, Opcode::Text, &payload, KEY);
            for mut bytes in [server, client] {
                let frame = scan(&bytes).expect("a frame").expect("a whole frame");
                assert_eq!((frame.opcode, frame.part), (Opcode::Text, Part::Last));
                assert_eq!(frame.end, bytes.len());
                for end in (0..frame.start).chain([bytes.len() - 1]).filter(|end| *end < frame.end)
                {
                    assert_eq!(scan(&bytes[..end]), Ok(None), "{length} cut at {end}");
                }
                let body = &mut bytes[frame.start..];
                mask(body, frame.mask.unwrap_or_default());
                assert_eq!(body, payload);
            }
        }
    }

    #[test]
    fn a_padded_text_has_spaces_behind_it() {
        let mut bytes = Vec::new();
        write_padded(&mut bytes, b"long enough", 4);
        write_padded(&mut bytes, b"ab", 4);
        let mut expected = Vec::new();
        write_server(&mut expected, Opcode::Text, b"long enough");
        write_server(&mut expected, Opcode::Text, b"ab  ");
        assert_eq!(bytes, expected);
    }

    #[test]
    fn what_follows_a_frame_is_left_alone() {
        let mut bytes = Vec::new();
        write_server(&mut bytes, Opcode::Ping, b"one");
        write_server(&mut bytes, Opcode::Close, b"two");
        let first = scan(&bytes).expect("a frame").expect("whole");
        let second = scan(&bytes[first.end..]).expect("a frame").expect("whole");
        assert_eq!((first.opcode, second.opcode), (Opcode::Ping, Opcode::Close));
        assert_eq!(&bytes[first.end..][second.start..second.end], b"two");
    }

    #[test]
    fn parts_of_messages_are_told_apart() {
        let frame = scan(&[0x01, 1, b'a']).expect("a frame").expect("whole");
        assert_eq!((frame.opcode, frame.part), (Opcode::Text, Part::First));
        let frame = scan(&[0x80, 1, b'b']).expect("a frame").expect("whole");
        assert_eq!((frame.opcode, frame.part), (Opcode::Continuation, Part::Last));
    }

    #[test]
    fn what_cannot_be_a_frame_is_refused() {
        assert_eq!(scan(&[0x83, 0]), Err(NoFrame));
        assert_eq!(scan(&[0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]), Err(NoFrame));
        assert_eq!(scan(&[0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255]), Err(NoFrame));
    }
}
