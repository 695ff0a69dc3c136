//! A hub whose process may be killed: what changes is written down before anybody is told of it. This
//! file does not know what a change says.
//!
//! The changes of a turn are one write, and with [`Sync::Always`] one wait for the disk, before the
//! turn's frames leave the hub's owner. Old segments are made a checkpoint on a thread of their own.

mod files;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError};
use std::sync::mpsc::{channel, sync_channel};
use std::time::Duration;

use roundtable::{AfterDrain, Batch, Command, Config, Event, Hub, Machine, Origin, Recovery};
use roundtable::{Tails, Timestamp};
use tracing::{error, info, warn};

use crate::state::Fault;
use files::{BLOCK_HEAD, Named};

/// When what was written must be on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// Before anybody is told of it.
    #[default]
    Always,
    /// A while later: a machine that loses its power forgets that while, and begins new epochs then.
    Interval,
}

impl fmt::Display for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Always => "always",
            Self::Interval => "interval",
        })
    }
}

impl FromStr for Sync {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "always" => Ok(Self::Always),
            "interval" => Ok(Self::Interval),
            _ => Err("must be always or interval".to_owned()),
        }
    }
}

/// How a journal is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where.
    pub folder: PathBuf,
    /// When it must be on the disk.
    pub sync: Sync,
    /// How long that may take with [`Sync::Interval`].
    pub interval: Duration,
    /// The size of a segment, in bytes, at which the next one begins.
    pub segment_bytes: u64,
    /// Its age at which the next one begins.
    pub segment_age: Duration,
}

/// Starts a thread with this name: what threads there are is the runtime's to say.
pub type Spawn<'a> = &'a dyn Fn(&str, Box<dyn FnOnce() + Send>) -> io::Result<()>;

/// A hub that could be had back at any moment.
#[derive(Debug)]
pub struct Journaled {
    hub: Hub,
    plan: Plan,
    /// The changes of this turn, behind the place for a line about them.
    block: Vec<u8>,
    file: Arc<File>,
    /// The segment's number, its size, and when it began.
    number: u64,
    bytes: u64,
    begun: Timestamp,
    /// When the hub was last told the time.
    now: Timestamp,
    /// Tells the thread that waits for the disk where is written from here on, and that something was.
    files: Sender<Arc<File>>,
    written: SyncSender<()>,
    /// Tells the thread that makes checkpoints which segment is whole.
    segments: Sender<u64>,
    /// Nobody else writes there as long as this is open.
    _lock: File,
}

impl Journaled {
    /// The hub that goes on where the one before it ended or was killed, or a new one if there was none.
    ///
    /// # Errors
    ///
    /// If what is there cannot be gone on with, with the file that is to blame; it stays as it is.
    ///
    /// # Panics
    ///
    /// If the configuration is not valid.
    pub fn open(plan: Plan, config: &Config, origin: Origin, spawn: Spawn<'_>) -> Named<Self> {
        let config = Config { after_drain: AfterDrain::Wait, journal: true, ..config.clone() };
        let folder = plan.folder.clone();
        let lock = files::occupy(&folder)?;
        let ages = (config.history_age, config.key_age);
        let (hub, last) = match files::find(&folder)? {
            None => {
                (Hub::new(config, origin).expect("settings are validated when they are read"), 0)
            }
            Some(found) => {
                if found.torn > 0 {
                    warn!(bytes = found.torn, "the journal's last block is not whole: it is cut");
                }
                let tails = match found.sync {
                    Some(Sync::Interval) => Tails::Doubtful { seed: origin.seed },
                    Some(Sync::Always) | None => Tails::Whole,
                };
                let mut recovery = found.recovery;
                recovery.expire(ages.0, ages.1);
                let hub = Hub::restore(config, recovery.finish(tails));
                let hub = hub.map_err(|error| (folder.clone(), Fault::Refused(error)))?;
                let levels = hub.totals().levels;
                let (rooms, sessions) = (levels.rooms, levels.detached);
                let (entries, blocks) = (levels.entries, found.blocks);
                let epochs = if tails == Tails::Whole { "kept" } else { "new" };
                info!(rooms, sessions, entries, blocks, epochs, "journal read");
                (hub, found.last)
            }
        };
        let named = |error: io::Error| (folder.clone(), Fault::Io(error));
        let (number, now) = (last + 2, hub.now());
        checkpoint(&hub, &folder, last + 1).map_err(named)?;
        files::forget(&folder, last + 1).map_err(named)?;
        let file = Arc::new(files::open(&folder, number, plan.sync).map_err(named)?);
        let (files, later_files) = channel();
        let (written, was_written) = sync_channel(1);
        let (first, interval) = (file.clone(), plan.interval);
        let sync = move || sync_later(first, &later_files, &was_written, interval);
        spawn("journal-sync", Box::new(sync)).map_err(named)?;
        let (segments, whole) = channel();
        let place = folder.clone();
        spawn("journal-small", Box::new(move || condense(&place, &whole, ages))).map_err(named)?;
        let block = vec![0; BLOCK_HEAD];
        Ok(Self {
            hub,
            plan,
            block,
            file,
            number,
            bytes: 0,
            begun: now,
            now,
            files,
            written,
            segments,
            _lock: lock,
        })
    }

    fn note(&mut self, batch: &Batch) {
        serde_json::to_writer(&mut self.block, batch).expect("a change is plain data");
        self.block.push(b'\n');
    }

    fn write(&mut self) -> io::Result<()> {
        if self.bytes >= self.plan.segment_bytes
            || self.now.saturating_since(self.begun) >= self.plan.segment_age
        {
            self.begin_segment()?;
        }
        files::seal(&mut self.block);
        (&*self.file).write_all(&self.block)?;
        self.bytes += self.block.len() as u64;
        self.block.truncate(BLOCK_HEAD);
        match self.plan.sync {
            Sync::Always => self.file.sync_data(),
            Sync::Interval => {
                match self.written.try_send(()) {
                    // If that was told already and not heard, this is synced with it.
                    Ok(()) | Err(TrySendError::Full(())) => Ok(()),
                    Err(TrySendError::Disconnected(())) => {
                        Err(io::Error::other("what was written before does not come to the disk"))
                    }
                }
            }
        }
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let file = files::open(&self.plan.folder, self.number + 1, self.plan.sync)?;
        self.file = Arc::new(file);
        // If nobody syncs it, the next write tells.
        let _gone = self.files.send(self.file.clone());
        // If nobody makes it smaller, it is read as it is.
        let _gone = self.segments.send(self.number);
        self.number += 1;
        (self.bytes, self.begun) = (0, self.now);
        Ok(())
    }

    /// What the hub keeps when its drain is over takes the place of all that was written.
    fn end(&self) {
        let folder = &self.plan.folder;
        let ended = self.file.sync_data();
        let ended = ended.and_then(|()| checkpoint(&self.hub, folder, self.number));
        match ended.and_then(|()| files::forget(folder, self.number)) {
            Ok(()) => info!(folder = %folder.display(), "journal closed"),
            // It is read at the next start, as after a crash.
            Err(error) => error!(folder = %folder.display(), %error, "the journal is not closed"),
        }
    }
}

impl Machine for Journaled {
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        self.now = now;
        let before = commands.len();
        self.hub.handle(now, event, commands);
        if matches!(commands.get(before), Some(Command::Append { .. }))
            && let Command::Append { batch } = commands.remove(before)
        {
            self.note(&batch);
        }
        if commands[before..].contains(&Command::Drained) {
            self.commit();
            self.end();
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.hub.next_deadline()
    }

    fn commit(&mut self) {
        if self.block.len() > BLOCK_HEAD
            && let Err(error) = self.write()
        {
            let folder = self.plan.folder.display();
            panic!("the journal in {folder} cannot be written, so nobody may be told: {error}");
        }
    }

    fn hub(&self) -> Option<&Hub> {
        Some(&self.hub)
    }
}

fn checkpoint(hub: &Hub, folder: &Path, number: u64) -> io::Result<()> {
    let (snapshot, connected) = Recovery::of(hub.snapshot(hub.now())).condense();
    files::write(folder, number, snapshot, connected)
}

/// Syncs what was written, `interval` later; ends if that fails, which whoever writes next is told.
fn sync_later(
    mut file: Arc<File>,
    files: &Receiver<Arc<File>>,
    written: &Receiver<()>,
    interval: Duration,
) {
    while written.recv().is_ok() {
        // What is written meanwhile comes to the disk with it. The file before is synced by whoever
        // begins another.
        match files.recv_timeout(interval) {
            Ok(next) => file = next,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        if let Some(last) = files.try_iter().last() {
            file = last;
        }
        if let Err(error) = file.sync_data() {
            return error!(%error, "the journal does not come to the disk");
        }
    }
}

fn condense(folder: &Path, whole: &Receiver<u64>, ages: (Duration, Duration)) {
    while let Ok(number) = whole.recv() {
        if let Err((file, fault)) = files::condense(folder, number, ages) {
            error!(file = %file.display(), %fault, "the journal does not become smaller");
        }
    }
}
