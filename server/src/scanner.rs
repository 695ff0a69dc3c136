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

/// What a scan found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scan {
    /// How many bytes there are before the header that was not admitted; all, if each was.
    pub(crate) admitted: usize,
    /// Whether a message ended in them, or a control frame between two messages.
    pub(crate) passed_boundary: bool,
}

impl Scanner {
    /// Follows `bytes`, and asks `admit` at the end of each header. Where it says no, the scan ends,
    /// and the scanner is of no more use.
    pub(crate) fn scan(&mut self, bytes: &[u8], mut admit: impl FnMut() -> bool) -> Scan {
        let mut scan = Scan { admitted: 0, passed_boundary: false };
        while let Some(byte) = bytes.get(scan.admitted) {
            if self.payload_left > 0 {
                let here = bytes.len() - scan.admitted;
                let skipped =
                    usize::try_from(self.payload_left).map_or(here, |left| left.min(here));
                self.payload_left -= skipped as u64;
                scan.admitted += skipped;
            } else {
                self.header[self.have] = *byte;
                self.have += 1;
                if self.have == self.needed() {
                    if !admit() {
                        return scan;
                    }
                    self.begin();
                }
                scan.admitted += 1;
            }
            scan.passed_boundary |= self.is_between_messages();
        }
        scan
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

    /// Scans piece by piece, and returns how many headers there were.
    fn count<'a>(scanner: &mut Scanner, pieces: impl Iterator<Item = &'a [u8]>) -> usize {
        let mut headers = 0;
        for piece in pieces {
            let scan = scanner.scan(piece, || {
                headers += 1;
                true
            });
            assert_eq!(scan.admitted, piece.len());
        }
        headers
    }

    #[test]
    fn headers_are_counted_whole_and_byte_by_byte() {
        for size in [1, 2, 7, 400] {
            let mut scanner = Scanner::default();
            assert_eq!(count(&mut scanner, stream().chunks(size)), 3);
            assert!(scanner.is_between_messages());
        }
    }

    #[test]
    fn every_form_of_length_is_followed() {
        let mut long = vec![0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4];
        long.extend(vec![0; 1 << 16]);
        let mut scanner = Scanner::default();
        assert_eq!(count(&mut scanner, long.chunks(1000)), 1);
        assert!(scanner.is_between_messages());
        // Without a mask, which is an error that the scanner does not judge.
        assert_eq!(count(&mut scanner, [0x81, 2, b'h', b'i'].chunks(1)), 1);
        assert!(scanner.is_between_messages());
        let endless = [0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4, 5];
        assert_eq!(count(&mut scanner, endless.chunks(3)), 1);
        assert!(!scanner.is_between_messages());
    }

    #[test]
    fn a_fragment_and_half_a_frame_are_not_the_end() {
        let mut scanner = Scanner::default();
        assert!(!scanner.scan(&stream()[..14], || true).passed_boundary, "the message goes on");
        assert!(!scanner.is_between_messages());
        let scan = scanner.scan(&[0x80, 0x80, 1, 2, 3, 4, 0x81], || true);
        assert!(scan.passed_boundary, "it has ended");
        assert!(!scanner.is_between_messages(), "and another one has begun");
    }

    #[test]
    fn a_header_that_is_not_admitted_ends_the_scan_before_it() {
        let mut left = 2;
        let scan = Scanner::default().scan(&stream(), || {
            left -= 1;
            left >= 0
        });
        // The header's last byte is the eighth behind the first two frames.
        assert_eq!(scan, Scan { admitted: 6 + 8 + 7, passed_boundary: false });
    }
}
