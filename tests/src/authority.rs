//! Who may do what in scripts: the tokens of clients, and what is decided about others. This file
//! does not know who is allowed what in the end.

use std::time::Duration;

use roundtable::{Action, Claims, Grant};

use crate::generator::valid;

/// What a client's token says at `now_ms` of the wall clock, if it is a good one. The first one,
/// which comes with the upgrade request, is the `0`th; of those that are shown later every other one
/// is good, and not always the user's own, or worth as much. Two clients of four share a user.
///
/// # Panics
///
/// Never: its patterns are good.
pub fn claims(client: u16, shown: u64, now_ms: u64) -> Option<Box<Claims>> {
    let grant = |pattern: &str, can: &[Action]| Grant {
        pattern: pattern.parse().expect("a pattern"),
        can: can.iter().copied().collect(),
    };
    if !shown.is_multiple_of(2) || (shown == 0 && client.is_multiple_of(4)) {
        return None;
    }
    let rooms = [Action::Join, Action::Signal, Action::History, Action::Presence];
    let lobby = grant("lobby", &[Action::Join, Action::Publish]);
    let (user, expires_ms, grants) = match (shown % 8, client % 4) {
        (2, _) => ("ann", None, vec![lobby]),
        (4, 0 | 2 | 3) => ("bob", Some(now_ms + 10_000), vec![grant("*", &rooms)]),
        (_, 1) => ("ann", None, vec![grant("*", &Action::ALL)]),
        (_, 2) => ("bob", None, vec![lobby, grant("d*", &rooms), grant("room 0*", &rooms)]),
        (_, _) => ("ann", Some(now_ms + 30_000), vec![Grant::member()]),
    };
    let token_id = Some(format!("{client}:{shown}"));
    Some(Box::new(Claims { user: valid(user), token_id, expires_ms, grants }))
}

/// What an operator or a moderator decides, about clients that are connected and rooms that were
/// heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// To take a client's user out of a room, or out of the hub.
    Kick {
        /// Who.
        client: u16,
        /// One of [`ROOMS`](crate::generator::ROOMS).
        room: Option<&'static str>,
    },
    /// To keep a client's user out of a room.
    Ban {
        /// Who.
        client: u16,
        /// One of [`ROOMS`](crate::generator::ROOMS).
        room: &'static str,
        /// How long; zero lifts the ban.
        span: Duration,
    },
    /// To end every session that goes by a token of a client's user.
    RevokeUser {
        /// Who.
        client: u16,
    },
    /// To end every session that goes by the token of a client.
    RevokeToken {
        /// Who.
        client: u16,
    },
    /// To take out what was said.
    Remove {
        /// One of [`ROOMS`](crate::generator::ROOMS).
        room: &'static str,
        /// How far behind the newest entry that anybody was told of.
        behind: u8,
    },
}

impl Decision {
    /// Whom it is about, if it is about somebody.
    pub fn client(self) -> Option<u16> {
        match self {
            Self::Kick { client, .. }
            | Self::Ban { client, .. }
            | Self::RevokeUser { client }
            | Self::RevokeToken { client } => Some(client),
            Self::Remove { .. } => None,
        }
    }
}

/// In which frame a token comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownBy {
    /// A `hello`.
    Hello,
    /// An `auth`.
    Auth,
    /// A `hello` that comes back to the session of the client's connection before this one.
    Resume,
}
