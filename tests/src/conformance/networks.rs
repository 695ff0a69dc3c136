//! The bad networks that lose nothing: over each of them a server does as it does without it. This
//! file does not know how a network does what it does.

use std::thread;
use std::time::Duration;

use super::servers::RUNTIMES;
use super::{Case, Start};
use crate::proxy::{Fault, seed};

/// What a network does.
type Network = fn() -> Fault;

/// Each network, by its name.
const NETWORKS: [(&str, Network); 4] = [
    ("one byte at a time", one_byte_at_a_time),
    ("split at random places", split_at_random_places),
    ("delayed pieces", delayed_pieces),
    ("a stall somewhere", a_stall_somewhere),
];

/// What a client library lets through: tungstenite takes an answer to its upgrade that comes in more
/// than 64 small pieces for an attack.
const ANSWER_BYTES: u64 = 128;

/// A few frames in each direction. A crowd's whole talk, a write and a read for each byte, takes
/// longer than it is worth.
const FEW_FRAMES: u64 = 1000;

/// Heads and frames come byte by byte.
fn one_byte_at_a_time() -> Fault {
    let stretches = (0..FEW_FRAMES, ANSWER_BYTES..FEW_FRAMES);
    Fault::Pieces { most: 1, hold: Duration::ZERO, up: stretches.0, down: stretches.1 }
}

/// Heads and frames are cut anywhere, and so are masks and characters in them.
fn split_at_random_places() -> Fault {
    Fault::Pieces { most: 64, hold: Duration::ZERO, up: 0..u64::MAX, down: 0..u64::MAX }
}

/// Each piece comes when the one before has been taken long ago.
fn delayed_pieces() -> Fault {
    let hold = Duration::from_millis(4);
    Fault::Pieces { most: 1000, hold, up: 0..u64::MAX, down: 0..u64::MAX }
}

/// Each direction stands still once: in a head, in a frame, or between frames.
fn a_stall_somewhere() -> Fault {
    Fault::Stall { within: 500, lasting: Duration::from_millis(20) }
}

/// Plays a case over each network, against each runtime, all at a time: most of it is waiting.
///
/// # Panics
///
/// If it fails; the thread that did is named by its runtime and its network.
pub fn over_each(case: Case) {
    let seed = seed();
    let play = |runtime: Start, fault: Network| {
        case(&|settings| runtime(settings, None).behind(fault(), seed));
    };
    thread::scope(|scope| {
        for (runtime, start) in RUNTIMES {
            for (network, fault) in NETWORKS {
                let name = format!("{runtime}, {network}");
                let thread = thread::Builder::new().name(name);
                thread.spawn_scoped(scope, move || play(start, fault)).expect("a thread");
            }
        }
    });
}
