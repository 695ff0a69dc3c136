//! Figures: what the hub costs alone, and what a server costs under load.

mod crowd;
pub mod floor;
pub mod frame;
pub mod handshake;
pub mod load;
pub mod measurement;
pub mod process;

pub use crowd::{hub, say, seat};
