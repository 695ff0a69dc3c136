//! A few made-up measurements and the document of them; and the document that the repository has.

use expect_test::expect_file;

use super::{Machine, Results, Role, Server, Workload};
use crate::measurement::{Latency, Measurement, Thread};

/// A measurement in which every figure is told from the others.
pub(crate) fn measurement(server: &str, workload: &str) -> Measurement {
    Measurement {
        server: server.to_owned(),
        workload: workload.to_owned(),
        connections: 1000,
        slow: 0,
        payload_bytes: 64,
        seconds: 10.0,
        offered: 1000,
        deliveries: 1_000_000,
        expected: 1_000_000,
        lost: 0,
        told_gaps: 0,
        duplicates: 0,
        misordered: 0,
        closed: 0,
        slow_closed: 0,
        latency_ms: Some(Latency { p50: 4.0, p90: 8.0, p99: 21.5, p999: 30.0, max: 41.0 }),
        late_ms: None,
        deliveries_per_second: 100_000.0,
        server_user_us_per_delivery: 0.5,
        server_system_us_per_delivery: 8.5,
        server_cpu: 0.9,
        threads: Vec::new(),
        rss_before_bytes: 1_000_000,
        rss_connected_bytes: 2_000_000,
        rss_peak_bytes: 3_000_000,
        rss_per_connection_bytes: 1000.0,
        slow_socket_bytes: Some(1_000_000),
        handshakes_per_second: 8000.0,
        server_us_per_handshake: 60.0,
        handshake_ms: None,
        handshakes_failed: 0,
        load_cpu: 0.7,
        load_saturated: false,
        machine_load: Some(1.0),
    }
}

fn server(name: &str, role: Role) -> Server {
    Server {
        name: name.to_owned(),
        role,
        what: format!("what {name} is"),
        versions: "1.0".to_owned(),
        command: format!("{name} --go"),
    }
}

/// Everything happens once: targets that hold, that are missed, that were not measured; peers ahead and
/// behind; a loss; a load generator at its limit.
fn results() -> Results {
    let names = [
        ("floor", Role::Floor),
        ("floor-batched", Role::Floor),
        ("runtime-smol", Role::Ours),
        ("runtime-std", Role::Ours),
        ("gorilla", Role::Peer),
        ("node-ws", Role::Peer),
    ];
    let works =
        ["room-1000-paced", "room-1000-saturated", "idle-19000", "slow-1000", "slow-1000-twin"];
    let mut medians = Vec::new();
    for work in works {
        for (place, (name, _)) in (0_u32..).zip(names) {
            let mut found = measurement(name, work);
            let place = f64::from(place);
            found.server_system_us_per_delivery = 8.5 + place / 4.0;
            found.deliveries_per_second = 1_000_000.0 - 90_000.0 * place;
            found.rss_per_connection_bytes = 50.0 * 4_f64.powf(place);
            if let Some(latency) = &mut found.latency_ms {
                latency.p99 += place;
            }
            medians.push(found);
        }
    }
    // A peer that is faster, but loses, and more than the load generator could tell.
    let fast = medians
        .iter_mut()
        .find(|found| found.server == "gorilla" && found.workload == "room-1000-saturated");
    let fast = fast.expect("it is there");
    fast.deliveries_per_second = 990_000.0;
    fast.lost = 12;
    fast.load_saturated = true;
    let slow = medians
        .iter_mut()
        .find(|found| found.server == "runtime-smol" && found.workload == "slow-1000");
    slow.expect("it is there").rss_peak_bytes += 5_000_000;
    for work in ["room-1000-paced", "room-1000-saturated"] {
        let mut long = measurement("floor-batched-long", work);
        (long.deliveries_per_second, long.server_system_us_per_delivery) = (850_000.0, 8.75);
        medians.push(long);
    }
    let mut shards = measurement("runtime-smol", "shards-2");
    let thread = |name: &str, user_us| Thread { name: name.to_owned(), user_us, system_us: 10.0 };
    shards.threads =
        vec![thread("runtime-smol", 5.0), thread("shard-0", 90.0), thread("shard-1", 50.0)];
    medians.push(shards);
    let workload = |name: &str| Workload {
        name: name.to_owned(),
        what: format!("What happens in {name}"),
        command: format!("bench load --workload {name}"),
        flags: String::new(),
    };
    Results {
        machine: Machine {
            cpu: "A Processor".to_owned(),
            cores: 2,
            memory_bytes: 16 << 30,
            kernel: "6.1".to_owned(),
            rustc: "rustc 1.0".to_owned(),
        },
        runs: 3,
        servers: names.map(|(name, role)| server(name, role)).into(),
        workloads: works.into_iter().chain(["shards-2", "storm"]).map(workload).collect(),
        publishes_per_second: Some(250_000.0),
        medians,
    }
}

#[test]
fn a_fixed_set_of_measurements_gives_the_expected_document() {
    let files = super::files(&results());
    let names: Vec<&str> = files.iter().map(|(name, _)| &**name).collect();
    assert_eq!(
        names,
        [
            "benchmarks.md",
            "benchmarks/throughput.svg",
            "benchmarks/latency.svg",
            "benchmarks/memory.svg"
        ]
    );
    expect_file!["expected/benchmarks.md.txt"].assert_eq(&files[0].1);
    expect_file!["expected/throughput.svg"].assert_eq(&files[1].1);
    expect_file!["expected/latency.svg"].assert_eq(&files[2].1);
    expect_file!["expected/memory.svg"].assert_eq(&files[3].1);
}

#[test]
fn results_are_the_same_after_they_were_kept() {
    let text = results().to_json();
    let read: Results = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(read.to_json(), text);
    assert_eq!(text.lines().filter(|line| line.contains("\"connections\"")).count(), 33);
}

#[test]
fn the_document_in_the_repository_is_made_of_its_results() {
    let folder = super::root().join("docs");
    let results = super::read(&folder).expect("results that can be read");
    for (path, text) in super::files(&results) {
        let there = std::fs::read_to_string(folder.join(&path)).expect("a file beside the results");
        assert!(there == text, "docs/{path} is not what `bench report` makes of the results");
    }
}
