//! Invariant 14: when all are gone and all has expired, the hub's heap is small. This file counts
//! what the whole process has, so it has one test.

use std::alloc::System;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use roundtable::{Config, ConnId, Event, Greeting, Hub, Name, Peer, RoomChoice, Timestamp};
use roundtable_tests::ORIGIN;
use roundtable_tests::driver::Driver;
use roundtable_tests::generator::Limits;
use roundtable_tests::strategy::{Readers, scripts};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What a hub may keep where nobody is.
const MOST: usize = 64 * 1024;

/// What dropping `hub` gives back.
fn heap_of(hub: Hub) -> usize {
    let region = Region::new(HEAP);
    drop(hub);
    region.change().bytes_deallocated
}

/// Ten thousand people in a thousand rooms, each of whom says something; then all go.
fn crowd(config: &Config) -> Hub {
    let mut hub = Hub::new(config.clone(), ORIGIN).expect("a valid configuration");
    let mut commands = Vec::new();
    let conns = || (0..10_000).map(ConnId::new);
    for conn in conns() {
        let room: Name = format!("room {}", conn.get() % 1000).parse().expect("a name");
        let greeting = Greeting { room: RoomChoice::Named(room), ..Greeting::default() };
        hub.handle(
            Timestamp::ZERO,
            Event::Connect { conn, peer: Peer::default(), greeting },
            &mut commands,
        );
        let text = "x".repeat(1000);
        hub.handle(Timestamp::ZERO, Event::Text { conn, text }, &mut commands);
        hub.handle(Timestamp::ZERO, Event::Flushed, &mut commands);
        commands.clear();
    }
    assert!(!hub.is_clean(), "the crowd left nothing behind it: {hub:?}");
    for conn in conns() {
        hub.handle(Timestamp::ZERO, Event::Disconnect { conn }, &mut commands);
    }
    let mut now = Timestamp::ZERO;
    while let Some(deadline) = hub.next_deadline() {
        now = now.max(deadline);
        hub.handle(now, Event::Tick, &mut commands);
    }
    hub
}

#[test]
fn invariant_14_a_clean_hub_has_a_small_heap() {
    let hub = crowd(&Config::default());
    assert!(hub.is_clean(), "{hub:?}");
    let heap = heap_of(hub);
    assert!(heap <= MOST, "a hub where ten thousand were keeps {heap} bytes");

    let mut runner = TestRunner::deterministic();
    for limits in Limits::ALL {
        let strategy = scripts(limits, Readers::Any, 150);
        for _ in 0..20 {
            let script = strategy.new_tree(&mut runner).expect("no script is rejected").current();
            let hub = Hub::new(limits.config(), ORIGIN).expect("a valid configuration");
            let hub = Driver::new(hub, limits.config(), ()).play(&script).0;
            if hub.is_clean() {
                let heap = heap_of(hub);
                assert!(heap <= MOST, "{heap} bytes are kept after {script:?}");
            }
        }
    }
}
