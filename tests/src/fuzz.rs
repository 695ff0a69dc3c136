//! The fuzzer's targets: what must hold for any bytes. This file does not know where the bytes come
//! from: a fuzzer draws them, a plain test replays those that were worth keeping.

mod codec;
mod http;
mod outbox;
mod protocol;
mod replay;
pub mod seeds;
mod wire;

use crate::check;
use crate::decode::decode;
use crate::restored::restored;

pub use codec::codec;
pub use http::http;
pub use outbox::outbox;
pub use protocol::protocol;
pub use replay::replay;

/// A target: it panics where something does not hold.
pub type Target = fn(&[u8]);

/// Each target by its name, which is that of its file in `fuzz/fuzz_targets/` and of its folder in
/// `fuzz/corpus/`.
pub const TARGETS: [(&str, Target); 7] = [
    ("codec", codec),
    ("http", http),
    ("hub", hub),
    ("outbox", outbox),
    ("protocol", protocol),
    ("replay", replay),
    ("restore", restore),
];

/// Bytes as a script to a hub, every answer to the auditor and the reference.
///
/// # Panics
///
/// If the hub breaks a promise.
pub fn hub(bytes: &[u8]) {
    check(&decode(bytes));
}

/// Bytes as what a hub kept: it is refused, or lived on with.
///
/// # Panics
///
/// If a hub that was restored cannot live, or keeps something else than it was given.
pub fn restore(bytes: &[u8]) {
    restored(bytes);
}
