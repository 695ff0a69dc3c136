//! A server whose time is not what it seems: its process is stopped for a while, or somebody sets
//! the clock of the machine.

use std::fs;
use std::iter;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::super::run;
use super::super::tokens::knock;
use super::{Chat, Limited, tell};

/// The longest that a ping of each second may take on a busy machine.
const PING_WITHIN: Duration = Duration::from_secs(5);

/// With `ROUNDTABLE_LONG=1` it is stopped for a minute, with the times of production.
pub(super) fn who_was_stopped_closes_nobody_without_a_fresh_ping(program: &str) {
    let quick = ["--ping-after", "1s", "--pong-wait", "1s", "--stall", "1s"];
    let quiet = ["--presence-tick", "1h"];
    let is_long = std::env::var_os("ROUNDTABLE_LONG").is_some_and(|value| value == "1");
    // Each is longer than silence, the wait for an answer, and the stall together.
    let (flags, span): (&[&str], u64) = if is_long { (&[], 60) } else { (&quick, 5) };
    let server = Limited::start(":", program, &[flags, &quiet].concat());
    let mut people: Vec<Chat> =
        ["ann", "bob", "eve"].iter().map(|name| Chat::join(&server.server, name)).collect();
    for person in &mut people {
        person.hears_herself("before");
    }
    for person in &mut people {
        while !person.hears("before").contains("\"eve\"") {}
    }
    server.server.signal("STOP");
    people[0].is_told_nothing_for(Duration::from_secs(span));
    server.server.signal("CONT");
    let began = Instant::now();
    // Each in its own time, since each of them is soon pinged again.
    thread::scope(|scope| {
        for person in &mut people {
            scope.spawn(|| {
                is_pinged(person);
                person.hears_herself("still here");
            });
        }
    });
    tell(&format!(
        "{program}: stopped for {span} s, all have answered after {:?}",
        began.elapsed()
    ));
    server.stop();
}

/// By an hour and more, forwards and backwards: tokens that come are judged by the clock of the
/// machine, and all else goes on as if nothing were.
pub(super) fn a_clock_that_jumps_closes_nobody_and_moves_no_deadline(program: &str) {
    const JUMP: &str = "7200";
    let folder = tempfile::tempdir().unwrap();
    let [library, jump, key] = ["clock.so", "jump", "key"].map(|name| folder.path().join(name));
    compile(&library);
    fs::write(&jump, "0").unwrap();
    fs::write(&key, "a secret that is long enough for it").unwrap();
    let [jump_path, key] = [&jump, &key].map(|path| path.to_str().unwrap());
    let moved = format!("export LD_PRELOAD={} CLOCK_JUMP={jump_path}; exec", library.display());

    let flags = ["--auth", "optional", "--auth-keys", key];
    let flags = [&flags[..], &["--ping-after", "1s", "--pong-wait", "1s"]].concat();
    let server = Limited::within(&moved, program, &flags);
    let token = |from: &str| {
        let made = run("sh", &["-c", &format!("{from} {program} token --key {key} --for 1h ann")]);
        assert!(made.0.success(), "{}", made.2);
        made.1.trim_end().to_owned()
    };
    let of_today = token("exec");
    let set = |to: &str| {
        // Whoever reads the clock finds one or the other.
        let next = folder.path().join("next");
        fs::write(&next, to).unwrap();
        fs::rename(next, &jump).unwrap();
    };
    set(&format!("-{JUMP}"));
    let of_before = token(&moved);
    set("0");
    let status = |token: &str| knock(&server.server, &format!("/ws?token={token}"), "").1;
    assert_eq!([status(&of_today), status(&of_before)], ["101", "401"]);

    let mut ann = Chat::join_by(&server.server, &format!("token={of_today}"));
    let first = time_told(&ann.hears_herself("before"));
    for (to, expected) in [(JUMP.to_owned(), ["401", "401"]), (format!("-{JUMP}"), ["101", "101"])]
    {
        set(&to);
        assert_eq!([status(&of_today), status(&of_before)], expected, "{to}");
        for _ in 0..2 {
            let began = Instant::now();
            is_pinged(&mut ann);
            let took = began.elapsed();
            assert!(took < PING_WITHIN, "{to}: a ping of each second took {took:?}");
        }
        let since = time_told(&ann.hears_herself(&to)).checked_sub(first);
        assert!(since.is_some_and(|ms| ms < 60_000), "{to}: `ts` has moved by {since:?} ms");
    }
    set("0");
    ann.hears_herself("and back");
    server.stop();
}

/// A ping comes before a close, and is answered.
fn is_pinged(person: &mut Chat) {
    let first = iter::repeat_with(|| person.next().0).find(|opcode| *opcode != 1);
    assert_eq!(first, Some(9), "a ping comes first, not a close");
    person.frame(0x8A, b"");
}

/// What a message says of its time.
fn time_told(message: &str) -> u64 {
    let digits = message.rsplit_once("\"ts\":").expect("a message").1;
    digits.trim_end_matches('}').parse().expect("milliseconds")
}

fn compile(library: &Path) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/tests/process/resources");
    let compiler = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(library)
        .arg(format!("{source}/wall_clock.c"))
        .output()
        .expect("the compiler that links this test");
    assert!(compiler.status.success(), "{}", String::from_utf8_lossy(&compiler.stderr));
}
