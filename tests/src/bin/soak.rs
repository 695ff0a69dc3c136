//! `soak`: a crowd chats for minutes or hours with a server's process, over faulty networks, and what
//! it wrote down is checked afterwards; then the process must have given back what it took.

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, fs, io, process, thread};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, value_parser};
use roundtable_tests::soak::{Plan, check};
use smol::Timer;

/// What the server forgets within [`FORGOTTEN`].
const FLAGS: [&str; 18] = [
    "--listen",
    "127.0.0.1:0",
    "--log",
    "error",
    "--resume-window",
    "15s",
    "--presence-linger",
    "5s",
    "--history-age",
    "20s",
    "--key-age",
    "20s",
    "--history-entries",
    "32",
    "--recent",
    "16",
    "--ping-after",
    "5s",
];

/// Longer than the server remembers sessions, entries and keys.
const FORGOTTEN: Duration = Duration::from_secs(25);

/// The longest crowd before the one that counts: what a server takes once, and its allocator keeps, it has
/// taken then.
const EVE: Duration = Duration::from_mins(5);

/// How often it is told how far things are.
const PROGRESS: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    match run(&command().get_matches()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("soak: {why}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> clap::Command {
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("N").default_value(default).help(help)
    };
    let folder = || Arg::new("folder").value_name("DIR").value_parser(value_parser!(PathBuf));
    clap::Command::new("soak")
        .about("Has a crowd chat over faulty networks, and checks all that it was given")
        .arg(
            number("clients", "2000", "How many clients there are")
                .value_parser(value_parser!(u32).range(1..=3000)),
        )
        .arg(
            number("minutes", "5", "How long they chat")
                .value_parser(value_parser!(u64).range(1..=1440)),
        )
        .arg(
            Arg::new("seed")
                .long("seed")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .help("What the networks and the clients draw from; without it a new one is drawn"),
        )
        .arg(
            Arg::new("runtime")
                .long("runtime")
                .value_parser(PossibleValuesParser::new(["smol", "std"]))
                .default_value("smol")
                .help("Which server, of those that were built beside this program"),
        )
        .arg(folder().long("folder").help("Where the clients write; must not be there"))
        .subcommand(
            clap::Command::new("check")
                .about("Checks what clients wrote before")
                .arg(folder().required(true)),
        )
}

fn run(words: &ArgMatches) -> Result<(), Box<dyn Error>> {
    if let Some(words) = words.subcommand_matches("check") {
        return judge(words.get_one::<PathBuf>("folder").expect("it is required"));
    }
    let seed = words.get_one::<u64>("seed").copied();
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let minutes = *words.get_one::<u64>("minutes").expect("it has a default");
    let plan = Plan {
        clients: *words.get_one("clients").expect("it has a default"),
        span: Duration::from_mins(minutes),
        pace: Duration::from_secs(10),
        stay: Duration::from_secs(20),
        seed,
    };
    let folder = words.get_one::<PathBuf>("folder").cloned();
    let folder = folder.unwrap_or_else(|| env::temp_dir().join(format!("soak-{}", process::id())));
    let runtime: &String = words.get_one("runtime").expect("it has a default");
    println!("seed {seed}: {} clients for {minutes} min, runtime-{runtime}", plan.clients);
    println!("what they do is written down in {}", folder.display());
    let server = Server::start(&format!("runtime-{runtime}"))?;

    let [eve, day] = ["eve", "day"].map(|part| folder.join(part));
    server.soak(Plan { span: plan.span.min(EVE), seed: seed.wrapping_add(1), ..plan }, &eve)?;
    let before = server.weigh()?;
    println!("baseline        {before}");
    server.soak(plan, &day)?;
    let after = server.weigh()?;
    println!("afterwards      {after}");
    judge(&eve)?;
    judge(&day)?;
    after.is_like(&before)
}

fn judge(folder: &Path) -> Result<(), Box<dyn Error>> {
    let counts = check(folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    println!(
        "{}: {} deliveries, {} acknowledged, {} joins, {} gaps told, {} sessions not come back to: \
         one order, nothing lost, nothing twice",
        folder.display(),
        counts.deliveries,
        counts.acks,
        counts.joins,
        counts.gaps,
        counts.renewed,
    );
    Ok(())
}

/// What a process takes.
struct Weight {
    descriptors: usize,
    threads: usize,
    resident_kib: usize,
}

impl std::fmt::Display for Weight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { descriptors, threads, resident_kib } = self;
        write!(f, "{descriptors} descriptors, {threads} threads, {resident_kib} KiB resident")
    }
}

impl Weight {
    /// Within 5 %.
    fn is_like(&self, before: &Self) -> Result<(), Box<dyn Error>> {
        for (what, before, after) in [
            ("descriptors", before.descriptors, self.descriptors),
            ("threads", before.threads, self.threads),
            ("KiB resident", before.resident_kib, self.resident_kib),
        ] {
            if after * 100 > before * 105 {
                return Err(format!("{after} {what}, and {before} before").into());
            }
        }
        Ok(())
    }
}

/// A server's process, killed with this one's end.
struct Server {
    child: Child,
    addr: SocketAddr,
}

impl Server {
    fn start(program: &str) -> Result<Self, Box<dyn Error>> {
        let path = env::current_exe()?.with_file_name(program);
        let child = Command::new(&path).args(FLAGS).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| {
            format!("{}: {error}; cargo build --release -p {program} makes it", path.display())
        })?;
        let mut first = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut first)?;
        let addr = first.trim_end().strip_prefix("listening on http://").ok_or("no server")?;
        Ok(Self { addr: addr.parse()?, child })
    }

    /// Plays the crowd, tells how far it is, and waits until the server has forgotten it.
    fn soak(&self, plan: Plan, folder: &Path) -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(folder)?;
        let (done, finished) = mpsc::channel::<()>();
        let began = Instant::now();
        thread::scope(|scope| {
            scope.spawn(move || {
                while finished.recv_timeout(PROGRESS) == Err(mpsc::RecvTimeoutError::Timeout) {
                    let weight = self.weigh().map(|weight| weight.to_string());
                    println!(
                        "{:>4} s          {}",
                        began.elapsed().as_secs(),
                        weight.unwrap_or_default()
                    );
                }
            });
            let played = plan.run(self.addr, folder);
            drop(done);
            played
        })?;
        smol::block_on(Timer::at(Instant::now() + FORGOTTEN));
        Ok(())
    }

    fn weigh(&self) -> io::Result<Weight> {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = fs::read_to_string(process.join("status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok());
        Ok(Weight {
            descriptors: fs::read_dir(process.join("fd"))?.count(),
            threads: fs::read_dir(process.join("task"))?.count(),
            resident_kib: resident.ok_or(io::ErrorKind::InvalidData)?,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
