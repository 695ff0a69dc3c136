//! What the person at the terminal is told. This file does not know how it looks.

use std::time::Duration;

use super::frame::{Entry, Gap};

/// Something to tell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum News {
    /// The server knows who one is.
    Welcome {
        user: String,
        how: Arrival,
    },
    Joined {
        room: String,
    },
    Left {
        room: String,
        reason: Option<String>,
    },
    /// The log of a room is another one than before.
    Restarted {
        room: String,
    },
    /// What stands at one place, in its order.
    Entry {
        room: String,
        entry: Entry,
    },
    /// Places that were missed and cannot be given.
    Gap {
        room: String,
        gap: Gap,
    },
    /// The answer to `/history`.
    Page {
        room: String,
        entries: Vec<Entry>,
    },
    /// The answer to `/who`; without names, there are too many of them.
    Who {
        room: String,
        count: u64,
        users: Option<Vec<String>>,
    },
    Came {
        room: String,
        users: Vec<String>,
    },
    Went {
        room: String,
        users: Vec<String>,
    },
    /// The answer to `/rooms`.
    Rooms {
        rooms: Vec<String>,
        current: Option<String>,
    },
    /// Lines go to another room.
    Current {
        room: String,
    },
    Help,
    /// What was asked for is done, where nothing else tells it.
    Done {
        what: String,
    },
    /// The server refused something.
    Refused {
        what: Option<String>,
        code: String,
        message: String,
    },
    /// Something that was typed cannot be done.
    Trouble(String),
    /// Nobody knows whether this was heard.
    Unsure {
        room: String,
        text: String,
    },
    Bye {
        reason: String,
        after: Option<Duration>,
    },
    /// The connection is lost, and comes back after a wait.
    Lost {
        why: String,
        wait: Duration,
    },
    /// A frame that cannot be read.
    Garbled(String),
}

/// How one came to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// For the first time.
    First,
    /// As the session that one was.
    Resumed,
    /// As somebody new: the session is gone.
    Anew,
}

impl News {
    /// Whether it is not in any frame, so that who reads the frames has to be told as well.
    pub(super) fn is_ours(&self) -> bool {
        match self {
            Self::Restarted { .. }
            | Self::Rooms { .. }
            | Self::Current { .. }
            | Self::Help
            | Self::Trouble(_)
            | Self::Unsure { .. }
            | Self::Lost { .. } => true,
            Self::Welcome { .. }
            | Self::Joined { .. }
            | Self::Left { .. }
            | Self::Entry { .. }
            | Self::Gap { .. }
            | Self::Page { .. }
            | Self::Who { .. }
            | Self::Came { .. }
            | Self::Went { .. }
            | Self::Done { .. }
            | Self::Refused { .. }
            | Self::Bye { .. }
            | Self::Garbled(_) => false,
        }
    }
}
