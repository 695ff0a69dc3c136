//! What an idle session takes, in requested bytes, and that a fan-out asks for none per recipient.
//!
//! `cargo bench -p bench --bench memory` fails where a bound is passed.

use std::alloc::System;

use bench::{SEATED, hub, say, seat};
use roundtable::Hub;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The most that an idle session may take.
const MOST_BYTES: usize = 600;

fn main() {
    for (sessions, rooms) in [(1_000_000, 1), (1_000_000, 100_000)] {
        let (_hub, bytes) = settled(sessions, rooms);
        println!("{sessions} idle sessions in {rooms} rooms: {bytes} bytes each");
        assert!(bytes <= MOST_BYTES, "at most {MOST_BYTES} bytes are allowed");
    }
    for members in [100, 10_000] {
        let (mut hub, _) = settled(members, 1);
        let mut commands = Vec::with_capacity(16);
        say(&mut hub, SEATED, 0, "the list of recipients is made", &mut commands);
        commands.clear();
        let region = Region::new(ALLOCATOR);
        say(&mut hub, SEATED, 0, "hello", &mut commands);
        let change = region.change();
        let (count, bytes) = (change.allocations + change.reallocations, change.bytes_allocated);
        println!("a publish to {members}: {count} allocations, {bytes} bytes");
        assert!(count <= 16 && bytes <= 4096, "no allocation may depend on the recipients");
    }
}

/// A hub with idle sessions, and the bytes that each of them takes.
fn settled(sessions: u64, rooms: u64) -> (Hub, usize) {
    let region = Region::new(ALLOCATOR);
    let mut hub = hub();
    seat(&mut hub, sessions, rooms);
    let change = region.change();
    let held = change.bytes_allocated - change.bytes_deallocated;
    (hub, held / usize::try_from(sessions).expect("a count"))
}
