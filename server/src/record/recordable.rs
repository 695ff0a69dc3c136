//! A machine that operators may have recorded, and which file each recording goes to. This file does
//! not know what is in one.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use roundtable::{Command, Event, Hub, Machine, Switch, Timestamp};
use tracing::info;

use super::files::Files;
use super::recorder::{Options, Recorder};

/// A machine with a recorder around it, which records or does not.
#[derive(Debug)]
pub struct Recordable<M> {
    recorder: Recorder<M, Files>,
    /// The file of the recording that was started last.
    file: PathBuf,
    /// Where those go that operators start, if they may.
    folder: Option<PathBuf>,
    options: Options,
}

impl<M: Machine> Recordable<M> {
    /// A machine that is not recorded so far. Operators may start recordings in `folder`.
    pub fn new(machine: M, folder: Option<PathBuf>, options: Options) -> Self {
        Self { recorder: Recorder::idle(machine), file: PathBuf::new(), folder, options }
    }

    /// Records from here on, in this file.
    ///
    /// # Errors
    ///
    /// If the file is there already or cannot be written, or a recording is being made.
    pub fn start(&mut self, file: PathBuf) -> io::Result<()> {
        self.recorder.start(Files::new(&file), self.options)?;
        self.file = file;
        Ok(())
    }

    /// A new file for a recording that begins now, by the hub's wall clock.
    fn file(&self, now: Timestamp) -> Result<PathBuf, String> {
        let folder =
            self.folder.as_ref().ok_or("nobody has said where to: --record-dir DIR does")?;
        let origin = self.hub().map_or(0, |hub| hub.origin().wall_clock_ms);
        let since_1970 = Duration::from_millis(origin).saturating_add(now.since_start());
        let wall = UNIX_EPOCH.checked_add(since_1970).unwrap_or(UNIX_EPOCH);
        let moment = humantime::format_rfc3339_seconds(wall).to_string().replace(['-', ':'], "");
        Ok(folder.join(format!("roundtable-{moment}.rec")))
    }
}

impl<M: Machine> Machine for Recordable<M> {
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        self.recorder.handle(now, event, commands);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.recorder.next_deadline()
    }

    fn commit(&mut self) {
        self.recorder.commit();
    }

    fn hub(&self) -> Option<&Hub> {
        self.recorder.hub()
    }

    fn record(&mut self, now: Timestamp, switch: Switch) -> Result<String, String> {
        match (switch, self.recording()) {
            (Switch::On, Some(name)) => return Err(format!("a recording is being made: {name}")),
            (Switch::On, None) => {
                let file = self.file(now)?;
                let failed = |error| format!("{}: {error}", file.display());
                self.start(file.clone()).map_err(failed)?;
                info!(file = %file.display(), "recording started");
            }
            (Switch::Off, None) => return Err("no recording is being made".to_owned()),
            (Switch::Off, Some(name)) => {
                self.recorder.stop().map_err(|error| format!("{name}: {error}"))?;
                info!(file = name, "recording ended");
            }
        }
        Ok(self.file.display().to_string())
    }

    fn recording(&self) -> Option<String> {
        self.recorder.is_recording().then(|| self.file.display().to_string())
    }
}
