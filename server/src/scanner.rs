//! Where frames begin and end. This file does not know what is in them, and judges nothing:
//! whether a frame is well formed is tungstenite's to say.

/// Follows a client's stream from header to header (RFC 6455 §5.2).
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    header: [u8; 14],
    have: usize,
    payload_left: u64,
    /// Whether a fragmented message has begun and not ended.
    is_fragmented: bool,
}

impl Scanner {
    /// Follows `bytes`, and returns how many headers they complete.
    pub(crate) fn scan(&mut self, mut bytes: &[u8]) -> u64 {
        let mut frames = 0;
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let most = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let skipped = self.payload_left.min(most);
                self.payload_left -= skipped;
                bytes = &bytes[usize::try_from(skipped).unwrap_or(bytes.len())..];
                continue;
            }
            self.header[self.have] = bytes[0];
            self.have += 1;
            bytes = &bytes[1..];
            if self.have == self.needed() {
                self.begin();
                frames += 1;
            }
        }
        frames
    }

    /// Whether the bytes so far end with a whole message.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.have == 0 && self.payload_left == 0 && !self.is_fragmented
    }

    /// How long the header is, as far as it can be told.
    fn needed(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let length = match self.header[1] & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        2 + length + mask
    }

    /// The header is complete.
    fn begin(&mut self) {
        let header = &self.header;
        self.payload_left = match header[1] & 0x7F {
            126 => u64::from(u16::from_be_bytes([header[2], header[3]])),
            127 => header[2..10].iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
            length => u64::from(length),
        };
        let is_control = header[0] & 0x08 != 0;
        if !is_control {
            self.is_fragmented = header[0] & 0x80 == 0;
        }
        self.have = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty continuation, a ping of two bytes, a text of 300 bytes.
    fn stream() -> Vec<u8> {
        let mut stream = vec![0x00, 0x80, 1, 2, 3, 4];
        stream.extend([0x89, 0x82, 1, 2, 3, 4, 0, 0]);
        stream.extend([0x81, 0xFE, 1, 44, 1, 2, 3, 4]);
        stream.extend([0; 300]);
        stream
    }

    #[test]
    fn headers_are_counted_whole_and_byte_by_byte() {
        let mut scanner = Scanner::default();
        assert_eq!(scanner.scan(&stream()), 3);
        assert!(scanner.is_between_messages());
        let mut scanner = Scanner::default();
        let counted: u64 = stream().iter().map(|byte| scanner.scan(&[*byte])).sum();
        assert_eq!(counted, 3);
        assert!(scanner.is_between_messages());
    }

    #[test]
    fn a_fragment_and_half_a_frame_are_not_the_end() {
        let mut scanner = Scanner::default();
        scanner.scan(&stream()[..6]);
        assert!(!scanner.is_between_messages(), "the message goes on");
        let mut scanner = Scanner::default();
        scanner.scan(&[0x81]);
        assert!(!scanner.is_between_messages());
    }
}
