//! The reference hub, the event generator, and conformance over real sockets.

pub mod audit;
#[cfg(feature = "sockets")]
pub mod browser;
mod check;
pub mod compare;
#[cfg(feature = "sockets")]
pub mod conformance;
pub mod decode;
pub mod driver;
#[cfg(feature = "server")]
pub mod fuzz;
pub mod generator;
pub mod reference;
pub mod render;
mod socket;
pub mod strategy;

pub use check::{ORIGIN, check, nobody_lags};
