//! Figures: what the hub costs alone, and what a server costs under load.

mod crowd;

pub use crowd::{hub, say, seat};
