//! A recording that is started and stopped while people chat over real sockets, under both runtimes: it
//! is played to the same commands. This file does not know what is in one.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};

use roundtable::{Command, Event, Hub, Levels, Machine, Origin, RunAhead, Switch, Timestamp};
use roundtable_server::Settings;
use roundtable_server::record::{Files, Options, Recordable, Redaction};
use roundtable_server::replay::{Log, play};
use roundtable_tests::conformance::servers::{DRIVERS, Drive};
use roundtable_tests::conformance::{Client, settings};
use serde_json::json;

const START: &str = "the tape rolls";
const STOP: &str = "the tape stops";
const GOSSIP: &str = "the-gossip-of-the-day";

/// More than sockets and the window hold of what one client never reads.
const FILLERS: usize = 150;

/// A machine whose operator acts when this was said, and tells what there was when a recording began.
struct Operated {
    machine: Recordable<Hub>,
    began: Sender<Levels>,
}

impl Machine for Operated {
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        let said = |word: &str| matches!(&event, Event::Text { text, .. } if text.contains(word));
        let (starts, stops) = (said(START), said(STOP));
        self.machine.handle(now, event, commands);
        if starts {
            self.machine.record(now, Switch::On).expect("a file that can be written");
            let levels = self.hub().expect("a hub").totals().levels;
            self.began.send(levels).expect("the test goes on");
        }
        if stops {
            self.machine.record(now, Switch::Off).expect("a recording");
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.machine.next_deadline()
    }

    fn hub(&self) -> Option<&Hub> {
        self.machine.hub()
    }
}

fn wide() -> Settings {
    let mut settings = settings();
    settings.wire.sndbuf = 16 * 1024;
    settings
}

/// Says something to the room, and waits until it is heard.
fn say(client: &mut Client, data: &str) {
    client.publish("lobby", &json!(data));
    assert_eq!(client.expect("message")["data"], data);
}

/// People talk, one of them reads nothing, and others come and go, before, while and after a recording
/// is made in `folder`.
fn talk(drive: Drive, run_ahead: RunAhead, redaction: Redaction, folder: &Path) {
    let mut settings = wide();
    settings.hub.run_ahead = run_ahead;
    let hub = Hub::new(settings.hub.clone(), Origin { seed: 7, wall_clock_ms: 0 }).unwrap();
    let options = Options { redaction, part_bytes: 256 * 1024 };
    let machine = Recordable::new(hub, Some(folder.to_owned()), options);
    let (began, at_start) = channel();
    let server = drive(&settings, Box::new(Operated { machine, began }));
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    let (silent, _) = Client::join(server.addr, "lobby", "silent");
    let filler = "x".repeat(30_000);
    for number in 0..FILLERS {
        say(&mut ann, &format!("{GOSSIP} {number} {filler}"));
    }
    let (lost, _) = Client::join(server.addr, "lobby", "lost");
    drop(lost);
    say(&mut ann, START);
    let levels = at_start.recv().expect("the recording begins");
    assert!(levels.backlog_bytes > 0 && levels.live < levels.members, "{levels:?}");
    for number in 0..20 {
        say(&mut ann, &format!("{GOSSIP} again {number} {filler}"));
    }
    let (mut bob, _) = Client::join(server.addr, "lobby", "bob");
    ann.ask(&json!({ "type": "history", "id": 1, "room": "lobby", "limit": 3 }));
    drop(silent);
    bob.publish("lobby", &json!(GOSSIP));
    assert_eq!(ann.expect("message")["data"], GOSSIP);
    say(&mut ann, STOP);
    server.shut();
}

#[test]
fn what_is_recorded_in_the_middle_of_a_chat_is_played_to_the_same_commands() {
    for ((name, drive), run_ahead) in DRIVERS.into_iter().zip([RunAhead::One, RunAhead::Zero]) {
        for redaction in [Redaction::Secrets, Redaction::Data] {
            let folder = tempfile::tempdir().unwrap();
            talk(drive, run_ahead, redaction, folder.path());
            let files = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
            let mut files: Vec<_> = files.collect();
            files.sort();
            assert!(files.len() > 1, "{name}: there are more parts than one");
            let report = play(&mut Log::open(Files::new(&files[0])).unwrap(), |_| Ok(())).unwrap();
            assert_eq!(report.difference, None, "{name}");
            assert!(report.is_ended && report.events > 40, "{name}: {report:?}");
            let tells = files.iter().any(|file| {
                let bytes = fs::read(file).unwrap();
                bytes.windows(GOSSIP.len()).any(|found| found == GOSSIP.as_bytes())
            });
            assert_eq!(tells, redaction == Redaction::Secrets, "{name}");
        }
    }
}
