//! Frames as a client reads them, and requests as it wrote them. This file does not know what they
//! promise, and shares no code with the hub.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use roundtable::AdminAction;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// What kind of frame the server sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Welcome,
    Ack,
    Joined,
    Left,
    Message,
    Removed,
    Gap,
    Signal,
    Presence,
    History,
    Error,
    Pong,
    Bye,
}

/// Every field that some frame has.
#[derive(Debug, Deserialize)]
pub(crate) struct Frame<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    #[serde(default, borrow, deserialize_with = "raw")]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(crate) room: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(crate) epoch: Option<Cow<'a, str>>,
    pub(crate) seq: Option<u64>,
    /// A name in `message`, a place in `gap`.
    #[serde(default, borrow)]
    from: Option<&'a RawValue>,
    to: Option<u64>,
    #[serde(default, borrow, deserialize_with = "raw")]
    data: Option<&'a RawValue>,
    pub(crate) ts: Option<u64>,
    pub(crate) recovered: Option<bool>,
    #[serde(default, borrow)]
    pub(crate) reason: Option<Cow<'a, str>>,
    pub(crate) gap: Option<Gap>,
    pub(crate) more: Option<bool>,
    #[serde(default, borrow)]
    history: Option<Vec<Item<'a>>>,
    #[serde(default, borrow)]
    items: Option<Vec<Item<'a>>>,
    /// A number in `bye`, a word in `error`.
    #[serde(default, borrow)]
    code: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(crate) message: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(crate) retry: Option<Cow<'a, str>>,
    pub(crate) v: Option<u64>,
    #[serde(default, borrow)]
    pub(crate) members: Option<Members<'a>>,
    count: Option<u64>,
    #[serde(default, borrow)]
    list: Option<Vec<Listed<'a>>>,
    #[serde(default, borrow)]
    join: Option<Vec<Listed<'a>>>,
    #[serde(default, borrow)]
    leave: Option<Vec<Cow<'a, str>>>,
    #[serde(default, borrow)]
    pub(crate) user: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(crate) session: Option<Cow<'a, str>>,
    pub(crate) resumed: Option<bool>,
    pub(crate) resume_ms: Option<u64>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) duplicate: Option<bool>,
    pub(crate) ttl_ms: Option<u64>,
    removed: Option<bool>,
    pub(crate) removes: Option<u64>,
    #[serde(default, borrow)]
    pub(crate) key: Option<Cow<'a, str>>,
}

/// An entry in a page.
#[derive(Debug, Deserialize)]
pub(crate) struct Item<'a> {
    pub(crate) seq: u64,
    #[serde(default, borrow)]
    from: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "raw")]
    pub(crate) data: Option<&'a RawValue>,
    pub(crate) ts: u64,
    removed: Option<bool>,
    removes: Option<u64>,
}

/// What stands at a place of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stands<'a> {
    /// Data.
    Data(&'a str),
    /// That its data was removed.
    Removed,
    /// That the data at this place was removed.
    Removes(u64),
}

impl<'a> Item<'a> {
    /// Who said it, as JSON; nothing is what an operator says.
    pub(crate) fn from(&self) -> &'a str {
        self.from.map_or("", RawValue::get)
    }

    pub(crate) fn stands(&self) -> Stands<'a> {
        match (self.data, self.removed, self.removes) {
            (Some(data), None, None) if self.from.is_some() => Stands::Data(data.get()),
            (None, Some(true), None) if self.from.is_some() => Stands::Removed,
            (None, None, Some(place)) => Stands::Removes(place),
            _ => panic!("not an entry: {self:?}"),
        }
    }
}

/// Who is in a room.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Members<'a> {
    pub(crate) v: u64,
    pub(crate) count: u64,
    #[serde(default, borrow)]
    pub(crate) list: Option<Vec<Listed<'a>>>,
}

/// A user in a room, and the number of its sessions there.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Listed<'a> {
    #[serde(borrow)]
    pub(crate) user: Cow<'a, str>,
    pub(crate) n: u64,
}

/// What is missing, both ends included.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Gap {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// A value that is there, be it `null`.
fn raw<'de: 'a, 'a, D: Deserializer<'de>>(input: D) -> Result<Option<&'a RawValue>, D::Error> {
    Deserialize::deserialize(input).map(Some)
}

impl<'a> Frame<'a> {
    pub(crate) fn read(text: &'a str) -> Self {
        serde_json::from_str(text)
            .unwrap_or_else(|error| panic!("sent what no client can read ({error}): {text}"))
    }

    pub(crate) fn room(&self) -> &str {
        self.room.as_deref().unwrap_or_else(|| panic!("no room: {self:?}"))
    }

    pub(crate) fn epoch(&self) -> &str {
        self.epoch.as_deref().unwrap_or_else(|| panic!("no epoch: {self:?}"))
    }

    pub(crate) fn seq(&self) -> u64 {
        self.seq.unwrap_or_else(|| panic!("no seq: {self:?}"))
    }

    pub(crate) fn word(&self) -> Cow<'a, str> {
        let word = self.code.and_then(|code| serde_json::from_str(code.get()).ok());
        word.unwrap_or_else(|| panic!("no word in code: {self:?}"))
    }

    pub(crate) fn number(&self) -> u64 {
        let number = self.code.and_then(|code| code.get().parse().ok());
        number.unwrap_or_else(|| panic!("no number in code: {self:?}"))
    }

    pub(crate) fn bounds(&self) -> Gap {
        let from = self.from.and_then(|from| from.get().parse().ok());
        match (from, self.to) {
            (Some(from), Some(to)) => Gap { from, to },
            _ => panic!("no bounds: {self:?}"),
        }
    }

    pub(crate) fn version(&self) -> u64 {
        self.v.unwrap_or_else(|| panic!("no v: {self:?}"))
    }

    /// Who has come and who has gone, if that is what a `presence` says.
    pub(crate) fn changes(&self) -> Option<(&[Listed<'a>], &[Cow<'a, str>])> {
        let (join, leave) = (self.join.as_deref()?, self.leave.as_deref()?);
        assert!(self.count.is_none() && self.list.is_none(), "both: {self:?}");
        Some((join, leave))
    }

    /// Everybody, as a `presence` says.
    pub(crate) fn everybody(&self) -> Members<'a> {
        let count = self.count.unwrap_or_else(|| panic!("no count: {self:?}"));
        Members { v: self.version(), count, list: self.list.clone() }
    }

    /// Who sent a `signal`, and what it says.
    pub(crate) fn said(&self) -> (&'a str, &'a str) {
        match (self.from, self.data) {
            (Some(from), Some(data)) => (from.get(), data.get()),
            _ => panic!("no signal: {self:?}"),
        }
    }

    /// The entry that a `message` or a `removed` carries.
    pub(crate) fn entry(&self) -> Item<'a> {
        let (Some(seq), Some(ts)) = (self.seq, self.ts) else { panic!("not an entry: {self:?}") };
        let Self { from, data, removed, removes, .. } = *self;
        let item = Item { seq, from, data, ts, removed, removes };
        let tells = matches!(item.stands(), Stands::Removes(_));
        assert_eq!(tells, self.kind == Kind::Removed, "the wrong type: {self:?}");
        item
    }

    pub(crate) fn page(&self) -> &[Item<'a>] {
        let page = if self.kind == Kind::Joined { &self.history } else { &self.items };
        page.as_deref().unwrap_or_else(|| panic!("no page: {self:?}"))
    }
}

/// What a client asked, as far as a reply depends on it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    id: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(crate) data: Option<&'a RawValue>,
    #[serde(borrow)]
    since: Option<&'a RawValue>,
    #[serde(borrow)]
    before: Option<&'a RawValue>,
    #[serde(borrow)]
    echo: Option<&'a RawValue>,
    #[serde(borrow)]
    resume: Option<&'a RawValue>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    room: Option<&'a RawValue>,
    #[serde(borrow)]
    user: Option<&'a RawValue>,
    #[serde(borrow)]
    for_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    seq: Option<&'a RawValue>,
}

/// A place in a run of a log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Place {
    pub(crate) epoch: String,
    pub(crate) seq: u64,
}

impl<'a> Asked<'a> {
    /// Reads a request; nothing if it is not one JSON object.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|_| text.trim_start().starts_with('{'))
    }

    pub(crate) fn is(&self, kind: &str) -> bool {
        let word: Option<Cow<'_, str>> =
            self.kind.and_then(|kind| serde_json::from_str(kind.get()).ok());
        word.is_some_and(|word| word == kind)
    }

    /// The id that must come back, if the request has a good one.
    pub(crate) fn id(&self) -> Option<&'a str> {
        let raw = self.id?.get();
        let good = match serde_json::from_str::<serde_json::Value>(raw).ok()? {
            serde_json::Value::String(id) => id.len() <= 64,
            serde_json::Value::Number(id) => id.is_i64() || id.is_u64(),
            _ => false,
        };
        good.then_some(raw)
    }

    pub(crate) fn since(&self) -> Option<Place> {
        serde_json::from_str(self.since?.get()).ok()
    }

    /// Where a client that comes back stands in each room, if it says so.
    pub(crate) fn places(&self) -> Option<BTreeMap<String, Place>> {
        serde_json::from_str(self.since?.get()).ok()
    }

    pub(crate) fn key(&self) -> Option<String> {
        serde_json::from_str(self.key?.get()).ok()
    }

    /// The name of the room that it is about.
    pub(crate) fn room(&self) -> Option<String> {
        let name: String = serde_json::from_str(self.room?.get()).ok()?;
        Some(name.trim().to_owned())
    }

    /// The session that a client comes back to.
    pub(crate) fn resume(&self) -> Option<String> {
        serde_json::from_str(self.resume?.get()).ok()
    }

    /// What a moderator asks for.
    pub(crate) fn action(&self) -> Option<AdminAction> {
        let room = || serde_json::from_str(self.room?.get()).ok();
        let user = || serde_json::from_str(self.user?.get()).ok();
        let number = |raw: Option<&RawValue>| raw?.get().parse().ok();
        if self.is("kick") {
            Some(AdminAction::Kick { room: Some(room()?), user: user()? })
        } else if self.is("ban") {
            let span = Duration::from_millis(number(self.for_ms)?);
            Some(AdminAction::Ban { room: room()?, user: user()?, span })
        } else if self.is("remove") {
            Some(AdminAction::Remove { room: room()?, seq: number(self.seq)? })
        } else {
            None
        }
    }

    pub(crate) fn before(&self) -> Option<Place> {
        serde_json::from_str(self.before?.get()).ok()
    }

    pub(crate) fn wants_echo(&self) -> bool {
        self.echo.is_none_or(|echo| echo.get() != "false")
    }
}
