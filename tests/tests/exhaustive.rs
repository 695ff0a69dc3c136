//! Small scopes, searched without a gap: every sequence of a few steps that a few clients can do.
//!
//! `ROUNDTABLE_DEPTH=7 cargo test --release --test exhaustive -- --nocapture` goes further than the
//! lengths that are set here, with which all of them take some ten seconds.

use std::env;
use std::time::Instant;

use roundtable::{Config, RunAhead};
use roundtable_tests::exhaustive::{Judge, Kind, Scope, Visited};
use roundtable_tests::generator::Limits;

/// Plays a scope to the length that is set, or to another one if that is asked for; at least
/// `sequences` different sequences must be found, or the search has a hole.
fn explore(name: &str, scope: &Scope, depth: usize, sequences: u64) {
    scope.config.validate().expect("a valid configuration");
    let asked = env::var("ROUNDTABLE_DEPTH").ok().map(|asked| asked.parse());
    let depth = asked.map_or(depth, |asked| asked.expect("ROUNDTABLE_DEPTH is a number"));
    let start = Instant::now();
    let visited = scope.explore(depth);
    let Visited { sequences: found, states, steps, events } = visited;
    let (states, took) = (states.len(), start.elapsed());
    println!(
        "{name}, {depth} steps: {found} sequences to {states} states, {steps} steps, \
         {events} events, {took:.1?}"
    );
    let enough = env::var_os("ROUNDTABLE_DEPTH").is_some() || found >= sequences;
    assert!(enough, "only {found} sequences to {states} states");
}

#[test]
fn two_clients_in_two_rooms_are_those_of_the_reference() {
    let scope = Scope {
        config: Limits::Roomy.config(),
        clients: 2,
        rooms: &["lobby", "den"],
        opening: 0,
        kinds: &[
            Kind::Connect,
            Kind::Join,
            Kind::JoinSince,
            Kind::Leave,
            Kind::Publish,
            Kind::Disconnect,
            Kind::Resume,
            Kind::Sleep,
        ],
        judge: Judge::Reference,
    };
    explore("two clients, two rooms", &scope, 5, 3_000);
}

#[test]
fn two_clients_that_come_back_are_those_of_the_reference() {
    let scope = Scope {
        config: Limits::Roomy.config(),
        clients: 2,
        rooms: &["lobby"],
        opening: 2,
        kinds: &[
            Kind::Connect,
            Kind::Leave,
            Kind::Publish,
            Kind::Bye,
            Kind::Disconnect,
            Kind::Resume,
            Kind::TakeOver,
            Kind::Sleep,
        ],
        judge: Judge::Reference,
    };
    explore("two clients that come back", &scope, 4, 1_000);
}

#[test]
fn three_clients_in_a_room_are_those_of_the_reference() {
    let scope = Scope {
        config: Config { history_entries: 2, recent: 1, ..Limits::Roomy.config() },
        clients: 3,
        rooms: &["lobby"],
        opening: 1,
        kinds: &[
            Kind::Connect,
            Kind::Join,
            Kind::JoinSince,
            Kind::JoinWithoutEcho,
            Kind::Leave,
            Kind::Publish,
            Kind::History,
            Kind::Bye,
            Kind::Sleep,
            Kind::Drain,
        ],
        judge: Judge::Reference,
    };
    explore("three clients, a room, a short log, a drain", &scope, 4, 10_000);
}

#[test]
fn limits_that_are_met_at_once_are_those_of_the_reference() {
    let scope = Scope {
        config: Config {
            max_sessions: 2,
            max_rooms: 2,
            rooms_per_session: 1,
            members_per_room: 1,
            message_burst: 3,
            messages_per_second: 1,
            rate_limit_strikes: 1,
            ..Limits::Roomy.config()
        },
        clients: 3,
        rooms: &["lobby", "den", "b\u{fc}ro 7"],
        opening: 1,
        kinds: &[
            Kind::Connect,
            Kind::Join,
            Kind::Leave,
            Kind::Publish,
            Kind::Disconnect,
            Kind::Pause,
        ],
        judge: Judge::Reference,
    };
    explore("three clients, three rooms, every limit one or two", &scope, 4, 3_000);
}

/// A window of a few messages, and a log of fewer.
fn narrow() -> Config {
    Config {
        page_bytes: 1024,
        presence_list: 2,
        turn_events: 1,
        turn_bytes: 16,
        max_message_bytes: 256,
        reserve_bytes: 2048,
        window_bytes: 4096,
        rooms_per_session: 2,
        budget_bytes: 6000,
        history_bytes: 4096,
        history_entries: 3,
        recent: 1,
        ..Limits::Roomy.config()
    }
}

const SLOW: &[Kind] = &[
    Kind::JoinSince,
    Kind::Leave,
    Kind::Burst,
    Kind::Stop,
    Kind::Take,
    Kind::Read,
    Kind::Disconnect,
    Kind::EndTurn,
    Kind::Sleep,
    Kind::Drain,
];

#[test]
fn two_members_that_read_or_do_not_miss_nothing() {
    let scope = Scope {
        config: narrow(),
        clients: 2,
        rooms: &["lobby"],
        opening: 2,
        kinds: SLOW,
        judge: Judge::AuditorAlone,
    };
    explore("two members, windows of a few messages", &scope, 4, 10_000);
}

#[test]
fn members_one_turn_behind_miss_nothing() {
    let scope = Scope {
        config: Config { run_ahead: RunAhead::One, ..narrow() },
        clients: 2,
        rooms: &["lobby"],
        opening: 2,
        kinds: &[Kind::Burst, Kind::Stop, Kind::Take, Kind::Read, Kind::EndTurn, Kind::Sleep],
        judge: Judge::AuditorAlone,
    };
    explore("two members, one turn behind", &scope, 5, 10_000);
}
