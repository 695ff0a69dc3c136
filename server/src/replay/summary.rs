//! What a replay came to, in words. This file does not know how a recording is played.

use std::fmt;
use std::time::Duration;

use super::transcript::{Line, command_line, crowd, event_line};
use super::{Comparison, Difference, Report, Torn};
use crate::record::{Head, Redaction};

/// A recording that was played as it was recorded.
pub(super) struct Summary<'a> {
    pub(super) head: &'a Head,
    pub(super) report: &'a Report,
}

/// A recording that was played under other limits.
pub(super) struct Table<'a> {
    pub(super) sets: &'a [&'a String],
    pub(super) comparison: &'a Comparison,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { events, commands, deliveries, hash, .. } = self.report;
        let masked = match self.head.redaction {
            Redaction::Secrets => "credentials",
            Redaction::Data => "credentials and data",
        };
        let millis = u64::try_from(self.report.span.as_millis()).unwrap_or(u64::MAX);
        let span = humantime::format_duration(Duration::from_millis(millis));
        writeln!(f, "recorded by {}, {masked} masked", self.head.build)?;
        writeln!(f, "{events} events, {commands} commands, {deliveries} deliveries in {span}")?;
        if let Some(Torn { part, at, bytes }) = self.report.torn {
            writeln!(f, "the last {bytes} bytes, from byte {at} of part {part}, are unfinished")?;
        }
        match &self.report.difference {
            Some(difference) => self.tell(difference, f),
            None if self.report.is_ended => writeln!(f, "hash {hash:016x}, as recorded"),
            None => {
                let last = self.report.agreed.events;
                writeln!(f, "hash {hash:016x}, each event's commands as recorded")?;
                writeln!(f, "the recording breaks off; its last hash is at event {last}")
            }
        }
    }
}

impl Summary<'_> {
    fn tell(&self, difference: &Difference, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match difference {
            Difference::Answer { number, at, event, commands } => {
                writeln!(f, "event {number}, at {at:?}, gets other commands than were recorded:")?;
                writeln!(f, "  {}", Line(event_line(event)))?;
                for command in commands {
                    writeln!(f, "    -> {}", Line(command_line(command)))?;
                }
                if commands.is_empty() {
                    writeln!(f, "    -> nothing")?;
                }
            }
            Difference::Hash { agreed, recorded, played } => {
                let (from, to) = (agreed.events, recorded.events);
                writeln!(f, "the hash differs between the events {from} and {to}:")?;
                writeln!(f, "  recorded {:016x} at event {to}", recorded.hash)?;
                writeln!(f, "  played   {:016x} at event {}", played.hash, played.events)?;
            }
        }
        let ours = env!("CARGO_PKG_VERSION");
        if self.head.build != ours {
            writeln!(f, "this is version {ours}: another version may answer otherwise")?;
        }
        Ok(())
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for set in self.sets {
            writeln!(f, "with {}", Line((*set).clone()))?;
        }
        writeln!(f, "{:<16}{:>12}{:>12}    otherwise alone", "", "recorded", "otherwise")?;
        write!(f, "{}", self.comparison)?;
        let spared = &self.comparison.spared;
        if !spared.is_empty() {
            let spared = crowd(spared.iter().copied());
            writeln!(f, "closed as recorded, and therefore left out from there on: {spared}")?;
        }
        Ok(())
    }
}
