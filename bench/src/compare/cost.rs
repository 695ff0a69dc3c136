//! What a setting costs: the same server with it and without it, in turn, under the same load. It does
//! not know how a server is measured.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, Parser, ValueEnum};

use super::servers::{self, Program};
use crate::frame::{self, Opcode};
use crate::handshake;
use crate::load;
use crate::measurement::Measurement;
use crate::process::{Memory, Sample};
use crate::report::{median, root};

/// What a room must keep for a start from many entries.
const LONG_HISTORY: &str = "--history-entries 100000000 --history-bytes 100GiB --history-age 90d";

/// What the last publish of a filled journal is answered by.
const LAST_ACK: &[u8] = b"{\"type\":\"ack\",\"id\":1,";

/// The flags of `cost`.
#[derive(Args, Debug)]
pub struct Flags {
    /// The setting.
    #[arg(value_enum)]
    pub what: What,
    /// How often each way is taken; the medians count.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=99))]
    pub runs: u64,
    /// Seconds that are measured of each.
    #[arg(long, default_value_t = 15.0)]
    pub seconds: f64,
    /// The entries that a start with a journal finds.
    #[arg(long, default_value_t = 1_000_000)]
    pub entries: u64,
    /// The folder for journals and logs; target/benchmarks/cost if none is named.
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

/// A setting that costs something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// A publish without a journal, with one that is synced now and then, and with one that is synced
    /// always; and the start from a journal.
    Journal,
    /// A delivery with TLS and without.
    Tls,
}

/// One way to do the same.
struct Way {
    name: String,
    /// The server's flags.
    server: String,
    /// The load generator's.
    load: String,
    scheme: &'static str,
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    flags: load::Flags,
}

/// Measures, and prints tables.
///
/// # Errors
///
/// If the server cannot be built, started or measured.
///
/// # Panics
///
/// If this program is in no folder, which cannot be.
pub fn run(flags: &Flags) -> Result<(), String> {
    let built = std::env::current_exe().map_err(|error| error.to_string())?;
    let built = built.parent().expect("a program is in a folder").to_owned();
    super::build(&built)?;
    let folder = flags.folder.clone().unwrap_or_else(|| root().join("target/benchmarks/cost"));
    let programs = servers::programs(&built, Path::new(""), "");
    let program = programs.into_iter().find(|program| program.name == "runtime-smol");
    let bench = Bench { flags, folder, program: program.expect("it is always there") };
    match flags.what {
        What::Journal => bench.publishes().and_then(|()| bench.starts()),
        What::Tls => bench.deliveries(),
    }
    .map_err(|error| error.to_string())
}

struct Bench<'a> {
    flags: &'a Flags,
    folder: PathBuf,
    program: Program,
}

impl Bench<'_> {
    /// What a publish costs, whose author alone is in the room: at a steady pace, which compares
    /// processor time; with the next said when the last has come back, and with a hundred under way,
    /// which compare speeds.
    fn publishes(&self) -> io::Result<()> {
        let journal = format!("--journal {}", self.folder.join("journal").display());
        let paces = [
            ("2,000 a second", "--rate 2000"),
            ("one by one", "--in-flight 1"),
            ("a hundred under way", "--in-flight 100"),
        ];
        let ways = paces.map(|(pace, load)| {
            let of = |name: &str, server: String| Way {
                name: format!("{pace}, {name}"),
                server,
                load: format!("--connections 1 --senders 1 --payload 64 {load}"),
                scheme: "ws",
            };
            [
                of("no journal", String::new()),
                of("`interval`", format!("{journal} --journal-sync interval")),
                of("`always`", format!("{journal} --journal-sync always")),
            ]
        });
        println!("| way | publishes a second | µs a publish | user | system |");
        self.measure(ways.as_flattened())
    }

    /// What a delivery costs in a room of a thousand, with 100 messages a second.
    fn deliveries(&self) -> io::Result<()> {
        let file = |name: &str| root().join("server/tests/tls").join(name).display().to_string();
        let (certificate, key) = (file("first.pem"), file("first.key.pem"));
        let load = "--workload room-1000-paced";
        let ways = [
            Way { name: "plain".into(), server: String::new(), load: load.into(), scheme: "ws" },
            Way {
                name: "TLS".into(),
                server: format!("--tls-cert {certificate} --tls-key {key}"),
                load: format!("{load} --tls-ca {}", file("ca.pem")),
                scheme: "wss",
            },
        ];
        println!("| way | deliveries a second | µs a delivery | user | system |");
        self.measure(&ways)
    }

    /// Each way is taken in turn, so that whatever else the machine does falls on all alike.
    fn measure(&self, ways: &[Way]) -> io::Result<()> {
        let mut found: Vec<Vec<Measurement>> = ways.iter().map(|_| Vec::new()).collect();
        for run in 1..=self.flags.runs {
            for (way, found) in ways.iter().zip(&mut found) {
                eprintln!("run {run} of {}: {}", self.flags.runs, way.name);
                found.push(self.one(way)?);
            }
        }
        println!("|---|---|---|---|---|");
        for (way, found) in ways.iter().zip(&found) {
            let Measurement {
                deliveries_per_second: speed,
                server_user_us_per_delivery: user,
                server_system_us_per_delivery: system,
                load_saturated,
                ..
            } = median(found);
            let (sum, saturated) =
                (user + system, if load_saturated { " (saturated)" } else { "" });
            let name = &way.name;
            let sums = found
                .iter()
                .map(|run| run.server_user_us_per_delivery + run.server_system_us_per_delivery);
            let (least, most) = sums.fold((f64::INFINITY, 0.0_f64), |(least, most), sum| {
                (least.min(sum), most.max(sum))
            });
            println!(
                "| {name}{saturated} | {speed:.0} | {sum:.2} ({least:.2} to {most:.2}) | {user:.2} | \
                 {system:.2} |"
            );
        }
        Ok(())
    }

    /// One run against a fresh server.
    fn one(&self, way: &Way) -> io::Result<Measurement> {
        empty(&self.folder)?;
        let server = self.program.start(&way.server, &self.folder.join("log"))?;
        let line = format!(
            "load {}://{}/ws --pid {} --dialect roundtable --seconds {} --warm-up 2 {}",
            way.scheme,
            server.address(),
            server.pid(),
            self.flags.seconds,
            way.load
        );
        let line = Line::try_parse_from(line.split_ascii_whitespace()).map_err(io::Error::other)?;
        let found = load::run(&line.flags).map_err(io::Error::other)?;
        match &found.failures()[..] {
            [] => Ok(found),
            failures => Err(io::Error::other(failures.join(", "))),
        }
    }

    /// How long a start takes: from nothing, from what a killed server left, and once more behind that,
    /// when all is in one checkpoint. The files are in the system's memory.
    fn starts(&self) -> io::Result<()> {
        empty(&self.folder)?;
        let (left, journal) = (self.folder.join("left"), self.folder.join("journal"));
        let flags = |folder: &Path| {
            format!("--journal {} --journal-sync interval {LONG_HISTORY}", folder.display())
        };
        let mut took: [Vec<Duration>; 3] = Default::default();
        let log = self.folder.join("log");
        let server = self.program.start(&flags(&left), &log)?;
        fill(server.address(), self.flags.entries)?;
        drop(server);
        let bytes = size(&left)?;
        let (mut cpu, mut memory) = (Vec::new(), Vec::new());
        for run in 1..=self.flags.runs {
            eprintln!("run {run} of {}: starts", self.flags.runs);
            for (of, took) in took.iter_mut().enumerate() {
                match of {
                    0 => empty(&journal)?,
                    1 => copy(&left, &journal)?,
                    _ => {}
                }
                let begun = Instant::now();
                let server = self.program.start(&flags(&journal), &log)?;
                took.push(begun.elapsed());
                if of == 1 {
                    cpu.push(Sample::take(server.pid())?.whole.total());
                    memory.push(Memory::take(server.pid())?.peak >> 20);
                }
            }
        }
        let [nothing, killed, again] = took.map(|took| middle(took).as_secs_f64());
        let (entries, mib) = (self.flags.entries, bytes >> 20);
        println!("{entries} entries, {mib} MiB; a start takes");
        println!("- from nothing: {nothing:.3} s");
        let (cpu, peak) = (middle(cpu).as_secs_f64(), middle(memory));
        println!("- killed: {killed:.2} s, {cpu:.2} s of processor time, {peak} MiB at the most");
        println!("- killed again: {again:.2} s");
        Ok(())
    }
}

/// Has `entries` of 64 bytes said in one room, and waits until the last is acknowledged.
fn fill(address: &str, entries: u64) -> io::Result<()> {
    let mut socket = TcpStream::connect(address)?;
    socket.write_all(&handshake::request(address, "/ws"))?;
    let mut reader = socket.try_clone()?;
    let talker = thread::spawn(move || {
        let mut frames = Vec::new();
        for number in 1..entries {
            let text = format!("{number:064}");
            frame::write_client(&mut frames, Opcode::Text, text.as_bytes(), [7; 4]);
            if frames.len() >= 1 << 16 {
                socket.write_all(&frames)?;
                frames.clear();
            }
        }
        let last = b"{\"type\":\"publish\",\"id\":1,\"room\":\"lobby\",\"data\":\"the last\"}";
        frame::write_client(&mut frames, Opcode::Text, last, [7; 4]);
        socket.write_all(&frames).map(|()| socket)
    });
    let (mut heard, mut buffer) = (Vec::new(), vec![0; 1 << 18]);
    while memchr::memmem::find(&heard, LAST_ACK).is_none() {
        // The end of one read may be the beginning of what is looked for.
        heard.drain(..heard.len().saturating_sub(LAST_ACK.len()));
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Err(io::Error::other("the server is gone; see its log"));
        }
        heard.extend_from_slice(&buffer[..count]);
    }
    talker.join().map_err(|_panicked| io::Error::other("the talker panicked"))?.map(drop)
}

/// A folder with nothing in it.
fn empty(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(folder)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    empty(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn size(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

fn middle<T: Ord + Copy>(mut all: Vec<T>) -> T {
    all.sort_unstable();
    all[(all.len() - 1) / 2]
}
