//! What the generated scripts reach. A generator that no longer gets anybody to lag proves nothing
//! about lagging, and nobody would notice.

use std::collections::BTreeMap;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use roundtable::{Command, Event, Hub};
use roundtable_tests::ORIGIN;
use roundtable_tests::clock::Clock;
use roundtable_tests::driver::{Driver, Observer};
use roundtable_tests::generator::Limits;
use roundtable_tests::strategy::{Readers, scripts};
use serde_json::Value;

/// Counts what a hub said, by kind.
#[derive(Default)]
struct Count(BTreeMap<String, u32>);

impl Observer for Count {
    fn observe(&mut self, _clock: Clock, _event: &Event, commands: &[Command]) {
        for command in commands {
            let kind = match command {
                Command::Send { text, .. } => {
                    let frame: Value = serde_json::from_str(text).expect("every text is JSON");
                    let news = ["code", "reason"].map(|field| frame[field].as_str());
                    let news = news.into_iter().flatten().next().unwrap_or_default();
                    let recovered = if frame["recovered"] == true {
                        "recovered"
                    } else if frame["resumed"] == true {
                        "resumed"
                    } else if frame["duplicate"] == true {
                        "duplicate"
                    } else if frame["join"].is_array() {
                        "changed"
                    } else if frame["list"].is_array() {
                        "listed"
                    } else {
                        ""
                    };
                    let kind = frame["type"].as_str().unwrap_or_default();
                    format!("{kind} {news}{recovered}")
                }
                Command::Close { code, .. } => format!("close {}", code.reason()),
                Command::Refuse { refusal, .. } => format!("refused {refusal:?}"),
                Command::Ping { .. } => "ping".to_owned(),
                Command::Verify { .. } => "verify".to_owned(),
                Command::Append { .. } => "append".to_owned(),
                Command::Drained => "drained".to_owned(),
            };
            *self.0.entry(kind.trim().to_owned()).or_default() += 1;
        }
    }
}

fn reached(limits: Limits, readers: Readers, scripts_played: u32) -> BTreeMap<String, u32> {
    let mut runner = TestRunner::deterministic();
    let strategy = scripts(limits, readers, 200);
    let mut count = Count::default();
    for _ in 0..scripts_played {
        let script = strategy.new_tree(&mut runner).expect("no script is rejected").current();
        let hub = Hub::new(limits.config(), ORIGIN).expect("a valid configuration");
        count = Driver::new(hub, limits.config(), count).play(&script).1;
    }
    count.0
}

fn assert_reached(reached: &BTreeMap<String, u32>, kinds: &[&str]) {
    let missing: Vec<_> = kinds.iter().filter(|kind| !reached.contains_key(**kind)).collect();
    assert!(missing.is_empty(), "never reached: {missing:?}\nbut {reached:#?}");
}

#[test]
fn scripts_with_prompt_readers_reach_the_whole_protocol() {
    let reached = reached(Limits::Default, Readers::Prompt, 500);
    assert_reached(
        &reached,
        &[
            "welcome",
            "welcome resumed",
            "joined",
            "joined recovered",
            "joined ahead",
            "joined epoch_changed",
            "left",
            "left kicked",
            "left banned",
            "removed",
            "error banned",
            "close kicked",
            "ack",
            "message",
            "history",
            "pong",
            "ping",
            "error bad_json",
            "error bad_type",
            "error bad_field",
            "error not_joined",
            "error rate_limited",
            "error unsupported",
            "error key_conflict",
            "ack duplicate",
            "signal",
            "presence",
            "presence changed",
            "presence listed",
            "error draining",
            "bye normal",
            "close normal",
            "close no_binary",
            "close rate_limited",
            "close session_taken",
            "refused TooFast",
            "refused TooManyConnections",
            "refused TooManyAddresses",
            "close drain",
            "drained",
        ],
    );
}

#[test]
fn scripts_with_slow_readers_reach_every_limit() {
    for limits in [Limits::Tiny, Limits::TinyBehind] {
        let reached = reached(limits, Readers::Any, 300);
        assert_reached(
            &reached,
            &[
                "gap trimmed",
                "joined trimmed",
                "error room_full",
                "error room_limit",
                "error overloaded",
                "error too_large",
                "close too_big",
                "close try_later",
                "close ping_timeout",
                "close slow_consumer",
                "close memory_pressure",
                "drained",
            ],
        );
    }
}
