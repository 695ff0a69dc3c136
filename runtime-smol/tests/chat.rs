//! The terminal client, as a program among people: lines in, lines out, and a clean end.

use std::io::{BufRead, BufReader, Lines, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use roundtable_server::{Settings, cli};
use runtime_smol::{RUN_AHEAD, Server};

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

#[test]
fn two_terminals_chat() {
    let mut settings =
        Settings { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Settings::default() };
    settings.hub.run_ahead = RUN_AHEAD;
    let server = Server::bind(&settings).expect("a free port");
    let (address, stopper) = (server.local_addr().expect("a port"), server.stopper());
    let hub = cli::hub(&settings);
    let serving = thread::spawn(move || server.run(hub));

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

    stopper.stop();
    serving.join().expect("no panic").expect("no error");
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
