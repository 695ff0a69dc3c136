//! What the bytes of a recording are. This file does not know what the hub makes of events.
//!
//! A part is [`MAGIC`], the version as two bytes, and records. A record is nine bytes and a payload:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | the payload's length |
//! | 1 | the exclusive or of these four and `0xA5`: a length that lies is not mistaken for an end |
//! | 4 | the CRC-32 of these five and the payload |
//!
//! A payload's first byte is its kind: 0 a [`Head`], as JSON; 1 an [`Entry`], as postcard, with four
//! bytes of hash behind it; 2 a [`Mark`], as postcard; 3 a [`Piece`] of an image, behind which more of it
//! comes, and 4 the last one, as they are. All numbers of fixed size are little-endian.
//!
//! A recording that begins with a hub where somebody may be has an image of it, as postcard, in pieces
//! behind the head of its first part. Format 4 is the same without images.
//!
//! A process that dies may leave its last record unfinished: that is a torn tail, where the recording
//! ends. Anything else that is wrong is damage.

use std::fmt;
use std::io::{self, Read};

use roundtable::{Config, Event, Origin, Timestamp};
use serde::{Deserialize, Serialize};

use super::mask::{Redaction, Text};

/// What every part begins with.
pub(crate) const MAGIC: &[u8] = b"roundtable recording\n";

/// The version of the format, which follows.
pub(crate) const VERSION: u16 = 5;

/// The oldest version that is read.
const OLDEST: u16 = 4;

/// The bytes before a record's payload.
const HEADER: usize = 9;

/// Longer payloads are not written: the longest message is 16 MiB.
const MOST: usize = 32 << 20;

/// How much of an image goes into a record.
const PIECE: usize = 1 << 20;

/// What a part of a recording begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version of the package that recorded.
    pub build: String,
    /// The hub's limits.
    pub config: Config,
    /// Where the hub's time and chances began.
    pub origin: Origin,
    /// What is masked.
    pub redaction: Redaction,
    /// Which part this is, from 0.
    pub part: u32,
    /// What the parts before this one came to.
    pub so_far: Mark,
    /// Whether an image of the hub stands behind the first part's head.
    pub image: bool,
}

/// The head of format 4.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OlderHead {
    build: String,
    config: Config,
    origin: Origin,
    redaction: Redaction,
    part: u32,
    so_far: Mark,
}

impl From<OlderHead> for Head {
    fn from(older: OlderHead) -> Self {
        let OlderHead { build, config, origin, redaction, part, so_far } = older;
        Self { build, config, origin, redaction, part, so_far, image: false }
    }
}

/// One event, and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When the hub was given it.
    pub at: Timestamp,
    /// The event, masked.
    pub event: Event,
    /// How true its text is.
    pub text: Text,
    /// A short hash of the commands that answered it; 0 if there were none.
    pub answer: u32,
}

/// How many events there were, and the running hash of all their commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The events since the recording began.
    pub events: u64,
    /// The running hash.
    pub hash: u64,
}

/// A piece of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it holds of it.
    pub bytes: Vec<u8>,
    /// Whether the image ends with it.
    pub is_last: bool,
}

/// A record of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The first one of each part.
    Head(Box<Head>),
    /// A piece of the image that the recording begins with.
    Piece(Piece),
    /// An event.
    Entry(Entry),
    /// The running hash: from time to time, and where the recording was ended well.
    Mark(Mark),
}

/// What comes next in a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A record.
    Record(Record),
    /// The part's end.
    End,
    /// A record that was not finished; the part ends here.
    Torn {
        /// Where it begins, in bytes from the part's start.
        at: u64,
        /// How many bytes of it are there.
        bytes: u64,
    },
}

/// Why a part cannot be read.
#[derive(Debug)]
pub enum Fault {
    /// The system does not give it.
    Io(io::Error),
    /// It is no recording.
    Foreign,
    /// It has this version of the format, which this program does not know.
    Version(u16),
    /// What stands here is not what was written.
    Damaged {
        /// Where, in bytes from the part's start.
        at: u64,
        /// What is wrong.
        what: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Foreign => write!(f, "is no recording of Roundtable"),
            Self::Version(found) if *found > VERSION => write!(
                f,
                "was written by a newer program: its format is {found}, this program reads {VERSION}"
            ),
            Self::Version(found) => {
                write!(f, "has the format {found}, this program reads {OLDEST} to {VERSION}")
            }
            Self::Damaged { at, what } => write!(f, "is damaged at byte {at}: {what}"),
        }
    }
}

impl std::error::Error for Fault {}

/// Starts a part.
pub(crate) fn write_start(out: &mut Vec<u8>) {
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
}

/// Writes a head as a whole record.
pub(crate) fn write_head(out: &mut Vec<u8>, head: &Head) {
    let start = open_record(out, 0);
    serde_json::to_writer(&mut *out, head).expect("a vector takes everything");
    close_record(out, start);
}

/// Writes the bytes of an image as whole records.
pub(crate) fn write_image(out: &mut Vec<u8>, image: &[u8]) {
    let mut rest = image;
    loop {
        let (piece, behind) = rest.split_at(rest.len().min(PIECE));
        let start = open_record(out, if behind.is_empty() { 4 } else { 3 });
        out.extend_from_slice(piece);
        close_record(out, start);
        if behind.is_empty() {
            return;
        }
        rest = behind;
    }
}

/// Writes a mark as a whole record.
pub(crate) fn write_mark(out: &mut Vec<u8>, mark: Mark) {
    let start = open_record(out, 2);
    extend(out, &mark);
    close_record(out, start);
}

/// Opens the record of an event. Its answer is still to come.
pub(crate) fn open_entry(out: &mut Vec<u8>, at: Timestamp, event: &Event, text: Text) -> usize {
    let start = open_record(out, 1);
    extend(out, &(at, event, text));
    start
}

/// Ends the record of an event that was opened at `start`.
pub(crate) fn close_entry(out: &mut Vec<u8>, start: usize, answer: u32) {
    out.extend_from_slice(&answer.to_le_bytes());
    close_record(out, start);
}

fn extend(out: &mut Vec<u8>, value: &impl Serialize) {
    let taken = std::mem::take(out);
    *out = postcard::to_extend(value, taken).expect("a vector takes everything");
}

fn open_record(out: &mut Vec<u8>, kind: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    out.push(kind);
    start
}

fn close_record(out: &mut [u8], start: usize) {
    let record = &mut out[start..];
    let len = u32::try_from(record.len() - HEADER).expect("an event of less than 4 GiB");
    record[..5].copy_from_slice(&length(len));
    let check = checksum(&record[..5], &record[HEADER..]);
    record[5..HEADER].copy_from_slice(&check.to_le_bytes());
}

/// A length, and the byte that checks it.
fn length(len: u32) -> [u8; 5] {
    let [a, b, c, d] = len.to_le_bytes();
    [a, b, c, d, a ^ b ^ c ^ d ^ 0xA5]
}

fn checksum(length: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(length);
    hasher.update(payload);
    hasher.finalize()
}

/// The records of one part.
#[derive(Debug)]
pub struct Records<R> {
    input: R,
    /// Where the next record begins; 0 before the part's start was read.
    at: u64,
    version: u16,
    payload: Vec<u8>,
}

impl<R: Read> Records<R> {
    /// The records that `input` holds, from its beginning.
    pub fn new(input: R) -> Self {
        Self { input, at: 0, version: VERSION, payload: Vec::new() }
    }

    /// The next record.
    ///
    /// # Errors
    ///
    /// If the part cannot be read, or is not what was written.
    #[expect(clippy::should_implement_trait, reason = "an end has kinds of its own here")]
    pub fn next(&mut self) -> Result<Next, Fault> {
        if self.at == 0
            && let Some(torn) = self.read_start()?
        {
            return Ok(torn);
        }
        let mut header = Vec::with_capacity(HEADER);
        self.fill(HEADER, &mut header)?;
        match header.len() {
            0 => return Ok(Next::End),
            HEADER => {}
            _ => return self.torn(header.len()),
        }
        let len = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        if header[..5] != length(len) {
            return self.torn_or(&header, "a length is wrong");
        }
        if len as usize > MOST {
            return Err(self.damaged("a length is larger than any record's"));
        }
        let mut payload = std::mem::take(&mut self.payload);
        payload.clear();
        self.fill(len as usize, &mut payload)?;
        if payload.len() < len as usize {
            return self.torn(HEADER + payload.len());
        }
        let found = checksum(&header[..5], &payload).to_le_bytes();
        if found != header[5..] {
            header.append(&mut payload);
            return self.torn_or(&header, "a checksum is wrong");
        }
        let record = decode(&payload, self.version).map_err(|what| self.damaged(what))?;
        self.at += (HEADER + payload.len()) as u64;
        self.payload = payload;
        Ok(Next::Record(record))
    }

    fn read_start(&mut self) -> Result<Option<Next>, Fault> {
        let mut start = Vec::new();
        self.fill(MAGIC.len() + 2, &mut start)?;
        if !start.starts_with(&MAGIC[..MAGIC.len().min(start.len())]) {
            return Err(Fault::Foreign);
        }
        let Some(version) = start[MAGIC.len().min(start.len())..].first_chunk() else {
            return Ok(Some(Next::Torn { at: 0, bytes: start.len() as u64 }));
        };
        let version = u16::from_le_bytes(*version);
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(Fault::Version(version));
        }
        (self.at, self.version) = (start.len() as u64, version);
        Ok(None)
    }

    /// A record that is all there and wrong: the tail of a file to which the system promised more
    /// than it wrote, or damage.
    fn torn_or(&mut self, found: &[u8], what: &str) -> Result<Next, Fault> {
        let (mut zeros, mut rest) = (true, 0);
        loop {
            let mut bytes = Vec::new();
            self.fill(1 << 16, &mut bytes)?;
            zeros &= bytes.iter().all(|byte| *byte == 0);
            rest += bytes.len();
            if bytes.is_empty() || !zeros {
                break;
            }
        }
        // A wrong length says nothing about where its record ends.
        let is_tail = rest == 0 && found.len() > HEADER;
        let is_unwritten = zeros && (rest > 0 || found.iter().all(|byte| *byte == 0));
        if is_tail || is_unwritten {
            return self.torn(found.len() + rest);
        }
        Err(self.damaged(what))
    }

    #[expect(clippy::unnecessary_wraps, reason = "it ends a function that can fail")]
    fn torn(&self, bytes: usize) -> Result<Next, Fault> {
        Ok(Next::Torn { at: self.at, bytes: bytes as u64 })
    }

    fn damaged(&self, what: impl Into<String>) -> Fault {
        Fault::Damaged { at: self.at, what: what.into() }
    }

    /// Appends what is there to `bytes`, at most `most`.
    fn fill(&mut self, most: usize, bytes: &mut Vec<u8>) -> Result<(), Fault> {
        self.input.by_ref().take(most as u64).read_to_end(bytes).map_err(Fault::Io)?;
        Ok(())
    }
}

fn decode(payload: &[u8], version: u16) -> Result<Record, String> {
    let unknown = |error: postcard::Error| format!("a record is not understood: {error}");
    match payload.split_first() {
        Some((0, json)) => {
            let head = if version == OLDEST {
                serde_json::from_slice::<OlderHead>(json).map(Head::from)
            } else {
                serde_json::from_slice(json)
            };
            let head = head.map_err(|error| format!("its head is not understood: {error}"))?;
            Ok(Record::Head(Box::new(head)))
        }
        Some((1, bytes)) => {
            let ((at, event, text), rest) = postcard::take_from_bytes(bytes).map_err(unknown)?;
            let answer =
                rest.try_into().map_err(|_| "a record has another length than its event")?;
            Ok(Record::Entry(Entry { at, event, text, answer: u32::from_le_bytes(answer) }))
        }
        Some((2, bytes)) => match postcard::take_from_bytes(bytes).map_err(unknown)? {
            (mark, []) => Ok(Record::Mark(mark)),
            _ => Err("a record is longer than its mark".to_owned()),
        },
        Some((kind @ (3 | 4), bytes)) => {
            Ok(Record::Piece(Piece { bytes: bytes.to_vec(), is_last: *kind == 4 }))
        }
        _ => Err("a record of an unknown kind".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use roundtable::{ConnId, Entropy, Framing, Greeting, Peer, RoomChoice};

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    /// Whoever changes these bytes changes the version.
    #[test]
    fn the_bytes_of_this_version_stay_what_they_are() {
        let conn = ConnId::new(300);
        let room = RoomChoice::Named("lobby".parse().unwrap());
        let name = Some("ann".parse().unwrap());
        let peer = Peer { entropy: Entropy::new(0x0102), claims: None, address: None };
        let events = [
            Event::Connect {
                conn,
                peer,
                greeting: Greeting { name, room, framing: Framing::Strict },
            },
            Event::Text { conn, text: "hi".to_owned() },
            Event::Binary { conn },
            Event::Heard { conn },
            Event::Backlog { conn, bytes: 70_000 },
            Event::Flushed,
            Event::Disconnect { conn },
            Event::Tick,
            Event::Drain { within: Duration::from_secs(30) },
        ];
        let mut found = Vec::new();
        for event in events {
            let mut bytes = Vec::new();
            let at = Timestamp::from_millis(1500);
            let start = open_entry(&mut bytes, at, &event, Text::Replaced);
            close_entry(&mut bytes, start, 0x0102_0304);
            found.push(hex(&bytes));
        }
        let mut bytes = Vec::new();
        write_mark(&mut bytes, Mark { events: 10_000, hash: u64::MAX });
        found.push(hex(&bytes));
        let mut bytes = Vec::new();
        write_image(&mut bytes, &[7, 8, 9]);
        found.push(hex(&bytes));
        let expected = [
            "2e0000008bd9c88407010180cab5ee0100ac020000000000000000000000000000010200000103616e6e02056c6f626279010104030201",
            "12000000b71167e5b3010180cab5ee0101ac020268690104030201",
            "0f000000aa775e2998010180cab5ee0102ac020104030201",
            "0f000000aae95e8354010180cab5ee0103ac020104030201",
            "12000000b7e5db7562010180cab5ee0105ac02f0a2040104030201",
            "0d000000a835bf43a6010180cab5ee01060104030201",
            "0f000000aa1350c9d0010180cab5ee0107ac020104030201",
            "0d000000a845de499c010180cab5ee01080104030201",
            "0f000000aa40baeeb1010180cab5ee010a1e000104030201",
            "0d000000a8258828d702904effffffffffffffffff01",
            "04000000a1fa408acd04070809",
        ];
        assert_eq!(found, expected);
    }
}
