//! A server to which the system gives no more of something, or which it holds up: descriptors,
//! readers, room on the disk, calls that are interrupted, time.

mod calls;
mod clocks;

use std::fs;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::tokens::Log;
use super::{BACKSTOP, Server, command};

/// Everything that is promised by `program` where something runs out.
pub(crate) fn check(program: &str) {
    let checks = [
        without_descriptors_accepting_backs_off_and_recovers,
        readers_that_never_read_cost_little_memory,
        a_full_disk_ends_the_recording_and_nothing_else,
        calls::whoever_is_interrupted_all_the_time_loses_nothing,
        calls::whose_sockets_take_only_a_part_loses_nothing,
        clocks::who_was_stopped_closes_nobody_without_a_fresh_ping,
        clocks::a_clock_that_jumps_closes_nobody_and_moves_no_deadline,
    ];
    // Most of it is waiting.
    thread::scope(|scope| {
        for check in checks {
            scope.spawn(move || check(program));
        }
    });
}

/// A server under limits, and what it says to its operator.
struct Limited {
    server: Server,
    log: Log,
}

impl Limited {
    /// Starts it in a shell that has run `limits` before.
    fn start(limits: &str, program: &str, flags: &[&str]) -> Self {
        Self::within(&format!("{limits}; exec"), program, flags)
    }

    /// Starts it by a command of the shell, of which `exec` must make the server's process.
    fn within(exec: &str, program: &str, flags: &[&str]) -> Self {
        let script = format!("{exec} \"$0\" \"$@\"");
        let fixed = ["--listen", "127.0.0.1:0", "--log", "warn", "--drain-within", "0s"];
        let arguments = [&["-c", &script, program], &fixed[..], flags].concat();
        let mut server = Server::spawn(command("sh", &arguments), Stdio::piped());
        let log = Log::of(server.child.0.stderr.take().unwrap());
        Self { server, log }
    }

    /// What the process has used of processors so far.
    fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.server.child.0.id())).unwrap();
        // The name in parentheses may hold anything (proc(5)).
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// The memory that is really there.
    fn resident_bytes(&self) -> usize {
        let status = format!("/proc/{}/status", self.server.child.0.id());
        let status = fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib << 10
    }

    /// Stops it, and gives what it has said since it was last listened to.
    fn stop(mut self) -> String {
        self.server.signal("INT");
        let code = self.server.end().code();
        let said = self.log.rest();
        assert_eq!(code, Some(0), "{said}");
        said
    }
}

/// Somebody in a room.
struct Chat(BufReader<TcpStream>);

impl Chat {
    fn join(server: &Server, name: &str) -> Self {
        Self::join_by(server, &format!("name={name}"))
    }

    /// Joins as who the query says.
    fn join_by(server: &Server, query: &str) -> Self {
        let socket = server.connect(&format!(
            "GET /ws?room=lobby&{query} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ));
        let mut chat = Self(BufReader::new(socket));
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            assert!(chat.0.read_line(&mut line).unwrap() > 0, "no upgrade");
        }
        chat.hears("\"joined\"");
        chat
    }

    /// Sends a frame masked with zeros, RFC 6455 §5.2.
    fn frame(&mut self, first: u8, payload: &[u8]) {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        let head = match payload.len() {
            0..=125 => vec![first, 0x80 | length[1], 0, 0, 0, 0],
            _ => vec![first, 0xFE, length[0], length[1], 0, 0, 0, 0],
        };
        self.0.get_mut().write_all(&[&head, payload].concat()).unwrap();
    }

    fn say(&mut self, text: &str) {
        self.frame(0x81, text.as_bytes());
    }

    /// The next frame: its opcode, and what it carries.
    fn next(&mut self) -> (u8, String) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let mut length = [0; 2];
        match head[1] {
            126 => self.0.read_exact(&mut length).unwrap(),
            short => length[1] = short,
        }
        let mut payload = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0.read_exact(&mut payload).unwrap();
        (head[0] & 15, String::from_utf8_lossy(&payload).into_owned())
    }

    /// Reads on to what says this, and gives it.
    fn hears(&mut self, wanted: &str) -> String {
        loop {
            let (opcode, text) = self.next();
            assert_ne!(opcode, 8, "closed before {wanted} came");
            if text.contains(wanted) {
                return text;
            }
        }
    }

    fn hears_herself(&mut self, text: &str) -> String {
        self.say(text);
        self.hears(text)
    }

    /// Waits for a silence of `span`, behind what was on its way already.
    fn is_told_nothing_for(&mut self, span: Duration) {
        self.0.get_ref().set_read_timeout(Some(span)).unwrap();
        let silence = (0..9).find_map(|_| self.0.read(&mut [0; 4096]).err());
        let silence = silence.map(|error| error.kind());
        let is_silent = matches!(silence, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut));
        assert!(is_silent, "{silence:?}");
        self.0.get_ref().set_read_timeout(Some(BACKSTOP)).unwrap();
    }
}

fn without_descriptors_accepting_backs_off_and_recovers(program: &str) {
    const DESCRIPTORS: usize = 64;
    let mut server = Limited::start(&format!("ulimit -n {DESCRIPTORS}"), program, &[]);
    let mut ann = Chat::join(&server.server, "ann");
    let mut crowd: Vec<TcpStream> =
        (0..DESCRIPTORS).map(|_| TcpStream::connect(&server.server.address).unwrap()).collect();
    server.log.until("accepting pauses");
    let newcomer = server.server.connect("GET /healthz HTTP/1.0\r\n\r\n");
    let before = server.processor_time();
    // Nobody answers for a second.
    newcomer.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let silence = (&newcomer).read(&mut [0]).map_err(|error| error.kind());
    assert!(matches!(silence, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{silence:?}");
    let spent = server.processor_time().saturating_sub(before);
    tell(&format!("{program}: out of descriptors, {spent:?} of processor time in a second"));
    assert!(spent <= Duration::from_millis(50), "{spent:?}: accepting spins");
    ann.hears_herself("still here");
    crowd.clear();
    newcomer.set_read_timeout(Some(BACKSTOP)).unwrap();
    let mut answer = String::new();
    (&newcomer).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    ann.hears_herself("and on it goes");
    let said = server.stop();
    // Descriptors come back one by one, so it may begin to fail anew; there were ten attempts in the
    // second before.
    let pauses = said.matches("accepting pauses").count();
    assert!(pauses < 5, "it is said when it begins, not with each attempt: {said}");
}

fn readers_that_never_read_cost_little_memory(program: &str) {
    const MESSAGES: usize = 400;
    let readers = descriptors().saturating_sub(100).min(1000);
    let raise = "ulimit -n $(ulimit -Hn)";
    let flags = ["--message-burst", "1000", "--byte-burst", "64MiB", "--write-timeout", "1h"];
    let flags = [&flags[..], &["--presence-tick", "1h"]].concat();
    let server = Limited::start(raise, program, &flags);
    let mut ann = Chat::join(&server.server, "ann");
    let _stalled: Vec<Chat> =
        (0..readers).map(|number| Chat::join(&server.server, &format!("r{number}"))).collect();
    let before = server.resident_bytes();
    let text = "x".repeat(4096);
    for _ in 0..MESSAGES {
        ann.hears_herself(&text);
    }
    let grown = server.resident_bytes().saturating_sub(before);
    tell(&format!(
        "{program}: {readers} readers that read none of {MESSAGES} messages of 4 KiB: \
         {:.1} MiB resident, {:.1} MiB of it since they came",
        mib(before + grown),
        mib(grown),
    ));
    // A room's log of 1 MiB, and what is queued, of which everybody has the same frames; without a
    // bound it would be their number times what they were sent, 1.6 GB.
    assert!(grown < 128 << 20, "{:.1} MiB", mib(grown));
    server.stop();
}

fn a_full_disk_ends_the_recording_and_nothing_else(program: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("day");
    // A write past the limit is an error where the signal is ignored.
    let limit = "trap '' XFSZ; ulimit -f 16";
    let flags = ["--message-burst", "1000", "--byte-burst", "64MiB"];
    let record = ["--record", file.to_str().unwrap()];
    let mut server = Limited::start(limit, program, &[&flags[..], &record].concat());
    let mut ann = Chat::join(&server.server, "ann");
    for number in 0..100 {
        ann.hears_herself(&format!("{number} {}", "x".repeat(1000)));
    }
    server.log.until("recording stopped");
    ann.hears_herself("and on it goes");
    server.stop();
}

/// The descriptors that a process may have here.
fn descriptors() -> usize {
    let output = Command::new("sh").args(["-c", "ulimit -n"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap_or(usize::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Says something that the test runner does not swallow.
fn tell(line: &str) {
    // A closed standard error is no reason to fail.
    let _unheard = writeln!(io::stderr(), "resources: {line}");
}
