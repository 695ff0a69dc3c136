//! The reference hub, the event generator, and conformance over real sockets.
