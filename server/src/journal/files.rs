//! The files of a journal: what they are called, how they are written, and how a hub is had back from
//! them. This file does not know when they are written.
//!
//! A folder holds `N.checkpoint` and, behind it, `N+1.journal` and so on. A checkpoint is a line,
//! `roundtable checkpoint VERSION CHECKSUM BYTES`, and a JSON document of so many bytes. A segment is a
//! line, `roundtable journal VERSION SYNC`, and blocks: for each turn of the hub a line `CHECKSUM BYTES`,
//! both with eight hexadecimal digits, and so many bytes, which are JSON documents with a line each.
//! Checksums are CRC-32.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use roundtable::{Batch, Recovery, Snapshot};
use serde::{Deserialize, Serialize};

use super::Sync;
use crate::state::{self, Fault};

const CHECKPOINT: &str = "roundtable checkpoint ";
const SEGMENT: &str = "roundtable journal ";

/// The version of the format of segments. A program refuses what a newer one has written.
const VERSION: u32 = 1;

/// The line before the changes of a turn.
pub(super) const BLOCK_HEAD: usize = "00000000 00000000\n".len();

/// What a checkpoint holds.
#[derive(Serialize, Deserialize)]
struct Checkpoint {
    snapshot: Snapshot,
    /// Who was connected then.
    connected: Batch,
}

/// What a folder holds.
pub(super) struct Found {
    /// The number of the last file.
    pub(super) last: u64,
    pub(super) recovery: Recovery,
    /// How the segments behind the checkpoint were written; nothing if there are none: the end was
    /// planned.
    pub(super) sync: Option<Sync>,
    /// How many blocks were read.
    pub(super) blocks: u64,
    /// How many bytes at the end of the last segment are no whole block.
    pub(super) torn: usize,
}

/// A file that is not as it was written, and which one.
pub(super) type Named<T> = Result<T, (PathBuf, Fault)>;

/// The folder, which belongs to this process until the file is closed. What one that died was about to
/// write there is removed.
pub(super) fn occupy(folder: &Path) -> Named<File> {
    let named = |error: io::Error| (folder.to_owned(), Fault::Io(error));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(named)?;
    let lock = create(&folder.join("lock"), true).map_err(named)?;
    lock.try_lock().map_err(|_| named(io::Error::other("another server writes there")))?;
    for entry in fs::read_dir(folder).map_err(named)? {
        let path = entry.map_err(named)?.path();
        if path.extension().is_some_and(|ending| ending == "new") {
            fs::remove_file(path).map_err(named)?;
        }
    }
    Ok(lock)
}

/// What there is to go on with; nothing if the folder is empty.
pub(super) fn find(folder: &Path) -> Named<Option<Found>> {
    let files = list(folder).map_err(|error| (folder.to_owned(), Fault::Io(error)))?;
    let Some(base) = files.iter().filter(|of| of.is_checkpoint).map(|of| of.number).max() else {
        return match files.first() {
            Some(segment) => {
                let fault = Fault::Damaged("the checkpoint before it is not there".to_owned());
                Err((segment.path(folder), fault))
            }
            None => Ok(None),
        };
    };
    let recovery = begin(&checkpoint(folder, base))?;
    let mut found = Found { last: base, recovery, sync: None, blocks: 0, torn: 0 };
    let mut segments: Vec<u64> =
        files.iter().filter(|of| !of.is_checkpoint).map(|of| of.number).collect();
    segments.retain(|number| *number > base);
    segments.sort_unstable();
    for (at, number) in segments.iter().enumerate() {
        let path = segment(folder, *number);
        let is_last = at + 1 == segments.len();
        let read = take_in(&path, *number == found.last + 1, is_last, &mut found);
        read.map_err(|fault| (path, fault))?;
        found.last = *number;
    }
    Ok(Some(found))
}

/// Makes one checkpoint of what was written up to a segment that is whole, and lets go of what it
/// replaces.
pub(super) fn condense(folder: &Path, upto: u64, ages: (Duration, Duration)) -> Named<()> {
    let named = |error: io::Error| (folder.to_owned(), Fault::Io(error));
    let files = list(folder).map_err(named)?;
    let base = files.iter().filter(|of| of.is_checkpoint && of.number <= upto);
    let Some(base) = base.map(|of| of.number).max() else { return Ok(()) };
    let recovery = begin(&checkpoint(folder, base))?;
    let mut found = Found { last: base, recovery, sync: None, blocks: 0, torn: 0 };
    for number in base + 1..=upto {
        let path = segment(folder, number);
        take_in(&path, true, false, &mut found).map_err(|fault| (path, fault))?;
    }
    found.recovery.settle();
    found.recovery.expire(ages.0, ages.1);
    let (snapshot, connected) = found.recovery.condense();
    write(folder, upto, snapshot, connected).map_err(named)?;
    forget(folder, upto).map_err(named)
}

/// Writes the checkpoint of this number.
pub(super) fn write(
    folder: &Path,
    number: u64,
    snapshot: Snapshot,
    connected: Batch,
) -> io::Result<()> {
    let body = serde_json::to_vec(&Checkpoint { snapshot, connected })?;
    state::replace(&checkpoint(folder, number), CHECKPOINT, &body)
}

/// Begins the segment of this number.
pub(super) fn open(folder: &Path, number: u64, sync: Sync) -> io::Result<File> {
    let mut file = create(&segment(folder, number), false)?;
    file.write_all(format!("{SEGMENT}{VERSION} {sync}\n").as_bytes())?;
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

/// Lets go of all that the checkpoint of this number replaces.
pub(super) fn forget(folder: &Path, number: u64) -> io::Result<()> {
    for file in list(folder)? {
        if file.number < number || (file.number == number && !file.is_checkpoint) {
            match fs::remove_file(file.path(folder)) {
                // At the end, both the hub's thread and that which makes checkpoints do so.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
    }
    Ok(())
}

/// Writes the line before a block, in the place that was left for it.
pub(super) fn seal(block: &mut [u8]) {
    let (head, body) = block.split_at_mut(BLOCK_HEAD);
    let line = format!("{:08x} {:08x}\n", crc32fast::hash(body), body.len());
    head.copy_from_slice(line.as_bytes());
}

fn begin(path: &Path) -> Named<Recovery> {
    let named = |fault: Fault| (path.to_owned(), fault);
    let bytes = fs::read(path).map_err(|error| named(Fault::Io(error)))?;
    let Checkpoint { snapshot, connected } = state::parse(CHECKPOINT, &bytes).map_err(named)?;
    let mut recovery = Recovery::of(snapshot);
    recovery.apply(connected).map_err(|error| named(Fault::Refused(error)))?;
    Ok(recovery)
}

fn take_in(path: &Path, follows: bool, is_last: bool, found: &mut Found) -> Result<(), Fault> {
    let damaged = |what: &str| Fault::Damaged(what.to_owned());
    if !follows {
        return Err(damaged("the segment before it is not there"));
    }
    let bytes = fs::read(path)?;
    let Some((sync, mut rest)) = first_line(&bytes)? else {
        // The process ended while it began.
        found.torn = bytes.len();
        return if is_last { Ok(()) } else { Err(damaged("its first line has no end")) };
    };
    // One that may be short makes all doubtful.
    found.sync = Some(if found.sync == Some(Sync::Interval) { Sync::Interval } else { sync });
    while let Some((body, behind)) = block(rest) {
        found.recovery.settle();
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let batch: Batch =
                serde_json::from_slice(line).map_err(|error| Fault::Damaged(error.to_string()))?;
            found.recovery.apply(batch).map_err(Fault::Refused)?;
        }
        found.blocks += 1;
        rest = behind;
    }
    // Only the last write can have been cut off, and where the disk is not waited for, the last few.
    let is_torn = is_last && (sync == Sync::Interval || !holds_a_block(rest));
    if !rest.is_empty() && !is_torn {
        return Err(damaged("a block is not what was written"));
    }
    found.torn = rest.len();
    Ok(())
}

/// How a segment was written, and its blocks; nothing if it was not begun to the end.
fn first_line(bytes: &[u8]) -> Result<Option<(Sync, &[u8])>, Fault> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let line = std::str::from_utf8(&bytes[..end]).unwrap_or_default();
    let mut words = line.strip_prefix(SEGMENT).ok_or(Fault::Foreign)?.split(' ');
    match words.next().and_then(|word| word.parse().ok()) {
        Some(newer) if newer > VERSION => return Err(Fault::Newer(newer)),
        Some(VERSION) => {}
        _ => return Err(Fault::Damaged("its version is none".to_owned())),
    }
    let sync = words.next().and_then(|word| word.parse().ok());
    let sync =
        sync.ok_or_else(|| Fault::Damaged("it does not say how it was written".to_owned()))?;
    Ok(Some((sync, &bytes[end + 1..])))
}

/// The first block, and what is behind it; nothing if it is not there as it was written.
fn block(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(BLOCK_HEAD)?;
    let head = std::str::from_utf8(head).ok()?.strip_suffix('\n')?;
    let (checksum, length) = head.split_once(' ')?;
    let length = usize::try_from(u32::from_str_radix(length, 16).ok()?).ok()?;
    let (body, behind) = rest.split_at_checked(length)?;
    (crc32fast::hash(body) == u32::from_str_radix(checksum, 16).ok()?).then_some((body, behind))
}

/// Whether a block begins with any line of it: what is written has no other line that looks like the
/// head of one.
fn holds_a_block(bytes: &[u8]) -> bool {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(end, _)| &bytes[end + 1..]).any(|behind| block(behind).is_some())
}

/// A file by its name.
struct Numbered {
    number: u64,
    is_checkpoint: bool,
}

impl Numbered {
    fn path(&self, folder: &Path) -> PathBuf {
        if self.is_checkpoint {
            checkpoint(folder, self.number)
        } else {
            segment(folder, self.number)
        }
    }
}

fn list(folder: &Path) -> io::Result<Vec<Numbered>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some((number, kind)) = name.to_str().and_then(|name| name.split_once('.')) else {
            continue;
        };
        if let (Ok(number), "checkpoint" | "journal") = (number.parse(), kind) {
            files.push(Numbered { number, is_checkpoint: kind == "checkpoint" });
        }
    }
    Ok(files)
}

fn checkpoint(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.checkpoint"))
}

fn segment(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.journal"))
}

fn create(path: &Path, may_exist: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if may_exist {
        options.create(true).truncate(false)
    } else {
        options.create_new(true)
    };
    options.open(path)
}
