//! The protocol `roundtable.v1`.

/// The subprotocol's name, as offered in `Sec-WebSocket-Protocol`.
pub const SUBPROTOCOL: &str = "roundtable.v1";

/// The most that a `message` frame is longer than its `data`, in bytes: the fields around it, two
/// names with every character escaped, and the frame's header.
pub const MESSAGE_OVERHEAD_BYTES: usize = 480;
