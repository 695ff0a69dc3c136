//! What happens outside of the hub's loop, counted by whoever it happens to, and what the system says of
//! the process.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use roundtable::CloseCode;

/// The statuses that the front door answers with, other than the one that grants an upgrade.
const STATUSES: [u16; 13] = [200, 304, 400, 401, 403, 404, 405, 408, 426, 429, 431, 503, 505];

/// Counts that many threads add to. Nothing here is on the way of a message.
#[derive(Debug, Default)]
pub struct Edge {
    accept_failures: AtomicU64,
    accept_waits: AtomicU64,
    tls_failures: AtomicU64,
    answers: [AtomicU64; STATUSES.len()],
    broken: [AtomicU64; CloseCode::ALL.len()],
}

impl Edge {
    /// A connection could not be accepted.
    pub fn accept_failed(&self) {
        self.accept_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// All of `max_connections` are there, and whoever knocks next must wait.
    pub fn accept_waits(&self) {
        self.accept_waits.fetch_add(1, Ordering::Relaxed);
    }

    /// TLS failed, in the handshake or later.
    pub fn tls_failed(&self) {
        self.tls_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Reading ended with this error: TLS's, if it is not the system's.
    pub fn reading_failed(&self, error: &io::Error) {
        if error.get_ref().is_some() {
            self.tls_failed();
        }
    }

    /// The front door answered a request that it does not upgrade.
    pub fn answered(&self, answer: &[u8]) {
        let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        let status: Option<u16> = status.and_then(|digits| digits.parse().ok());
        let index = STATUSES.iter().position(|known| Some(*known) == status);
        if let Some(index) = index {
            self.answers[index].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A peer broke the rules of WebSocket, or a limit below the hub, and is closed with `code`.
    pub fn broken(&self, code: CloseCode) {
        let index = CloseCode::ALL.iter().position(|of| *of == code);
        if let Some(index) = index {
            self.broken[index].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn accept_failures(&self) -> u64 {
        self.accept_failures.load(Ordering::Relaxed)
    }

    pub(super) fn waits(&self) -> u64 {
        self.accept_waits.load(Ordering::Relaxed)
    }

    pub(super) fn tls_failures(&self) -> u64 {
        self.tls_failures.load(Ordering::Relaxed)
    }

    /// Each status with how often it was answered.
    pub(super) fn answers(&self) -> impl Iterator<Item = (u16, u64)> {
        STATUSES.into_iter().zip(self.answers.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Each code with how often a peer was closed with it, below the hub.
    pub(super) fn broken_with(&self) -> impl Iterator<Item = (CloseCode, u64)> {
        CloseCode::ALL
            .into_iter()
            .zip(self.broken.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

/// What the system says of this process. Where it says nothing, all is zero.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Process {
    /// Memory that is in use and not swapped out.
    pub(super) resident_bytes: u64,
    /// Open files, sockets among them.
    pub(super) open_files: u64,
    /// Threads.
    pub(super) threads: u64,
}

impl Process {
    /// Asks the system.
    pub(super) fn read() -> Self {
        let status = status();
        let open_files = fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64);
        let threads = number(&status, "Threads:");
        Self { resident_bytes: number(&status, "VmRSS:") * 1024, open_files, threads }
    }
}

/// The memory of this process that is in use and not swapped out; 0 where the system does not say.
pub(crate) fn resident_bytes() -> u64 {
    number(&status(), "VmRSS:") * 1024
}

fn status() -> String {
    fs::read_to_string("/proc/self/status").unwrap_or_default()
}

fn number(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Door;

    #[test]
    fn an_answer_is_counted_by_its_status() {
        let edge = Edge::default();
        edge.answered(&Door::timeout_answer());
        edge.answered(&Door::full_answer());
        edge.answered(b"HTTP/1.1 999 What\r\n\r\n");
        edge.answered(b"");
        let found: Vec<(u16, u64)> = edge.answers().filter(|(_, count)| *count > 0).collect();
        assert_eq!(found, [(408, 1), (503, 1)]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_says_what_the_process_has() {
        let process = Process::read();
        assert!(process.resident_bytes > 100_000 && process.open_files > 2, "{process:?}");
        assert!(process.threads > 0, "{process:?}");
    }
}
