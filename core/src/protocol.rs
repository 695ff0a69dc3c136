//! The protocol `roundtable.v1`: what a frame says, and how a reply is written. This file and those
//! below it do not know rooms, sessions or time.
//!
//! [`Frame::parse`] reads what a client sends, and a frame's `Display` is what a client sends; the hub
//! writes its replies with types of its own. One text frame is exactly one JSON object.

mod error_code;
mod json;
mod reply;
mod request;
#[cfg(feature = "schema")]
pub mod schema;
mod write;

pub use error_code::ErrorCode;
pub(crate) use reply::{
    Changes, Gap, Members, Page, Present, Repeat, Reply, ack_middle, data_of, json_string,
    message_prefix, without_data, write_ack, write_message, write_removed,
};
pub use request::{Echo, Frame, Id, Places, Position, Refusal, Request};

/// The subprotocol's name, as offered in `Sec-WebSocket-Protocol`.
pub const SUBPROTOCOL: &str = "roundtable.v1";

/// The version of the protocol, as told in `welcome`.
pub const VERSION: u32 = 1;

/// The most that a `message` frame is longer than its `data`, in bytes: the fields around it, two
/// names with every character at its longest, and the frame's header.
pub const MESSAGE_OVERHEAD_BYTES: usize = 480;
