//! The reference hub, the event generator, and conformance over real sockets.

#[cfg(test)]
mod asyncapi;
mod audit;
pub mod authority;
#[cfg(test)]
mod bare_socket;
#[cfg(feature = "sockets")]
pub mod browser;
mod check;
pub mod clock;
pub mod compare;
#[cfg(feature = "sockets")]
pub mod conformance;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod counts;
#[cfg(test)]
mod crowds;
pub mod decode;
#[cfg(test)]
mod drains;
pub mod driver;
pub mod exhaustive;
#[cfg(test)]
mod fast;
#[cfg(feature = "server")]
pub mod fuzz;
pub mod generator;
#[cfg(test)]
mod images;
pub mod invariant;
mod journal;
mod known;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod liveness;
pub mod odd;
pub mod openmetrics;
#[cfg(test)]
mod pages;
pub mod parse;
#[cfg(test)]
mod plain;
#[cfg(feature = "sockets")]
pub mod proxy;
#[cfg(all(test, feature = "server"))]
mod recordings;
pub mod reference;
mod render;
#[cfg(any(test, feature = "server"))]
mod restored;
#[cfg(test)]
mod resumes;
#[cfg(test)]
mod signals;
pub mod sim;
#[cfg(test)]
mod snapshots;
#[cfg(feature = "sockets")]
pub mod soak;
mod socket;
pub mod strategy;
pub mod subject;
#[cfg(test)]
mod table;
mod tally;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod transcripts;
pub mod twin;
#[cfg(test)]
mod views;
#[cfg(test)]
mod windows;

pub use check::{ORIGIN, check, nobody_lags};
