//! What a hub's totals must say, counted from outside: from what it was handed, and what it commanded.
//! This file shares no code with the counts in the hub.

use std::collections::BTreeMap;

use roundtable::protocol::ErrorCode;
use roundtable::{CloseCode, Command, Event, Limit, Refusal, Totals};

use crate::audit::{Frame, Kind};

/// What was counted so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    texts: u64,
    text_bytes: u64,
    sends: u64,
    deliveries: u64,
    delivered_bytes: u64,
    /// What is rarer, by the name that a difference is told with.
    others: BTreeMap<String, u64>,
}

impl Tally {
    /// An event is handed in, about a connection that the hub knows, or about none.
    pub(crate) fn event(&mut self, event: &Event, is_known: bool) {
        match event {
            Event::Connect { .. } => self.add("connects"),
            Event::Text { text, .. } if is_known => {
                self.texts += 1;
                self.text_bytes += text.len() as u64;
            }
            Event::Disconnect { .. } if is_known => self.add("disconnects"),
            _ => {}
        }
    }

    /// A command is carried out that is no frame.
    pub(crate) fn command(&mut self, command: &Command) {
        match command {
            Command::Ping { .. } => self.add("pings"),
            Command::Verify { .. } => self.add("verifies"),
            Command::Close { code, .. } => self.add(&format!("closes {}", code.number())),
            Command::Refuse { refusal, .. } => self.add(match refusal {
                Refusal::TooManyConnections => "limit address_connections",
                Refusal::TooFast => "limit address_per_minute",
                Refusal::TooManyAddresses => "limit max_addresses",
                Refusal::TooManyUnverified => "limit max_unverified",
            }),
            Command::Append { .. } | Command::Send { .. } | Command::Drained => {}
        }
    }

    /// A frame is given to so many, each of whom is sent so many bytes.
    pub(crate) fn frame(&mut self, frame: &Frame<'_>, bytes: usize, recipients: usize) {
        self.sends += 1;
        self.deliveries += recipients as u64;
        self.delivered_bytes += (bytes * recipients) as u64;
        match frame.kind {
            Kind::Error => self.add(&format!("errors {}", frame.word())),
            Kind::Signal => self.add("signals"),
            Kind::Gap => self.add("gaps"),
            Kind::Joined if frame.gap.is_some() => self.add("gaps"),
            Kind::Welcome if frame.resumed == Some(true) => self.add("resumed"),
            _ => {}
        }
    }

    /// The first number that the hub has otherwise.
    pub(crate) fn differs(&self, totals: &Totals) -> Option<String> {
        let (mine, theirs) = (self.by_name(), by_name(totals));
        let of = |numbers: &BTreeMap<String, u64>, name| numbers.get(name).copied().unwrap_or(0);
        let mut names = theirs.keys().chain(mine.keys());
        let name = names.find(|name| of(&mine, *name) != of(&theirs, *name))?;
        Some(format!("{name}: {}, and the hub counts {}", of(&mine, name), of(&theirs, name)))
    }

    fn by_name(&self) -> BTreeMap<String, u64> {
        let mut numbers = self.others.clone();
        numbers.extend(
            [
                ("texts", self.texts),
                ("text bytes", self.text_bytes),
                ("sends", self.sends),
                ("deliveries", self.deliveries),
                ("delivered bytes", self.delivered_bytes),
            ]
            .map(|(name, number)| (name.to_owned(), number)),
        );
        numbers
    }

    fn add(&mut self, name: &str) {
        *self.others.entry(name.to_owned()).or_default() += 1;
    }
}

/// Those of the hub's numbers that can be seen from outside.
fn by_name(totals: &Totals) -> BTreeMap<String, u64> {
    let counts = &totals.counts;
    let mut numbers: BTreeMap<String, u64> = [
        ("connects", counts.connects),
        ("disconnects", counts.disconnects),
        ("texts", counts.texts),
        ("text bytes", counts.text_bytes),
        ("sends", counts.sends),
        ("deliveries", counts.deliveries),
        ("delivered bytes", counts.delivered_bytes),
        ("pings", counts.pings),
        ("verifies", counts.verifies),
        ("signals", counts.signals),
        ("gaps", counts.gaps),
        ("resumed", counts.resumed),
    ]
    .map(|(name, number)| (name.to_owned(), number))
    .into();
    for code in CloseCode::ALL {
        numbers.insert(format!("closes {}", code.number()), counts.closes(code));
    }
    for code in ErrorCode::ALL {
        let word = serde_json::to_value(code).expect("a code is a word");
        let word = word.as_str().expect("a code is a word");
        numbers.insert(format!("errors {word}"), counts.errors(code));
    }
    for limit in Limit::ALL {
        let by_command =
            ["address_connections", "address_per_minute", "max_addresses", "max_unverified"];
        if by_command.contains(&limit.setting()) {
            numbers.insert(format!("limit {}", limit.setting()), counts.limits(limit));
        }
    }
    numbers
}
