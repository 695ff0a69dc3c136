//! A panic in the task of one connection ends that one and nothing else; a panic of the machine ends
//! the process at once. Both runtimes.
//!
//! No input is known that makes a connection's task panic. What listens to the log is called in it,
//! and that is where the tests' own panic comes from.

use std::env;
use std::fmt::{Debug, Write as _};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use roundtable::{Event, Machine, Timestamp};
use roundtable_server::Settings;
use roundtable_tests::conformance::servers::{DRIVERS, RUNTIMES};
use roundtable_tests::conformance::{Client, Raw, frame, settings, text};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

/// Names the runtime that a process of this program is to run.
const ROLE: &str = "ROUNDTABLE_TEST_PANICS_IN";

/// What the panic of the machine says.
const WORDS: &str = "the machine has had enough";

/// Panics where the log is told that somebody broke the rules.
struct Tripwire;

impl Subscriber for Tripwire {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::DEBUG && metadata.target().starts_with("runtime_")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut words = Words(String::new());
        event.record(&mut words);
        assert!(!words.0.contains("broke the rules"), "a panic that a test wants");
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// All that an event says.
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").expect("a string takes everything");
    }
}

#[test]
fn a_panic_in_the_task_of_one_connection_ends_only_that_one() {
    tracing::subscriber::set_global_default(Tripwire).expect("nobody listens yet");
    for (name, start) in RUNTIMES {
        let mut settings = settings();
        settings.hub.presence_tick = Duration::from_millis(50);
        settings.hub.presence_linger = Duration::ZERO;
        // They share a thread where a runtime shares any.
        settings.shards = 1;
        let server = start(&settings, None);
        let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
        let mut eve = Raw::upgraded(server.addr, "room=lobby&name=eve");
        assert_eq!(eve.json()["type"], "welcome");
        eve.write(&frame(0x81, false, b"unmasked"));
        while let Some(frame) = eve.frame() {
            assert_ne!(frame.opcode, 8, "{name}: the task panicked before it could say a word");
        }
        let mut is_gone = false;
        while !is_gone {
            let news = ann.expect("presence");
            is_gone = news["leave"] == json!(["eve"]);
        }
        ann.say("still here");
        ann.expect_message("ann", &json!("still here"));
        Client::join(server.addr, "lobby", "bob");
        server.shut();
    }
}

/// Panics as soon as it is told anything.
struct Touchy;

impl Machine for Touchy {
    fn handle(&mut self, _: Timestamp, event: Event, _: &mut Vec<roundtable::Command>) {
        assert!(!matches!(event, Event::Text { .. }), "{WORDS}");
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }
}

/// A process that does not outlive the test, however that ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

#[test]
fn a_panic_of_the_machine_ends_the_process_at_once() {
    if let Some(role) = env::var_os(ROLE) {
        let drive = DRIVERS.into_iter().find(|(name, _)| role == *name).expect("a runtime").1;
        let settings = Settings { listen: settings().listen, ..Settings::default() };
        let server = drive(&settings, Box::new(Touchy));
        println!("listening on {}", server.addr);
        return server.join();
    }
    for (name, _) in DRIVERS {
        let child = Command::new(env::current_exe().expect("a program"))
            .args(["--exact", "a_panic_of_the_machine_ends_the_process_at_once", "--nocapture"])
            .env(ROLE, name)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut process = Process(child.expect("this program runs"));
        let child = &mut process.0;
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let addr: SocketAddr = loop {
            let line = lines.next().expect("where it listens").expect("UTF-8");
            if let Some((_, addr)) = line.split_once("listening on ") {
                break addr.parse().expect("an address");
            }
        };
        let mut others: Vec<Raw> = (0..10).map(|_| Raw::upgraded(addr, "room=")).collect();
        let mut eve = Raw::upgraded(addr, "room=");
        let start = Instant::now();
        eve.write(&text("boo"));
        let mut words = String::new();
        let errors = child.stderr.as_mut().expect("a pipe");
        errors.read_to_string(&mut words).expect("UTF-8");
        let status = child.wait().expect("an end");
        let took = start.elapsed();
        eprintln!("panics: {name}: the process is gone {took:.1?} after the panic, with {status}");
        assert!(words.contains(WORDS), "{name}: {words}");
        assert!(status.code().is_some_and(|code| code != 0), "{name}: {status}");
        // The time for a farewell is 2 s, and nobody is given it.
        assert!(took < Duration::from_millis(1500), "{name}: {took:?}");
        assert!(others.iter_mut().all(Raw::is_over), "{name}: nobody is left waiting");
    }
}
