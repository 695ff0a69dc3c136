//! What was to be reached, held against what was measured. It knows the targets and nothing of how the
//! figures came to be.

use crate::measurement::Measurement;

use super::results::{Results, Role};
use super::text::{bytes, count, fixed};

/// The room of a thousand at a hundred messages a second.
pub(crate) const PACED: &str = "room-1000-paced";
/// The same room, as fast as it goes.
pub(crate) const SATURATED: &str = "room-1000-saturated";
/// Ten thousand in one room.
pub(crate) const LARGE: &str = "room-10000-paced";
/// Everybody joined, nobody talks.
pub(crate) const IDLE: &str = "idle-19000";
/// Some never read.
pub(crate) const SLOW: &str = "slow-1000";
/// The same, and everybody reads.
pub(crate) const TWIN: &str = "slow-1000-twin";
/// Everybody comes at once.
pub(crate) const STORM: &str = "storm";
/// One shard, and two.
pub(crate) const SHARDS: [&str; 2] = ["shards-1", "shards-2"];

const SMOL: &str = "runtime-smol";
/// The experiment: what the length of a frame takes.
const LONG_FLOOR: &str = "floor-batched-long";
const STD: &str = "runtime-std";
/// What one connection may have queued, by default.
const WINDOW_BYTES: f64 = 262_144.0;
/// What the kernel may hold for one sending socket, by default.
const SNDBUF_BYTES: f64 = 65_536.0;
/// What the kernel holds on the side of a client that never reads: twice what it asked for. Both
/// sides are on one machine.
const READER_BYTES: f64 = 8192.0;
/// How many of the slow workload's clients never read.
const NEVER_READ: f64 = 10.0;

/// One thing to reach.
pub(crate) struct Target {
    /// The work.
    pub(crate) work: &'static str,
    /// What is to be reached, in words.
    pub(crate) wanted: &'static str,
    /// What was measured, in words; none if it was not.
    pub(crate) found: Option<(String, Verdict)>,
}

/// Whether a target is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    Missed,
}

fn verdict(holds: bool) -> Verdict {
    if holds { Verdict::Holds } else { Verdict::Missed }
}

/// The processor time of the server for each delivery, in µs.
pub(crate) fn cpu(measured: &Measurement) -> f64 {
    measured.server_user_us_per_delivery + measured.server_system_us_per_delivery
}

pub(crate) fn p99(measured: &Measurement) -> Option<f64> {
    Some(measured.latency_ms.as_ref()?.p99)
}

/// Every target, in the order in which they were set.
pub(crate) fn targets(results: &Results) -> Vec<Target> {
    let mut all = paced(results);
    all.extend(saturated(results));
    all.extend(large(results));
    all.extend(memory(results));
    all.extend(slow(results));
    all.extend(storm(results));
    all.extend(shards(results));
    all.extend(threads(results));
    all.push(losses(results));
    all
}

/// A figure of ours beside another's, as «a beside b, r ×».
fn ratio(ours: Option<f64>, other: Option<f64>, limit: f64) -> Option<(String, Verdict)> {
    let (ours, other) = (ours?, other?);
    let ratio = ours / other;
    let text = format!("{} beside {}, {} ×", fixed(ours), fixed(other), fixed(ratio));
    Some((text, verdict(ratio <= limit)))
}

/// The best of the peers' figures, and whose it is.
fn best_peer<'a>(
    results: &'a Results,
    workload: &'a str,
    figure: impl Fn(&Measurement) -> Option<f64>,
    is_better: impl Fn(f64, f64) -> bool,
) -> Option<(&'a str, f64)> {
    let peers = results.under(workload).filter(|(server, _)| server.role == Role::Peer);
    let figures = peers.filter_map(|(server, found)| Some((&*server.name, figure(found)?)));
    figures.reduce(|best, next| if is_better(next.1, best.1) { next } else { best })
}

fn paced(results: &Results) -> Vec<Target> {
    let work = "1,000 connections in one room, 100 messages a second, 64 B";
    let (ours, floor) = (results.of(SMOL, PACED), results.of("floor", PACED));
    let long = results.of(LONG_FLOOR, PACED);
    let user = ours.map(|ours| ours.server_user_us_per_delivery);
    let best = best_peer(results, PACED, p99, |a, b| a < b);
    let latency = ours.and_then(p99).zip(best).map(|(ours, (name, best))| {
        let text = format!("{} ms beside {} ms of {name}", fixed(ours), fixed(best));
        (text, verdict(ours <= best))
    });
    vec![
        Target {
            work,
            wanted: "CPU a delivery at most 1.10 × the floor's",
            found: ratio(ours.map(cpu), floor.map(cpu), 1.10),
        },
        Target {
            work,
            wanted: "the same beside a floor whose frames are as long",
            found: ratio(ours.map(cpu), long.map(cpu), 1.10),
        },
        Target {
            work,
            wanted: "user time at most 0.6 µs a delivery",
            found: user.map(|user| (format!("{} µs", fixed(user)), verdict(user <= 0.6))),
        },
        Target { work, wanted: "p99 no worse than the best peer's", found: latency },
    ]
}

fn saturated(results: &Results) -> Vec<Target> {
    let work = "the same at saturation";
    let (ours, floor) = (results.of(SMOL, SATURATED), results.of("floor-batched", SATURATED));
    let long = results.of(LONG_FLOOR, SATURATED);
    let rate = |found: &Measurement| found.deliveries_per_second;
    let rates = |floor: Option<&Measurement>| {
        ours.map(rate).zip(floor.map(rate)).map(|(ours, floor)| {
            let ratio = ours / floor;
            let text = format!("{} beside {}, {} ×", count(ours), count(floor), fixed(ratio));
            (text, verdict(ratio >= 0.9))
        })
    };
    let best = best_peer(results, SATURATED, |found| Some(rate(found)), |a, b| a > b);
    let ahead = ours.map(rate).zip(best).map(|(ours, (name, best))| {
        let text = format!("{} beside {} of {name}", count(ours), count(best));
        (text, verdict(ours > best))
    });
    vec![
        Target {
            work,
            wanted: "deliveries a second at least 0.9 × the batched floor's",
            found: rates(floor),
        },
        Target {
            work,
            wanted: "CPU a delivery at most 1.2 × the batched floor's",
            found: ratio(ours.map(cpu), floor.map(cpu), 1.2),
        },
        Target {
            work,
            wanted: "the same beside a batched floor whose frames are as long: deliveries",
            found: rates(long),
        },
        Target {
            work,
            wanted: "the same beside that floor: CPU a delivery",
            found: ratio(ours.map(cpu), long.map(cpu), 1.2),
        },
        Target { work, wanted: "more deliveries a second than every peer", found: ahead },
    ]
}

fn large(results: &Results) -> Vec<Target> {
    let (ours, floor) = (results.of(SMOL, LARGE), results.of("floor", LARGE));
    vec![Target {
        work: "10,000 connections, 5 messages a second",
        wanted: "CPU a delivery at most 1.15 × the floor's",
        found: ratio(ours.map(cpu), floor.map(cpu), 1.15),
    }]
}

fn memory(results: &Results) -> Vec<Target> {
    let idle = results.of(SMOL, IDLE).map(|found| found.rss_per_connection_bytes);
    let publishes = results.publishes_per_second;
    vec![
        Target {
            work: "19,000 idle connections, joined to one room",
            wanted: "at most 2 KiB of resident memory a connection; the goal is 1 KiB",
            found: idle.map(|idle| (bytes(idle), verdict(idle <= 2048.0))),
        },
        Target {
            work: "1,000 rooms of 10, everybody talks, without sockets",
            wanted: "at least 200,000 publishes a second through the hub on one core",
            found: publishes.map(|rate| (count(rate), verdict(rate >= 200_000.0))),
        },
    ]
}

#[expect(clippy::cast_precision_loss, reason = "sizes of memory are far below 2^52")]
fn slow(results: &Results) -> Vec<Target> {
    let work = "10 of 1,000 never read, 4 KiB";
    let (slow, none) = (results.of(SMOL, SLOW), results.of(SMOL, TWIN));
    let each = |all: f64, limit: f64| {
        let each = all.max(0.0) / NEVER_READ;
        (format!("{} each", bytes(each)), verdict(each <= limit))
    };
    let peaks = slow.zip(none).map(|both| <[_; 2]>::from(both).map(|m| m.rss_peak_bytes as f64));
    let sockets = slow.and_then(|found| found.slow_socket_bytes);
    vec![
        Target {
            work,
            wanted: "the others' p99 at most 1.2 × of that without them",
            found: ratio(slow.and_then(p99), none.and_then(p99), 1.2),
        },
        Target {
            work,
            wanted: "resident memory grows by at most a window (256 KiB) each",
            found: peaks.map(|[slow, none]| each(slow - none, WINDOW_BYTES)),
        },
        Target {
            work,
            wanted: "the kernel's socket memory is at most twice `SO_SNDBUF` (128 KiB) each, and \
                     the reader's own 8 KiB",
            found: sockets.map(|all| each(all as f64, 2.0 * SNDBUF_BYTES + READER_BYTES)),
        },
    ]
}

fn storm(results: &Results) -> Vec<Target> {
    let work = "connect storm";
    let (ours, floor) = (results.of(SMOL, STORM), results.of("floor-greeting", STORM));
    let each = |found: &Measurement| found.server_us_per_handshake;
    let rate = ours.map(|ours| ours.handshakes_per_second);
    let latency = ours.and_then(p99);
    vec![
        Target {
            work,
            wanted: "CPU a handshake at most 1.6 × that of a floor that sends the same bytes",
            found: ratio(ours.map(each), floor.map(each), 1.6),
        },
        Target {
            work,
            wanted: "7,000 handshakes a second (a goal)",
            found: rate.map(|rate| (count(rate), verdict(rate >= 7000.0))),
        },
        Target {
            work,
            wanted: "the room's p99 meanwhile below 100 ms",
            found: latency.map(|p99| (format!("{} ms", fixed(p99)), verdict(p99 < 100.0))),
        },
    ]
}

fn shards(results: &Results) -> Vec<Target> {
    let work = "two shards against one, the same load";
    let [one, two] = SHARDS.map(|workload| results.of(SMOL, workload));
    let used = |is_ours: fn(&str) -> bool| -> Option<Vec<f64>> {
        let ours = two?.threads.iter().filter(|thread| is_ours(&thread.name));
        Some(ours.map(|thread| thread.user_us + thread.system_us).collect())
    };
    let (shards, hub) = (used(|name| name.starts_with("shard-")), used(is_hub));
    let all = used(|_| true).map(|all| all.iter().sum::<f64>());
    let largest = shards.filter(|shards| shards.len() == 2).map(|shards| {
        let share = 100.0 * shards[0].max(shards[1]) / (shards[0] + shards[1]);
        (format!("{share:.0} %"), verdict(share <= 60.0))
    });
    let hub = hub.filter(|hub| !hub.is_empty()).zip(all).map(|(hub, all)| {
        let share = 100.0 * hub.iter().sum::<f64>() / all;
        (format!("{share:.1} %"), verdict(share < 10.0))
    });
    vec![
        Target {
            work,
            wanted: "CPU a delivery at most 1.15 ×",
            found: ratio(two.map(cpu), one.map(cpu), 1.15),
        },
        Target { work, wanted: "no shard above 60 % of the shards' CPU", found: largest },
        Target { work, wanted: "the hub's own share below 10 % of the total", found: hub },
    ]
}

/// The main thread drives the hub; it has the process's name.
fn is_hub(thread: &str) -> bool {
    thread == "hub" || thread == SMOL
}

fn threads(results: &Results) -> Vec<Target> {
    let work = "`runtime-std`, 1,000 connections";
    let beside = |workload: &str| {
        // The example's way and the one without joined frames: the better one counts.
        let hubs = ["gorilla", "gorilla-joined"].map(|name| results.of(name, workload).map(cpu));
        let best = hubs.into_iter().flatten().reduce(f64::min);
        ratio(results.of(STD, workload).map(cpu), best, 1.0)
    };
    let held = results.of(STD, PACED).map(|found| found.rss_per_connection_bytes);
    vec![
        Target {
            work,
            wanted: "less CPU a delivery than gorilla's hub, paced",
            found: beside(PACED),
        },
        Target {
            work,
            wanted: "less CPU a delivery than gorilla's hub, saturated",
            found: beside(SATURATED),
        },
        Target {
            work,
            wanted: "at most 24 KiB of resident memory a connection",
            found: held.map(|held| (bytes(held), verdict(held <= 24_576.0))),
        },
    ]
}

fn losses(results: &Results) -> Target {
    let ours = results.servers.iter().filter(|server| server.role == Role::Ours);
    let names: Vec<&str> = ours.map(|server| &*server.name).collect();
    let mine = results.medians.iter().filter(|found| names.contains(&&*found.server));
    let lost: Vec<u64> = mine.map(|found| found.lost).collect();
    let sum: u64 = lost.iter().sum();
    Target {
        work: "every workload, both runtimes, the worst run",
        wanted: "nothing is lost that was not told as a gap",
        found: (!lost.is_empty()).then(|| (format!("{sum} lost"), verdict(sum == 0))),
    }
}
