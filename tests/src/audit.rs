//! An auditor of everything that clients are sent: it holds each frame against the protocol's
//! promises. It does not know how a hub works, only what a client may rely on.

use std::collections::BTreeMap;

use roundtable::{CloseCode, ConnId, Name};
use serde_json::Value;

const ERRORS: [&str; 15] = [
    "bad_json",
    "bad_type",
    "bad_field",
    "too_large",
    "unauthorized",
    "forbidden",
    "token_expired",
    "not_joined",
    "room_full",
    "room_limit",
    "rate_limited",
    "key_conflict",
    "unsupported",
    "overloaded",
    "draining",
];

/// What clients have been told so far.
#[derive(Debug, Default)]
pub struct Audit {
    readers: BTreeMap<ConnId, Reader>,
    /// Every entry that anybody was told of, by epoch and place.
    logs: BTreeMap<String, BTreeMap<u64, Entry>>,
    request: Option<Request>,
}

#[derive(Debug, Default)]
struct Reader {
    user: Option<String>,
    refused: bool,
    rooms: BTreeMap<String, Member>,
}

#[derive(Debug)]
struct Member {
    epoch: String,
    cursor: u64,
    echo: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    from: Value,
    data: Value,
    /// Not known of an entry that was only acknowledged.
    ts: Option<u64>,
    /// Known of an entry that was seen when it was published. A name may have another owner later.
    author: Option<ConnId>,
}

/// The text that a client has just sent.
#[derive(Debug)]
struct Request {
    conn: ConnId,
    frame: Value,
    replies: usize,
    acked: bool,
}

impl Audit {
    /// A client has connected.
    pub fn connect(&mut self, conn: ConnId) {
        self.readers.insert(conn, Reader::default());
    }

    /// A client's connection is over.
    pub fn end(&mut self, conn: ConnId) {
        self.readers.remove(&conn);
    }

    /// A client has sent a text; what the hub answers comes until [`Audit::answered`].
    pub fn request(&mut self, conn: ConnId, text: &str) {
        let frame = serde_json::from_str(text).unwrap_or(Value::Null);
        self.request = Some(Request { conn, frame, replies: 0, acked: false });
    }

    /// The hub has handled the text.
    ///
    /// # Panics
    ///
    /// If a request with an id got no reply, or more than one.
    pub fn answered(&mut self) {
        let Some(request) = self.request.take() else { return };
        let closed = !self.readers.contains_key(&request.conn);
        if !closed && has_id(&request.frame) {
            assert_eq!(request.replies, 1, "replies to {}", request.frame);
        }
    }

    /// A client is sent a frame.
    ///
    /// # Panics
    ///
    /// If the frame breaks a promise of the protocol.
    pub fn sent(&mut self, conn: ConnId, frame: &Value) {
        let reader = self.readers.get(&conn).expect("the driver asks only for live connections");
        let kind = frame["type"].as_str().unwrap_or_else(|| panic!("no type: {frame}"));
        assert!(
            reader.user.is_some() || matches!(kind, "welcome" | "bye"),
            "{conn:?} got this before its welcome: {frame}"
        );
        assert!(!reader.refused, "{conn:?} was refused and then got {frame}");
        self.count_reply(conn, frame);
        match kind {
            "welcome" => self.welcome(conn, frame),
            "ack" => self.ack(conn, frame),
            "joined" => self.joined(conn, frame),
            "left" => {
                let left = self.reader(conn).rooms.remove(text(frame, "room"));
                // A `leave` is answered whether or not the client was there.
                assert!(left.is_some() || self.is_answer(conn), "left unasked: {frame}");
            }
            "message" => self.message(conn, frame),
            "gap" => self.gap(conn, frame),
            "history" => self.history(frame),
            "error" => {
                let code = text(frame, "code");
                assert!(ERRORS.contains(&code), "an unknown error: {frame}");
                let retry = text(frame, "retry");
                assert!(["never", "later", "now"].contains(&retry), "retry of {frame}");
                assert!(!text(frame, "message").is_empty(), "says nothing: {frame}");
            }
            "pong" => _ = number(frame, "ts"),
            "bye" => {
                let code = number(frame, "code");
                let known = CloseCode::ALL.iter().find(|known| u64::from(known.number()) == code);
                let known = known.unwrap_or_else(|| panic!("an unknown code: {frame}"));
                assert_eq!(text(frame, "reason"), known.reason());
                let reader = self.reader(conn);
                reader.refused = reader.user.is_none();
            }
            _ => panic!("an unknown type: {frame}"),
        }
    }

    /// Nothing waits for anybody any more: each of `conns`, which read all they were sent, must
    /// have been given everything that was published in its rooms.
    ///
    /// # Panics
    ///
    /// If one has missed something.
    pub fn settled(&self, conns: impl Iterator<Item = ConnId>) {
        for conn in conns {
            let reader = &self.readers[&conn];
            for (room, member) in &reader.rooms {
                let missing = self.entries(member).range(member.cursor + 1..);
                for (seq, entry) in missing {
                    assert!(
                        !member.echo && may_be_by(entry, conn, reader),
                        "{conn:?} stands at {} in {room} and was never given {seq}: {entry:?}",
                        member.cursor
                    );
                }
            }
        }
    }

    fn reader(&mut self, conn: ConnId) -> &mut Reader {
        self.readers.get_mut(&conn).expect("looked at before")
    }

    fn entries(&self, member: &Member) -> &BTreeMap<u64, Entry> {
        static NONE: BTreeMap<u64, Entry> = BTreeMap::new();
        self.logs.get(&member.epoch).unwrap_or(&NONE)
    }

    /// Who is publishing this entry just now, if it is new.
    fn author(&self, frame: &Value) -> Option<ConnId> {
        let request = self.request.as_ref()?;
        let publishes = request.frame.is_null() || request.frame["type"] == "publish";
        let user = self.readers.get(&request.conn)?.user.as_deref();
        let same = frame["from"].as_str() == user;
        let same = same && (request.frame.is_null() || request.frame["data"] == frame["data"]);
        (publishes && same).then_some(request.conn)
    }

    fn is_answer(&self, conn: ConnId) -> bool {
        self.request.as_ref().is_some_and(|request| request.conn == conn)
    }

    fn count_reply(&mut self, conn: ConnId, frame: &Value) {
        if frame["id"].is_null() {
            return;
        }
        let request = self.request.as_mut().filter(|request| request.conn == conn);
        let request = request.unwrap_or_else(|| panic!("{conn:?} asked nothing and got {frame}"));
        assert_eq!(frame["id"], request.frame["id"], "the id of {frame}");
        request.replies += 1;
        request.acked |= frame["type"] == "ack";
    }

    fn welcome(&mut self, conn: ConnId, frame: &Value) {
        assert_eq!(frame["v"], 1, "{frame}");
        number(frame, "max_bytes");
        let user = text(frame, "user").to_owned();
        let name = user.parse::<Name>().unwrap_or_else(|error| panic!("{frame}: {error}"));
        assert_eq!(name.as_str(), user, "a name is trimmed");
        for (other, reader) in &self.readers {
            let taken = *other != conn && reader.user.as_ref() == Some(&user);
            assert!(!taken, "{other:?} has this name already: {frame}");
        }
        let reader = self.reader(conn);
        assert!(reader.user.is_none() || reader.rooms.is_empty(), "renamed after a join: {frame}");
        reader.user = Some(user);
    }

    fn ack(&mut self, conn: ConnId, frame: &Value) {
        let request = self.request.as_ref().filter(|request| request.conn == conn);
        let request = request.unwrap_or_else(|| panic!("acknowledges nothing: {frame}"));
        assert_eq!(request.frame["type"], "publish", "{frame}");
        let user = self.readers[&conn].user.clone().unwrap_or_default();
        let data = request.frame["data"].clone();
        let entry = Entry { from: user.into(), data, ts: None, author: Some(conn) };
        self.record(text(frame, "epoch"), number(frame, "seq"), entry);
    }

    fn joined(&mut self, conn: ConnId, frame: &Value) {
        let request = self.request.as_ref().filter(|request| request.conn == conn);
        let asked = request.map_or(Value::Null, |request| request.frame.clone());
        let epoch = text(frame, "epoch").to_owned();
        let seq = number(frame, "seq");
        let first = self.page(&epoch, &frame["history"]);
        let last = first.map(|(_, last)| last);
        assert!(last.is_none_or(|last| last == seq), "seq is the last one given: {frame}");
        let room = text(frame, "room").to_owned();
        let reader = &self.readers[&conn];
        if let Some(member) = reader.rooms.get(&room) {
            assert_eq!(member.epoch, epoch, "a member's room keeps its epoch: {frame}");
            assert!(last.is_none(), "a second join gives no history: {frame}");
            assert!(seq >= member.cursor, "a second join moves no cursor: {frame}");
            if seq > member.cursor {
                self.check_holes(conn, member, seq + 1, frame);
            }
        } else {
            check_recovery(&asked, frame, first.map(|(first, _)| first));
        }
        let echo = asked["echo"].as_bool().unwrap_or(true);
        self.reader(conn).rooms.insert(room, Member { epoch, cursor: seq, echo });
    }

    fn message(&mut self, conn: ConnId, frame: &Value) {
        let room = text(frame, "room");
        let seq = number(frame, "seq");
        let entry = Entry { author: self.author(frame), ..entry(frame) };
        let reader = &self.readers[&conn];
        let Some(member) = reader.rooms.get(room) else {
            panic!("{conn:?} is not in the room of {frame}");
        };
        self.check_holes(conn, member, seq, frame);
        let known = self.entries(member).get(&seq).and_then(|known| known.author);
        let own = entry.author.or(known) == Some(conn);
        assert!(member.echo || !own, "{conn:?} wanted no echo, but got {frame}");
        if entry.author == Some(conn) && known.is_none() {
            let request = self.request.as_ref().filter(|request| has_id(&request.frame));
            let acked = request.is_none_or(|request| request.acked);
            assert!(acked, "{conn:?} got its echo before its ack: {frame}");
        }
        let epoch = member.epoch.clone();
        self.record(&epoch, seq, entry);
        self.member(conn, room).cursor = seq;
    }

    fn gap(&mut self, conn: ConnId, frame: &Value) {
        let (room, from, to) = (text(frame, "room"), number(frame, "from"), number(frame, "to"));
        assert!(from <= to, "a gap without a place: {frame}");
        assert_eq!(frame["reason"], "trimmed", "{frame}");
        let member = self.readers[&conn].rooms.get(room);
        let member = member.unwrap_or_else(|| panic!("{conn:?} is not in the room of {frame}"));
        assert_eq!(frame["epoch"], *member.epoch, "{frame}");
        self.check_holes(conn, member, from, frame);
        self.member(conn, room).cursor = to;
    }

    fn member(&mut self, conn: ConnId, room: &str) -> &mut Member {
        self.reader(conn).rooms.get_mut(room).expect("looked at before")
    }

    /// What is given next to a reader begins right behind its cursor, but for its own messages
    /// where it wanted no echo.
    fn check_holes(&self, conn: ConnId, member: &Member, next: u64, frame: &Value) {
        assert!(next > member.cursor, "{conn:?} at {} goes back: {frame}", member.cursor);
        if member.echo {
            assert_eq!(next, member.cursor + 1, "{conn:?} misses something before {frame}");
            return;
        }
        let reader = &self.readers[&conn];
        for (seq, entry) in self.entries(member).range(member.cursor + 1..next) {
            let own = may_be_by(entry, conn, reader);
            assert!(own, "{conn:?} was never given {seq}, but {frame}");
        }
    }

    fn history(&mut self, frame: &Value) {
        let epoch = text(frame, "epoch").to_owned();
        self.page(&epoch, &frame["items"]);
        assert!(frame["more"].is_boolean(), "{frame}");
    }

    /// Checks a page of entries, and gives its first and last place.
    fn page(&mut self, epoch: &str, items: &Value) -> Option<(u64, u64)> {
        let items = items.as_array().unwrap_or_else(|| panic!("not a page: {items}"));
        let mut last = None;
        for item in items {
            let seq = number(item, "seq");
            assert!(last.is_none_or(|last: u64| last + 1 == seq), "a hole before {item}");
            self.record(epoch, seq, entry(item));
            last = Some(seq);
        }
        Some((number(items.first()?, "seq"), last?))
    }

    /// The same place of the same log holds the same entry for everybody, for ever.
    fn record(&mut self, epoch: &str, seq: u64, mut entry: Entry) {
        assert!((1..1 << 53).contains(&seq), "place {seq}");
        let log = self.logs.entry(epoch.to_owned()).or_default();
        if let Some(known) = log.get(&seq) {
            entry.ts = entry.ts.or(known.ts);
            entry.author = known.author.or(entry.author);
            let same = known.from == entry.from && known.data == entry.data;
            let same = same && known.ts.is_none_or(|ts| Some(ts) == entry.ts);
            assert!(same, "{seq} of {epoch} was {known:?} and is {entry:?}");
        }
        let before = log.range(..seq).next_back().and_then(|(_, before)| before.ts);
        let in_order = before.is_none() || entry.ts.is_none() || before <= entry.ts;
        assert!(in_order, "{seq} of {epoch} is older than the entry before it");
        log.insert(seq, entry);
    }
}

/// The part of the `since` table that a client can check by itself.
fn check_recovery(asked: &Value, frame: &Value, first: Option<u64>) {
    let since = &asked["since"];
    let seq = number(frame, "seq");
    let reason = frame["reason"].as_str();
    let start = first.unwrap_or(seq + 1);
    if frame["recovered"] == true {
        assert_eq!(frame["epoch"], since["epoch"], "recovered from another epoch: {frame}");
        assert_eq!(since["seq"].as_u64(), Some(start - 1), "not exactly what was missed: {frame}");
        assert!(reason.is_none() && frame["gap"].is_null(), "{frame}");
        return;
    }
    assert_eq!(frame["recovered"], false, "{frame}");
    match reason {
        None => assert!(since.is_null(), "asked with {since}: {frame}"),
        Some("epoch_changed") => assert_ne!(frame["epoch"], since["epoch"], "{frame}"),
        Some("ahead") => assert_eq!(frame["epoch"], since["epoch"], "{frame}"),
        Some("trimmed") => {
            assert_eq!(frame["epoch"], since["epoch"], "{frame}");
            let gap = &frame["gap"];
            assert_eq!(Some(number(gap, "from") - 1), since["seq"].as_u64(), "{frame}");
            assert_eq!(number(gap, "to"), start - 1, "ends before the first entry: {frame}");
        }
        Some(reason) => panic!("an unknown reason {reason}: {frame}"),
    }
    assert_eq!(frame["gap"].is_null(), reason != Some("trimmed"), "{frame}");
}

/// Whether a client's frame has an id that must be echoed.
fn has_id(frame: &Value) -> bool {
    match &frame["id"] {
        Value::String(id) => id.len() <= 64,
        Value::Number(id) => id.is_i64() || id.is_u64(),
        _ => false,
    }
}

fn may_be_by(entry: &Entry, conn: ConnId, reader: &Reader) -> bool {
    match entry.author {
        Some(author) => author == conn,
        None => entry.from.as_str() == reader.user.as_deref(),
    }
}

fn entry(frame: &Value) -> Entry {
    let entry = Entry {
        from: frame["from"].clone(),
        data: frame["data"].clone(),
        ts: Some(number(frame, "ts")),
        author: None,
    };
    assert!(entry.from.is_string() && frame.get("data").is_some(), "not an entry: {frame}");
    entry
}

fn text<'a>(frame: &'a Value, field: &str) -> &'a str {
    frame[field].as_str().unwrap_or_else(|| panic!("no text in {field} of {frame}"))
}

fn number(frame: &Value, field: &str) -> u64 {
    frame[field].as_u64().unwrap_or_else(|| panic!("no number in {field} of {frame}"))
}
