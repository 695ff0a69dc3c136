#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod addresses;
mod bans;
mod bucket;
mod claims;
mod close;
mod command;
mod config;
mod credential;
mod event;
mod flow;
mod frame;
mod hub;
mod image;
mod journal;
mod keyed;
mod keys;
mod log;
mod machine;
mod name;
mod presence;
pub mod protocol;
mod room;
mod session;
mod slab;
mod snapshot;
mod ticket;
mod time;
mod timers;
mod totals;
mod views;

pub use bucket::{Bucket, Rate};
pub use claims::{Action, Claims, Grant, Pattern, PatternError, Permissions};
pub use close::CloseCode;
pub use command::{Command, Queue, Recipients, Refusal};
pub use config::{AfterDrain, Auth, Config, ConfigError, PlainText, RunAhead};
pub use event::{
    AddressKey, AdminAction, ConnId, Event, Framing, Greeting, Peer, RoomChoice, Verdict,
};
pub use frame::frame_len;
pub use hub::{Connection, Hub, Origin};
pub use image::{Image, Masks};
pub use journal::{Batch, Recovery, Tails};
pub use machine::{Machine, Switch};
pub use name::{Name, NameError};
pub use snapshot::{RestoreError, Snapshot};
pub use ticket::{Entropy, NoTicket, Ticket};
pub use time::Timestamp;
pub use totals::{Counts, Levels, Limit, Totals};
pub use views::{Closed, PlaceView, RoomView, SessionView};
