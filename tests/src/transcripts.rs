//! The hub, told as conversations: who said what, and what everybody was told.
//!
//! `UPDATE_EXPECT=1 cargo test -p roundtable-tests --lib transcripts` writes what the hub says into the
//! expectations, to be reviewed.

#![expect(clippy::needless_raw_string_hashes, reason = "all scripts are written alike")]

mod addresses;
mod drain;
mod flow;
mod life;
mod moderate;
mod presence;
mod repeat;
mod resume;
mod rights;
mod rooms;
mod text;
mod tokens;
mod world;
