//! The same traffic under other limits: who would have been treated otherwise. This file does not
//! know how limits are written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use roundtable::{Command, Config, ConnId, Event, Recipients, Timestamp};
use serde::Deserialize;

use super::transcript::crowd;
use super::{Error, Item, Log, Player, Source};
use crate::record::Head;

/// What became of the connections of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// Who was behind a room's log for a while.
    pub lagged: BTreeSet<ConnId>,
    /// Who was told that entries are missing.
    pub gaps: BTreeSet<ConnId>,
    /// Who was closed by the hub, by close code.
    pub closed: BTreeMap<u16, BTreeSet<ConnId>>,
}

/// A run as it was recorded, and as it would have been.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// As recorded.
    pub recorded: Fates,
    /// Under the other limits.
    pub otherwise: Fates,
    /// Who was closed in the recorded run alone: what they would have done afterwards, nobody knows.
    pub spared: BTreeSet<ConnId>,
}

/// Plays a recording to two hubs, one with the recorded limits and one with `config`.
///
/// The peers say and read what they did when they were recorded. A connection that the recorded run
/// closed leaves the other one at the same time; a backlog larger than what was sent is taken for
/// all of that.
///
/// # Errors
///
/// If the recording cannot be played, or the hub does not take `config`.
pub fn compare<S: Source>(log: &mut Log<S>, config: Config) -> Result<Comparison, Error> {
    let image = log.take_image();
    let mut recorded = Player::new(log.head(), image.clone())?;
    let mut otherwise = Player::new(&Head { config, ..log.head().clone() }, image)?;
    let mut comparison = Comparison::default();
    while let Some(item) = log.next()? {
        let Item::Entry(entry) = item else { continue };
        otherwise.play_what_fits(&entry)?;
        comparison.otherwise.note(&otherwise.commands);
        let at = entry.at;
        recorded.play(entry)?;
        comparison.recorded.note(&recorded.commands);
        for command in &recorded.commands {
            let (Command::Refuse { conn, .. } | Command::Close { conn, .. }) = *command else {
                continue;
            };
            if otherwise.ledger.stands(conn) {
                comparison.spared.insert(conn);
                otherwise.tell(at.max(Timestamp::ZERO), Event::Disconnect { conn });
                comparison.otherwise.note(&otherwise.commands);
            }
        }
    }
    comparison.recorded.note_lagging(&recorded);
    comparison.otherwise.note_lagging(&otherwise);
    Ok(comparison)
}

impl Fates {
    fn note(&mut self, commands: &[Command]) {
        for command in commands {
            match command {
                // What is live goes to many; one alone reads on from the log.
                Command::Send { to: Recipients::One(conn), text } => self.note_text(*conn, text),
                Command::Close { conn, code, .. } => {
                    self.closed.entry(code.number()).or_default().insert(*conn);
                }
                Command::Refuse { .. }
                | Command::Send { .. }
                | Command::Ping { .. }
                | Command::Verify { .. }
                | Command::Append { .. }
                | Command::Drained => {}
            }
        }
    }

    fn note_text(&mut self, conn: ConnId, text: &str) {
        #[derive(Deserialize)]
        struct Frame<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            gap: Option<serde::de::IgnoredAny>,
        }
        let Ok(frame): Result<Frame<'_>, _> = serde_json::from_str(text) else { return };
        if frame.kind == "message" || frame.kind == "gap" {
            self.lagged.insert(conn);
        }
        if frame.kind == "gap" || frame.gap.is_some() {
            self.gaps.insert(conn);
        }
    }

    fn note_lagging(&mut self, player: &Player) {
        let standing = player.ledger.standing();
        self.lagged.extend(standing.filter(|conn| player.hub.is_lagging(*conn)));
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |what: &str, recorded: &BTreeSet<ConnId>, otherwise: &BTreeSet<ConnId>| {
            let only = crowd(otherwise.difference(recorded).copied());
            let (before, after) = (recorded.len(), otherwise.len());
            writeln!(f, "{what:<16}{before:>12}{after:>12}    {only}")
        };
        let none = BTreeSet::new();
        row("lagged", &self.recorded.lagged, &self.otherwise.lagged)?;
        row("told of a gap", &self.recorded.gaps, &self.otherwise.gaps)?;
        let codes: BTreeSet<u16> =
            self.recorded.closed.keys().chain(self.otherwise.closed.keys()).copied().collect();
        for code in codes {
            let [recorded, otherwise] = [&self.recorded, &self.otherwise]
                .map(|fates| fates.closed.get(&code).unwrap_or(&none));
            row(&format!("closed {code}"), recorded, otherwise)?;
        }
        Ok(())
    }
}
