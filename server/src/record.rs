//! The hub inside a recorder: every event, with its time and a hash of the commands that answered
//! it, in a file that plays again. This file does not know how a recording is played.
//!
//! A recording is one file or several parts of it, `FILE`, `FILE.1`, `FILE.2`, each of them with a
//! head of its own. It begins with a hub where nobody is, or with an image of one. The files below say
//! more: `format` what the bytes are, `hash` what the hashes are of, `mask` what is not told.

pub(crate) mod files;
pub(crate) mod format;
pub(crate) mod hash;
pub(crate) mod image;
mod mask;
mod recordable;
mod recorder;

pub use files::{Files, Parts};
pub use format::{Entry, Fault, Head, Mark, Next, Piece, Record, Records};
pub use mask::{Redaction, Text};
pub use recordable::Recordable;
pub use recorder::{Options, Recorder};
