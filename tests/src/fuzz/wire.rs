//! WebSocket streams made of the fuzzer's bytes, and a second reader of them, written from RFC 6455
//! for clarity alone: it is given everything at once. This file does not know how a codec keeps what
//! is not complete.

use roundtable::CloseCode;
use roundtable_server::{Input, frame};

/// The longest message that is taken.
pub(super) const MESSAGE_BYTES: usize = 300;

const FIN: u8 = 0x80;

/// What a client sends.
pub(super) struct Stream {
    pub(super) bytes: Vec<u8>,
    /// How many frames are taken at once.
    pub(super) frame_burst: u32,
    /// Where to cut, as the caller likes.
    pub(super) cut: u8,
}

impl Stream {
    /// The stream that `bytes` stand for: a byte for the kind, a byte for the cut, then either the
    /// stream itself or records `[first, how, len] body`, a frame each. A frame is a good one unless
    /// its bytes say otherwise, so that mutations go further than the first header.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let [kind, cut, rest @ ..] = bytes else { return None };
        let mut stream = Vec::new();
        if kind & 1 == 0 {
            stream.extend_from_slice(rest);
        } else {
            let mut rest = rest;
            while let [first, how, len, tail @ ..] = rest {
                let (body, next) = tail.split_at(usize::from(*len).min(tail.len()));
                write(*first, *how, body, &mut stream);
                rest = next;
            }
        }
        let frame_burst = [1000, 20, 6, 2][usize::from(kind >> 1 & 3)];
        Some(Self { bytes: stream, frame_burst, cut: *cut })
    }
}

/// Writes a frame. Of `how`, the first bit takes the mask away, the second repeats the body, the
/// third announces another length than there is, the next two choose the form of the length, and
/// the rest is the mask.
fn write(first: u8, how: u8, body: &[u8], stream: &mut Vec<u8>) {
    let payload = if how & 2 == 0 { body.to_vec() } else { body.repeat(40) };
    let len = payload.len() as u64 + if how & 4 == 0 { 0 } else { 3 };
    let mask_bit = if how & 1 == 0 { FIN } else { 0 };
    stream.push(first);
    let shortest = match len {
        0..=125 => 0,
        126..=0xFFFF => 2,
        _ => 3,
    };
    match u8::max(shortest, how >> 3 & 3) {
        0 | 1 => stream.push(mask_bit | u8::try_from(len).expect("at most 125")),
        2 => {
            stream.push(mask_bit | 0x7E);
            stream.extend(u16::try_from(len).expect("a short payload").to_be_bytes());
        }
        _ => {
            stream.push(mask_bit | 0x7F);
            stream.extend(len.to_be_bytes());
        }
    }
    if how & 1 == 0 {
        let mask = [how, how.wrapping_mul(7), how >> 5, how ^ 0xA5];
        stream.extend(mask);
        stream.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    } else {
        stream.extend(payload);
    }
}

/// A frame as it stands in a stream.
struct Header {
    first: u8,
    is_masked: bool,
    mask: [u8; 4],
    len: u64,
}

impl Header {
    /// Reads a header from the front of `rest`, if all of it is there.
    fn take(rest: &mut &[u8]) -> Option<Self> {
        let mut left = *rest;
        let mut take = |len: usize| {
            let (taken, rest) = left.split_at_checked(len)?;
            left = rest;
            Some(taken)
        };
        let &[first, second] = take(2)? else { return None };
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let len = match second & 0x7F {
            126 => number(take(2)?),
            127 => number(take(8)?),
            len => u64::from(len),
        };
        let is_masked = second & FIN != 0;
        let mask = if is_masked { take(4)?.try_into().ok()? } else { [0; 4] };
        *rest = left;
        Some(Self { first, is_masked, mask, len })
    }

    fn opcode(&self) -> u8 {
        self.first & 0x0F
    }
}

/// A message that is not complete.
struct Begun {
    is_text: bool,
    bytes: Vec<u8>,
}

/// What a stream says, from its first byte to its last.
pub(super) fn read(stream: &Stream) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut begun = None;
    let mut rest = &*stream.bytes;
    let mut frames = 0;
    let end = loop {
        let Some(header) = Header::take(&mut rest) else { break Ok(()) };
        frames += 1;
        if frames > stream.frame_burst {
            break Err(CloseCode::RateLimited);
        }
        // A reserved opcode and a length are judged by the header, all else by the whole frame.
        if matches!(header.opcode(), 3..=7 | 11..=15) {
            break Err(CloseCode::Protocol);
        }
        if header.len > MESSAGE_BYTES as u64 {
            break Err(CloseCode::TooBig);
        }
        let len = usize::try_from(header.len).expect("a short frame");
        let Some((payload, next)) = rest.split_at_checked(len) else { break Ok(()) };
        rest = next;
        match frame(&header, payload, &mut begun) {
            Ok(input @ Some(Input::Close(_))) => {
                inputs.extend(input);
                break Ok(());
            }
            Ok(input) => inputs.extend(input),
            Err(code) => break Err(code),
        }
    };
    inputs.extend(end.err().map(|code| Input::Fail { code, frame: frame::close(code) }));
    inputs
}

/// What a whole frame says (RFC 6455 §5.4 and §5.5).
fn frame(
    header: &Header,
    payload: &[u8],
    begun: &mut Option<Begun>,
) -> Result<Option<Input>, CloseCode> {
    let is_final = header.first & FIN != 0;
    if !header.is_masked || header.first & 0x70 != 0 {
        return Err(CloseCode::Protocol);
    }
    let mask = header.mask.iter().cycle();
    let payload: Vec<u8> = payload.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    if header.opcode() >= 8 {
        if !is_final || payload.len() > 125 {
            return Err(CloseCode::Protocol);
        }
        return match header.opcode() {
            8 => close(&payload).map(|code| Some(Input::Close(frame::close_echo(code)))),
            9 => Ok(Some(Input::Pong(frame::pong(&payload)))),
            _ => Ok(None),
        };
    }
    let message = match (header.opcode(), begun.take()) {
        (0, Some(mut message)) => {
            message.bytes.extend(payload);
            message
        }
        (0, None) | (_, Some(_)) => return Err(CloseCode::Protocol),
        (opcode, None) => Begun { is_text: opcode == 1, bytes: payload },
    };
    if message.bytes.len() > MESSAGE_BYTES {
        return Err(CloseCode::TooBig);
    }
    let text = match std::str::from_utf8(&message.bytes) {
        Ok(text) => text,
        // A character may be cut by a fragment, not by the message's end.
        Err(error) if message.is_text && (is_final || error.error_len().is_some()) => {
            return Err(CloseCode::BadUtf8);
        }
        Err(_) => "",
    };
    let input = if message.is_text { Input::Text(text.to_owned()) } else { Input::Binary };
    if is_final {
        return Ok(Some(input));
    }
    *begun = Some(message);
    Ok(None)
}

/// The code to answer a close with: a peer's own, unless it may not stand there (RFC 6455 §7.4).
fn close(payload: &[u8]) -> Result<Option<u16>, CloseCode> {
    match payload {
        [] => Ok(None),
        [_] => Err(CloseCode::Protocol),
        [high, low, reason @ ..] => {
            std::str::from_utf8(reason).map_err(|_| CloseCode::BadUtf8)?;
            let code = u16::from_be_bytes([*high, *low]);
            let is_allowed = matches!(code, 1000..=1003 | 1007..=1013 | 3000..=4999);
            Ok(Some(if is_allowed { code } else { 1002 }))
        }
    }
}
