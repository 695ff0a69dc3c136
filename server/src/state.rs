//! What a hub keeps, in a file between two processes: written when a drain is over, read at the next
//! start, and set aside then, since a log must not go on twice from the same place. This file does not
//! know what a hub keeps.
//!
//! The file is one line of text, `roundtable state VERSION CHECKSUM BYTES`, and a JSON document of so
//! many bytes whose CRC-32 this is, in hexadecimal digits. Fields are told by their names: a newer
//! program reads what an older one has written. Only its owner may read it: it holds the secrets by
//! which clients come back.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use roundtable::{AfterDrain, Command, Config, Event, Hub, Machine, RestoreError, Snapshot};
use roundtable::{Origin, Timestamp};
use serde::de::DeserializeOwned;
use tracing::{error, info};

/// What the file begins with.
const MAGIC: &str = "roundtable state ";

/// The version of the format. A program refuses what a newer one has written.
const VERSION: u32 = 1;

/// Why a file is not read.
#[derive(Debug)]
pub enum Fault {
    /// The system does not give it.
    Io(io::Error),
    /// It is none of ours.
    Foreign,
    /// A newer program has written it.
    Newer(u32),
    /// What stands there is not what was written.
    Damaged(String),
    /// It holds what no hub has ever kept.
    Refused(RestoreError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Foreign => write!(f, "is no state of Roundtable"),
            Self::Newer(found) => write!(
                f,
                "was written by a newer program: its format is {found}, this program reads {VERSION}"
            ),
            Self::Damaged(what) => write!(f, "is damaged: {what}"),
            Self::Refused(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Writes `snapshot` to `path`, whole or not at all: beside it first, then in its place.
///
/// # Errors
///
/// If the system does not take it: what was there before is there still.
pub fn write(path: &Path, snapshot: &Snapshot) -> io::Result<()> {
    replace(path, MAGIC, &serde_json::to_vec(snapshot)?)
}

/// Puts a document in the place of the file, whole or not at all, behind a line that begins with `magic`.
pub(crate) fn replace(path: &Path, magic: &str, body: &[u8]) -> io::Result<()> {
    let beside = with_ending(path, ".new");
    // It may be left of a process that died.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let checksum = crc32fast::hash(body);
    writeln!(file, "{magic}{VERSION} {checksum:08x} {}", body.len())?;
    file.write_all(body)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Reads what was written to `path`; nothing if nothing is there.
///
/// # Errors
///
/// If what is there cannot be read, or is not what was written.
pub fn read(path: &Path) -> Result<Option<Snapshot>, Fault> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    parse(MAGIC, &bytes).map(Some)
}

/// The document behind a line that begins with `magic`.
pub(crate) fn parse<T: DeserializeOwned>(magic: &str, bytes: &[u8]) -> Result<T, Fault> {
    let rest = bytes.strip_prefix(magic.as_bytes()).ok_or(Fault::Foreign)?;
    let end = rest.iter().position(|byte| *byte == b'\n');
    let damaged = |what: &str| Fault::Damaged(what.to_owned());
    let end = end.ok_or_else(|| damaged("its first line has no end"))?;
    let (line, body) = (&rest[..end], &rest[end + 1..]);
    let words = std::str::from_utf8(line).unwrap_or_default();
    let mut words = words.split(' ');
    let version = words.next().and_then(|word| word.parse().ok());
    match version {
        Some(newer) if newer > VERSION => return Err(Fault::Newer(newer)),
        Some(VERSION) => {}
        _ => return Err(damaged("its version is none")),
    }
    let checksum = words.next().and_then(|word| u32::from_str_radix(word, 16).ok());
    let length = words.next().and_then(|word| word.parse().ok());
    if length != Some(body.len()) {
        return Err(Fault::Damaged(format!(
            "it has {} bytes, and not as many as it says",
            body.len()
        )));
    }
    if checksum != Some(crc32fast::hash(body)) {
        return Err(damaged("its checksum is wrong"));
    }
    serde_json::from_slice(body).map_err(|error| Fault::Damaged(error.to_string()))
}

/// A hub whose drain ends with what it keeps in a file.
#[derive(Debug)]
pub struct Keeper {
    hub: Hub,
    file: PathBuf,
}

impl Keeper {
    /// The hub that goes on with what `file` holds, or a new one if it holds nothing. The file is set
    /// aside, as `FILE.restored`.
    ///
    /// # Errors
    ///
    /// If there is something that cannot be gone on with: it stays where it is.
    ///
    /// # Panics
    ///
    /// If the configuration is not valid.
    pub fn open(file: &Path, config: &Config, origin: Origin) -> Result<Self, Fault> {
        let config = Config { after_drain: AfterDrain::Wait, ..config.clone() };
        let hub = match read(file)? {
            None => Hub::new(config, origin).expect("settings are validated when they are read"),
            Some(snapshot) => {
                let hub = Hub::restore(config, snapshot).map_err(Fault::Refused)?;
                fs::rename(file, with_ending(file, ".restored"))?;
                let levels = hub.totals().levels;
                let (rooms, sessions) = (levels.rooms, levels.detached);
                info!(rooms, sessions, entries = levels.entries, "state restored");
                hub
            }
        };
        Ok(Self { hub, file: file.to_owned() })
    }

    fn keep(&self, now: Timestamp) {
        let file = self.file.display();
        match write(&self.file, &self.hub.snapshot(now)) {
            Ok(()) => info!(%file, "state kept"),
            Err(error) => {
                error!(%file, %error, "the state cannot be kept: the next start begins anew");
            }
        }
    }
}

impl Machine for Keeper {
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        let before = commands.len();
        self.hub.handle(now, event, commands);
        if commands[before..].contains(&Command::Drained) {
            self.keep(now);
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.hub.next_deadline()
    }

    fn hub(&self) -> Option<&Hub> {
        Some(&self.hub)
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use roundtable::{ConnId, Greeting, Peer};

    use super::*;

    const ORIGIN: Origin = Origin { seed: 7, wall_clock_ms: 0 };

    fn open(file: &Path) -> Result<Keeper, Fault> {
        Keeper::open(file, &Config::default(), ORIGIN)
    }

    /// Somebody joins, and the hub is drained.
    fn fill(keeper: &mut Keeper) {
        let (conn, mut commands) = (ConnId::new(1), Vec::new());
        let connect = Event::Connect { conn, peer: Peer::default(), greeting: Greeting::default() };
        for event in [connect, Event::Drain { within: Duration::ZERO }, Event::Tick] {
            keeper.handle(keeper.hub.now(), event, &mut commands);
        }
        assert_eq!(commands.last(), Some(&Command::Drained));
    }

    #[test]
    fn what_is_kept_is_found_once_and_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state");
        // What a process left that died while it wrote does no harm.
        fs::write(with_ending(&file, ".new"), "half").unwrap();
        let mut keeper = open(&file).unwrap();
        fill(&mut keeper);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let kept = read(&file).unwrap().expect("a snapshot");
        let again = open(&file).unwrap();
        assert_eq!(again.hub.snapshot(again.hub.now()), kept);
        assert_eq!(again.hub.totals().levels.detached, 1);
        assert!(!file.exists() && with_ending(&file, ".restored").exists());
        assert_eq!(open(&file).unwrap().hub.totals().levels.detached, 0);
    }

    #[test]
    fn what_was_not_written_so_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state");
        fill(&mut open(&file).unwrap());
        let whole = fs::read(&file).unwrap();
        let text = String::from_utf8(whole.clone()).unwrap();
        let (line, body) = text.split_once('\n').unwrap();
        let framed = |body: &str| {
            let checksum = crc32fast::hash(body.as_bytes());
            format!("{MAGIC}{VERSION} {checksum:08x} {}\n{body}", body.len())
        };
        let refused = [
            (String::new(), "is no state of Roundtable"),
            (text.replacen("state", "stale", 1), "is no state of Roundtable"),
            (line.to_owned(), "is damaged: its first line has no end"),
            (
                text.replacen("state 1", "state 2", 1),
                "was written by a newer program: its format is 2",
            ),
            (text.replacen("state 1", "state x", 1), "is damaged: its version is none"),
            (text[..text.len() - 1].to_owned(), "is damaged: it has"),
            (text.replacen("lobby", "lobbi", 1), "is damaged: its checksum is wrong"),
            (framed("{}"), "is damaged: missing field"),
            (
                framed(&body.replace("\"epochs\":1", "\"epochs\":9007199254740992")),
                "the snapshot contradicts",
            ),
        ];
        for (wrong, why) in refused {
            fs::write(&file, &wrong).unwrap();
            let error = open(&file).expect_err(why).to_string();
            assert!(error.starts_with(why), "{error}, and not {why}");
            assert_eq!(fs::read_to_string(&file).unwrap(), wrong);
        }
        fs::write(&file, whole).unwrap();
        assert!(open(&file).is_ok());
        // A field that this program does not know does no harm.
        fs::write(&file, framed(&body.replacen('{', "{\"later\":1,", 1))).unwrap();
        assert!(open(&file).is_ok());
    }

    #[test]
    fn where_nothing_can_be_written_the_drain_ends_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state");
        let mut keeper = open(&file).unwrap();
        folder.close().unwrap();
        fill(&mut keeper);
        assert!(!file.exists());
        let error = open(Path::new("/")).expect_err("a folder");
        assert!(matches!(error, Fault::Io(_)), "{error}");
    }
}
