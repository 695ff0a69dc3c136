//! What frames look like, as JSON Schemas (draft 7) of the types that requests are read into and
//! replies are written from. This file does not know when a frame is sent.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::reply::Reply;
use super::request::{Id, Request};
use crate::close::CloseCode;
use crate::log::Epoch;
use crate::name::{MAX_CHARS, Name};
use crate::ticket::Ticket;

/// The schemas of all frames. They say what is known of each field, and nothing against further ones:
/// later servers send more.
#[derive(Clone, Debug)]
pub struct Schemas {
    /// What clients send, by the frame's `type`.
    pub requests: BTreeMap<String, Vec<Value>>,
    /// What the hub sends, by the frame's `type`; some have more than one form.
    pub replies: BTreeMap<String, Vec<Value>>,
    /// What these refer to as `#/components/schemas/…`.
    pub definitions: BTreeMap<String, Value>,
}

impl Schemas {
    /// Those of this version of the protocol.
    ///
    /// # Panics
    ///
    /// If the types do not give schemas, which a test would have found.
    pub fn generate() -> Self {
        let mut settings = SchemaSettings::draft07();
        settings.definitions_path = "/components/schemas".into();
        settings.transforms.push(Box::new(RecursiveTransform(simplify)));

        let mut reader = settings.clone().for_deserialize().into_generator();
        let id = reader.subschema_for::<Id<'_>>();
        let mut requests = forms(&mut reader, Request::json_schema);
        for form in requests.values_mut().flatten() {
            form["properties"]["id"] = id.clone().to_value();
        }

        let mut writer = settings.for_serialize().into_generator();
        let mut replies = forms(&mut writer, Reply::json_schema);
        for (kind, form) in forms(&mut writer, Written::json_schema) {
            replies.entry(kind).or_default().extend(form);
        }
        let items = writer.subschema_for::<Vec<Item<'_>>>();
        for (kind, field) in [("joined", "history"), ("history", "items")] {
            for form in replies.get_mut(kind).expect("a reply") {
                form["properties"][field] = items.clone().to_value();
                form["required"].as_array_mut().expect("some are required").push(json!(field));
            }
        }

        let mut definitions = reader.take_definitions(true);
        definitions.extend(writer.take_definitions(true));
        Self { requests, replies, definitions: definitions.into_iter().collect() }
    }
}

/// The variants of an enum, by their tags.
fn forms(
    generator: &mut SchemaGenerator,
    schema: fn(&mut SchemaGenerator) -> Schema,
) -> BTreeMap<String, Vec<Value>> {
    let mut schema = schema(generator);
    generator.transforms_mut().for_each(|transform| transform.transform(&mut schema));
    let mut forms: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let variants = schema.get_mut("oneOf").and_then(Value::as_array_mut).expect("variants");
    for variant in variants {
        let kind = variant["properties"]["type"]["const"].as_str().expect("a tag");
        forms.entry(kind.into()).or_default().push(variant.take());
    }
    forms
}

/// Takes away that a field may be `null`, since one that has no value is not there, how wide the
/// number is that a field is read into, and where the lines of its description end.
fn simplify(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| *kind != json!("null"));
        if let [only] = &mut types[..] {
            let only = only.take();
            schema.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(forms)) = schema.get_mut("anyOf") {
        forms.retain(|form| *form != json!({ "type": "null" }));
        if let [only] = &mut forms[..] {
            let only = only.take();
            schema.remove("anyOf");
            // Beside a reference draft 7 sees nothing else.
            if schema.get("description").is_some() {
                schema.insert("allOf".into(), json!([only]));
            } else {
                *schema = only.try_into().expect("a schema");
            }
        }
    }
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
    schema.remove("format");
}

/// The frames that are not written by serde, as it would write them.
#[derive(JsonSchema)]
#[schemars(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is wanted")]
enum Written<'a> {
    /// An entry was appended to the room's log.
    Message {
        /// The room.
        room: &'a str,
        #[schemars(flatten)]
        entry: Entry<'a>,
    },
    /// An entry of the room's log whose data was removed before the client could be given it.
    #[schemars(rename = "message")]
    Emptied {
        /// The room.
        room: &'a str,
        #[schemars(flatten)]
        entry: Emptied<'a>,
    },
    /// The data of an entry was removed, which is an entry of the log itself.
    Removed {
        /// The room.
        room: &'a str,
        #[schemars(flatten)]
        entry: Removal<'a>,
    },
    /// A request was carried out that appended an entry.
    Ack {
        id: Id<'a>,
        /// The room.
        room: &'a str,
        /// Which run of the room's log.
        epoch: Epoch,
        /// The entry's place.
        seq: u64,
        /// That the `key` had been seen before, and nothing was appended this time.
        #[schemars(skip_serializing_if = "Option::is_none", extend("const" = true))]
        duplicate: Option<bool>,
    },
    /// Somebody says something that is not kept.
    Signal {
        /// The room.
        room: &'a str,
        /// Who says it.
        from: &'a str,
        /// What it is about.
        key: &'a str,
        /// What it says, as the bytes that came.
        data: &'a RawValue,
        /// How long clients show it, unless another one comes.
        ttl_ms: u64,
    },
}

/// What stands at a place of a log.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is wanted")]
enum Item<'a> {
    Entry(Entry<'a>),
    Emptied(Emptied<'a>),
    Removal(Removal<'a>),
}

/// What somebody said.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is wanted")]
struct Entry<'a> {
    /// Its place, from 1, below 2^53.
    seq: u64,
    /// Who said it.
    from: &'a str,
    /// What was said, as the bytes that came.
    data: &'a RawValue,
    /// The server's clock when it was appended, in milliseconds since 1970.
    ts: u64,
}

/// What somebody said, without its data, which was removed.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is wanted")]
struct Emptied<'a> {
    /// Its place, from 1, below 2^53.
    seq: u64,
    /// Who said it.
    from: &'a str,
    /// That its data was removed.
    #[schemars(extend("const" = true))]
    removed: bool,
    /// The server's clock when it was appended, in milliseconds since 1970.
    ts: u64,
}

/// That the data of an entry was removed.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is wanted")]
struct Removal<'a> {
    /// Its place, from 1, below 2^53.
    seq: u64,
    /// Who removed it; nobody is named if it was an operator.
    #[schemars(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    /// The place of the entry whose data was removed.
    removes: u64,
    /// The server's clock when it was appended, in milliseconds since 1970.
    ts: u64,
}

impl JsonSchema for Id<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The mark by which a client knows the reply to its request: a string of \
                at most 64 bytes, or an integer of 64 bits. It goes back as the bytes that came.",
            "oneOf": [
                { "type": "string", "maxLength": 64 },
                { "type": "integer", "minimum": i64::MIN, "maximum": u64::MAX },
            ],
        })
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The name of a person or a room: without control characters, and without \
                those that are not seen or turn the direction of writing. White space at its ends \
                is taken away.",
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_CHARS,
        })
    }
}

impl JsonSchema for Epoch {
    fn schema_name() -> Cow<'static, str> {
        "Epoch".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "One run of a room's log.", "type": "string" })
    }
}

impl JsonSchema for Ticket {
    fn schema_name() -> Cow<'static, str> {
        "Session".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A session's secret, with which its client can come back to it.",
            "type": "string",
        })
    }
}

impl JsonSchema for CloseCode {
    fn schema_name() -> Cow<'static, str> {
        "CloseCode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let form = |code: Self| json!({ "const": code.number(), "title": code.reason() });
        json_schema!({
            "description": "Why a connection is closed: from 4000 to 4499 come back, from 4500 on \
                don't.",
            "oneOf": Self::ALL.map(form),
        })
    }
}
