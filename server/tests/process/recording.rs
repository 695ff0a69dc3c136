//! A server that is recorded while its clients misbehave, and what a replay makes of it.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use roundtable_server::record::{Files, Mark};
use roundtable_server::replay::{Item, Log};

use super::{BACKSTOP, Server, refused, run, within_backstop};

/// What is said in the room, and what only the server may know.
const GOSSIP: &str = "the-gossip-of-the-day";
const TOKEN: &str = "the-token-of-ann";

/// Rooms for a lot of bytes, little patience, and parts that are soon full.
const FLAGS: [&str; 18] = [
    "--message-burst",
    "200",
    "--rate-limit-strikes",
    "5",
    "--byte-burst",
    "64MiB",
    "--bytes-per-second",
    "64MiB",
    "--sndbuf",
    "16KiB",
    "--drain-within",
    "1s",
    "--close-timeout",
    "100ms",
    "--record-part-bytes",
    "256KiB",
    "--write-timeout",
    "1h",
];

/// Everything that is promised of recordings of `program`.
pub(crate) fn check(program: &str) {
    let folder = tempfile::tempdir().unwrap();
    a_day_is_played_to_the_same_hash(program, &folder.path().join("day"));
    a_redacted_day_tells_nothing_that_was_said(program, &folder.path().join("redacted"));
    a_recording_breaks_off_where_the_process_was_killed(program, &folder.path().join("killed"));
    wrong_words_are_told(program, &folder.path().join("day"));
    an_operator_begins_and_ends_one(program, folder.path());
}

fn a_day_is_played_to_the_same_hash(program: &str, file: &Path) {
    live_through_a_day(program, file, &[]);
    assert!(Files::new(file).path(2).exists(), "there are more parts than one");
    assert!(!tells(file, TOKEN) && tells(file, GOSSIP));
    let (events, hash) = last_mark(file);
    let path = file.to_str().unwrap();
    let (status, output, errors) = run(program, &["replay", path]);
    assert_eq!((status.code(), &*errors), (Some(0), ""), "{output}");
    assert!(output.contains(&format!("\n{events} events, ")), "{output}");
    assert!(output.ends_with(&format!("\nhash {hash}, as recorded\n")), "{output}");

    let (status, output, _) = run(program, &["replay", path, "--print"]);
    assert!(status.success());
    for line in [
        "connect, as ann, to lobby, with the subprotocol\n",
        " text {\"type\":\"hello\",\"id\":1,\"token\":\"",
        "{\"type\":\"error\",\"code\":\"bad_json\"",
        " 4029 rate_limited, flush\n",
        " 1003 no_binary, flush\n",
        " backlog ",
        "{\"type\":\"gap\",\"room\":\"lobby\"",
        "  drain within 1s\n",
        "-> drained\n",
    ] {
        assert!(output.contains(line), "{line} is not in what is printed");
    }
    let (status, cellar, _) = run(program, &["replay", path, "--room", "cellar"]);
    assert!(status.success() && cellar.contains("connect, as bob, to cellar\n"));
    assert!(!cellar.contains("lobby") && cellar.lines().count() < output.lines().count());
    let bob = cellar.split('#').nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let (status, bob, _) = run(program, &["replay", path, "--conn", bob]);
    assert!(status.success() && bob.contains("connect, as bob, to cellar\n"));
    assert!(!bob.contains("connect, as ann"));

    let sets = ["--set", "rate_limit_strikes=1000", "--set", "window_bytes=1MiB"];
    let (status, output, errors) = run(program, &[&["replay", path], &sets[..]].concat());
    assert_eq!((status.code(), &*errors), (Some(0), ""), "{output}");
    let fate = |what: &str| {
        let line = output.lines().find(|line| line.starts_with(what)).expect(what);
        let counts = line[what.len()..].split_whitespace().take(2);
        counts.map(|count| count.parse::<u32>().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((fate("lagged")[0], fate("told of a gap")[0]), (1, 1), "{output}");
    assert_eq!(fate("closed 4029"), [1, 0], "{output}");
}

fn a_redacted_day_tells_nothing_that_was_said(program: &str, file: &Path) {
    live_through_a_day(program, file, &["--record-redact"]);
    assert!(!tells(file, TOKEN) && !tells(file, GOSSIP));
    let (_, hash) = last_mark(file);
    let (status, output, errors) = run(program, &["replay", file.to_str().unwrap()]);
    assert_eq!((status.code(), &*errors), (Some(0), ""), "{output}");
    assert!(output.ends_with(&format!("\nhash {hash}, as recorded\n")), "{output}");
}

fn a_recording_breaks_off_where_the_process_was_killed(program: &str, file: &Path) {
    let server = start(program, file, &[]);
    let mut ann = Peer::join(&server, "room=lobby&name=ann");
    ann.say("is this recorded?");
    ann.read_until("\"is this recorded?\"");
    // It is written after a moment, though nothing else happens.
    let part = file.to_owned();
    within_backstop(move || {
        while !holds(&part, "is this recorded?") {
            thread::yield_now();
        }
    });
    server.signal("KILL");
    assert!(!server.end().success());
    let (status, output, errors) = run(program, &["replay", file.to_str().unwrap(), "--print"]);
    assert_eq!((status.code(), &*errors), (Some(0), ""), "{output}");
    assert!(output.contains("text is this recorded?\n"), "{output}");
    assert!(
        output.contains("\nthe recording breaks off; its last hash is at event 0\n"),
        "{output}"
    );
}

fn an_operator_begins_and_ends_one(program: &str, folder: &Path) {
    let folder = folder.join("operators");
    fs::create_dir(&folder).unwrap();
    let flags = ["--log", "info", "--admin-listen", "127.0.0.1:0", "--record-dir"];
    let flags = [&flags[..], &[folder.to_str().unwrap()]].concat();
    let mut server = Server::start_with(program, &flags, Stdio::piped());
    let mut log = BufReader::new(server.child.0.stderr.take().unwrap());
    let admin = within_backstop(move || {
        let mut line = String::new();
        while log.read_line(&mut line).unwrap() > 0 {
            if let Some((_, address)) = line.split_once("operators are answered on http://") {
                let address = address.trim_end().to_owned();
                // The rest is read, so that the server can write it.
                thread::spawn(move || io::copy(&mut log, &mut io::sink()));
                return address;
            }
            line.clear();
        }
        panic!("nobody answers operators");
    });
    let post = |path: &str| {
        let mut socket = TcpStream::connect(&admin).unwrap();
        socket.set_read_timeout(Some(BACKSTOP)).unwrap();
        let lines = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        write!(socket, "POST {path} HTTP/1.1\r\nHost: {admin}\r\n{lines}").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
        let told: serde_json::Value = serde_json::from_str(body).unwrap();
        PathBuf::from(told["file"].as_str().expect("a file"))
    };
    let mut ann = Peer::join(&server, "room=lobby&name=ann");
    ann.say("before");
    ann.read_until("\"before\"");
    let file = post("/recording/start");
    ann.say("meanwhile");
    ann.read_until("\"meanwhile\"");
    assert_eq!(post("/recording/stop"), file);
    ann.say("behind");
    ann.read_until("\"behind\"");
    server.signal("TERM");
    assert_eq!(server.end().code(), Some(0));
    let (status, output, errors) = run(program, &["replay", file.to_str().unwrap(), "--print"]);
    assert_eq!((status.code(), &*errors), (Some(0), ""), "{output}");
    assert!(output.contains("text meanwhile\n") && output.contains(", as recorded\n"), "{output}");
    assert!(!output.contains("text before\n") && !output.contains("text behind\n"), "{output}");
}

fn wrong_words_are_told(program: &str, file: &Path) {
    let path = file.to_str().unwrap();
    let start = ["--listen", "127.0.0.1:0", "--record"];
    let taken = format!("--record {path}: File exists");
    refused(program, &[&start[..], &[path]].concat(), &taken, 1);
    let part = Files::new(file).path(1);
    let moved = file.with_extension("moved");
    fs::rename(file, &moved).unwrap();
    let taken = format!("--record {path}: {} belongs to another recording", part.display());
    refused(program, &[&start[..], &[path]].concat(), &taken, 1);
    refused(program, &["--record-redact"], "--record-redact and --record-part-bytes: need", 2);
    let folder = ["--listen", "127.0.0.1:0", "--record-dir", "/no/such/folder"];
    refused(program, &folder, "--record-dir /no/such/folder: must be a folder that is there", 1);
    let small = ["--record", path, "--record-part-bytes", "9"];
    refused(program, &small, "--record-part-bytes 9: must be at least 64KiB", 2);

    let missing = format!("replay {path}: No such file or directory");
    refused(program, &["replay", path], &missing, 1);
    let moved = moved.to_str().unwrap();
    for (set, why) in [
        ("window_bytes", "must be a limit and its value"),
        ("windows=1", "there is no such setting"),
        ("window_bytes=many", "must be a number"),
        ("window_bytes=200KiB", "--set window_bytes 204800: less reserve_bytes must hold"),
        ("sndbuf=1MiB", "only the limits of the hub"),
    ] {
        let (status, _, errors) = run(program, &["replay", moved, "--set", set]);
        assert!(status.code() == Some(2) && errors.contains(why), "{set}: {errors}");
    }
    let mut bytes = fs::read(moved).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(moved, bytes).unwrap();
    refused(program, &["replay", moved], &format!("replay {moved}: is damaged at byte "), 1);
    fs::write(moved, "{}").unwrap();
    refused(program, &["replay", moved], &format!("replay {moved}: is no recording"), 1);
}

/// Starts the program, has clients of every kind, and stops it.
fn live_through_a_day(program: &str, file: &Path, flags: &[&str]) {
    let server = start(program, file, flags);
    let mut ann = Peer::upgrade(&server, "room=lobby&name=ann", "roundtable.v1");
    ann.read_until("\"history\":[]}");
    ann.say(&format!(r#"{{"type":"hello","id":1,"token":"{TOKEN}"}}"#));
    ann.read_until("\"id\":1");
    ann.say(&format!(r#"{{"type":"hello","token":"{TOKEN}","#));
    ann.read_until("\"bad_json\"");
    let mut bob = Peer::join(&server, "room=cellar&name=bob");
    bob.say(GOSSIP);
    bob.read_until(GOSSIP);
    let silent = Peer::join(&server, "room=lobby&name=silent");
    drop(Peer::join(&server, "room=lobby&name=vanishing"));
    let mut binary = Peer::join(&server, "room=");
    binary.write(0x82, b"\0\x01");
    binary.read_to_the_end();
    let mut flood = Peer::join(&server, "room=");
    for _ in 0..1000 {
        flood.say(r#"{"type":"ping"}"#);
    }
    flood.read_to_the_end();
    // More than sockets, the window and the log hold of what one client never reads.
    let filler = "x".repeat(30_000);
    for seq in 1..=150 {
        let data = format!(r#"{{"text":"{GOSSIP} {seq} \"{filler}\""}}"#);
        ann.say(&format!(r#"{{"type":"publish","room":"lobby","data":{data}}}"#));
        ann.read_until(&format!("{GOSSIP} {seq} "));
    }
    let mut silent = silent;
    silent.read_until("\"gap\"");
    server.signal("TERM");
    drop(bob);
    assert_eq!(server.end().code(), Some(0));
}

fn start(program: &str, file: &Path, flags: &[&str]) -> Server {
    let record = ["--record", file.to_str().unwrap()];
    Server::start(program, &[&FLAGS[..], &record, flags].concat())
}

/// The last hash that was recorded, and at which event.
fn last_mark(file: &Path) -> (u64, String) {
    let (mut log, mut last) = (Log::open(Files::new(file)).unwrap(), Mark::default());
    while let Some(item) = log.next().unwrap() {
        if let Item::Mark(mark) = item {
            last = mark;
        }
    }
    assert!(last.events > 300, "{last:?}");
    (last.events, format!("{:016x}", last.hash))
}

/// Whether any part of a recording holds this text.
fn tells(file: &Path, text: &str) -> bool {
    let parts = (0..).map(|number| Files::new(file).path(number));
    let parts: Vec<PathBuf> = parts.take_while(|part| part.exists()).collect();
    assert!(parts.len() > 1);
    parts.iter().any(|part| holds(part, text))
}

fn holds(part: &Path, text: &str) -> bool {
    let bytes = fs::read(part).unwrap();
    bytes.windows(text.len()).any(|found| found == text.as_bytes())
}

/// A client that does as it likes.
struct Peer {
    socket: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    /// Connects without the subprotocol, and waits to be welcome.
    fn join(server: &Server, query: &str) -> Self {
        let mut peer = Self::upgrade(server, query, "none");
        peer.read_until("\"welcome\"");
        peer
    }

    fn upgrade(server: &Server, query: &str, protocol: &str) -> Self {
        let socket = server.connect(&format!(
            "GET /ws?{query} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Protocol: {protocol}\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ));
        Self { socket, read: Vec::new() }
    }

    fn say(&mut self, text: &str) {
        self.write(0x81, text.as_bytes());
    }

    /// A frame masked with zeros, RFC 6455 §5.2. The server may have hung up.
    fn write(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match payload.len() {
            len @ 0..=125 => frame.push(0x80 | u8::try_from(len).unwrap()),
            len => {
                frame.push(0xFE);
                frame.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        let _hung_up = self.socket.write_all(&frame);
    }

    /// Reads until this was said, and forgets all before it.
    fn read_until(&mut self, wanted: &str) {
        let wanted = wanted.as_bytes();
        loop {
            if let Some(at) = self.read.windows(wanted.len()).position(|found| found == wanted) {
                self.read.drain(..at + wanted.len());
                return;
            }
            let kept = self.read.len().saturating_sub(wanted.len());
            self.read.drain(..kept);
            let mut bytes = [0; 16_384];
            let count = self.socket.read(&mut bytes).expect("the server goes on");
            assert!(count > 0, "{} was never said", String::from_utf8_lossy(wanted));
            self.read.extend_from_slice(&bytes[..count]);
        }
    }

    /// Reads until the server hangs up, as it must.
    fn read_to_the_end(mut self) {
        let mut bytes = [0; 16_384];
        while self.socket.read(&mut bytes).is_ok_and(|count| count > 0) {}
        let _already = self.socket.shutdown(Shutdown::Both);
    }
}
