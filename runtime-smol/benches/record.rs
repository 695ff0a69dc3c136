//! What a recording costs: the processor time of the server for the same work with and without
//! `--record`, in turn, so that whatever else the machine does falls on all alike.
//!
//! `cargo bench -p runtime-smol --bench record` fails if recording costs more than 5 %. It reads the
//! processor time from `/proc`, and so needs Linux.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// How often each way is taken.
const TURNS: usize = 31;

/// How many people chat in each room, in how many rooms, and how much is said in each.
const MEMBERS: usize = 20;
const ROOMS: usize = 10;
const MESSAGES: usize = 400;

/// The most that recording may add, in percent.
const MOST_PERCENT: f64 = 5.0;

/// Nobody is held back.
const FLAGS: [&str; 14] = [
    "--listen",
    "127.0.0.1:0",
    "--log",
    "error",
    "--message-burst",
    "1000000000",
    "--byte-burst",
    "3GiB",
    "--frame-burst",
    "1000000000",
    "--frames-per-second",
    "1000000000",
    "--messages-per-second",
    "1000000000",
];

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let ways: [&[&str]; 3] = [&[], &["--record"], &["--record-redact", "--record"]];
    let mut times = [const { Vec::new() }; 3];
    let mut bytes = 0;
    for turn in 0..TURNS {
        for (way, times) in ways.iter().zip(&mut times) {
            let file = folder.path().join("recording");
            let mut flags = way.to_vec();
            if !way.is_empty() {
                flags.push(file.to_str().expect("a name in UTF-8"));
            }
            let time = work(&flags);
            if !way.is_empty() {
                bytes = fs::metadata(&file).expect("a recording").len();
                fs::remove_file(&file).expect("a recording");
            }
            // The first turn warms everything up.
            if turn > 0 {
                times.push(time);
            }
        }
    }
    let said = ROOMS * MESSAGES;
    println!("{said} messages, {} deliveries, {bytes} bytes recorded", said * MEMBERS);
    let [without, record, redact] = &times;
    // Each turn is compared with itself: what else the machine does changes from turn to turn.
    let percent = |times: &[f64]| {
        let added = times.iter().zip(without).map(|(time, without)| (time / without - 1.0) * 100.0);
        median(added.collect())
    };
    println!("without a recording: {:.2} s of processor time", median(without.clone()));
    println!("--record: {:+.1} %", percent(record));
    println!("--record --record-redact: {:+.1} %", percent(redact));
    assert!(percent(record) <= MOST_PERCENT, "at most {MOST_PERCENT} % are allowed");
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Starts a server with these flags, has everybody chat, and returns the processor time it took.
fn work(flags: &[&str]) -> f64 {
    let mut server = Command::new(env!("CARGO_BIN_EXE_runtime-smol"))
        .args(FLAGS)
        .args(flags)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut first = String::new();
    let mut output = BufReader::new(server.stdout.take().expect("its output"));
    output.read_line(&mut first).expect("its first line");
    let address = first.trim_end().strip_prefix("listening on http://").expect("where it listens");
    let people = ROOMS * MEMBERS;
    let mut peers: Vec<Peer> = (0..people).map(|number| Peer::join(address, number)).collect();
    let before = processor_time(&server);
    for message in 0..MESSAGES {
        for room in 0..ROOMS {
            peers[(message % MEMBERS) * ROOMS + room].say();
        }
        peers.iter_mut().for_each(Peer::hear);
    }
    let time = processor_time(&server) - before;
    drop(peers);
    let stop = format!("kill -s TERM {}", server.id());
    assert!(Command::new("sh").args(["-c", &stop]).status().expect("a shell").success());
    assert!(server.wait().expect("it ends").success());
    time
}

/// The time that a process has taken in user and kernel mode, in seconds.
fn processor_time(process: &Child) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).expect("a process");
    // The name before may hold spaces; the ticks are hundredths of a second.
    let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
    let ticks = fields.split(' ').skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() / 100.0
}

struct Peer {
    stream: BufReader<TcpStream>,
    frame: Vec<u8>,
}

impl Peer {
    fn join(address: &str, number: usize) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("an open socket");
        let room = number % ROOMS;
        let request = format!(
            "GET /ws?room=room{room}&name=person{number} HTTP/1.1\r\nHost: a\r\n\
             Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: roundtable.v1\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let text = format!(
            "{{\"type\":\"publish\",\"room\":\"room{room}\",\"data\":{{\"text\":\"{:.>44}\"}}}}",
            "a message of ordinary length "
        );
        let len = u8::try_from(text.len()).expect("a short message");
        let mut frame = vec![0x81, 0x80 | len, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        let mut peer = Self { stream: BufReader::new(stream), frame };
        peer.stream.get_mut().write_all(request.as_bytes()).expect("the server reads");
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            peer.stream.read_line(&mut line).expect("an answer");
        }
        // `welcome` and `joined`.
        peer.hear();
        peer.hear();
        peer
    }

    fn say(&mut self) {
        let Self { stream, frame } = self;
        stream.get_mut().write_all(frame).expect("the server reads");
    }

    /// Reads one frame; RFC 6455 §5.2, unmasked.
    fn hear(&mut self) {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).expect("a frame");
        assert_eq!(head[0], 0x81, "every frame is a text");
        let mut len = u64::from(head[1]);
        if len == 126 {
            self.stream.read_exact(&mut head).expect("a length");
            len = u64::from(u16::from_be_bytes(head));
        }
        let read = std::io::copy(&mut self.stream.by_ref().take(len), &mut std::io::sink());
        assert_eq!(read.expect("a payload"), len);
    }
}
