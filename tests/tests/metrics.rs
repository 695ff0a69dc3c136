//! What operators are told of a server, held against the documents. `UPDATE_EXPECT=1` writes the table
//! of metrics.

use std::collections::BTreeSet;
use std::sync::Arc;

use roundtable::protocol::ErrorCode;
use roundtable::{
    CloseCode, Config, ConnId, Event, Greeting, Hub, Limit, Peer, RunAhead, Timestamp,
};
use roundtable_server::admin::Question;
use roundtable_server::metrics::Measured;
use roundtable_server::{AdminDoor, metrics};
use roundtable_tests::ORIGIN;
use roundtable_tests::openmetrics::Exposition;
use serde_json::Value;

const OPERATIONS: &str = include_str!("../../docs/operations.md");
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");

const DASHBOARD: &str = include_str!("../../docs/grafana/roundtable.json");

const FROM: &str = "<!-- metrics -->\n";
const TO: &str = "<!-- /metrics -->\n";

/// What is told of a hub.
fn told(hub: Hub) -> Exposition {
    let (now, mut measured) = (hub.now(), Measured::new(hub, RunAhead::Zero));
    let told = Question::Metrics.answer(now, &mut measured);
    let answer = AdminDoor::answer(&told, &Arc::default());
    let answer = String::from_utf8(answer).expect("words");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    Exposition::parse(body)
}

fn hub() -> Hub {
    Hub::new(Config::default(), ORIGIN).expect("the defaults are valid")
}

#[test]
fn the_table_of_metrics_is_the_codes() {
    let (before, rest) = OPERATIONS.split_once(FROM).expect("the table begins");
    let (table, after) = rest.split_once(TO).expect("the table ends");
    let expected = metrics::table_markdown();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let text = format!("{before}{FROM}{expected}{TO}{after}");
        std::fs::write(PATH, text).expect("the document can be written");
        return;
    }
    assert_eq!(table, expected, "UPDATE_EXPECT=1 writes the table");
}

#[test]
fn what_is_told_is_what_the_table_says() {
    let told = told(hub());
    let (_, rest) = OPERATIONS.split_once(FROM).expect("the table begins");
    let (table, _) = rest.split_once(TO).expect("the table ends");
    let rows: Vec<&str> = table.lines().skip(2).collect();
    assert_eq!(rows.len(), told.families.len());
    assert!(rows.len() > 30, "only {} metrics", rows.len());
    for (row, family) in rows.iter().zip(&told.families) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, kind, labels, help] = cells[..] else { panic!("{row} has no four cells") };
        let suffix = if family.kind == "counter" { "_total" } else { "" };
        assert_eq!(name, format!("`{}{suffix}`", family.name));
        assert_eq!((kind, help), (&*family.kind, &*family.help), "{name}");
        let documented: BTreeSet<&str> = labels.split('`').skip(1).step_by(2).collect();
        assert!(!family.samples.is_empty(), "{name} has no number");
        for (_, labels, _) in &family.samples {
            let found: BTreeSet<&str> =
                labels.keys().map(|label| &**label).filter(|label| *label != "le").collect();
            assert_eq!(found, documented, "{name}");
        }
    }
}

#[test]
fn each_close_code_error_code_and_limit_has_a_number() {
    let told = told(hub());
    for code in CloseCode::ALL {
        let labels = [("code", &*code.number().to_string()), ("reason", code.reason())];
        told.value("roundtable_closes_total", &labels);
    }
    for code in ErrorCode::ALL {
        let word = serde_json::to_value(code).expect("a code is a word");
        let word = word.as_str().expect("a code is a word");
        told.value("roundtable_errors_total", &[("code", word)]);
    }
    for limit in Limit::ALL {
        told.value("roundtable_limit_hits_total", &[("limit", limit.setting())]);
    }
}

/// Settings of the hub by which nobody is held up: sizes, choices, and paces.
const NO_LIMITS: [&str; 20] = [
    "default_room",
    "plain_text",
    "auth",
    "after_drain",
    "journal",
    // Counted as `bad_json`, with all else that is none.
    "max_depth",
    // They count with their rates.
    "address_burst",
    "message_burst",
    "byte_burst",
    // A part of the window, of which `window_bytes` tells.
    "reserve_bytes",
    "page_bytes",
    "turn_events",
    "turn_bytes",
    "run_ahead",
    "recent",
    "signal_ttl",
    "presence_tick",
    "presence_list",
    "ping_after",
    "tick_work",
];

#[test]
fn each_setting_of_the_hub_is_a_limit_that_is_counted_or_none() {
    let fields = format!("{:#?}", Config::default());
    let fields =
        fields.lines().filter(|line| line.starts_with("    ") && !line[4..].starts_with(' '));
    let fields: BTreeSet<&str> =
        fields.filter_map(|line| line.trim().split_once(": ")).map(|(field, _)| field).collect();
    let limits = Limit::ALL.map(Limit::setting);
    let paces = ["drain_pace", "drain_notice", "drain_spread", "key_age"];
    let all: Vec<&str> = limits.into_iter().chain(NO_LIMITS).chain(paces).collect();
    let known: BTreeSet<&str> = all.iter().copied().collect();
    assert_eq!(known.len(), all.len(), "a setting is named twice");
    assert_eq!(fields, known);
}

#[test]
fn what_happens_is_told() {
    let mut hub = hub();
    let mut commands = Vec::new();
    let mut handle = |event| hub.handle(Timestamp::ZERO, event, &mut commands);
    let text = |conn, text: &str| Event::Text { conn, text: text.to_owned() };
    let conns = [1, 2, 3].map(ConnId::new);
    for conn in conns {
        handle(Event::Connect { conn, peer: Peer::default(), greeting: Greeting::default() });
    }
    handle(text(conns[0], "hello"));
    handle(text(conns[0], r#"{"type":"leave","id":1,"room":"nowhere"}"#));
    handle(Event::Binary { conn: conns[1] });
    handle(Event::Disconnect { conn: conns[2] });
    let told = told(hub);
    let alone = |name: &str| told.value(&format!("roundtable_{name}"), &[]).to_string();
    assert_eq!(alone("connects_total"), "3");
    assert_eq!(alone("connections"), "1");
    assert_eq!(alone("disconnects_total"), "1");
    assert_eq!(alone("detached_sessions"), "1");
    assert_eq!(alone("texts_total"), "2");
    assert_eq!(alone("entries_total"), "1");
    assert_eq!(alone("log_entries"), "1");
    assert_eq!(alone("rooms"), "1");
    // Each was welcomed and joined, heard the message, and one of them an error, another a `bye`.
    assert_eq!(alone("deliveries_total"), "11");
    assert_eq!(told.value("roundtable_members", &[("state", "live")]).to_string(), "1");
    assert_eq!(told.value("roundtable_members", &[("state", "behind")]).to_string(), "1");
    assert_eq!(told.value("roundtable_errors_total", &[("code", "not_joined")]).to_string(), "1");
    assert_eq!(told.value("roundtable_closes_total", &[("code", "1003")]).to_string(), "1");
}

#[test]
fn the_dashboard_names_what_there_is() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let told = told(hub());
    let known: BTreeSet<String> = told
        .families
        .iter()
        .flat_map(|family| &family.samples)
        .map(|(whole, _, _)| whole.clone())
        .collect();
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let mut named = BTreeSet::new();
    for target in targets {
        let expr = target["expr"].as_str().expect("an expression");
        let is_word = |byte: char| byte.is_ascii_alphanumeric() || byte == '_';
        let words = expr.split(|found| !is_word(found));
        let metrics: Vec<&str> = words.filter(|word| word.starts_with("roundtable_")).collect();
        assert!(!metrics.is_empty(), "{expr} names no metric");
        for metric in metrics {
            assert!(known.contains(metric), "there is no {metric}: {expr}");
            named.insert(metric.to_owned());
        }
    }
    // Of a histogram only the buckets are looked at.
    let is_beside = |name: &str| name.ends_with("_sum") || name.ends_with("_count");
    let forgotten: Vec<&String> =
        known.iter().filter(|name| !named.contains(*name) && !is_beside(name)).collect();
    assert!(forgotten.is_empty(), "the dashboard does not show {forgotten:?}");
}
