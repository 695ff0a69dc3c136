//! The terminal client, as a program among people: lines in, lines out, and a clean end.

use std::io::{self, BufRead, BufReader, Lines, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread::{self, JoinHandle};

use roundtable_server::{Settings, cli};
use runtime_smol::{RUN_AHEAD, Server, Stopper};
use serde_json::Value;

/// A terminal client that runs.
struct Terminal {
    program: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Terminal {
    fn open(address: SocketAddr, name: &str) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_runtime-smol"))
            .args(["chat", &format!("ws://{address}/ws?room=den&name={name}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(program.stdout.take().expect("a pipe")).lines();
        Self { program, lines }
    }

    fn say(&mut self, line: &str) {
        let input = self.program.stdin.as_mut().expect("a pipe");
        writeln!(input, "{line}").expect("the program reads");
    }

    fn expect(&mut self, line: &str) {
        let found = self.lines.next().expect("another line").expect("a line in UTF-8");
        assert_eq!(found, line);
    }

    /// Ends its input, and waits until it has ended well.
    fn leave(mut self) {
        drop(self.program.stdin.take());
        assert!(self.program.wait().expect("it ends").success());
    }
}

/// A server that runs.
struct Table {
    address: SocketAddr,
    stopper: Stopper,
    serving: JoinHandle<io::Result<()>>,
}

impl Table {
    fn lay() -> Self {
        let mut settings =
            Settings { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Settings::default() };
        settings.hub.run_ahead = RUN_AHEAD;
        let server = Server::bind(&settings).expect("a free port");
        let (address, stopper) = (server.local_addr().expect("a port"), server.stopper());
        let hub = cli::hub(&settings);
        Self { address, stopper, serving: thread::spawn(move || server.run(hub)) }
    }

    fn clear(self) {
        self.stopper.stop();
        self.serving.join().expect("no panic").expect("no error");
    }

    /// The program, from these words behind the address to the end of this input.
    fn script(&self, query: &str, words: &[&str], input: &str) -> Output {
        let mut program = Command::new(env!("CARGO_BIN_EXE_runtime-smol"))
            .args(["chat", &format!("ws://{}{query}", self.address)])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut pipe = program.stdin.take().expect("a pipe");
        // What ends before its input has all been read has its reasons.
        let _ended = pipe.write_all(input.as_bytes());
        drop(pipe);
        program.wait_with_output().expect("it ends")
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn two_terminals_chat() {
    let table = Table::lay();
    let address = table.address;
    let mut ann = Terminal::open(address, "ann");
    ann.expect("* you are ann");
    ann.expect("* you joined den");
    ann.say("good morning");
    ann.expect("ann: good morning");
    let mut bob = Terminal::open(address, "bob");
    bob.expect("* you are bob");
    bob.expect("* you joined den");
    bob.expect("ann: good morning");
    bob.say("so it is");
    bob.expect("bob: so it is");
    ann.expect("bob: so it is");
    ann.leave();
    bob.leave();

    table.clear();
}

#[test]
fn where_nobody_listens_one_line_says_so() {
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = free.local_addr().expect("a port");
    drop(free);
    let output = Command::new(env!("CARGO_BIN_EXE_runtime-smol"))
        .args(["chat", &format!("ws://{address}")])
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(&address.to_string()), "{said}");
}

#[test]
fn a_script_says_everything_and_hears_what_it_asked_for() {
    let table = Table::lay();
    let input =
        "one\n//two\n/join tea\nmilk?\n/who\n/rooms\n/room den\n/history 1\n/leave tea\nbye\n";
    let output = table.script("", &["--name", "ann", "--room", "den"], input);
    let expected = "* you are ann\n* you joined den\nann: one\nann: /two\n* you joined tea\n\
         [tea] ann: milk?\n* in tea: ann\n* you are in den, tea (lines go here)\n\
         * lines go to den\n* 1 message of den:\n     2 ann: /two\n* you left tea\nann: bye\n";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    table.clear();
}

#[test]
fn what_is_refused_or_unknown_makes_a_script_fail() {
    let table = Table::lay();
    for (input, expected) in [
        ("/fly\n", "there is no /fly"),
        ("/kick bob\n", "forbidden: "),
        ("/leave\nhello\n", "you are in no room"),
        ("{nonsense\n", "this is no frame"),
    ] {
        let output = table.script("?room=den&name=ann", &[], input);
        let said = text(&output.stdout);
        assert!(said.contains(expected), "{input}: {said}");
        assert_eq!(output.status.code(), Some(1), "{input}: {said}");
    }
    table.clear();
}

#[test]
fn an_empty_script_is_there_and_goes() {
    let table = Table::lay();
    let output = table.script("?name=ann", &[], "");
    assert_eq!(text(&output.stdout), "* you are ann\n* you joined lobby\n");
    assert_eq!(output.status.code(), Some(0));
    let output = table.script("?name=ann&room=", &[], "");
    assert_eq!(text(&output.stdout), "* you are ann\n");
    assert_eq!(output.status.code(), Some(0));
    table.clear();
}

#[test]
fn what_others_write_does_not_steer_the_terminal() {
    let table = Table::lay();
    let nasty = "a\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}b";
    let output = table.script("?room=den&name=eve", &[], &format!("{nasty}\n"));
    let said = text(&output.stdout);
    let shown = r"eve: a\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}b";
    assert!(said.lines().any(|line| line == shown), "{said}");
    assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
    table.clear();
}

#[test]
fn frames_go_out_as_they_are_one_a_line() {
    let table = Table::lay();
    let input =
        "{\"type\":\"publish\",\"room\":\"den\",\"data\":[1.50,null],\"id\":7}\nhello\n/fly\n";
    let output = table.script("?room=den&name=ann", &["--json"], input);
    let frames: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("one frame a line"))
        .collect();
    let types: Vec<&str> =
        frames.iter().map(|frame| frame["type"].as_str().expect("a type")).collect();
    assert_eq!(types, ["welcome", "joined", "ack", "message", "ack", "message", "pong", "bye"]);
    assert_eq!(frames[2]["id"], 7);
    assert!(text(&output.stdout).contains(r#""data":[1.50,null]"#));
    assert_eq!(frames[5]["data"], "hello");
    assert!(text(&output.stderr).contains("there is no /fly"));
    assert_eq!(output.status.code(), Some(1));
    table.clear();
}

#[test]
fn a_token_file_that_is_not_there_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    let table = Table::lay();
    let words = ["--token-file", file.to_str().expect("a path in UTF-8")];
    let output = table.script("?room=den&name=ann", &words, "hello\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("--token-file "), "{}", text(&output.stderr));
    table.clear();
}
