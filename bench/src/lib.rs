//! Figures: what the hub costs alone, and what a server costs under load.

pub mod compare;
mod crowd;
pub mod floor;
pub mod frame;
pub mod handshake;
pub mod load;
pub mod measurement;
pub mod process;
pub mod report;

pub use crowd::{SEATED, hub, say, seat};
