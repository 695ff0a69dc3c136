//! The terminal client over a line that is cut again and again, against both runtimes: what a
//! script says is said once and in order, and it reads everything once.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::thread;

use fastrand::Rng;
use roundtable::Auth;
use roundtable_tests::conformance::servers::RUNTIMES;
use roundtable_tests::conformance::{Client, Desk, Start, settings};
use roundtable_tests::proxy::{Cut, Fault, Proxy, Way, seed};
use serde_json::{Value, json};

/// How many lines ann types.
const LINES: u64 = 40;

/// Behind the upgrade, before the last line, and far enough that each connection carries some lines.
const UP: std::ops::Range<u64> = 1800..2600;
const DOWN: std::ops::Range<u64> = 3000..4500;

/// Runs the client through this network from the first line to the last.
fn script(addr: SocketAddr, words: &[&str], token: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_terminal"))
        .arg(format!("ws://{addr}"))
        .args(["--name", "ann", "--room", "den"])
        .args(words)
        .env("ROUNDTABLE_TOKEN", token)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = program.stdin.take().expect("a pipe");
    for number in 1..=LINES {
        writeln!(input, "line {number}").expect("the program reads");
    }
    drop(input);
    program.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// Bob hears each line once and in order, and nothing else is in the log.
fn check_log(bob: &mut Client) {
    for number in 1..=LINES {
        bob.expect_message("ann", &json!(format!("line {number}")));
    }
    assert_eq!(bob.publish("den", &json!("done")), LINES + 1);
}

fn with_each_runtime(play: impl Fn(Start, &mut Rng) + Sync) {
    let (seed, play) = (seed(), &play);
    thread::scope(|scope| {
        for (name, start) in RUNTIMES {
            let thread = thread::Builder::new().name(name.to_owned());
            let play = move || play(start, &mut Rng::with_seed(seed));
            thread.spawn_scoped(scope, play).expect("a thread");
        }
    });
}

fn faults(rng: &mut Rng) -> [Fault; 4] {
    [(Way::Up, Cut::Reset), (Way::Up, Cut::End), (Way::Down, Cut::Reset), (Way::Down, Cut::End)]
        .map(|(way, how)| {
            let after = match way {
                Way::Up => rng.u64(UP),
                Way::Down => rng.u64(DOWN),
            };
            Fault::Cut { way, after, how }
        })
}

#[test]
fn a_script_over_a_line_that_is_cut_says_and_hears_everything_once() {
    with_each_runtime(|start, rng| {
        for fault in faults(rng) {
            let server = start(&settings(), None);
            let (mut bob, _) = Client::join(server.addr, "den", "bob");
            let proxy = Proxy::start(server.addr, fault.clone(), rng.u64(..));
            let output = script(proxy.addr(), &[], "");
            let (said, complained) = (text(&output.stdout), text(&output.stderr));
            assert!(output.status.success(), "{fault:?}\n{said}\n{complained}");
            check_log(&mut bob);
            let heard: Vec<&str> =
                said.lines().filter_map(|line| line.strip_prefix("ann: line ")).collect();
            let expected: Vec<String> = (1..=LINES).map(|number| number.to_string()).collect();
            assert_eq!(heard, expected, "{fault:?}\n{said}");
            assert!(said.contains("* you are back, as ann"), "{fault:?}\n{said}");
            server.shut();
        }
    });
}

#[test]
fn frames_over_a_line_that_is_cut_tell_everything_once() {
    with_each_runtime(|start, rng| {
        let server = start(&settings(), None);
        let (mut bob, _) = Client::join(server.addr, "den", "bob");
        let fault = Fault::Cut { way: Way::Up, after: rng.u64(UP), how: Cut::Reset };
        let proxy = Proxy::start(server.addr, fault, rng.u64(..));
        let output = script(proxy.addr(), &["--json"], "");
        let (said, complained) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{said}\n{complained}");
        check_log(&mut bob);
        let frames = said
            .lines()
            .map(|line| -> Value { serde_json::from_str(line).expect("one frame a line") });
        let mut entries = Vec::new();
        for mut frame in frames {
            match frame["type"].as_str() {
                Some("message") => entries.push(frame["seq"].as_u64().expect("a place")),
                Some("joined") => {
                    let Value::Array(page) = frame["history"].take() else { panic!("{frame}") };
                    entries.extend(page.iter().filter_map(|entry| entry["seq"].as_u64()));
                }
                _ => {}
            }
        }
        assert_eq!(entries, (1..=LINES).collect::<Vec<u64>>(), "{said}");
        assert!(complained.contains("coming back in"), "{complained}");
        server.shut();
    });
}

#[test]
fn a_token_from_the_environment_brings_the_session_back() {
    with_each_runtime(|start, rng| {
        let desk = Desk::new();
        let server = start(&desk.settings(Auth::Required), None);
        let (bob, ann) = (desk.token(&["bob"]), desk.token(&["ann"]));
        let bearer = format!("Bearer {bob}");
        let mut bob = Client::connect_with(server.addr, "room=den", &[("Authorization", &bearer)]);
        bob.expect("joined");
        // The token makes each request longer.
        let after = 800 + rng.u64(UP);
        let fault = Fault::Cut { way: Way::Up, after, how: Cut::Reset };
        let proxy = Proxy::start(server.addr, fault, rng.u64(..));
        let output = script(proxy.addr(), &[], &ann);
        let (said, complained) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{said}\n{complained}");
        check_log(&mut bob);
        assert!(said.contains("* you are back, as ann"), "{said}");

        let output = script(server.addr, &[], "nonsense");
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("401"), "{}", text(&output.stderr));
        server.shut();
    });
}
