//! How a server's process begins and ends: one script for both, which each runs on its own program.

pub(crate) mod journal;
pub(crate) mod log;
pub(crate) mod recording;
pub(crate) mod resources;
pub(crate) mod state;
pub(crate) mod supervisor;
pub(crate) mod tls;
pub(crate) mod tokens;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Longer than anything here takes: a wait that lasts so long has failed.
const BACKSTOP: Duration = Duration::from_mins(1);

/// Everything that is promised of `program`'s process.
pub(crate) fn check(program: &str) {
    wrong_words_are_one_line_and_exit_code_2(program);
    what_stands_in_the_way_is_one_line_and_exit_code_1(program);
    help_version_and_settings_are_printed(program);
    the_first_signal_drains(program);
    the_second_signal_ends_at_once(program);
}

fn wrong_words_are_one_line_and_exit_code_2(program: &str) {
    for (arguments, expected) in [
        (["--ping-after", "0s"], "--ping-after 0s: must be from 1s to 100 days"),
        (["--log", "verbose"], "--log verbose: must be error, warn"),
        (["--nonsense", "1"], "unexpected argument '--nonsense' found"),
    ] {
        refused(program, &arguments, expected, 2);
    }
}

fn what_stands_in_the_way_is_one_line_and_exit_code_1(program: &str) {
    refused(program, &["--config", "/no/such/file"], "--config /no/such/file: No such file", 1);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(program, &["--listen", &address], &format!("--listen {address}: Address already"), 1);
}

fn help_version_and_settings_are_printed(program: &str) {
    for flag in ["--help", "--version"] {
        let (status, output, errors) = run(program, &[flag]);
        assert!(status.success() && !output.is_empty() && errors.is_empty(), "{flag}: {errors}");
    }
    let (status, printed, _) = run(program, &["--print-config", "--recent", "7"]);
    assert!(status.success());
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(printed.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(run(program, &["--config", path, "--print-config"]).1, printed);
}

fn the_first_signal_drains(program: &str) {
    let server = Server::start(program, &[]);
    let mut socket = server.connect("GET /healthz HTTP/1.0\r\n\r\n");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.signal("INT");
    assert_eq!(server.end().code(), Some(0));
}

fn the_second_signal_ends_at_once(program: &str) {
    // The only client is told to go within ninety days.
    let span = "90d";
    let drain = ["--drain-within", span, "--drain-spread", span, "--drain-pace", span];
    let server = Server::start(program, &[&drain[..], &["--drain-notice", "0s"]].concat());
    let socket = server.connect(
        "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let mut stream = BufReader::new(socket);
    let mut read_until = |end: u8, wanted: &str| {
        let mut bytes = Vec::new();
        while !String::from_utf8_lossy(&bytes).contains(wanted) {
            let count = stream.read_until(end, &mut bytes).unwrap();
            assert!(count > 0, "{wanted} is not in {}", String::from_utf8_lossy(&bytes));
        }
    };
    read_until(b'}', "\"joined\"");
    server.signal("TERM");
    read_until(b'}', "\"drain\"");
    server.signal("TERM");
    assert_eq!(server.end().code(), Some(1));
}

/// Starts the program without settings from the environment of the test.
fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let ours = |name: &str| name.starts_with("ROUNDTABLE_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(ours)) {
        command.env_remove(name);
    }
    command
}

/// Runs to the end: how it ended, and what it said on both outputs.
fn run(program: &str, arguments: &[&str]) -> (ExitStatus, String, String) {
    let mut command = command(program, arguments);
    let output = within_backstop(move || command.output().unwrap());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status, text(output.stdout), text(output.stderr))
}

fn refused(program: &str, arguments: &[&str], expected: &str, code: i32) {
    let (status, output, errors) = run(program, arguments);
    assert_eq!((status.code(), &*output), (Some(code), ""), "{arguments:?}: {errors}");
    assert!(errors.starts_with(expected), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

fn within_backstop<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, finished) = mpsc::channel();
    thread::spawn(move || done.send(wait()));
    finished.recv_timeout(BACKSTOP).expect("an end")
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

/// A server that runs, and where.
struct Server {
    child: Process,
    address: String,
    /// Kept open, as a terminal would.
    _output: BufReader<ChildStdout>,
}

impl Server {
    fn start(program: &str, arguments: &[&str]) -> Self {
        Self::start_with(program, &[&["--log", "error"], arguments].concat(), Stdio::inherit())
    }

    fn start_with(program: &str, arguments: &[&str], errors: Stdio) -> Self {
        let arguments = [&["--listen", "127.0.0.1:0"], arguments].concat();
        Self::spawn(command(program, &arguments), errors)
    }

    fn spawn(mut command: Command, errors: Stdio) -> Self {
        let mut child = Process(command.stdout(Stdio::piped()).stderr(errors).spawn().unwrap());
        let mut output = BufReader::new(child.0.stdout.take().unwrap());
        let (output, first) = within_backstop(move || {
            let mut first = String::new();
            output.read_line(&mut first).unwrap();
            (output, first)
        });
        let (_, address) = first
            .strip_prefix("listening on ")
            .and_then(|url| url.split_once("://"))
            .expect("where it listens");
        Self { child, address: address.trim_end().to_owned(), _output: output }
    }

    fn connect(&self, request: &str) -> TcpStream {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(BACKSTOP)).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        socket
    }

    fn signal(&self, signal: &str) {
        let kill = format!("kill -s {signal} {}", self.child.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    fn end(self) -> ExitStatus {
        let mut child = self.child;
        within_backstop(move || child.0.wait().unwrap())
    }
}
