//! How long the hub takes: for a publish to many, and for a tick that has nothing to do.
//!
//! `cargo bench -p bench --bench time`

use std::hint::black_box;
use std::time::Duration;

use bench::{SEATED, hub, say, seat};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use roundtable::Event;

/// 64 bytes of text.
const TEXT: &str = "0123456789012345678901234567890123456789012345678901234567890123";

/// A publish to everybody in one room. The figure is the time for each recipient.
fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan_out");
    for members in [100, 1000, 10_000] {
        let mut hub = hub();
        seat(&mut hub, members, 1);
        let mut commands = Vec::new();
        group.throughput(Throughput::Elements(members));
        group.bench_function(format!("{members} live"), |bencher| {
            bencher.iter(|| {
                commands.clear();
                say(&mut hub, SEATED, 0, TEXT, black_box(&mut commands));
            });
        });
    }
    group.finish();
}

/// The same while somebody comes and goes before each publish: the list is made anew each time.
fn fan_out_with_churn(criterion: &mut Criterion) {
    let members = 10_000;
    let mut hub = hub();
    seat(&mut hub, members, 1);
    let mut commands = Vec::new();
    let mut group = criterion.benchmark_group("fan_out");
    group.throughput(Throughput::Elements(members));
    group.bench_function("10000 live, one leaves and joins", |bencher| {
        bencher.iter(|| {
            commands.clear();
            let (leave, join) =
                (r#"{"type":"leave","room":"room 0"}"#, r#"{"type":"join","room":"room 0"}"#);
            say(&mut hub, SEATED, 5, leave, &mut commands);
            say(&mut hub, SEATED, 5, join, &mut commands);
            say(&mut hub, SEATED, 0, TEXT, black_box(&mut commands));
        });
    });
    group.finish();
}

/// A publish with an `id` in one of many rooms of ten, everybody talking in turn.
fn many_rooms(criterion: &mut Criterion) {
    let sessions = 10_000;
    let mut hub = hub();
    seat(&mut hub, sessions, 1000);
    let (mut commands, mut turn) = (Vec::new(), 0);
    let frames: Vec<String> = (0..1000)
        .map(|room| format!(r#"{{"type":"publish","id":1,"room":"room {room}","data":"{TEXT}"}}"#))
        .collect();
    let mut group = criterion.benchmark_group("publish");
    group.throughput(Throughput::Elements(1));
    group.bench_function("1000 rooms of 10", |bencher| {
        bencher.iter(|| {
            commands.clear();
            let conn = turn % sessions;
            say(&mut hub, SEATED, conn, &frames[(conn % 1000) as usize], &mut commands);
            turn += 1;
        });
    });
    group.finish();
}

/// A tick with nothing due must not depend on how many are connected.
fn idle_tick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("idle_tick");
    for sessions in [1000, 1_000_000] {
        let mut hub = hub();
        seat(&mut hub, sessions, 1);
        let now = SEATED + Duration::from_secs(1);
        let mut commands = Vec::new();
        group.bench_function(format!("{sessions} connected"), |bencher| {
            bencher.iter_batched(
                || (),
                |()| hub.handle(now, Event::Tick, black_box(&mut commands)),
                BatchSize::SmallInput,
            );
        });
        assert!(commands.is_empty(), "nothing was due");
    }
    group.finish();
}

criterion_group!(benches, fan_out, fan_out_with_churn, many_rooms, idle_tick);
criterion_main!(benches);
