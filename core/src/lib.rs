//! A WebSocket chat hub as a pure, deterministic, sans-IO state machine.

#![no_std]

extern crate alloc;

mod close;
mod command;
mod config;
mod event;
mod frame;
mod hub;
mod name;
pub mod protocol;
mod time;

pub use close::CloseCode;
pub use command::{Command, Queue, Recipients};
pub use config::{Config, ConfigError, PlainText, RunAhead};
pub use event::{ConnId, Event, Framing, Greeting, RoomChoice};
pub use frame::frame_len;
pub use hub::{Hub, Machine, Origin};
pub use name::{Name, NameError};
pub use time::Timestamp;
