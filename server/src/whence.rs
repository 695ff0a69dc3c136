//! Where a client is, and by whose word. This file does not know what follows from it.

use std::net::{IpAddr, SocketAddr};

/// Where a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// It is at the other end of the socket, as far as anybody says.
    Itself(IpAddr),
    /// A proxy that is believed says so.
    Named(IpAddr),
}

impl Whence {
    /// The address.
    pub fn ip(self) -> IpAddr {
        match self {
            Self::Itself(ip) | Self::Named(ip) => ip,
        }
    }
}

/// The other end of a socket.
impl From<SocketAddr> for Whence {
    fn from(peer: SocketAddr) -> Self {
        Self::Itself(peer.ip().to_canonical())
    }
}
