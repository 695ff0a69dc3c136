//! What a recording does not tell: credentials, and on request what people said. This file does not
//! know how a recording is written.
//!
//! A masked text is as long as it was, and the hub answers it alike. The key is drawn for each
//! recording and is in no file; equal texts have equal masks.

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use roundtable::protocol::Frame;
use roundtable::{AddressKey, Entropy, Ticket};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What each `welcome` begins with: it gives a session's secret.
const WELCOME: &str = "{\"type\":\"welcome\"";

/// A ticket as JSON. One that is spelt with escapes is longer.
const TICKET_BYTES: usize = 37;

/// What is masked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redaction {
    /// Credentials: `token` and `resume`.
    #[default]
    Secrets,
    /// Also what people said: each `data`, plain text, and fields that the protocol does not have.
    Data,
}

/// How true a recorded text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Text {
    /// The hub answers it to the letter as it answered the one that came.
    Kept,
    /// It is refused as the one that came, but in other words: it was no JSON object, and was
    /// masked whole.
    Replaced,
}

/// How the hub reads a text that does not start with `{`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As plain text to be published.
    Plain,
    /// As a frame that is wrong.
    Frame,
}

/// Masks texts, of clients and to clients.
#[derive(Debug)]
pub(crate) struct Mask {
    key: RandomState,
    redaction: Redaction,
    max_depth: usize,
}

impl Mask {
    /// Masks with a new key, for a hub that takes JSON of this depth.
    pub(crate) fn new(redaction: Redaction, max_depth: usize) -> Self {
        Self { key: RandomState::new(), redaction, max_depth }
    }

    /// A client's text.
    pub(crate) fn heard<'a>(&self, text: &'a str, reading: Reading) -> (Cow<'a, str>, Text) {
        let is_plain = reading == Reading::Plain && !is_object(text);
        match self.redaction {
            Redaction::Secrets if is_plain || !may_hide_a_secret(text) => {
                (Cow::Borrowed(text), Text::Kept)
            }
            Redaction::Data if is_plain => (self.plain(text), Text::Kept),
            Redaction::Secrets | Redaction::Data => self.frame(text),
        }
    }

    /// A text to a client.
    pub(crate) fn told<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.redaction == Redaction::Secrets && !text.starts_with(WELCOME) {
            return Cow::Borrowed(text);
        }
        let mut spans = Vec::new();
        for (key, value) in fields(text).unwrap_or_default() {
            match &*key {
                "session" => return replace(text, &[value], |span| self.credential(span)),
                "data" => spans.push(value),
                "history" | "items" => {
                    let items: Vec<&RawValue> = serde_json::from_str(value).unwrap_or_default();
                    let items =
                        items.iter().flat_map(|item| fields(item.get()).unwrap_or_default());
                    spans.extend(items.filter(|(key, _)| key == "data").map(|(_, value)| value));
                }
                _ => {}
            }
        }
        replace(text, &spans, |span| self.data(span))
    }

    /// A frame, or what should have been one.
    fn frame<'a>(&self, text: &'a str) -> (Cow<'a, str>, Text) {
        if let Some(masked) = self.object(text) {
            return (masked, Text::Kept);
        }
        let shape = self.shape(text);
        if is_refused_alike(text, &shape, self.max_depth) {
            return (Cow::Owned(shape), Text::Replaced);
        }
        // As long, and with nothing left of it: no object, no JSON, or an object without a type.
        let rest = text.len().saturating_sub(2);
        let remnants = [
            "x".repeat(text.len()),
            format!("{{{}", "x".repeat(text.len().saturating_sub(1))),
            format!("{{{}}}", " ".repeat(rest)),
        ];
        let mut remnants = remnants.into_iter();
        let alike = remnants.find(|remnant| is_refused_alike(text, remnant, self.max_depth));
        (Cow::Owned(alike.unwrap_or(shape)), Text::Replaced)
    }

    /// A JSON object with its secrets masked; nothing if it is none, or would be read otherwise.
    fn object<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        let fields = fields(text).filter(|_| is_object(text))?;
        let hides = |key: &str| match key {
            "token" | "resume" => true,
            "type" | "id" | "name" | "room" | "since" | "echo" | "key" | "before" | "limit"
            | "user" | "for_ms" | "seq" => false,
            _ => self.redaction == Redaction::Data,
        };
        let hidden = fields.iter().filter(|(key, _)| hides(key));
        let spans: Vec<&str> = hidden.map(|(_, value)| *value).collect();
        let secrets = fields.iter().filter(|(key, _)| matches!(&**key, "token" | "resume"));
        let secrets: Vec<*const u8> = secrets.map(|(_, value)| value.as_ptr()).collect();
        let masked = replace(text, &spans, |span| {
            if secrets.contains(&span.as_ptr()) { self.credential(span) } else { self.data(span) }
        });
        // A mask is no array and no object: what was nested too deep might not be any more.
        let is_flat = spans.iter().all(|span| !span.starts_with(['[', '{']));
        ((is_flat && secrets.is_empty()) || is_read_alike(text, &masked, self.max_depth))
            .then_some(masked)
    }

    /// A line of plain text: the hub makes of it the mask of what it made of the line.
    fn plain<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim().is_empty() {
            return Cow::Borrowed(text);
        }
        let json = serde_json::to_string(line).expect("a string is JSON");
        let masked: String = serde_json::from_str(&self.data(&json)).expect("a mask is JSON");
        Cow::Owned(masked + &text[line.len()..])
    }

    /// A session's secret: who comes back with its mask comes back to its session.
    pub(crate) fn secret(&self, secret: Entropy) -> Entropy {
        let half = |which: u8| u128::from(self.key.hash_one((secret.bits(), which)));
        Entropy::new(half(0) << 64 | half(1))
    }

    /// Where somebody connects from: equal addresses have equal masks.
    pub(crate) fn address(&self, address: AddressKey) -> AddressKey {
        AddressKey::new(self.key.hash_one(address))
    }

    /// A hash of what was said, where that is masked, too.
    pub(crate) fn digest(&self, digest: u64) -> u64 {
        match self.redaction {
            Redaction::Secrets => digest,
            Redaction::Data => self.key.hash_one(digest),
        }
    }

    /// A token or a ticket. A ticket stays one, of the same place; what is no string stays none.
    fn credential(&self, raw: &str) -> String {
        let text: Option<Cow<'_, str>> = serde_json::from_str(raw).ok();
        match text.and_then(|text| text.parse::<Ticket>().ok()) {
            Some(Ticket { place, secret }) if raw.len() == TICKET_BYTES => {
                format!("\"{}\"", Ticket { place, secret: self.secret(secret) })
            }
            _ if raw.starts_with('"') => self.value(raw),
            _ => "7".repeat(raw.len()),
        }
    }

    /// What was said: a string stays one, with its escapes.
    fn data(&self, raw: &str) -> String {
        if !raw.starts_with('"') {
            return self.value(raw);
        }
        let (mut stream, mut rest) = (self.stream(raw), &raw[1..raw.len() - 1]);
        let mut masked = String::from("\"");
        while let Some(first) = rest.bytes().next() {
            let (kept, len) = match (first, rest.as_bytes().get(1)) {
                (b'\\', Some(b'u')) => {
                    (rest.starts_with("\\u000") || rest.starts_with("\\u001"), 6)
                }
                (b'\\', _) => (true, 2),
                _ => (false, rest.chars().next().map_or(1, char::len_utf8)),
            };
            if kept {
                masked.push_str(&rest[..len]);
            } else {
                masked.extend((0..len).map(|_| stream.alphanumeric()));
            }
            rest = &rest[len..];
        }
        masked.push('"');
        masked
    }

    /// Any other value: a string of its length, or a digit where there is no room for one.
    fn value(&self, raw: &str) -> String {
        let mut stream = self.stream(raw);
        match raw.len() {
            0 | 1 => stream.digit().to_string(),
            len => {
                let inner: String = (0..len - 2).map(|_| stream.alphanumeric()).collect();
                format!("\"{inner}\"")
            }
        }
    }

    /// What is no JSON, with its punctuation, so that it is wrong in the same way.
    fn shape(&self, text: &str) -> String {
        let mut stream = self.stream(text);
        let mask = |byte: u8| match byte {
            b'0'..=b'9' => stream.digit(),
            byte if byte.is_ascii_alphabetic() || !byte.is_ascii() => stream.letter(),
            byte => char::from(byte),
        };
        text.bytes().map(mask).collect()
    }

    fn stream(&self, raw: &str) -> Stream<'_> {
        Stream { key: &self.key, seed: self.key.hash_one(raw), count: 0, bits: 0 }
    }
}

/// Characters that only the key and a text determine.
struct Stream<'a> {
    key: &'a RandomState,
    seed: u64,
    count: u64,
    bits: u64,
}

const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

impl Stream<'_> {
    fn alphanumeric(&mut self) -> char {
        self.one_of(ALPHABET)
    }

    fn letter(&mut self) -> char {
        self.one_of(&ALPHABET[..52])
    }

    fn digit(&mut self) -> char {
        self.one_of(&ALPHABET[52..])
    }

    /// Eight characters come from each hash.
    fn one_of(&mut self, characters: &[u8]) -> char {
        if self.count.is_multiple_of(8) {
            self.bits = self.key.hash_one((self.seed, self.count));
        }
        self.count += 1;
        let index = ((self.bits & 0xFF) * characters.len() as u64) >> 8;
        self.bits >>= 8;
        usize::try_from(index).map_or('x', |index| char::from(characters[index]))
    }
}

/// The hub takes a text for a frame by its first character.
fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// An escape may spell a field's name.
fn may_hide_a_secret(text: &str) -> bool {
    text.contains('\\') || text.contains("token") || text.contains("resume")
}

/// Whether the hub reads both texts as the same request, or refuses them in the same words.
fn is_read_alike(one: &str, other: &str, max_depth: usize) -> bool {
    match (Frame::parse(one, max_depth), Frame::parse(other, max_depth)) {
        (Ok(_), Ok(_)) => true,
        (Err(one), Err(other)) => {
            let ids = [one.id, other.id].map(|id| id.map(|id| id.raw().get()));
            ids[0] == ids[1] && one.code == other.code && one.message == other.message
        }
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}

/// Whether the hub refuses both texts, with the same code, and finds an `id` in neither.
fn is_refused_alike(one: &str, other: &str, max_depth: usize) -> bool {
    let refusal = |text| match Frame::parse(text, max_depth) {
        Err(refusal) if refusal.id.is_none() => Some(refusal.code),
        _ => None,
    };
    is_object(one) == is_object(other)
        && refusal(one).is_some_and(|code| refusal(other) == Some(code))
}

/// `text` with each of `spans`, which are parts of it, as `mask` has it.
fn replace<'a>(text: &'a str, spans: &[&str], mask: impl Fn(&str) -> String) -> Cow<'a, str> {
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut masked, mut done) = (String::with_capacity(text.len()), 0);
    for span in spans {
        let start = span.as_ptr() as usize - text.as_ptr() as usize;
        masked.push_str(&text[done..start]);
        masked.push_str(&mask(span));
        done = start + span.len();
    }
    masked.push_str(&text[done..]);
    Cow::Owned(masked)
}

/// The fields of a JSON object, as often as they are there, with their values as they stand in it.
fn fields(text: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    struct Fields;

    impl<'de> Visitor<'de> for Fields {
        type Value = Vec<(Cow<'de, str>, &'de str)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::new();
            while let Some(Key(key)) = map.next_key()? {
                let value: &RawValue = map.next_value()?;
                fields.push((key, value.get()));
            }
            Ok(fields)
        }
    }

    /// A name, borrowed where it has no escapes; serde's `Cow` always owns.
    #[derive(Deserialize)]
    struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

    let mut json = serde_json::Deserializer::from_str(text);
    let fields = json.deserialize_map(Fields).ok()?;
    json.end().ok().map(|()| fields)
}

#[cfg(test)]
mod tests;
