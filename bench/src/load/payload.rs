//! What the load generator says: a text that tells who sent it, as which of their messages, and when
//! it was meant to be sent. It needs no escape in JSON, so servers that wrap it leave it as it is.

use memchr::memmem;

/// What no server says of its own accord.
const MARKER: &[u8] = b"~bench~";

const SENDER: usize = MARKER.len();
const NUMBER: usize = SENDER + 8;
const INTENDED: usize = NUMBER + 8;

/// The shortest payload: the marker and three numbers in hexadecimal.
pub(super) const SHORTEST: usize = INTENDED + 16;

/// One message of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Which of the senders.
    pub(super) sender: u32,
    /// Which of the sender's messages, from 0.
    pub(super) number: u32,
    /// When it was to be sent, in nanoseconds since the run began.
    pub(super) intended_ns: u64,
}

impl Stamp {
    /// Writes it as `bytes` bytes of text into `out`, which is emptied first.
    pub(super) fn write(&self, bytes: usize, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(MARKER);
        write_hex(out, self.sender.into(), 8);
        write_hex(out, self.number.into(), 8);
        write_hex(out, self.intended_ns, 16);
        out.resize(bytes.max(SHORTEST), b'.');
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let sender = read_hex(bytes.get(SENDER..NUMBER)?)?;
        let number = read_hex(bytes.get(NUMBER..INTENDED)?)?;
        let intended_ns = read_hex(bytes.get(INTENDED..SHORTEST)?)?;
        let (sender, number) = (u32::try_from(sender).ok()?, u32::try_from(number).ok()?);
        Some(Self { sender, number, intended_ns })
    }
}

fn write_hex(out: &mut Vec<u8>, value: u64, digits: u32) {
    for at in (0..digits).rev() {
        let digit = (value >> (4 * at)) & 0xf;
        out.push(b"0123456789abcdef"[digit as usize]);
    }
}

fn read_hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

/// Finds stamps in messages.
pub(super) struct Finder(memmem::Finder<'static>);

impl Finder {
    /// A finder.
    pub(super) fn new() -> Self {
        Self(memmem::Finder::new(MARKER))
    }

    /// Gives every stamp in `message` to `found`; some servers join texts into one message.
    pub(super) fn each(&self, message: &[u8], mut found: impl FnMut(Stamp)) {
        let mut rest = message;
        // Servers that pass texts through as they are need no search.
        while let Some(at) = if rest.starts_with(MARKER) { Some(0) } else { self.0.find(rest) } {
            rest = &rest[at..];
            let Some(stamp) = Stamp::read(rest) else { return };
            found(stamp);
            rest = &rest[SHORTEST..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(message: &[u8]) -> Vec<Stamp> {
        let mut found = Vec::new();
        Finder::new().each(message, |stamp| found.push(stamp));
        found
    }

    #[test]
    fn stamps_come_back_bare_wrapped_and_joined() {
        let one = Stamp { sender: 7, number: u32::MAX, intended_ns: u64::MAX };
        let two = Stamp { sender: 0, number: 0, intended_ns: 12_345_678_901 };
        let (mut first, mut second) = (Vec::new(), Vec::new());
        one.write(64, &mut first);
        two.write(0, &mut second);
        assert_eq!((first.len(), second.len()), (64, SHORTEST));
        assert_eq!(all(&first), [one]);
        let first = String::from_utf8(first).expect("text");
        let second = String::from_utf8(second).expect("text");
        assert_eq!(all(format!("{{\"data\":\"{first}\",\"ts\":1}}").as_bytes()), [one]);
        assert_eq!(all(format!("{first}\n{second}").as_bytes()), [one, two]);
        assert_eq!(all(b"{\"type\":\"welcome\"}"), []);
    }

    #[test]
    fn a_stamp_that_is_cut_or_garbled_is_none() {
        let mut text = Vec::new();
        Stamp { sender: 1, number: 2, intended_ns: 3 }.write(SHORTEST, &mut text);
        assert_eq!(all(&text[..SHORTEST - 1]), []);
        text[SENDER] = b'g';
        assert_eq!(all(&text), []);
    }

    #[test]
    fn a_payload_is_plain_text_to_every_server() {
        let mut text = Vec::new();
        Stamp { sender: 1, number: 2, intended_ns: 3 }.write(200, &mut text);
        assert!(text.iter().all(|byte| byte.is_ascii_graphic() && !b"{}\"\\".contains(byte)));
    }
}
