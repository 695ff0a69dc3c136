//! The course of one run: connect, settle, warm up, measure, wait for the rest. Time is read here and
//! nowhere below.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};

use super::crowd::{Crowd, Target};
use super::link::Role;
use super::schedule::Schedule;
use super::tally::{Tally, histogram, micros};
use super::workload::{Flags, Pace, Workload};
use crate::handshake;
use crate::measurement::{Latency, Measurement, Thread};
use crate::process::{self, Cpu, Memory, Own, Sample};

/// How long nothing may come of connecting before it is given up.
const CONNECT_PATIENCE: Duration = Duration::from_secs(20);

/// How long nothing may arrive before the rest is taken for lost.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// The longest that the rest is waited for.
const LONGEST_DRAIN: Duration = Duration::from_mins(1);

/// The quiet between connecting and the first text.
const SETTLE: Duration = Duration::from_secs(1);

/// How often it is looked at how far things are.
const LOOK: Duration = Duration::from_millis(250);

/// How often it is asked what the kernel holds.
const WATCH: Duration = Duration::from_secs(1);

/// The share of the window that the generator runs, or wants to, when it has no time left.
const SATURATED: f64 = 0.95;

/// Files that the generator needs beside its connections.
const OTHER_FILES: u64 = 32;

/// Does what `flags` say to the server, and tells what was found.
///
/// # Errors
///
/// If the flags are wrong, the server is not there, or connections fail before the work begins.
pub fn run(flags: &Flags) -> Result<Measurement, String> {
    let work = Workload::of(flags)?;
    let sockets = work.connections + work.slow + work.visitors;
    let files = process::raise_open_files();
    if sockets as u64 + OTHER_FILES > files {
        return Err(format!("{sockets} connections: the limit of open files is {files}"));
    }
    let server = flags.address()?;
    let request = |path: &str| handshake::request(&server.to_string(), path);
    let (greetings, tls) = (flags.greetings(), flags.tls()?);
    let target = Target { server, request: request(flags.path()), greetings, tls: tls.clone() };
    let path = flags.visitors_path.as_deref().unwrap_or(flags.path());
    let visitors = Target { server, request: request(path), greetings, tls };
    let tally = Tally::new(work.connections, work.senders as usize);
    let crowd = Crowd::new(target, visitors, tally).map_err(|error| error.to_string())?;
    let run = Run::new(crowd, work, flags.pid);
    run.and_then(|run| run.all(&flags.server)).map_err(|error| error.to_string())
}

struct Run {
    crowd: Crowd,
    work: Workload,
    pid: u32,
    /// For each sender, the number of its next text.
    numbers: Vec<u32>,
    sent: u64,
    late: Histogram<u64>,
    echoes: Vec<u32>,
    bar: ProgressBar,
}

/// What was seen at one moment.
struct Look {
    at: Instant,
    server: Sample,
    own: Own,
}

impl Look {
    fn take(pid: u32) -> io::Result<Self> {
        Ok(Self { at: Instant::now(), server: Sample::take(pid)?, own: Own::take() })
    }
}

/// What was seen before the window: memory, and the cores that the server used without visitors.
struct Before {
    memory: u64,
    quiet_cores: f64,
}

/// What was seen of the window.
struct Seen {
    from: Look,
    to: Look,
    offered: u64,
    visits: u64,
    kernel: Option<u64>,
}

/// A look now and then at what the kernel holds for some connections, beside the load.
struct Watch {
    stop: Sender<()>,
    most: JoinHandle<Option<u64>>,
}

impl Watch {
    fn start(ends: Vec<SocketAddr>) -> Self {
        let (stop, stopped) = mpsc::channel();
        let most = thread::spawn(move || {
            let mut most = None;
            while stopped.recv_timeout(WATCH) == Err(RecvTimeoutError::Timeout) {
                most = most.max(process::socket_bytes(&ends));
            }
            most
        });
        Self { stop, most }
    }

    /// The most that was seen, if anything could be.
    fn end(self) -> Option<u64> {
        drop(self.stop);
        self.most.join().ok().flatten()
    }
}

/// What connecting everybody cost.
struct Connected {
    memory: Memory,
    seconds: f64,
    cpu: Cpu,
}

impl Run {
    fn new(crowd: Crowd, work: Workload, pid: u32) -> io::Result<Self> {
        let steps = u64::try_from((work.warm_up + work.lasting).as_millis()).unwrap_or(u64::MAX);
        // Nothing is drawn where nobody looks: the bar hides itself if there is no terminal.
        let bar = ProgressBar::new(steps);
        let style = ProgressStyle::with_template("{msg:>24} {wide_bar} {eta}");
        bar.set_style(style.map_err(io::Error::other)?);
        bar.set_message(work.name.clone());
        let numbers = vec![0; work.senders as usize];
        let (late, echoes) = (histogram(), Vec::new());
        Ok(Self { crowd, work, pid, numbers, sent: 0, late, echoes, bar })
    }

    fn all(mut self, server: &str) -> io::Result<Measurement> {
        let memory_before = Memory::take(self.pid)?.resident;
        let connected = self.connect()?;
        let start = self.crowd.now();
        let lasting = self.work.warm_up + self.work.lasting;
        let mut schedule = match self.work.pace {
            Pace::Silent | Pace::Saturated(_) => None,
            Pace::Paced(rate) => Some(Schedule::new(start, lasting, rate, self.work.senders)),
        };
        self.kick_off();
        let quiet_cores = self.quiet(&mut schedule, start)?;
        self.work_until(&mut schedule, start + self.work.warm_up)?;
        let seen = self.measure(&mut schedule)?;
        let peak = Memory::take(self.pid)?.peak;
        self.crowd.close_the_door();
        self.drain()?;
        self.bar.finish_and_clear();
        let before = Before { memory: memory_before, quiet_cores };
        Ok(self.sum_up(server, &before, &connected, &seen, peak))
    }

    /// Works for as long as is measured, and looks at both ends.
    fn measure(&mut self, schedule: &mut Option<Schedule>) -> io::Result<Seen> {
        let from = Look::take(self.pid)?;
        let (sent, greeted) = (self.sent, self.crowd.visits.greeted);
        self.crowd.visits.took.reset();
        self.late.reset();
        let start = self.crowd.now();
        let end = start + self.work.lasting;
        self.crowd.tally.measure(start, end);
        // They are closed after a while: the most that was held counts.
        let slow = self.crowd.slow_ends();
        let watch = (!slow.is_empty()).then(|| Watch::start(slow));
        self.work_until(schedule, end)?;
        let to = Look::take(self.pid)?;
        let kernel = watch.and_then(Watch::end);
        let visits = self.crowd.visits.greeted - greeted;
        Ok(Seen { from, to, offered: self.sent - sent, visits, kernel })
    }

    /// Connects everybody, and lets the server settle.
    fn connect(&mut self) -> io::Result<Connected> {
        let from = Look::take(self.pid)?;
        let all = self.work.connections + self.work.slow;
        let (mut ready, mut patience) = (0, self.crowd.now() + CONNECT_PATIENCE);
        while ready < all {
            let role = if self.work.slow > 0 && ready >= self.work.connections {
                (all, Role::Slow)
            } else {
                (self.work.connections, Role::Receiver)
            };
            self.crowd.fill(role.0, role.1)?;
            self.crowd.turn(self.crowd.now() + LOOK)?;
            if let Some((_, code)) = self.crowd.ended.first() {
                let why = format!("a connection failed, with the close code {code:?}");
                return Err(io::Error::other(why));
            }
            if self.crowd.ready() > ready {
                ready = self.crowd.ready();
                patience = self.crowd.now() + CONNECT_PATIENCE;
            } else if self.crowd.now() > patience {
                let why = format!("{ready} of {all} are connected, and no more follow");
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
        }
        let to = Look::take(self.pid)?;
        self.listen_until(self.crowd.now() + SETTLE)?;
        let seconds = (to.at - from.at).as_secs_f64();
        let cpu = to.server.whole.since(from.server.whole);
        Ok(Connected { memory: Memory::take(self.pid)?, seconds, cpu })
    }

    /// Works without visitors for half of the warm-up, if there are to be any, lets them in, and
    /// returns the cores that the server used without them.
    fn quiet(&mut self, schedule: &mut Option<Schedule>, start: Duration) -> io::Result<f64> {
        if self.work.visitors == 0 {
            return Ok(0.0);
        }
        let from = Look::take(self.pid)?;
        self.work_until(schedule, start + self.work.warm_up / 2)?;
        let to = Look::take(self.pid)?;
        self.crowd.let_in(self.work.visitors)?;
        let used = to.server.whole.since(from.server.whole).total();
        Ok(used.as_secs_f64() / (to.at - from.at).as_secs_f64())
    }

    /// Says the first texts of senders that go on when their own come back.
    fn kick_off(&mut self) {
        let Pace::Saturated(in_flight) = self.work.pace else { return };
        for _ in 0..in_flight {
            for sender in 0..self.work.senders {
                self.say(sender, self.crowd.now());
            }
        }
    }

    fn say(&mut self, sender: u32, intended: Duration) {
        let number = &mut self.numbers[sender as usize];
        self.crowd.say(sender, *number, intended, self.work.payload_bytes);
        *number += 1;
        self.sent += 1;
    }

    fn work_until(&mut self, schedule: &mut Option<Schedule>, end: Duration) -> io::Result<()> {
        loop {
            let now = self.crowd.now();
            if now >= end {
                return Ok(());
            }
            let mut next = end;
            if let Some(schedule) = schedule {
                while let Some(due) = schedule.due(now) {
                    self.late.saturating_record(micros(now.saturating_sub(due.intended)));
                    self.say(due.sender, due.intended);
                }
                next = schedule.next().map_or(end, |at| at.min(end));
            }
            self.crowd.turn(next)?;
            if let Pace::Saturated(_) = self.work.pace {
                let mut echoes = std::mem::take(&mut self.echoes);
                self.crowd.take_echoes(&mut echoes);
                for sender in &echoes {
                    self.say(*sender, self.crowd.now());
                }
                self.echoes = echoes;
            }
            self.bar.set_position(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        }
    }

    fn listen_until(&mut self, end: Duration) -> io::Result<()> {
        while self.crowd.now() < end {
            self.crowd.turn(end)?;
        }
        Ok(())
    }

    fn expected(&self) -> u64 {
        self.sent * self.work.connections as u64
    }

    /// Waits for what was sent and has not arrived.
    fn drain(&mut self) -> io::Result<()> {
        let end = self.crowd.now() + LONGEST_DRAIN;
        let (mut seen, mut patience) = (0, self.crowd.now() + DRAIN_PATIENCE);
        while seen < self.expected() && self.crowd.now() < patience.min(end) {
            self.crowd.turn(self.crowd.now() + LOOK)?;
            let arrived = self.crowd.tally.arrived + self.crowd.tally.told;
            if arrived > seen {
                seen = arrived;
                patience = self.crowd.now() + DRAIN_PATIENCE;
            }
        }
        // What comes twice may come last.
        self.listen_until(self.crowd.now() + LOOK)
    }

    fn sum_up(
        &self,
        server: &str,
        before: &Before,
        connected: &Connected,
        seen: &Seen,
        peak: u64,
    ) -> Measurement {
        let (crowd, work, Seen { from, to, .. }) = (&self.crowd, &self.work, seen);
        let tally = &crowd.tally;
        let seconds = (to.at - from.at).as_secs_f64();
        let cpu = to.server.whole.since(from.server.whole);
        let deliveries = tally.arrived_in_window;
        let each = |time: Duration| us(time) / float(deliveries.max(1));
        let threads = to.server.by_name_since(&from.server).into_iter().map(|(name, cpu)| Thread {
            name,
            user_us: us(cpu.user),
            system_us: us(cpu.system),
        });
        let ran = to.own.ran.saturating_sub(from.own.ran).as_secs_f64() / seconds;
        let waited = to.own.waited.saturating_sub(from.own.waited).as_secs_f64() / seconds;
        let ended = |role| crowd.ended.iter().filter(|(of, _)| *of == role).count() as u64;
        let is_paced = matches!(work.pace, Pace::Paced(_));
        let connections = float((work.connections + work.slow) as u64);
        let added = connected.memory.resident.saturating_sub(before.memory);
        let server_cpu = cpu.total().as_secs_f64() / seconds;
        let (handshakes, handshake_seconds, handshake_us) = if work.visitors == 0 {
            (connections, connected.seconds, us(connected.cpu.total()))
        } else {
            let beyond = (server_cpu - before.quiet_cores) * seconds * 1e6;
            (float(seen.visits), seconds, beyond.max(0.0))
        };
        Measurement {
            server: server.to_owned(),
            workload: work.name.clone(),
            connections: work.connections as u64,
            slow: work.slow as u64,
            payload_bytes: work.payload_bytes as u64,
            seconds,
            offered: seen.offered,
            deliveries,
            expected: seen.offered * work.connections as u64,
            lost: self.expected().saturating_sub(tally.arrived + tally.told),
            told_gaps: tally.told,
            duplicates: tally.duplicates,
            misordered: tally.misordered,
            closed: ended(Role::Receiver),
            slow_closed: ended(Role::Slow),
            latency_ms: percentiles(&tally.latency).filter(|_| is_paced),
            late_ms: percentiles(&self.late).filter(|_| is_paced),
            deliveries_per_second: float(deliveries) / seconds,
            server_user_us_per_delivery: each(cpu.user),
            server_system_us_per_delivery: each(cpu.system),
            server_cpu,
            threads: threads.collect(),
            rss_before_bytes: before.memory,
            rss_connected_bytes: connected.memory.resident,
            rss_peak_bytes: peak,
            rss_per_connection_bytes: float(added) / connections,
            slow_socket_bytes: seen.kernel,
            handshakes_per_second: handshakes / handshake_seconds,
            server_us_per_handshake: handshake_us / handshakes.max(1.0),
            handshake_ms: percentiles(&crowd.visits.took),
            handshakes_failed: crowd.visits.failed,
            load_cpu: ran,
            load_saturated: ran + waited > SATURATED,
            machine_load: process::machine_load(),
        }
    }
}

/// A count as a factor.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn percentiles(all: &Histogram<u64>) -> Option<Latency> {
    let ms = |us: u64| float(us) / 1e3;
    let at = |quantile| ms(all.value_at_quantile(quantile));
    (!all.is_empty()).then(|| Latency {
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: ms(all.max()),
    })
}
