//! A hub in a program that has no standard library: it brings its own panic handler and its own
//! allocator. Where the hub, or what it is built on, uses `std`, there are two panic handlers, and
//! this does not build.
//!
//! `cargo build --manifest-path tests/no_std/Cargo.toml`

#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::time::Duration;

use roundtable::{Config, ConnId, Event, Greeting, Hub, Origin, Peer, Timestamp};

/// An allocator that has nothing: the program is built, not run.
struct Nothing;

// SAFETY: giving nothing is always allowed, and what was never given is never given back.
unsafe impl GlobalAlloc for Nothing {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Nothing = Nothing;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Takes a hub through every kind of event, so that all of it is built in.
// SAFETY: no other function of the program has this name.
#[unsafe(no_mangle)]
pub extern "C" fn commands_of_a_day() -> usize {
    let origin = Origin { seed: 1, wall_clock_ms: 0 };
    let Ok(mut hub) = Hub::new(Config::default(), origin) else { return 0 };
    let (conn, mut commands) = (ConnId::new(1), Vec::new());
    let day = [
        Event::Connect { conn, peer: Peer::default(), greeting: Greeting::default() },
        Event::Text { conn, text: "hello".into() },
        Event::Heard { conn },
        Event::Flushed,
        Event::Backlog { conn, bytes: 0 },
        Event::Tick,
        Event::Binary { conn },
        Event::Disconnect { conn },
        Event::Drain { within: Duration::ZERO },
    ];
    for event in day {
        hub.handle(Timestamp::ZERO, event, &mut commands);
    }
    commands.len() + usize::from(hub.next_deadline().is_some())
}
