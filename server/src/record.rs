//! The hub inside a recorder: every event, with its time and a hash of the commands that answered
//! it, in a file that plays again. This file does not know how a recording is played.
//!
//! A recording is one file or several parts of it, `FILE`, `FILE.1`, `FILE.2`, each of them with a
//! head of its own. The files below say more: `format` what the bytes are, `hash` what the
//! hashes are of, `mask` what is not told.

pub(crate) mod files;
pub(crate) mod format;
pub(crate) mod hash;
mod mask;
mod recorder;

pub use files::{Files, Parts};
pub use format::{Entry, Fault, Head, Mark, Next, Record, Records};
pub use mask::{Redaction, Text};
pub use recorder::{Options, Recorder};
