//! A server that takes tokens: what it tells its operator, and that it reads its files again.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Stdio};
use std::sync::mpsc;
use std::thread;

use super::{BACKSTOP, Server, refused, run};

const SECRET: &str = "a secret that is long enough for it";
const OTHER: &str = "another secret, also long enough for it";

/// Everything that is promised of tokens by `program`.
pub(crate) fn check(program: &str) {
    a_key_file_that_is_wrong_is_one_line(program);
    no_token_is_ever_logged(program);
    keys_and_revocations_are_read_again(program);
}

fn a_key_file_that_is_wrong_is_one_line(program: &str) {
    refused(program, &["--auth", "required"], "--auth required: needs --auth-keys FILE", 2);
    let missing = ["--auth", "required", "--auth-keys", "/no/such/key"];
    refused(program, &missing, "--auth-keys /no/such/key: No such file", 1);
}

fn no_token_is_ever_logged(program: &str) {
    let desk = Desk::new(program);
    let (server, mut log) = desk.start("trace");
    let (good, bad) = (desk.token(SECRET, "ann"), desk.token(OTHER, "ann"));
    for (target, headers, expected) in [
        (format!("/ws?token={good}"), String::new(), "101"),
        (format!("/ws?token={bad}"), String::new(), "401"),
        ("/ws".to_owned(), format!("Authorization: Bearer {good}\r\n"), "101"),
        ("/ws".to_owned(), format!("Authorization: Bearer {bad}\r\n"), "401"),
        (format!("/nowhere?token={good}"), String::new(), "404"),
        (format!("/{good}"), String::new(), "404"),
        (format!("/ws?token={good}&token={bad}"), String::new(), "400"),
        (format!("/ws?name={good}"), String::new(), "400"),
        (format!("/ws?room={good}"), String::new(), "400"),
        (format!("/ws?token={good}&name=%00"), String::new(), "400"),
        ("/ws".to_owned(), format!("Authorization: {good}\r\n"), "101"),
        ("/ws".to_owned(), format!("Authorization: Basic {good}\r\n"), "101"),
        ("/ws".to_owned(), format!("Cookie: token={good}\r\n"), "101"),
        ("/ws".to_owned(), format!("Sec-WebSocket-Protocol: {good}\r\n"), "101"),
        ("/ws".to_owned(), format!("Origin: https://{good}\r\n"), "403"),
        ("/ws".to_owned(), format!("Referer: https://a/?token={good}\r\n"), "101"),
        ("/ws".to_owned(), format!("{good}\r\n"), "400"),
        ("/ws".to_owned(), format!("X: {good}{}\r\n", "x".repeat(9000)), "431"),
    ] {
        let (_socket, status) = knock(&server, &target, &headers);
        assert_eq!(status, expected, "{target}");
    }
    for frame in [
        format!("{{\"type\":\"hello\",\"id\":1,\"token\":\"{bad}\"}}"),
        format!("{{\"type\":\"hello\",\"id\":1,\"token\":\"{good}\"}}"),
        format!("{{\"type\":\"hello\",\"id\":1,\"name\":\"{good}\"}}"),
        format!("{{\"type\":\"hello\",\"id\":1,\"resume\":\"{good}\"}}"),
        format!("{{\"type\":\"auth\",\"id\":1,\"token\":\"{bad}\"}}"),
        format!("{{\"type\":\"auth\",\"id\":1,\"token\":\"{good}\"}}"),
        format!("{{\"type\":\"join\",\"id\":1,\"room\":\"{good}\"}}"),
    ] {
        let (mut socket, _) = knock(&server, "/ws?room=", "");
        let length = u16::try_from(frame.len()).unwrap();
        assert!(length > 125);
        // A mask of zeros leaves the text as it is.
        let [high, low] = length.to_be_bytes();
        let head = [0x81, 0xfe, high, low, 0, 0, 0, 0];
        std::io::Write::write_all(&mut socket, &[&head[..], frame.as_bytes()].concat()).unwrap();
        read_until(&mut BufReader::new(socket), "\"id\":1");
    }
    server.signal("INT");
    assert_eq!(server.end().code(), Some(0));
    let log = log.rest();
    assert!(log.contains("a token is refused"), "{log}");
    assert!(log.contains("not signed with a key of ours"), "{log}");
    for token in [good, bad] {
        for part in token.split('.').skip(1) {
            assert!(!log.contains(part), "a token is in the log: {log}");
        }
    }
}

fn keys_and_revocations_are_read_again(program: &str) {
    let desk = Desk::new(program);
    let (server, mut log) = desk.start("info");
    let (old, new) = (desk.token(SECRET, "ann"), desk.token(OTHER, "bob"));
    let status = |token: &str| knock(&server, &format!("/ws?token={token}"), "").1;
    assert_eq!([status(&old), status(&new)], ["101", "401"]);

    let mut ann = BufReader::new(knock(&server, &format!("/ws?room=lobby&token={old}"), "").0);
    read_until(&mut ann, "\"joined\"");
    desk.write("revoked", "user ann\n");
    server.signal("HUP");
    log.until("the revocations are read again");
    read_until(&mut ann, "\"code\":4011");
    assert_eq!(status(&old), "401");

    desk.write("key", "short");
    server.signal("HUP");
    log.until("the keys stay as they were");
    assert_eq!(status(&desk.token(SECRET, "eve")), "101");

    desk.write("key", OTHER);
    server.signal("HUP");
    log.until("the keys are read again");
    assert_eq!([status(&desk.token(SECRET, "eve")), status(&new)], ["401", "101"]);
    server.signal("INT");
    assert_eq!(server.end().code(), Some(0));
}

/// An operator's folder.
struct Desk<'a> {
    program: &'a str,
    folder: tempfile::TempDir,
}

impl<'a> Desk<'a> {
    fn new(program: &'a str) -> Self {
        let desk = Self { program, folder: tempfile::tempdir().unwrap() };
        desk.write("key", SECRET);
        desk.write("revoked", "");
        desk
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    /// A token as the program makes it.
    fn token(&self, secret: &str, user: &str) -> String {
        self.write("other-key", secret);
        let key = self.path("other-key");
        let (status, token, errors) = run(self.program, &["token", "--key", text(&key), user]);
        assert!(status.success(), "{errors}");
        token.trim_end().to_owned()
    }

    fn start(&self, log: &str) -> (Server, Log) {
        let (key, revoked) = (self.path("key"), self.path("revoked"));
        let files = ["--auth-keys", text(&key), "--revoked", text(&revoked)];
        let flags = ["--auth", "optional", "--drain-within", "0s", "--log", log];
        let mut server =
            Server::start_with(self.program, &[&flags, &files[..]].concat(), Stdio::piped());
        let log = Log::of(server.child.0.stderr.take().unwrap());
        (server, log)
    }
}

/// What a server says to its operator.
pub(super) struct Log(mpsc::Receiver<String>);

impl Log {
    pub(super) fn of(output: ChildStderr) -> Self {
        let (tell, lines) = mpsc::channel();
        // It must be read all the time, or the server would wait.
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let _test_is_over = tell.send(line.unwrap());
            }
        });
        Self(lines)
    }

    pub(super) fn next(&mut self) -> String {
        self.0.recv_timeout(BACKSTOP).expect("a line")
    }

    /// The first line with `wanted` in it.
    pub(super) fn until(&mut self, wanted: &str) -> String {
        loop {
            let line = self.0.recv_timeout(BACKSTOP).expect(wanted);
            if line.contains(wanted) {
                return line;
            }
        }
    }

    /// All that comes until the server has ended.
    pub(super) fn rest(&mut self) -> String {
        self.0.iter().collect::<Vec<_>>().join("\n")
    }
}

/// Asks for an upgrade, and reads the first line of the answer.
pub(super) fn knock(server: &Server, target: &str, headers: &str) -> (TcpStream, String) {
    let mut socket = server.connect(&format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    ));
    let mut line = [0; 12];
    socket.read_exact(&mut line).unwrap();
    let status = String::from_utf8_lossy(&line[9..]).into_owned();
    (socket, status)
}

fn read_until(stream: &mut BufReader<TcpStream>, wanted: &str) {
    let mut bytes = Vec::new();
    while !String::from_utf8_lossy(&bytes).contains(wanted) {
        let count = stream.read_until(b'}', &mut bytes).unwrap();
        assert!(count > 0, "{wanted} is not in {}", String::from_utf8_lossy(&bytes));
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
