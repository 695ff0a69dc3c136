//! What the clients of a soak write down, one line of JSON for each deed. This file does not know
//! what is right.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The name of the file.
const NAME: &str = "deeds.jsonl";

/// What a client says: who says it, and its number there.
pub type Word = (u32, u64);

/// What a client did, or was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// It said its word with this number for the first time.
    Said(u64),
    /// Its word has this place.
    Acked(u64, u64),
    /// It came into a room, from behind a place if it was there before.
    Joined {
        /// The room's number.
        room: u32,
        /// The run of the room's log.
        epoch: String,
        /// The place it had.
        since: Option<u64>,
        /// What it missed and cannot have.
        gap: Option<(u64, u64)>,
        /// What it was given at once, by places.
        given: Vec<(u64, Word)>,
        /// Where that leaves it.
        seq: u64,
    },
    /// It was given the word at a place.
    Got(u64, Word),
    /// It was told that it missed these.
    Gap(u64, u64),
    /// Its session is another one than before.
    Renewed,
    /// It was refused something.
    Refused(String),
    /// It has seen the run to its end.
    Done,
}

/// The file, written by all clients.
#[derive(Debug)]
pub(super) struct Book(RefCell<BufWriter<File>>);

impl Book {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self(RefCell::new(BufWriter::new(File::create_new(folder.join(NAME))?))))
    }

    pub(super) fn note(&self, who: u32, deed: &Deed) {
        let line = serde_json::to_string(&(who, deed)).expect("a deed is JSON");
        writeln!(self.0.borrow_mut(), "{line}").expect("room on the disk");
    }

    pub(super) fn close(self) -> io::Result<()> {
        self.0.into_inner().flush()
    }
}

/// Each line of the file in a folder.
///
/// # Errors
///
/// If it cannot be read, or a line is none.
pub fn read(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<(u32, Deed)>>> {
    let lines = BufReader::new(File::open(folder.join(NAME))?).lines();
    Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
}
