//! What one run of the load generator found, as JSON and as a table. This file does not know how it
//! was found.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Latencies or durations, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half were faster.
    pub p50: f64,
    /// Nine in ten were faster.
    pub p90: f64,
    /// 99 in 100 were faster.
    pub p99: f64,
    /// 999 in 1,000 were faster.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

/// The processor time of the server's threads of one name, in the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// Its name, as the system has it: 15 bytes at most.
    pub name: String,
    /// In the program, in microseconds.
    pub user_us: f64,
    /// In the kernel.
    pub system_us: f64,
}

/// One workload against one server. "The window" is what is measured of it, after the warm-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What the server is called.
    pub server: String,
    /// What the workload is called.
    pub workload: String,
    /// Connections that receive.
    pub connections: u64,
    /// Further connections that never read.
    pub slow: u64,
    /// Bytes of a text.
    pub payload_bytes: u64,
    /// The length of the window.
    pub seconds: f64,
    /// Texts sent in the window.
    pub offered: u64,
    /// Deliveries that came in the window.
    pub deliveries: u64,
    /// Texts sent in the window, times the connections that receive.
    pub expected: u64,
    /// Deliveries of the whole run that never came and were not told as a gap.
    pub lost: u64,
    /// Deliveries that the server told as gaps.
    pub told_gaps: u64,
    /// Deliveries that came again.
    pub duplicates: u64,
    /// Deliveries that came after a later one of the same sender.
    pub misordered: u64,
    /// Connections that were to stay and read, and were closed.
    pub closed: u64,
    /// Connections that never read, and were closed.
    pub slow_closed: u64,
    /// From the time a text was meant to be sent; none without a schedule.
    pub latency_ms: Option<Latency>,
    /// How much later than meant the generator itself sent; none without a schedule.
    pub late_ms: Option<Latency>,
    /// Deliveries in the window, by its length.
    pub deliveries_per_second: f64,
    /// The server's time in its program, by deliveries; 0 if there were none.
    pub server_user_us_per_delivery: f64,
    /// The server's time in the kernel, by deliveries.
    pub server_system_us_per_delivery: f64,
    /// The cores that the server used in the window.
    pub server_cpu: f64,
    /// The server's threads, by name.
    pub threads: Vec<Thread>,
    /// The server's memory before anybody connected.
    pub rss_before_bytes: u64,
    /// When everybody was connected, and nothing had been said.
    pub rss_connected_bytes: u64,
    /// The most in the server's life so far.
    pub rss_peak_bytes: u64,
    /// What each connection added.
    pub rss_per_connection_bytes: f64,
    /// What the kernel holds for those that never read, on both sides, at the most in the window.
    pub slow_socket_bytes: Option<u64>,
    /// Upgrades with greetings in a second: of visitors, or of everybody at the beginning.
    pub handshakes_per_second: f64,
    /// The server's time for each of them; with visitors, beyond what it uses without them.
    pub server_us_per_handshake: f64,
    /// From the beginning of a visitor's connection to the last greeting.
    pub handshake_ms: Option<Latency>,
    /// Visitors that were not greeted.
    pub handshakes_failed: u64,
    /// The cores that the load generator used in the window; it has one thread.
    pub load_cpu: f64,
    /// Whether the generator had no time left, so that the figures are its own and not the server's.
    pub load_saturated: bool,
    /// The machine's load average over a minute, at the end.
    pub machine_load: Option<f64>,
}

impl Measurement {
    /// What must not be: losses without a word, repetitions, wrong order, closed connections.
    pub fn failures(&self) -> Vec<String> {
        let counts = [
            (self.lost, "deliveries lost without a word"),
            (self.duplicates, "deliveries repeated"),
            (self.misordered, "deliveries out of order"),
            (self.closed, "connections closed by the server"),
        ];
        let bad = counts.into_iter().filter(|(count, _)| *count > 0);
        bad.map(|(count, what)| format!("{count} {what}")).collect()
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "{name:<24} {value}");
        row("server", self.server.clone())?;
        row("workload", self.workload.clone())?;
        row("connections", format!("{} + {} that never read", self.connections, self.slow))?;
        row("texts", format!("{} of {} bytes", self.offered, self.payload_bytes))?;
        let of = (self.deliveries, self.seconds, self.deliveries_per_second);
        row("deliveries", format!("{} in {:.1} s, {:.0}/s", of.0, of.1, of.2))?;
        row("lost, told as gaps", format!("{}, {}", self.lost, self.told_gaps))?;
        row("latency ms", percentiles(self.latency_ms))?;
        row("sent late by ms", percentiles(self.late_ms))?;
        let (user, system) = (self.server_user_us_per_delivery, self.server_system_us_per_delivery);
        let whole = user + system;
        row("server µs/delivery", format!("{whole:.2} (user {user:.2}, system {system:.2})"))?;
        row("server cores", format!("{:.2}", self.server_cpu))?;
        for Thread { name, user_us, system_us } in &self.threads {
            let (user, system) = (user_us / 1e6, system_us / 1e6);
            row(&format!("  {name}"), format!("user {user:.2} s, system {system:.2} s"))?;
        }
        let (before, connected) = (kib(self.rss_before_bytes), kib(self.rss_connected_bytes));
        let peak = kib(self.rss_peak_bytes);
        row("resident KiB", format!("{before} before, {connected} connected, {peak} at most"))?;
        row("bytes/connection", format!("{:.0}", self.rss_per_connection_bytes))?;
        if let Some(bytes) = self.slow_socket_bytes {
            row("slow ones' sockets KiB", kib(bytes).to_string())?;
        }
        let (speed, price) = (self.handshakes_per_second, self.server_us_per_handshake);
        row("handshakes", format!("{speed:.0}/s, {price:.0} µs each"))?;
        if self.handshake_ms.is_some() {
            row("handshake ms", percentiles(self.handshake_ms))?;
            row("turned away", self.handshakes_failed.to_string())?;
        }
        let saturated = if self.load_saturated { ", SATURATED" } else { "" };
        row("generator's cores", format!("{:.2}{saturated}", self.load_cpu))
    }
}

fn kib(bytes: u64) -> u64 {
    bytes / 1024
}

fn percentiles(all: Option<Latency>) -> String {
    let Some(Latency { p50, p90, p99, p999, max }) = all else { return "-".to_owned() };
    format!("p50 {p50:.2}  p90 {p90:.2}  p99 {p99:.2}  p99.9 {p999:.2}  max {max:.2}")
}
