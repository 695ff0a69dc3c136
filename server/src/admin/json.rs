//! What operators' programs are told, and tell, as JSON. This file does not know who asks.

use std::net::{Ipv4Addr, Ipv6Addr};

use roundtable::{AddressKey, Counts, Levels, Name, RoomView, SessionView, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Closing, State};

/// What `/kick` is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kick {
    pub(crate) user: Name,
    pub(crate) room: Option<Name>,
}

/// What `/state` tells.
#[derive(Serialize)]
struct Shown<'a> {
    /// The age of the process, or of what it went on with.
    up_ms: u64,
    resident_bytes: u64,
    /// What the hub has, and what it has done; nothing where the machine is no hub.
    levels: Option<&'a Levels>,
    counts: Option<Counted>,
    busiest: &'a [RoomView],
    closes: Vec<Closed<'a>>,
    /// The file of the recording that is being made, if one is.
    recording: Option<&'a str>,
}

/// What of the hub's counts the page makes rates of.
#[derive(Serialize)]
struct Counted {
    connects: u64,
    disconnects: u64,
    texts: u64,
    entries: u64,
    deliveries: u64,
    delivered_bytes: u64,
    lagged: u64,
}

#[derive(Serialize)]
struct Closed<'a> {
    ago_ms: u64,
    /// Digits, as in [`SessionView`].
    conn: String,
    user: Option<&'a Name>,
    room: Option<&'a Name>,
    code: u16,
    reason: &'static str,
}

/// What `/session` tells.
#[derive(Serialize)]
struct Sessions<'a> {
    sessions: Vec<Session<'a>>,
}

#[derive(Serialize)]
struct Session<'a> {
    #[serde(flatten)]
    session: &'a SessionView,
    /// An address, or a network of IPv6; nothing where limits by address do not hold it.
    address: Option<String>,
}

/// What `/kick` tells.
#[derive(Serialize)]
struct Kicked {
    kicked: usize,
}

/// What `/recording/start` and `/recording/stop` tell.
#[derive(Serialize)]
struct Recording<'a> {
    file: &'a str,
}

/// What is told of a state, and of the process's memory.
pub(crate) fn state(state: &State, resident_bytes: u64) -> String {
    write(&Shown {
        up_ms: millis(state.now, Timestamp::ZERO),
        resident_bytes,
        levels: state.hub.as_ref().map(|totals| &totals.levels),
        counts: state.hub.as_ref().map(|totals| counted(&totals.counts)),
        busiest: &state.busiest,
        closes: state.closings.iter().map(|closing| closed(state.now, closing)).collect(),
        recording: state.recording.as_deref(),
    })
}

/// What is told of sessions.
pub(crate) fn sessions(found: &[SessionView]) -> String {
    let session = |session| Session { session, address: session.address.map(address) };
    write(&Sessions { sessions: found.iter().map(session).collect() })
}

/// What is told when so many sessions were sent away.
pub(crate) fn kicked(kicked: usize) -> String {
    write(&Kicked { kicked })
}

/// What is told of the recording that has begun or ended.
pub(crate) fn recording(file: &str) -> String {
    write(&Recording { file })
}

fn counted(counts: &Counts) -> Counted {
    Counted {
        connects: counts.connects,
        disconnects: counts.disconnects,
        texts: counts.texts,
        entries: counts.entries,
        deliveries: counts.deliveries,
        delivered_bytes: counts.delivered_bytes,
        lagged: counts.lagged,
    }
}

fn closed(now: Timestamp, closing: &Closing) -> Closed<'_> {
    Closed {
        ago_ms: millis(now, closing.at),
        conn: closing.conn.get().to_string(),
        user: closing.user.as_ref(),
        room: closing.room.as_ref(),
        code: closing.code.number(),
        reason: closing.code.reason(),
    }
}

/// The address or network that [`peer`](crate::peer) has made a key of.
fn address(key: AddressKey) -> String {
    match u32::try_from(key.get()) {
        Ok(bits) if bits != 0 => Ipv4Addr::from_bits(bits).to_string(),
        _ => format!("{}/64", Ipv6Addr::from_bits(u128::from(key.get()) << 64)),
    }
}

fn millis(now: Timestamp, since: Timestamp) -> u64 {
    u64::try_from(now.saturating_since(since).as_millis()).unwrap_or(u64::MAX)
}

fn write(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).expect("a string takes everything");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::whence::Whence;

    #[test]
    fn an_address_is_written_as_it_was_or_as_its_network() {
        let settings = Settings { limit_loopback: true, ..Settings::default() };
        for (ip, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("127.0.0.1", "127.0.0.1"),
            ("2001:db8:0:7::1", "2001:db8:0:7::/64"),
            ("::1", "::/64"),
        ] {
            let peer = crate::peer(&settings, Whence::Itself(ip.parse().unwrap()), None);
            assert_eq!(peer.address.map(address).as_deref(), Some(expected), "{ip}");
        }
    }
}
