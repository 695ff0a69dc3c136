//! The load generator: one workload against one server.

mod crowd;
mod link;
mod payload;
mod run;
mod schedule;
mod tally;
mod workload;

pub use run::run;
pub use workload::{Dialect, Flags, Name, Pace, Workload};
