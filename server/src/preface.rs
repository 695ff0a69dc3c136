//! What a proxy says before all else: the PROXY protocol, version 2 (its section 2.2). This file does
//! not know what comes behind it, be it TLS or a request.

use std::net::SocketAddr;

use proxy_header::{ParseConfig, ProxyHeader};

use crate::settings::Settings;
use crate::whence::Whence;

/// What each header has: twelve bytes that nothing else begins with, a version, a family, and how much
/// follows.
const FIXED_BYTES: usize = 16;

/// The beginning of one connection. It asks for the bytes that are its own and for none behind them,
/// so nothing is to be handed on.
#[derive(Debug)]
pub struct Preface {
    expected: Expected,
    most: usize,
    peer: Whence,
}

/// What a connection is to begin with.
#[derive(Debug)]
enum Expected {
    /// Nothing but what all say.
    Nothing,
    /// A header, of which this has come.
    Header(Vec<u8>),
    /// A header, but not from this peer.
    Nobody,
}

/// How far the beginning has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It goes on: read so many bytes at the most.
    More(usize),
    /// It is over, and this is the client.
    Done(Whence),
    /// The connection ends without a word, for this reason.
    Refused(&'static str),
}

impl Preface {
    /// The beginning of a connection with `peer`, as the settings want it.
    pub fn new(settings: &Settings, peer: SocketAddr) -> Self {
        let expected = if !settings.proxy_protocol {
            Expected::Nothing
        } else if settings.trust_proxy.contains(peer.ip()) {
            Expected::Header(Vec::new())
        } else {
            Expected::Nobody
        };
        Self { expected, most: settings.wire.head_bytes, peer: peer.into() }
    }

    /// Takes what was read, which is not more than was asked for.
    pub fn feed(&mut self, read: &[u8]) {
        if let Expected::Header(bytes) = &mut self.expected {
            bytes.extend_from_slice(read);
        }
    }

    /// What is to be done next.
    pub fn step(&self) -> Step {
        match &self.expected {
            Expected::Nothing => Step::Done(self.peer),
            Expected::Header(bytes) => self.header(bytes),
            Expected::Nobody => Step::Refused("only proxies may connect"),
        }
    }

    fn header(&self, bytes: &[u8]) -> Step {
        let whole = match bytes.get(FIXED_BYTES - 2..FIXED_BYTES) {
            Some(length) => FIXED_BYTES + usize::from(u16::from_be_bytes([length[0], length[1]])),
            None => FIXED_BYTES,
        };
        let config = ParseConfig { include_tlvs: false, allow_v1: false, allow_v2: true };
        match ProxyHeader::parse(bytes, config) {
            Ok((header, _)) => Step::Done(match header.proxied_address() {
                Some(addresses) => Whence::Named(addresses.source.ip().to_canonical()),
                // The proxy's own question after our health, or a client that has no address.
                None => self.peer,
            }),
            Err(proxy_header::Error::BufferTooShort) if whole > self.most => {
                Step::Refused("the PROXY header is too long")
            }
            Err(proxy_header::Error::BufferTooShort) if bytes.len() < whole => {
                Step::More(whole - bytes.len())
            }
            Err(_) => Step::Refused("this is no PROXY header"),
        }
    }
}
