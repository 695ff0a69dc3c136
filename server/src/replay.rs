//! A recording, played to a new hub: the same events must get the same commands. This file does not
//! know files, and trusts no byte of a recording: what no driver would do is an error, never a panic.

pub(crate) mod command;
mod ledger;
mod log;
mod summary;
mod transcript;
mod what_if;

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::time::Duration;

use roundtable::{Command, ConfigError, Event, Hub, Image, RestoreError, Timestamp};

use crate::record::hash::{Running, without_words};
use crate::record::{Entry, Fault, Head, Mark, Text};
use ledger::{Breach, Ledger};

pub use log::{Item, Log, Source, Torn};
pub use what_if::{Comparison, Fates, compare};

/// Why a recording cannot be played.
#[derive(Debug)]
pub enum Error {
    /// A part cannot be read, or is not what was written.
    Part {
        /// Which one, from 0.
        part: u32,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The recording ends before its head: nothing was recorded.
    Empty,
    /// The hub does not take the recording's configuration.
    Config(ConfigError),
    /// No hub has made the image that the recording begins with.
    Image(&'static str),
    /// No driver tells a hub such a thing.
    Driver {
        /// The event's number, from 1.
        event: u64,
        /// What is wrong with it.
        what: String,
    },
    /// What was played cannot be written.
    Output(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part { part: 0, fault } => write!(f, "{fault}"),
            Self::Part { part, fault } => write!(f, "its part {part} {fault}"),
            Self::Empty => write!(f, "ends before anything is recorded"),
            Self::Config(error) => write!(f, "holds a setting that no hub takes: {error}"),
            Self::Image(what) => write!(f, "begins with an image that no hub has made: {what}"),
            Self::Driver { event, what } => write!(f, "is no driver's, at event {event}: {what}"),
            Self::Output(error) => write!(f, "cannot be told: {error}"),
        }
    }
}

impl std::error::Error for Error {}

/// What a recording came to when it was played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The events that were played.
    pub events: u64,
    /// The commands that they got.
    pub commands: u64,
    /// The texts sent, counted for each recipient.
    pub deliveries: u64,
    /// The time from the recording's start to the last event.
    pub span: Duration,
    /// The running hash of the commands.
    pub hash: u64,
    /// Where the recording's hash last agreed.
    pub agreed: Mark,
    /// Whether the recording was ended, or broke off.
    pub is_ended: bool,
    /// The record that was not finished, if there is one.
    pub torn: Option<Torn>,
    /// The first thing that is not as recorded; nothing behind it was played.
    pub difference: Option<Difference>,
}

/// What is not as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// An event got other commands.
    Answer {
        /// The event's number, from 1.
        number: u64,
        /// When it happened.
        at: Timestamp,
        /// The event.
        event: Event,
        /// What the hub commands.
        commands: Vec<Command>,
    },
    /// The running hash is another one, though no event showed it.
    Hash {
        /// Where it agreed last.
        agreed: Mark,
        /// What was recorded.
        recorded: Mark,
        /// What it is.
        played: Mark,
    },
}

/// An event that was played.
#[derive(Debug)]
pub struct Played<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: &'a Event,
    /// What the hub commands.
    pub commands: &'a [Command],
}

/// Plays the recording whose only part these bytes are.
///
/// # Errors
///
/// If the bytes are no recording, or one that no driver could have made. Whatever they are, it does
/// not panic.
pub fn check(bytes: &[u8]) -> Result<Report, Error> {
    play(&mut Log::open(bytes)?, |_played| Ok(()))
}

/// Plays a recording, and shows each event to `each`.
///
/// # Errors
///
/// If the recording cannot be played to its end, or `each` fails.
pub fn play<S: Source>(
    log: &mut Log<S>,
    mut each: impl FnMut(&Played<'_>) -> io::Result<()>,
) -> Result<Report, Error> {
    let image = log.take_image();
    let mut player = Player::new(log.head(), image)?;
    let began = player.hub.now();
    let (mut agreed, mut difference, mut is_ended) = (Mark::default(), None, false);
    while let Some(item) = log.next()? {
        is_ended = matches!(item, Item::Mark(_));
        match item {
            Item::Entry(entry) => {
                let recorded = entry.answer;
                let (event, at) = (entry.event.clone(), entry.at);
                let answer = player.play(entry)?;
                let commands = player.commands.as_slice();
                let number = player.running.mark().events;
                each(&Played { number, at, event: &event, commands }).map_err(Error::Output)?;
                if answer != recorded {
                    let commands = commands.to_vec();
                    difference = Some(Difference::Answer { number, at, event, commands });
                }
            }
            Item::Mark(recorded) => {
                let found = player.running.mark();
                if recorded == found {
                    agreed = recorded;
                } else {
                    difference = Some(Difference::Hash { agreed, recorded, played: found });
                }
            }
        }
        if difference.is_some() {
            break;
        }
    }
    let Player { ledger, running, commanded, deliveries, .. } = player;
    let Mark { events, hash } = running.mark();
    Ok(Report {
        events,
        commands: commanded,
        deliveries,
        span: ledger.now().saturating_since(began),
        hash,
        agreed,
        is_ended,
        torn: log.torn(),
        difference,
    })
}

/// A hub that is played to, between checks of what a driver may do.
struct Player {
    hub: Hub,
    ledger: Ledger,
    running: Running,
    commands: Vec<Command>,
    commanded: u64,
    deliveries: u64,
}

impl Player {
    fn new(head: &Head, image: Option<Image>) -> Result<Self, Error> {
        let config = head.config.clone();
        let hub = match image {
            None => Hub::new(config, head.origin).map_err(Error::Config)?,
            Some(image) => Hub::from_image(config, image).map_err(|error| match error {
                RestoreError::Config(error) => Error::Config(error),
                RestoreError::Contradiction(what) => Error::Image(what),
            })?,
        };
        Ok(Self {
            ledger: Ledger::of(&hub),
            hub,
            running: Running::default(),
            commands: Vec::new(),
            commanded: 0,
            deliveries: 0,
        })
    }

    /// Plays an event as it was recorded, and returns the short hash of its commands.
    fn play(&mut self, entry: Entry) -> Result<u32, Error> {
        let checked = self.ledger.check(entry.at, &entry.event);
        checked.map_err(|breach| self.refuse(breach, entry.at))?;
        self.tell(entry.at, entry.event);
        Ok(self.running.take(&self.commands, |told| match entry.text {
            Text::Kept => Cow::Borrowed(told),
            Text::Replaced => without_words(told),
        }))
    }

    /// Plays an event as well as it fits: more than was sent cannot be queued, and who stands is not
    /// connected again.
    fn play_what_fits(&mut self, entry: &Entry) -> Result<(), Error> {
        let mut event = entry.event.clone();
        match (self.ledger.check(entry.at, &event), &mut event) {
            (Ok(()), _) => {}
            (Err(Breach::Backlog(most)), Event::Backlog { bytes, .. }) => {
                *bytes = usize::try_from(most).unwrap_or(usize::MAX);
            }
            (Err(breach), _) => return Err(self.refuse(breach, entry.at)),
        }
        self.tell(entry.at, event);
        Ok(())
    }

    fn tell(&mut self, at: Timestamp, event: Event) {
        self.ledger.tell(at, &event);
        self.commands.clear();
        self.hub.handle(at, event, &mut self.commands);
        self.commanded += self.commands.len() as u64;
        self.deliveries += self.ledger.carry_out(&self.commands);
    }

    fn refuse(&self, breach: Breach, at: Timestamp) -> Error {
        let what = match breach {
            Breach::Time => format!("the time is {at:?} after {:?}", self.ledger.now()),
            Breach::Connect(conn) => format!("{conn:?} connects and stands already"),
            Breach::Backlog(most) => {
                format!("a backlog is larger than the {most} bytes that were sent")
            }
        };
        Error::Driver { event: self.running.mark().events + 1, what }
    }
}
