//! WebSocket frames as a server writes them. This file does not know where they go.
//!
//! Server frames are unmasked (RFC 6455 §5.1), so a frame that is encoded once serves everybody.

use std::sync::Arc;

use roundtable::{CloseCode, frame_len};

/// An encoded frame, shared by all who are sent it.
pub type Frame = Arc<[u8]>;

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// A whole text message in one frame.
pub fn text(text: &str) -> Frame {
    encode(TEXT, text.as_bytes())
}

/// The same, behind what is in `into`.
pub fn write_text(into: &mut Vec<u8>, text: &str) {
    write(into, TEXT, text.as_bytes());
}

/// A whole binary message in one frame, behind what is in `into`.
pub fn write_binary(into: &mut Vec<u8>, bytes: &[u8]) {
    write(into, BINARY, bytes);
}

/// A ping without payload.
pub fn ping() -> Frame {
    encode(PING, &[])
}

/// The same, behind what is in `into`.
pub fn write_ping(into: &mut Vec<u8>) {
    write(into, PING, &[]);
}

/// The answer to a ping, with the ping's payload.
///
/// # Panics
///
/// If the payload is longer than the 125 bytes that a control frame may have (RFC 6455 §5.5).
pub fn pong(payload: &[u8]) -> Frame {
    assert!(payload.len() <= 125, "a control frame of {} bytes", payload.len());
    encode(PONG, payload)
}

/// A close frame with a code of the protocol and its reason.
pub fn close(code: CloseCode) -> Frame {
    let mut payload = code.number().to_be_bytes().to_vec();
    payload.extend_from_slice(code.reason().as_bytes());
    encode(CLOSE, &payload)
}

/// The answer to a peer's close frame: the code that it gave, if it gave one.
pub fn close_echo(code: Option<u16>) -> Frame {
    code.map_or_else(|| encode(CLOSE, &[]), |code| encode(CLOSE, &code.to_be_bytes()))
}

fn encode(opcode: u8, payload: &[u8]) -> Frame {
    let mut frame = Vec::new();
    write(&mut frame, opcode, payload);
    frame.into()
}

/// One final frame, as RFC 6455 §5.2 lays it out.
fn write(into: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    into.reserve(frame_len(payload.len()));
    into.push(0x80 | opcode);
    if let Ok(len) = u8::try_from(payload.len())
        && len <= 125
    {
        into.push(len);
    } else if let Ok(len) = u16::try_from(payload.len()) {
        into.push(126);
        into.extend_from_slice(&len.to_be_bytes());
    } else {
        into.push(127);
        into.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    }
    into.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_as_long_as_the_hub_counts() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            assert_eq!(text(&"x".repeat(len)).len(), frame_len(len));
        }
        assert_eq!(ping().len(), frame_len(0));
    }

    #[test]
    fn frames_are_laid_out_as_the_rfc_says() {
        assert_eq!(&*text("hi"), [0x81, 2, b'h', b'i']);
        assert_eq!(&*pong(&[1, 2]), [0x8A, 2, 1, 2]);
        assert_eq!(&close(CloseCode::Drain)[..4], [0x88, 7, 0x0F, 0xA2]);
        assert_eq!(&*close_echo(None), [0x88, 0]);
        assert_eq!(&*close_echo(Some(1000)), [0x88, 2, 0x03, 0xE8]);
        assert_eq!(text(&"x".repeat(300))[..4], [0x81, 126, 1, 44]);
    }
}
