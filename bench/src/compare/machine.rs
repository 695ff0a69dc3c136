//! The machine that measures, and how fast its hub is without sockets.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::report::Machine;
use crate::{SEATED, hub, say, seat};

/// What the system says of the machine.
pub(super) fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (processor, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let value = |text: &str, key: &str| {
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        let found = fields.find(|(name, _)| name.trim() == key);
        found.map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let kib = value(&memory, "MemTotal");
    let kib: u64 = kib.trim_end_matches(" kB").parse().unwrap_or_default();
    let rustc = Command::new("rustc").arg("--version").output();
    Machine {
        cpu: value(&processor, "model name"),
        cores: std::thread::available_parallelism().map_or(1, Into::into),
        memory_bytes: kib * 1024,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        rustc: rustc.map_or_else(
            |_missing| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        ),
    }
}

/// How many publishes the hub handles a second on one core, JSON in and out included: 1,000 rooms of ten,
/// everybody talks in turn.
pub(super) fn publishes_per_second() -> f64 {
    const ROOMS: u64 = 1000;
    const LASTING: Duration = Duration::from_secs(2);
    let (mut hub, sessions) = (hub(), 10 * ROOMS);
    seat(&mut hub, sessions, ROOMS);
    let text = "0123456789abcdef".repeat(4);
    let frames: Vec<String> = (0..ROOMS)
        .map(|room| format!(r#"{{"type":"publish","id":1,"room":"room {room}","data":"{text}"}}"#))
        .collect();
    let mut commands = Vec::new();
    let (began, mut published) = (Instant::now(), 0_u32);
    loop {
        for (conn, frame) in (0..sessions).zip(frames.iter().cycle()) {
            commands.clear();
            say(&mut hub, SEATED, conn, frame, &mut commands);
            published += 1;
        }
        if began.elapsed() >= LASTING {
            return f64::from(published) / began.elapsed().as_secs_f64();
        }
    }
}
