//! What the servers share and that does no I/O of its own: settings, the HTTP front door, the
//! WebSocket codec, what waits for a socket, the page, and how a process begins and ends.
//!
//! A server is then a loop: bytes go through [`Door`] and [`Codec`] and become events; the hub's
//! commands become [`frame`]s and go through an [`Outbox`] to their socket.

pub mod admin;
mod answer;
pub mod auth;
pub mod binary;
pub mod cli;
mod codec;
mod door;
mod forwarded;
pub mod frame;
pub mod journal;
pub mod log;
pub mod metrics;
mod outbox;
mod page;
mod peer;
mod preface;
pub mod record;
pub mod replay;
mod scanner;
mod sends;
mod settings;
pub mod state;
pub mod supervisor;
pub mod tls;
mod whence;

pub use codec::{Codec, Input};
pub use door::{AdminDoor, Asked, Door, Knock, Readiness};
pub use frame::Frame;
pub use outbox::Outbox;
pub use peer::peer;
pub use preface::{Preface, Step};
pub use sends::Sends;
pub use settings::{
    Invocation, LogFormat, Networks, Origins, Recording, Settings, SettingsError, Wire,
};
pub use whence::Whence;
