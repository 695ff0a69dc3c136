//! A journal without threads of its own: its two workers are run by hand, where the test wants them.

use std::cell::RefCell;
use std::fs::OpenOptions;

use roundtable::{ConnId, Greeting, Peer};

use super::*;

type Work = Box<dyn FnOnce() + Send>;

const SEGMENT: u64 = 4096;
const AGE: Duration = Duration::from_mins(1);

/// A journal in a folder, what its workers will do, and the number of words said so far.
struct Desk {
    journaled: Journaled,
    workers: Vec<(String, Work)>,
    said: u64,
}

impl Desk {
    fn open(folder: &Path, sync: Sync) -> Result<Self, String> {
        let plan = Plan {
            folder: folder.to_owned(),
            sync,
            interval: Duration::from_millis(1),
            segment_bytes: SEGMENT,
            segment_age: AGE,
        };
        let workers = RefCell::default();
        let spawn = |name: &str, work: Work| {
            let workers: &RefCell<Vec<_>> = &workers;
            workers.borrow_mut().push((name.to_owned(), work));
            Ok(())
        };
        let origin = Origin { seed: 7, wall_clock_ms: 0 };
        let journaled = Journaled::open(plan, &Config::default(), origin, &spawn);
        let journaled = journaled.map_err(|(file, fault)| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            format!("{name}: {fault}")
        })?;
        Ok(Self { journaled, workers: workers.into_inner(), said: 0 })
    }

    fn come(&mut self) {
        let connect = Event::Connect {
            conn: ConnId::new(1),
            peer: Peer::default(),
            greeting: Greeting::default(),
        };
        self.turn(Duration::ZERO, connect);
    }

    /// A turn in which somebody says something.
    fn say(&mut self, later: Duration) {
        self.said += 1;
        let text = format!("word {}", self.said);
        self.turn(later, Event::Text { conn: ConnId::new(1), text });
    }

    fn turn(&mut self, later: Duration, event: Event) {
        let now = self.journaled.now.max(self.journaled.hub.now()) + later;
        let mut commands = Vec::new();
        self.journaled.handle(now, event, &mut commands);
        assert!(!commands.iter().any(|of| matches!(of, Command::Append { .. })), "{commands:?}");
        self.journaled.commit();
    }

    fn entries(&self) -> u64 {
        self.journaled.hub.totals().levels.entries
    }

    /// The process is gone, and its workers have done what they were told before.
    fn killed(self) {
        let Self { journaled, workers, .. } = self;
        drop(journaled);
        for (_, work) in workers {
            work();
        }
    }
}

fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name != "lock");
    names.sort_unstable();
    names
}

#[test]
fn a_segment_ends_by_size_and_by_age_and_becomes_part_of_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(folder.path(), Sync::Always).unwrap();
    assert_eq!(files(folder.path()), ["0000000001.checkpoint", "0000000002.journal"]);
    desk.come();
    while desk.journaled.number == 2 {
        assert!(desk.said < SEGMENT, "a segment of {SEGMENT} bytes never ends");
        desk.say(Duration::ZERO);
    }
    desk.say(AGE.saturating_sub(Duration::from_nanos(1)));
    assert_eq!(desk.journaled.number, 3);
    desk.say(Duration::from_nanos(1));
    assert_eq!(desk.journaled.number, 4);
    let said = desk.said;
    desk.killed();
    assert_eq!(files(folder.path()), ["0000000003.checkpoint", "0000000004.journal"]);
    let desk = Desk::open(folder.path(), Sync::Always).unwrap();
    assert_eq!(desk.entries(), said);
    assert_eq!(files(folder.path()), ["0000000005.checkpoint", "0000000006.journal"]);
}

#[test]
fn a_block_is_damaged_if_there_is_one_behind_it() {
    for (sync, is_refused) in [(Sync::Always, true), (Sync::Interval, false)] {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = Desk::open(folder.path(), sync).unwrap();
        desk.come();
        (0..3).for_each(|_| desk.say(Duration::ZERO));
        desk.killed();
        let path = folder.path().join("0000000002.journal");
        let whole = std::fs::read_to_string(&path).unwrap();
        // The last one may have been cut off, or never have come to the disk but for its length.
        let last = whole.rfind("word 3").unwrap();
        for torn in [whole.replace("word 3", "w\0rd 3"), whole[..last].to_owned()] {
            let copy = tempfile::tempdir().unwrap();
            for name in files(folder.path()) {
                std::fs::copy(folder.path().join(&name), copy.path().join(name)).unwrap();
            }
            std::fs::write(copy.path().join("0000000002.journal"), torn).unwrap();
            assert_eq!(Desk::open(copy.path(), sync).unwrap().entries(), 2);
        }
        // One before the last was on the disk, and somebody was told.
        let damaged = whole.replace("word 2", "w\0rd 2");
        std::fs::write(&path, &damaged).unwrap();
        match Desk::open(folder.path(), sync) {
            Ok(desk) => assert!(!is_refused && desk.entries() == 1),
            Err(why) => {
                assert!(is_refused, "{why}");
                let expected = "0000000002.journal: is damaged: a block is not what was written";
                assert_eq!(why, expected);
                assert_eq!(std::fs::read_to_string(&path).unwrap(), damaged);
            }
        }
    }
}

#[test]
fn what_a_process_that_died_was_about_to_write_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("0000000009.checkpoint.new"), "half").unwrap();
    let _desk = Desk::open(folder.path(), Sync::Always).unwrap();
    assert_eq!(files(folder.path()), ["0000000001.checkpoint", "0000000002.journal"]);
}

#[test]
#[should_panic(expected = "what was written before does not come to the disk")]
fn whoever_writes_behind_what_is_not_on_the_disk_may_tell_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(folder.path(), Sync::Interval).unwrap();
    desk.come();
    // A place that cannot be synced, fsync(2), where is written from here on.
    let nowhere = OpenOptions::new().write(true).open("/dev/null").unwrap();
    desk.journaled.files.send(Arc::new(nowhere)).unwrap();
    let (name, sync) = desk.workers.remove(0);
    assert_eq!(name, "journal-sync");
    // It ends, though the journal is there still.
    sync();
    desk.say(Duration::ZERO);
}
