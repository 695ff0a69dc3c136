//! What clients say: one text frame, one JSON object.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use core::time::Duration;

use serde::de::{Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error_code::ErrorCode;
use super::json::{self, Survey};
use crate::config::MAX_SPAN;
use crate::name::Name;

/// A frame from a client, borrowed from its text.
#[derive(Debug)]
pub struct Frame<'a> {
    /// What the reply is to carry; without it some requests get no reply.
    pub id: Option<Id<'a>>,
    /// What the client wants.
    pub request: Request<'a>,
}

/// The mark by which a client knows the reply to its request: a string of at most 64 bytes, or an
/// integer. It goes back as the bytes that came.
#[derive(Clone, Copy, Debug)]
pub struct Id<'a>(&'a RawValue);

/// What a client wants, in the order of a session's life.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(tag = "type", rename_all = "snake_case")
)]
pub enum Request<'a> {
    /// Choose a name or come back to a session, before the first join.
    Hello {
        /// The wished name.
        name: Option<Name>,
        /// A credential, which decides the name.
        token: Option<Cow<'a, str>>,
        /// The session to come back to, as `welcome` gave it.
        resume: Option<Cow<'a, str>>,
        /// The last place that the client has seen in each room; without it the hub goes on where it
        /// stopped to send.
        since: Option<Places<'a>>,
    },
    /// Show a token: the first one, or a fresh one.
    Auth {
        /// The token.
        token: Cow<'a, str>,
    },
    /// Become a member of a room.
    Join {
        /// The room.
        room: Name,
        /// The last place that the client has seen.
        since: Option<Position<'a>>,
        /// Whether the client's own messages are wanted back, as they are without it.
        #[cfg_attr(feature = "schema", schemars(with = "Option<bool>"))]
        echo: Echo,
    },
    /// Stop being a member of a room.
    Leave {
        /// The room.
        room: Cow<'a, str>,
    },
    /// Append an entry to a room's log.
    Publish {
        /// The room.
        room: Cow<'a, str>,
        /// What makes it safe to repeat, at most 64 bytes.
        #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64)))]
        key: Option<Cow<'a, str>>,
        /// The entry's data, passed through as the bytes that came.
        data: &'a RawValue,
    },
    /// Say something that is not kept.
    Signal {
        /// The room.
        room: Cow<'a, str>,
        /// What it is about, at most 64 bytes.
        #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64)))]
        key: Cow<'a, str>,
        /// What it says, passed through as the bytes that came.
        data: &'a RawValue,
    },
    /// Read a page of a room's log.
    History {
        /// The room.
        room: Cow<'a, str>,
        /// The place that the page ends before; the log's end without it.
        before: Option<Position<'a>>,
        /// The most entries wanted.
        #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
        limit: Option<u64>,
    },
    /// Ask who is in a room.
    Presence {
        /// The room.
        room: Cow<'a, str>,
    },
    /// Take a user out of a room.
    Kick {
        /// The room.
        room: Name,
        /// Who is sent away.
        user: Name,
    },
    /// Take a user out of a room, and let nobody of that name in for a while.
    Ban {
        /// The room.
        room: Name,
        /// Who is kept out.
        user: Name,
        /// How long; zero lifts the ban.
        #[cfg_attr(
            feature = "schema",
            schemars(rename = "for_ms", with = "u64", range(max = 8_640_000_000_u64))
        )]
        span: Duration,
    },
    /// Take the data out of an entry of a room's log.
    Remove {
        /// The room.
        room: Name,
        /// The entry's place.
        seq: u64,
    },
    /// Ask for a `pong`.
    Ping,
    /// Close the connection.
    Bye,
}

impl Request<'_> {
    /// Whether it may be asked before a token is shown, where one is needed.
    pub(crate) const fn needs_no_token(&self) -> bool {
        match self {
            Self::Hello { .. } | Self::Auth { .. } | Self::Ping | Self::Bye => true,
            Self::Join { .. }
            | Self::Leave { .. }
            | Self::Publish { .. }
            | Self::Signal { .. }
            | Self::History { .. }
            | Self::Presence { .. }
            | Self::Kick { .. }
            | Self::Ban { .. }
            | Self::Remove { .. } => false,
        }
    }
}

/// Places in rooms' logs, by the rooms' names.
pub type Places<'a> = BTreeMap<Cow<'a, str>, Position<'a>>;

/// A place in one run of a room's log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Position<'a> {
    /// Which run of the log.
    #[serde(borrow)]
    pub epoch: Cow<'a, str>,
    /// The place, from 1; 0 lies before the first entry.
    pub seq: u64,
}

/// Whether a member is given its own messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Echo {
    /// Like everybody's.
    #[default]
    On,
    /// They are left out; the member's cursor moves past them.
    Off,
}

/// Why a frame was not taken.
#[derive(Debug)]
pub struct Refusal<'a> {
    /// The frame's `id`, as far as it could be read.
    pub id: Option<Id<'a>>,
    /// What kind of fault it is.
    pub code: ErrorCode,
    /// What is wrong, for people.
    pub message: Cow<'static, str>,
}

impl<'a> Frame<'a> {
    /// Reads a client's frame whose JSON is nested at most `max_depth` deep.
    ///
    /// # Errors
    ///
    /// `bad_json` for what is not one JSON object, nested too deep, or holds a string or number that
    /// not everybody can read, `bad_type` for an unknown type, and `bad_field` for a field that is
    /// missing, twice there, or of the wrong form.
    pub fn parse(text: &'a str, max_depth: usize) -> Result<Self, Refusal<'a>> {
        let fields = Fields::parse(text, max_depth)?;
        let id = fields.id.map(Id::parse).transpose()?;
        let refused = |(code, message)| Refusal { id, code, message };
        let request = fields.request().map_err(refused)?;
        Ok(Self { id, request })
    }
}

impl<'a> Id<'a> {
    /// The `id` of a frame that is refused before it is read, as far as it has one.
    pub(crate) fn peek(text: &'a str, max_depth: usize) -> Option<Self> {
        let fields = Fields::parse(text, max_depth).ok()?;
        Self::parse(fields.id?).ok()
    }

    /// The bytes that came.
    pub fn raw(self) -> &'a RawValue {
        self.0
    }

    fn parse(raw: &'a RawValue) -> Result<Self, Refusal<'a>> {
        let text = raw.get();
        let is_id = if text.starts_with('"') {
            string(raw).is_some_and(|id| id.len() <= 64)
        } else {
            // A reader of integers would not take back -0.
            text != "-0" && (text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok())
        };
        if is_id {
            return Ok(Self(raw));
        }
        let message = "`id` must be a string of at most 64 bytes or an integer of 64 bits".into();
        Err(Refusal { id: None, code: ErrorCode::BadField, message })
    }
}

type Fault = (ErrorCode, Cow<'static, str>);

/// Every field that some request has, unread. One pass finds them all, whatever their order.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow, rename = "type", deserialize_with = "raw")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    id: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    name: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    token: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    resume: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    room: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    since: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    echo: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    data: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    key: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    before: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    limit: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    user: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    for_ms: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    seq: Option<&'a RawValue>,
}

/// A field that is there, be it `null`: `data` may be.
fn raw<'de: 'a, 'a, D: Deserializer<'de>>(input: D) -> Result<Option<&'a RawValue>, D::Error> {
    Deserialize::deserialize(input).map(Some)
}

impl<'a> Fields<'a> {
    fn parse(text: &'a str, max_depth: usize) -> Result<Self, Refusal<'a>> {
        let refusal = |code, message| Refusal { id: None, code, message };
        // Serde would take an array for the fields in their order.
        if !text.trim_start().starts_with('{') {
            return Err(refusal(ErrorCode::BadJson, "a frame is a JSON object".into()));
        }
        let Survey { depth, unreadable } = json::survey(text);
        if let Some(words) = unreadable {
            return Err(refusal(ErrorCode::BadJson, words.into()));
        }
        if depth > max_depth {
            let message = format!("the JSON is nested {depth} deep, at most {max_depth} is taken");
            return Err(refusal(ErrorCode::BadJson, message.into()));
        }
        serde_json::from_str(text).map_err(|error| {
            // A wrong field is found before the end, and what follows it may not be JSON.
            let is_json = error.is_data() && serde_json::from_str::<IgnoredAny>(text).is_ok();
            let code = if is_json { ErrorCode::BadField } else { ErrorCode::BadJson };
            refusal(code, format!("not a frame: {error}").into())
        })
    }

    fn request(&self) -> Result<Request<'a>, Fault> {
        let kind: Cow<'a, str> = required("type", self.kind)?;
        match &*kind {
            "hello" => Ok(Request::Hello {
                name: optional_name("name", self.name)?,
                token: optional_text("token", self.token)?,
                resume: optional_text("resume", self.resume)?,
                since: places("since", self.since)?,
            }),
            "auth" => Ok(Request::Auth { token: required("token", self.token)? }),
            "join" => Ok(Request::Join {
                room: required_name("room", self.room)?,
                since: position("since", self.since)?,
                echo: self.echo()?,
            }),
            "leave" => Ok(Request::Leave { room: self.room()? }),
            "publish" => {
                let data = self.data.ok_or_else(|| missing("data"))?;
                Ok(Request::Publish { room: self.room()?, key: self.key()?, data })
            }
            "signal" => {
                let data = self.data.ok_or_else(|| missing("data"))?;
                let key = self.key()?.ok_or_else(|| missing("key"))?;
                Ok(Request::Signal { room: self.room()?, key, data })
            }
            "history" => Ok(Request::History {
                room: self.room()?,
                before: position("before", self.before)?,
                limit: self.limit()?,
            }),
            "presence" => Ok(Request::Presence { room: self.room()? }),
            "kick" => Ok(Request::Kick {
                room: required_name("room", self.room)?,
                user: required_name("user", self.user)?,
            }),
            "ban" => Ok(Request::Ban {
                room: required_name("room", self.room)?,
                user: required_name("user", self.user)?,
                span: self.span()?,
            }),
            "remove" => Ok(Request::Remove {
                room: required_name("room", self.room)?,
                seq: optional("seq", self.seq, "an integer")?.ok_or_else(|| missing("seq"))?,
            }),
            "ping" => Ok(Request::Ping),
            "bye" => Ok(Request::Bye),
            _ => Err((ErrorCode::BadType, format!("no such type: {}", shortened(&kind)).into())),
        }
    }

    fn room(&self) -> Result<Cow<'a, str>, Fault> {
        required("room", self.room)
    }

    fn key(&self) -> Result<Option<Cow<'a, str>>, Fault> {
        match optional_text("key", self.key)? {
            Some(key) if key.is_empty() || key.len() > 64 => {
                Err((ErrorCode::BadField, "`key` must be a string of 1 to 64 bytes".into()))
            }
            key => Ok(key),
        }
    }

    fn echo(&self) -> Result<Echo, Fault> {
        Ok(match optional("echo", self.echo, "true or false")? {
            None | Some(true) => Echo::On,
            Some(false) => Echo::Off,
        })
    }

    fn span(&self) -> Result<Duration, Fault> {
        const FORM: &str = "an integer from 0 to 8640000000";
        let millis = optional("for_ms", self.for_ms, FORM)?.ok_or_else(|| missing("for_ms"))?;
        let span = Duration::from_millis(millis);
        if span > MAX_SPAN {
            return Err((ErrorCode::BadField, format!("`for_ms` must be {FORM}").into()));
        }
        Ok(span)
    }

    fn limit(&self) -> Result<Option<u64>, Fault> {
        match optional("limit", self.limit, "an integer from 1")? {
            Some(0) => Err((ErrorCode::BadField, "`limit` must be an integer from 1".into())),
            limit => Ok(limit),
        }
    }
}

fn missing(field: &'static str) -> Fault {
    (ErrorCode::BadField, format!("`{field}` is missing").into())
}

fn optional<'a, T: Deserialize<'a>>(
    field: &'static str,
    raw: Option<&'a RawValue>,
    form: &'static str,
) -> Result<Option<T>, Fault> {
    let Some(raw) = raw else { return Ok(None) };
    match serde_json::from_str(raw.get()) {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err((ErrorCode::BadField, format!("`{field}` must be {form}").into())),
    }
}

fn position<'a>(
    field: &'static str,
    raw: Option<&'a RawValue>,
) -> Result<Option<Position<'a>>, Fault> {
    let form = "{\"epoch\": string, \"seq\": integer}";
    // Serde would take an array for the fields in their order.
    if raw.is_some_and(|raw| raw.get().starts_with('[')) {
        return Err((ErrorCode::BadField, format!("`{field}` must be {form}").into()));
    }
    optional(field, raw, form)
}

fn places<'a>(field: &'static str, raw: Option<&'a RawValue>) -> Result<Option<Places<'a>>, Fault> {
    let form = "{room: {\"epoch\": string, \"seq\": integer}, …}";
    let Some(rooms) = optional::<BTreeMap<Text<'a>, &'a RawValue>>(field, raw, form)? else {
        return Ok(None);
    };
    let place = |(Text(room), raw)| {
        let place = position(field, Some(raw))?.ok_or_else(|| missing(field))?;
        Ok((trimmed(room), place))
    };
    rooms.into_iter().map(place).collect::<Result<_, _>>().map(Some)
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().into()),
    }
}

fn required<'a>(field: &'static str, raw: Option<&'a RawValue>) -> Result<Cow<'a, str>, Fault> {
    let raw = raw.ok_or_else(|| missing(field))?;
    string(raw).ok_or_else(|| (ErrorCode::BadField, format!("`{field}` must be a string").into()))
}

fn optional_text<'a>(
    field: &'static str,
    raw: Option<&'a RawValue>,
) -> Result<Option<Cow<'a, str>>, Fault> {
    if raw.is_none() {
        return Ok(None);
    }
    required(field, raw).map(Some)
}

fn optional_name(field: &'static str, raw: Option<&RawValue>) -> Result<Option<Name>, Fault> {
    let Some(text) = optional_text(field, raw)? else { return Ok(None) };
    match text.parse() {
        Ok(name) => Ok(Some(name)),
        Err(error) => Err((ErrorCode::BadField, format!("`{field}`: {error}").into())),
    }
}

fn required_name(field: &'static str, raw: Option<&RawValue>) -> Result<Name, Fault> {
    optional_name(field, raw)?.ok_or_else(|| missing(field))
}

/// The string that `raw` is, if it is one; borrowed where it has no escapes.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(text).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// A name of a field, borrowed where it has no escapes; serde's `Cow` always owns.
#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The start of `text`, so that an error stays short.
fn shortened(text: &str) -> &str {
    text.char_indices().nth(32).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code of the refusal, if it is one.
    fn code(text: &str) -> Option<ErrorCode> {
        Frame::parse(text, 4).err().map(|refusal| refusal.code)
    }

    #[test]
    fn what_cannot_be_read_to_its_end_is_no_json_whatever_stands_before() {
        assert_eq!(code(r#"{"type":"ping","type":1}"#), Some(ErrorCode::BadField));
        assert_eq!(code(r#"{"type":"ping","type":1,"#), Some(ErrorCode::BadJson));
        assert_eq!(code(r#"{"type":"ping"} {}"#), Some(ErrorCode::BadJson));
    }

    #[test]
    fn a_key_has_from_1_to_64_bytes() {
        for (letters, refusal) in
            [(0, Some(ErrorCode::BadField)), (1, None), (64, None), (65, Some(ErrorCode::BadField))]
        {
            let key = "k".repeat(letters);
            let text = format!(r#"{{"type":"publish","room":"a","key":"{key}","data":1}}"#);
            assert_eq!(code(&text), refusal, "{letters}");
        }
    }

    #[test]
    fn what_not_everybody_can_read_is_not_passed_on() {
        for text in [
            r#"{"type":"publish","room":"a","data":"\ud800"}"#,
            r#"{"type":"publish","room":"a","data":{"\udc00":1}}"#,
            r#"{"type":"publish","room":"a","data":[1e999]}"#,
            r#"{"type":"ping","unknown":-1e999}"#,
        ] {
            assert_eq!(code(text), Some(ErrorCode::BadJson), "{text}");
        }
        assert_eq!(code(r#"{"type":"publish","room":"a","data":"\ud83d\ude00"}"#), None);
    }

    #[test]
    fn a_place_is_an_object_and_an_id_an_integer_that_comes_back() {
        for (text, expected) in [
            (r#"{"type":"join","room":"a","since":{"epoch":"k","seq":4}}"#, None),
            (r#"{"type":"join","room":"a","since":["k",4]}"#, Some(ErrorCode::BadField)),
            (r#"{"type":"history","room":"a","before":["k",4]}"#, Some(ErrorCode::BadField)),
            (r#"{"type":"ping","id":0}"#, None),
            (r#"{"type":"ping","id":-0}"#, Some(ErrorCode::BadField)),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
    }
}
