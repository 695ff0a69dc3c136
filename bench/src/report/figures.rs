//! Which figures count under which workload, how each is read, and which way is better: the tables and
//! the section on losses are made of the same ones.

use crate::measurement::Measurement;

use super::results::{Results, Role};
use super::targets::{IDLE, LARGE, PACED, SATURATED, SLOW, STORM, TWIN, cpu, p99};
use super::text::{Columns, bytes, count, fixed, table};

/// Which way a figure is better; of some neither way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Better {
    Less,
    More,
    Neither,
}

/// One figure of a measurement.
struct Figure {
    name: &'static str,
    of: fn(&Measurement) -> Option<f64>,
    text: fn(f64) -> String,
    better: Better,
}

const CPU: Figure =
    Figure { name: "CPU µs a delivery", of: |m| Some(cpu(m)), text: fixed, better: Better::Less };
const USER: Figure = Figure {
    name: "of it user",
    of: |m| Some(m.server_user_us_per_delivery),
    text: fixed,
    better: Better::Neither,
};
const RATE: Figure = Figure {
    name: "deliveries a second",
    of: |m| Some(m.deliveries_per_second),
    text: count,
    better: Better::More,
};
const P50: Figure = Figure {
    name: "p50 ms",
    of: |m| Some(m.latency_ms.as_ref()?.p50),
    text: fixed,
    better: Better::Less,
};
const P99: Figure = Figure { name: "p99 ms", of: p99, text: fixed, better: Better::Less };
const P999: Figure = Figure {
    name: "p99.9 ms",
    of: |m| Some(m.latency_ms.as_ref()?.p999),
    text: fixed,
    better: Better::Less,
};
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
const LOST: Figure =
    Figure { name: "lost", of: |m| Some(m.lost as f64), text: count, better: Better::Less };
const RSS_EACH: Figure = Figure {
    name: "resident a connection",
    of: |m| Some(m.rss_per_connection_bytes),
    text: bytes,
    better: Better::Less,
};
#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
const RSS_PEAK: Figure = Figure {
    name: "resident at most",
    of: |m| Some(m.rss_peak_bytes as f64),
    text: bytes,
    better: Better::Less,
};
#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
const KERNEL: Figure = Figure {
    name: "sockets of those that never read",
    of: |m| m.slow_socket_bytes.map(|bytes| bytes as f64),
    text: bytes,
    better: Better::Less,
};
const HANDSHAKES: Figure = Figure {
    name: "handshakes a second",
    of: |m| Some(m.handshakes_per_second),
    text: count,
    better: Better::More,
};
const HANDSHAKE: Figure = Figure {
    name: "CPU µs a handshake",
    of: |m| Some(m.server_us_per_handshake),
    text: fixed,
    better: Better::Less,
};
const LOAD: Figure = Figure {
    name: "cores of the load generator",
    of: |m| Some(m.load_cpu),
    text: fixed,
    better: Better::Neither,
};

/// What is looked at under a workload.
fn figures(workload: &str) -> &'static [Figure] {
    match workload {
        PACED | LARGE => &[CPU, USER, P50, P99, P999, LOST, LOAD],
        SATURATED => &[RATE, CPU, USER, LOST, LOAD],
        IDLE => &[RSS_EACH, HANDSHAKES, HANDSHAKE],
        SLOW => &[CPU, P50, P99, RSS_PEAK, KERNEL, LOST],
        TWIN => &[CPU, P50, P99, RSS_PEAK, LOST],
        STORM => &[HANDSHAKES, HANDSHAKE, P50, P99, LOST, LOAD],
        _ => &[RATE, CPU, USER, P50, P99, LOST],
    }
}

/// Everybody's figures under a workload, as a table.
pub(crate) fn measured(results: &Results, workload: &str) -> String {
    let figures = figures(workload);
    let mut head = vec!["server"];
    head.extend(figures.iter().map(|figure| figure.name));
    let rows: Vec<Vec<String>> = results
        .under(workload)
        .map(|(server, found)| {
            let mark = if found.load_saturated { " \\*" } else { "" };
            let name = match server.role {
                Role::Ours => format!("**{}**{mark}", server.name),
                Role::Floor => format!("*{}*{mark}", server.name),
                Role::Peer => format!("{}{mark}", server.name),
            };
            let cells = figures.iter().map(|figure| {
                (figure.of)(found).map_or_else(|| "–".to_owned(), |value| (figure.text)(value))
            });
            std::iter::once(name).chain(cells).collect()
        })
        .collect();
    table(Columns::Numbers, &head, &rows)
}

/// One line for each figure in which a peer is better than one of ours, the best peer first.
pub(crate) fn losses(results: &Results) -> Vec<String> {
    let mut lines = Vec::new();
    for workload in &results.workloads {
        for figure in figures(&workload.name).iter().filter(|f| f.better != Better::Neither) {
            let ours =
                results.under(&workload.name).filter(|(server, _)| server.role == Role::Ours);
            for (server, found) in ours {
                let Some(value) = (figure.of)(found) else { continue };
                let ahead = ahead(results, &workload.name, figure, value);
                if !ahead.is_empty() {
                    let value = (figure.text)(value);
                    let place = format!("`{}`, {}", workload.name, figure.name);
                    lines.push(format!("{place}: {} {value}; {}", server.name, ahead.join(", ")));
                }
            }
        }
    }
    lines
}

/// The peers that have a better figure, with it.
fn ahead(results: &Results, workload: &str, figure: &Figure, ours: f64) -> Vec<String> {
    let peers = results.under(workload).filter(|(server, _)| server.role == Role::Peer);
    let mut better: Vec<(&str, f64)> = peers
        .filter_map(|(server, found)| Some((&*server.name, (figure.of)(found)?)))
        .filter(|(_, value)| match figure.better {
            Better::Less => *value < ours,
            Better::More => *value > ours,
            Better::Neither => false,
        })
        .collect();
    better.sort_by(|a, b| match figure.better {
        Better::More => b.1.total_cmp(&a.1),
        Better::Less | Better::Neither => a.1.total_cmp(&b.1),
    });
    better.into_iter().map(|(name, value)| format!("{name} {}", (figure.text)(value))).collect()
}
