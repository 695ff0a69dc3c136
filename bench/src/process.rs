//! What the system tells about a process: processor time, by thread, and memory. Linux alone.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// The length of a tick in `/proc/PID/stat`: Linux tells user space 100 a second, on every machine
/// that this runs on.
const TICK: Duration = Duration::from_millis(10);

/// Processor time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// In the program.
    pub user: Duration,
    /// In the kernel, on its behalf.
    pub system: Duration,
}

impl Cpu {
    /// What was added since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }

    /// Both together.
    pub fn total(self) -> Duration {
        self.user + self.system
    }
}

/// A process's processor time at one moment.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// All of its threads, also those that have ended.
    pub whole: Cpu,
    /// By the threads' numbers, with their names.
    pub threads: BTreeMap<u32, (String, Cpu)>,
}

impl Sample {
    /// What the process `pid` has used.
    ///
    /// # Errors
    ///
    /// If there is no such process.
    pub fn take(pid: u32) -> io::Result<Self> {
        let (_, whole) = read_stat(&fs::read_to_string(format!("/proc/{pid}/stat"))?)?;
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
            let entry = entry?;
            // A thread may end while its line is looked for.
            let Ok(line) = fs::read_to_string(entry.path().join("stat")) else { continue };
            let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let (Some(number), Ok(thread)) = (number, read_stat(&line)) {
                threads.insert(number, thread);
            }
        }
        Ok(Self { whole, threads })
    }

    /// What each name of threads used since `before`, the busiest first.
    pub fn by_name_since(&self, before: &Self) -> Vec<(String, Cpu)> {
        let mut names: BTreeMap<&str, Cpu> = BTreeMap::new();
        for (number, (name, cpu)) in &self.threads {
            let earlier = before.threads.get(number).map_or(Cpu::default(), |(_, cpu)| *cpu);
            let used = cpu.since(earlier);
            let sum = names.entry(name).or_default();
            sum.user += used.user;
            sum.system += used.system;
        }
        let mut names: Vec<_> =
            names.into_iter().map(|(name, cpu)| (name.to_owned(), cpu)).collect();
        names.sort_by_key(|(_, cpu)| std::cmp::Reverse(cpu.total()));
        names
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("cannot be read: {what}"))
}

/// The name, and the fields `utime` and `stime`, of a line of `/proc/PID/stat`. A name may hold
/// anything, parentheses and spaces too, so it ends with the last parenthesis.
fn read_stat(line: &str) -> io::Result<(String, Cpu)> {
    let parts = line.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
    let (name, rest) = parts.ok_or_else(|| malformed(line))?;
    let mut ticks = rest.split_ascii_whitespace().skip(11).map(str::parse);
    let (Some(Ok(user)), Some(Ok(system))) = (ticks.next(), ticks.next()) else {
        return Err(malformed(line));
    };
    let of = |ticks: u32| TICK * ticks;
    Ok((name.to_owned(), Cpu { user: of(user), system: of(system) }))
}

/// A process's memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// The most that was ever resident.
    pub peak: u64,
}

impl Memory {
    /// Of the process `pid`.
    ///
    /// # Errors
    ///
    /// If there is no such process.
    pub fn take(pid: u32) -> io::Result<Self> {
        read_status(&fs::read_to_string(format!("/proc/{pid}/status"))?)
    }
}

fn read_status(text: &str) -> io::Result<Memory> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kilobytes.and_then(|number| number.parse::<u64>().ok()).ok_or_else(|| malformed(name))
    };
    Ok(Memory { resident: field("VmRSS:")? * 1024, peak: field("VmHWM:")? * 1024 })
}

/// The kernel's memory in the connections that end at one of `ends`, both of whose sides are on this
/// machine; nothing where there is no `ss`. The sum in `/proc/net/sockstat` says it only to the
/// megabyte, as each processor keeps some memory that it has not counted yet.
pub fn socket_bytes(ends: &[SocketAddr]) -> Option<u64> {
    let asked = Command::new("ss").args(["-Htnm", "state", "established"]).output().ok()?;
    asked.status.success().then(|| read_sockets(&String::from_utf8_lossy(&asked.stdout), ends))
}

/// Of each socket there are two lines: its queues and ends, and its memory.
fn read_sockets(text: &str, ends: &[SocketAddr]) -> u64 {
    let lines: Vec<&str> = text.lines().collect();
    let is_meant = |line: &str| {
        let words = line.split_ascii_whitespace();
        words.filter_map(|word| word.parse().ok()).any(|end| ends.contains(&end))
    };
    let meant = lines.windows(2).filter(|pair| is_meant(pair[0]));
    meant.map(|pair| read_memory(pair[1])).sum()
}

/// What stands in the receive queue, what stands in the send queue, and what is kept for more.
fn read_memory(line: &str) -> u64 {
    let inside = line.split_once("skmem:(").and_then(|(_, rest)| rest.split_once(')'));
    let fields = inside.map_or("", |(fields, _)| fields).split(',');
    fields.filter_map(|field| field.strip_prefix(['r', 'f', 'w'])?.parse::<u64>().ok()).sum()
}

/// The machine's load average over the last minute.
pub fn machine_load() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// How long the threads of this process ran, and how long they could have run but had no processor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Own {
    /// On a processor.
    pub ran: Duration,
    /// In a queue for one.
    pub waited: Duration,
}

impl Own {
    /// Of the calling thread, or nothing where the system does not tell.
    pub fn take() -> Self {
        let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        read_schedstat(&text).unwrap_or_default()
    }
}

fn read_schedstat(text: &str) -> Option<Own> {
    let mut numbers = text.split_ascii_whitespace().map(|number| number.parse().ok());
    let (ran, waited) = (numbers.next()??, numbers.next()??);
    Some(Own { ran: Duration::from_nanos(ran), waited: Duration::from_nanos(waited) })
}

/// Raises the limit of open files as far as it goes, and returns it.
pub fn raise_open_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Where the system refuses, the limit stays what it was, and that is what is returned.
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    limit.current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_name_may_hold_anything() {
        let line = "12 (a) b (c)) S 1 12 12 0 -1 4194560 1 0 0 0 35 120 0 0 20 0 3 0 9 1 1";
        let (name, cpu) = read_stat(line).expect("a line of the system");
        assert_eq!(name, "a) b (c)");
        assert_eq!(cpu, Cpu { user: 350 * MS, system: 1200 * MS });
        assert!(read_stat("12 (a) S 1 2").is_err());
        assert!(read_stat("").is_err());
    }

    #[test]
    fn memory_is_in_kilobytes() {
        let text = "Name:\tx\nVmHWM:\t     5184 kB\nVmRSS:\t    4096 kB\nThreads:\t1\n";
        let memory = read_status(text).expect("a status");
        assert_eq!(memory, Memory { resident: 4096 * 1024, peak: 5184 * 1024 });
        assert!(read_status("Name:\tx\n").is_err());
    }

    #[test]
    fn memory_of_sockets_is_that_of_both_ends() {
        let text = "0 97 127.0.0.1:80 127.0.0.2:9\n\
            \t skmem:(r1,rb131072,t7,tb131072,f20,w300,o5,bl9,d3)\n\
            4 0 127.0.0.2:9 127.0.0.1:80\n\
            \t skmem:(r4000,rb4608,t0,tb131072,f0,w0,o0,bl0,d0)\n\
            0 0 127.0.0.1:80 127.0.0.3:9\n\
            \t skmem:(r50000,rb131072,t0,tb131072,f0,w0,o0,bl0,d0)\n";
        let end = |text: &str| text.parse().expect("an address");
        assert_eq!(read_sockets(text, &[end("127.0.0.2:9")]), 4321);
        assert_eq!(read_sockets(text, &[end("127.0.0.1:80")]), 54_321);
        assert_eq!(read_sockets(text, &[]), 0);
    }

    #[test]
    fn sockets_of_this_machine_are_told_about() {
        use std::io::Write as _;
        use std::net::{TcpListener, TcpStream};

        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let mut writer = TcpStream::connect(address).expect("it listens");
        let (_reader, end) = listener.accept().expect("it was connected");
        writer.write_all(&[0; 10_000]).expect("there is room");
        // Without `ss` nothing is told.
        if let Some(bytes) = socket_bytes(&[end]) {
            assert!(bytes >= 10_000, "{bytes} bytes hold 10,000");
        }
    }

    #[test]
    fn running_and_waiting_are_in_nanoseconds() {
        let own = read_schedstat("1500 2500 7\n").expect("two numbers");
        assert_eq!((own.ran.as_nanos(), own.waited.as_nanos()), (1500, 2500));
        assert!(read_schedstat("").is_none());
    }

    #[test]
    fn threads_of_one_name_are_added_up() {
        let cpu = |user| Cpu { user: user * MS, system: MS };
        let threads = |all: &[(u32, &str, u32)]| Sample {
            whole: Cpu::default(),
            threads: all.iter().map(|(id, name, ms)| (*id, ((*name).into(), cpu(*ms)))).collect(),
        };
        let before = threads(&[(1, "hub", 5), (2, "shard", 1)]);
        let after = threads(&[(1, "hub", 6), (2, "shard", 4), (3, "shard", 7)]);
        let used = after.by_name_since(&before);
        let shard = Cpu { user: 10 * MS, system: MS };
        let hub = Cpu { user: MS, system: Duration::ZERO };
        assert_eq!(used, [("shard".to_owned(), shard), ("hub".to_owned(), hub)]);
    }

    #[test]
    fn this_process_is_told_about() {
        let pid = std::process::id();
        assert!(!Sample::take(pid).expect("this process").threads.is_empty());
        assert!(Memory::take(pid).expect("this process").resident > 0);
    }
}
