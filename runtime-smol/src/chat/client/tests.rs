//! The client beside frames that are made up, and beside a hub over a line that is cut.

mod cuts;
mod frames;
mod world;
