//! Masks: what they hide, what they keep, and that the hub answers them alike.

use proptest::prelude::*;
use roundtable::{
    Command, Config, ConnId, Event, Framing, Greeting, Hub, Origin, Peer, RoomChoice, Timestamp,
};

use super::*;

const BOTH: [Redaction; 2] = [Redaction::Secrets, Redaction::Data];

fn mask(redaction: Redaction) -> Mask {
    Mask::new(redaction, Config::default().max_depth)
}

/// What a hub says to `text` from a newcomer, with the `data` of its answers masked.
fn answers(
    text: &str,
    framing: Framing,
    secret: impl Fn(Entropy) -> Entropy,
    told: impl Fn(&str) -> String,
) -> Vec<(u64, String)> {
    let origin = Origin { seed: 1, wall_clock_ms: 0 };
    let mut hub = Hub::new(Config::default(), origin).unwrap();
    let mut commands = Vec::new();
    for number in [1, 2] {
        let room = RoomChoice::Named("lobby".parse().unwrap());
        let greeting = Greeting { name: None, room, framing };
        let conn = ConnId::new(number);
        let peer =
            Peer { entropy: secret(Entropy::new(number.into())), claims: None, address: None };
        hub.handle(Timestamp::ZERO, Event::Connect { conn, peer, greeting }, &mut commands);
    }
    commands.clear();
    let conn = ConnId::new(1);
    hub.handle(Timestamp::ZERO, Event::Text { conn, text: text.to_owned() }, &mut commands);
    let page = r#"{"type":"history","id":1,"room":"lobby"}"#.to_owned();
    hub.handle(Timestamp::ZERO, Event::Text { conn, text: page }, &mut commands);
    let mut said = Vec::new();
    for command in commands {
        match command {
            Command::Send { to, text } => {
                said.extend(to.iter().map(|conn| (conn.get(), told(&text))));
            }
            other => said.push((0, format!("{other:?}"))),
        }
    }
    said
}

/// The promise: a masked text is answered as the masked answer to the text that came.
fn holds(text: &str) {
    for (framing, reading) in
        [(Framing::Lenient, Reading::Plain), (Framing::Strict, Reading::Frame)]
    {
        for redaction in BOTH {
            let mask = mask(redaction);
            let (masked, how) = mask.heard(text, reading);
            assert_eq!(masked.len(), text.len(), "{masked} for {text}");
            let words = |told: &str| match how {
                Text::Kept => told.to_owned(),
                Text::Replaced => crate::record::hash::without_words(told).into_owned(),
            };
            let told = |told: &str| words(&mask.told(told));
            let expected = answers(text, framing, |secret| secret, told);
            let secret = |secret| mask.secret(secret);
            assert_eq!(
                answers(&masked, framing, secret, words),
                expected,
                "{masked:?} for {text:?}"
            );
        }
    }
}

#[test]
fn credentials_are_always_masked() {
    for text in [
        r#"{"type":"hello","id":1,"name":"ann","token":"eyJSECRET"}"#,
        r#"{"type":"auth","token":{"jwt":"eyJSECRET"}}"#,
        r#"{"type":"hello","resume":"s_SECRET","resume":"s_SECRET"}"#,
        r#"{"type":"hello","\u0074oken":"SECRET"}"#,
        r#"{"type":"hello","token":"SECRET""#,
        r#"[{"type":"hello","token":"SECRET"}]"#,
        "{\"type\":\"hello\",\"token\":\"SECRET\n\"}",
        "\u{3000}{\"type\":\"hello\",\"token\":\"SECRET\"}",
    ] {
        for redaction in BOTH {
            let mask = mask(redaction);
            let (masked, _) = mask.heard(text, Reading::Frame);
            assert!(!masked.contains("SECRET"), "{masked}");
        }
        holds(text);
    }
}

#[test]
fn what_was_said_is_masked_on_request_alone() {
    for text in [
        r#"{"type":"publish","id":1,"room":"lobby","data":"SECRET"}"#,
        r#"{"type":"publish","room":"lobby","data":{"a":["SECRET"]}}"#,
        r#"{"type":"publish","room":"lobby","text":"SECRET"}"#,
        r#"{"type":"publish","room":"lobby","data":"SECRET","data":"SECRET"}"#,
        "SECRET, said plainly",
        "{SECRET",
    ] {
        let secrets = mask(Redaction::Secrets);
        let (kept, how) = secrets.heard(text, Reading::Plain);
        assert_eq!((&*kept, how), (text, Text::Kept));
        let data = mask(Redaction::Data);
        let (masked, _) = data.heard(text, Reading::Plain);
        assert!(!masked.contains("SECRET"), "{masked}");
        holds(text);
    }
}

#[test]
fn what_is_none_of_it_is_kept() {
    for text in [
        r#"{"type":"join","id":"x","room":"lobby","since":{"epoch":"e","seq":1},"echo":false}"#,
        r#"{"type":"kick","id":1,"room":"lobby","user":"eve"}"#,
        r#"{"type":"ban","room":"lobby","user":"eve","for_ms":60000}"#,
        r#"{"type":"remove","room":"lobby","seq":5}"#,
        r#"{"type":"ping"}"#,
        " \t\r\n",
        "",
    ] {
        for redaction in BOTH {
            let mask = mask(redaction);
            assert_eq!(mask.heard(text, Reading::Plain), (Cow::Borrowed(text), Text::Kept));
        }
        holds(text);
    }
}

#[test]
fn strings_keep_their_escapes_and_other_values_their_length() {
    let mask = mask(Redaction::Data);
    let masked = mask.data(r#""a\"\\\/\b\f\n\r\t\u0000\u001F\u00e9é""#);
    let kept = r#"\"\\\/\b\f\n\r\t\u0000\u001F"#;
    assert_eq!(&masked[..2 + kept.len()][2..], kept);
    assert!(masked[2 + kept.len()..masked.len() - 1].bytes().all(|b| b.is_ascii_alphanumeric()));
    assert!(mask.data("7").parse::<u8>().is_ok());
    for raw in ["42", "null", "[1,2]", r#"{"a":1}"#] {
        let value: String = serde_json::from_str(&mask.data(raw)).unwrap();
        assert_eq!(value.len() + 2, raw.len());
    }
}

#[test]
fn equal_stays_equal_and_another_recording_has_other_masks() {
    let (one, other) = (mask(Redaction::Data), mask(Redaction::Data));
    let raw = r#""the quick brown fox""#;
    assert_eq!(one.data(raw), one.data(raw));
    assert_ne!(one.data(raw), one.data(r#""the quick brown fix""#));
    assert_ne!(one.data(raw), other.data(raw));
}

#[test]
fn too_deep_stays_too_deep() {
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    holds(&format!(r#"{{"type":"publish","id":1,"room":"lobby","data":{deep}}}"#));
    holds(&format!(r#"{{"type":"hello","token":{deep}}}"#));
}

/// Texts that look like frames, with whatever may be wrong about them.
fn frame_like() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec!["publish", "hello", "auth", "join", "nonsense"]);
    let key = prop::sample::select(vec!["data", "token", "resume", "room", "id", "more", "type"]);
    let value = prop_oneof![
        "\"(\\PC|[\\x00-\\x20]|\\\\[nrtbf/\"\\\\]|\\\\u00[0-9a-f]{2}|token)*\"",
        Just("\"lobby\"".to_owned()),
        Just("null".to_owned()),
        "-?[0-9]{1,20}",
        "[\\[\\]{}:,\"0-9 ]{0,12}",
    ];
    let fields = prop::collection::vec((key, value), 0..6);
    (kind, fields, 0_usize..400, "[ \u{3000}]?").prop_map(|(kind, fields, cut, lead)| {
        let fields = fields.into_iter().map(|(key, value)| format!(",\"{key}\":{value}"));
        let fields: String = fields.collect();
        let mut text = format!("{lead}{{\"type\":\"{kind}\"{fields}}}");
        let end =
            (cut.min(text.len())..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap();
        text.truncate(end);
        text
    })
}

proptest! {
    #[test]
    fn a_masked_text_is_answered_as_the_mask_of_the_answer(
        text in prop_oneof![any::<String>(), "(\\PC|[\\x00-\\x20\"\\\\])*\r?\n?", frame_like()],
    ) {
        holds(&text);
    }
}

/// What somebody is told who comes back to the session of a connection that was lost.
fn return_of(
    secret: impl Fn(Entropy) -> Entropy,
    heard: impl Fn(String) -> String,
    told: impl Fn(&str) -> String,
) -> Vec<String> {
    let origin = Origin { seed: 1, wall_clock_ms: 0 };
    let mut hub = Hub::new(Config::default(), origin).unwrap();
    let [lost, back] = [ConnId::new(1), ConnId::new(2)];
    let connect = |conn: ConnId, room| {
        let peer =
            Peer { entropy: secret(Entropy::new(conn.get().into())), claims: None, address: None };
        let greeting = Greeting { room, ..Greeting::default() };
        Event::Connect { conn, peer, greeting }
    };
    let ticket = Ticket { place: 0, secret: Entropy::new(1) };
    let text = heard(format!(r#"{{"type":"hello","resume":"{ticket}"}}"#));
    let mut commands = Vec::new();
    for event in [
        connect(lost, RoomChoice::Default),
        Event::Disconnect { conn: lost },
        connect(back, RoomChoice::None),
        Event::Text { conn: back, text },
    ] {
        hub.handle(Timestamp::ZERO, event, &mut commands);
    }
    let texts = commands.iter().filter_map(|command| match command {
        Command::Send { text, .. } => Some(told(text)),
        _ => None,
    });
    texts.collect()
}

#[test]
fn who_comes_back_with_a_masked_ticket_comes_back_to_its_session() {
    for redaction in BOTH {
        let mask = mask(redaction);
        let as_it_was = return_of(|secret| secret, |text| text, |told| mask.told(told).into());
        let heard = |text: String| mask.heard(&text, Reading::Plain).0.into_owned();
        let masked = return_of(|secret| mask.secret(secret), heard, str::to_owned);
        assert_eq!(masked, as_it_was);
        assert!(masked[3].contains("\"resumed\":true"), "{masked:?}");
        let bare = Ticket { place: 0, secret: Entropy::new(1) }.to_string();
        assert!(masked.iter().all(|text| !text.contains(&bare)), "{masked:?}");
    }
}

#[test]
fn what_is_no_string_is_refused_alike() {
    for text in [
        r#"{"type":"hello","resume":77}"#,
        r#"{"type":"hello","resume":null}"#,
        r#"{"type":"hello","resume":1e999}"#,
        r#"{"type":"hello","resume":"\ud800"}"#,
        r#"{"type":"hello","resume":["s_SECRET"]}"#,
        r#"{"type":"hello","resume":{"s_SECRET":1}}"#,
        r#"{"type":"hello","resume":"s_0000000","since":{"lobby":{"epoch":"e","seq":1}}}"#,
        r#"{"type":"hello","resume":"s_000000000000000000000\u00300000000000000"}"#,
    ] {
        holds(text);
    }
}
