//! What the servers share and that does no I/O of its own: settings, the HTTP front door, the
//! WebSocket codec, what waits for a socket, the page, and how a process begins and ends.
//!
//! A server is then a loop: bytes go through [`Door`] and [`Codec`] and become events; the hub's
//! commands become [`frame`]s and go through an [`Outbox`] to their socket.

mod answer;
pub mod auth;
pub mod binary;
pub mod cli;
mod codec;
mod door;
pub mod frame;
pub mod log;
mod outbox;
mod page;
mod peer;
pub mod record;
pub mod replay;
mod scanner;
mod sends;
mod settings;
pub mod supervisor;
pub mod tls;

pub use codec::{Codec, Input};
pub use door::{Door, Knock, Readiness};
pub use frame::Frame;
pub use outbox::Outbox;
pub use peer::peer;
pub use sends::Sends;
pub use settings::{Invocation, LogFormat, Origins, Recording, Settings, SettingsError, Wire};
