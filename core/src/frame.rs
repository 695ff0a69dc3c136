//! The size of what is sent, counted alike by the hub and by its drivers.

/// The bytes that a server's WebSocket frame with a payload of `payload_len` bytes takes, before
/// TLS: RFC 6455 §5.2, unmasked.
pub const fn frame_len(payload_len: usize) -> usize {
    let header = match payload_len {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    };
    header + payload_len
}
