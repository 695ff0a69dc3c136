//! What operators ask of a running server, and what they are told. A question goes to the owner of the
//! machine, who answers it with plain values and waits for nobody; others write them down.

mod json;
mod page;
mod watch;

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use ring::hmac;
use ring::rand::SystemRandom;
use roundtable::{
    AdminAction, ConnId, Event, Hub, Machine, Name, RoomView, SessionView, Switch, Timestamp,
    Totals,
};

use crate::door::AdminDoor;
use crate::metrics::{Figures, Measured};

pub(crate) use json::{Kick, kicked, recording, sessions, state};
pub(crate) use page::answer as page_answer;
pub(crate) use watch::Watch;
pub use watch::{Closing, MOST_CLOSINGS, MOST_ROOMS};

/// The shortest token that operators may show, in bytes.
const LEAST_TOKEN_BYTES: usize = 16;

/// The most sessions of one name that are shown.
pub const MOST_SESSIONS: usize = 32;

/// Where operators ask, and what answers them.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What answers requests.
    pub door: AdminDoor,
}

/// What the owner of a machine is asked, or asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The numbers of the hub, and of the loop that drives it.
    Metrics,
    /// What the operators' page shows.
    State,
    /// Where somebody stands.
    Session(Whose),
    /// Somebody is to go: from a room, or altogether.
    Kick {
        /// The room.
        room: Option<Name>,
        /// Who is sent away.
        user: Name,
    },
    /// What happens from here on is to be recorded.
    StartRecording,
    /// Enough is recorded.
    StopRecording,
}

/// Whose session is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// All of this name, [`MOST_SESSIONS`] of them at the most.
    User(Name),
    /// The one with this connection.
    Conn(ConnId),
}

/// What the owner of a machine tells.
#[derive(Clone, Debug)]
pub enum Told {
    /// The answer to [`Question::Metrics`].
    Metrics(Box<Report>),
    /// The answer to [`Question::State`].
    State(Box<State>),
    /// The answer to [`Question::Session`]: nobody, perhaps.
    Sessions(Vec<SessionView>),
    /// The answer to [`Question::Kick`]: how many sessions it sent away.
    Kicked(usize),
    /// The answer to the others: what the recording is called that has begun or ended, or why none has.
    Recording(Result<String, String>),
}

/// Numbers, as they are at a moment.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Those of the hub, where the machine has one.
    pub hub: Option<Totals>,
    /// Those of the loop that drives it.
    pub figures: Figures,
}

/// What the operators' page shows, as it is at a moment.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The moment.
    pub now: Timestamp,
    /// The numbers of the hub, where the machine has one.
    pub hub: Option<Totals>,
    /// The rooms with the most members, as they were within the last second.
    pub busiest: Vec<RoomView>,
    /// Whom the hub closed, the latest first.
    pub closings: Vec<Closing>,
    /// What the recording is called that is being made, if one is.
    pub recording: Option<String>,
}

impl Question {
    /// What the machine is to be told, where this is no mere question. Whoever drives the machine hands it
    /// in in a turn, like any other event, once it has the answer.
    pub fn event(&self) -> Option<Event> {
        match self {
            Self::Kick { room, user } => {
                let (room, user) = (room.clone(), user.clone());
                Some(Event::Admin { action: AdminAction::Kick { room, user } })
            }
            Self::Metrics
            | Self::State
            | Self::Session(_)
            | Self::StartRecording
            | Self::StopRecording => None,
        }
    }

    /// What the owner of `machine` tells: at a small cost whoever is connected, but for a look at all
    /// rooms, at most once a second. A recording begins with all that the hub is.
    pub fn answer(&self, now: Timestamp, machine: &mut Measured<impl Machine>) -> Told {
        match self {
            Self::Metrics => Told::Metrics(Box::new(Report {
                hub: machine.hub().map(Hub::totals),
                figures: machine.figures().clone(),
            })),
            Self::State => Told::State(Box::new(State {
                now,
                hub: machine.hub().map(Hub::totals),
                busiest: machine.busiest(now),
                closings: machine.closings(),
                recording: machine.recording(),
            })),
            Self::Session(whose) => Told::Sessions(match (whose, machine.hub()) {
                (Whose::User(user), Some(hub)) => hub.sessions_of(user, MOST_SESSIONS),
                (Whose::Conn(conn), Some(hub)) => hub.session(*conn).into_iter().collect(),
                (_, None) => Vec::new(),
            }),
            Self::Kick { room, user } => {
                let sessions = machine.hub().map(|hub| hub.sessions_of(user, usize::MAX));
                let is_there = |session: &SessionView| match room {
                    Some(room) => session.rooms.iter().any(|place| place.room == *room),
                    None => true,
                };
                Told::Kicked(sessions.into_iter().flatten().filter(is_there).count())
            }
            Self::StartRecording => Told::Recording(machine.record(now, Switch::On)),
            Self::StopRecording => Told::Recording(machine.record(now, Switch::Off)),
        }
    }
}

/// The secret that operators show. It is not kept: what is kept tells only whether another is the same,
/// and takes equally long for all that are not.
#[derive(Clone)]
pub struct AdminToken {
    key: hmac::Key,
    tag: hmac::Tag,
}

impl AdminToken {
    /// The token in a file, without the white space around it.
    ///
    /// # Errors
    ///
    /// One line that names the file and says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let fault =
            |why: &dyn fmt::Display| format!("--admin-token-file {}: {why}", path.display());
        let text = fs::read_to_string(path).map_err(|error| fault(&error))?;
        Self::new(text.trim()).map_err(|why| fault(&why))
    }

    /// A token.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn new(token: &str) -> Result<Self, &'static str> {
        if token.len() < LEAST_TOKEN_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("must hold a token of 16 or more visible ASCII characters");
        }
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let key = key.map_err(|_| "the system gives no random bytes")?;
        let tag = hmac::sign(&key, token.as_bytes());
        Ok(Self { key, tag })
    }

    /// Whether `shown` is the token.
    pub fn is(&self, shown: &str) -> bool {
        hmac::verify(&self.key, shown.as_bytes(), self.tag.as_ref()).is_ok()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken")
    }
}
