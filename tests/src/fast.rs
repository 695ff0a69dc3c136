//! A few seconds of everything: what the mutants of the hub are run against. The same scripts every
//! time; fresh ones, and shrinking, are in `tests/tests/reference.rs` and in `simulate`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use roundtable::{Config, ConnId, Event, Greeting, Hub, Machine, Peer, Timestamp};

use crate::decode::decode;
use crate::generator::Limits;
use crate::sim::{Kind, Mix, Plan};
use crate::strategy::{Readers, scripts};
use crate::subject::Subject as _;
use crate::{ORIGIN, check};

fn check_some(limits: Limits, readers: Readers, count: usize) {
    let mut runner = TestRunner::deterministic();
    let strategy = scripts(limits, readers, 150);
    for _ in 0..count {
        check(&strategy.new_tree(&mut runner).expect("no script is rejected").current());
    }
}

#[test]
fn scripts_under_wide_limits_hold() {
    check_some(Limits::Roomy, Readers::Prompt, 30);
    check_some(Limits::Default, Readers::Prompt, 30);
    check_some(Limits::RoomyGuarded, Readers::Prompt, 60);
    check_some(Limits::RoomyLocked, Readers::Prompt, 20);
}

#[test]
fn scripts_under_tiny_limits_hold() {
    check_some(Limits::Tiny, Readers::Any, 60);
    check_some(Limits::TinyBehind, Readers::Any, 60);
    check_some(Limits::Guarded, Readers::Any, 60);
}

#[test]
fn the_corpus_of_the_hub_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/hub");
    for file in fs::read_dir(&folder).expect("the corpus is committed") {
        let path = file.expect("a readable folder").path();
        check(&decode(&fs::read(&path).expect("a readable file")));
    }
}

#[test]
fn small_crowds_hold() {
    for seed in 0..24 {
        let plan = Plan {
            seed,
            clients: 8,
            span: Duration::from_mins(4),
            mix: Mix::Swarm,
            hub: Kind::Twin,
        };
        plan.run().unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    }
}

#[test]
fn a_hub_in_a_box_is_a_hub() {
    let hub = || Hub::begin(Config::default(), ORIGIN);
    let (mut bare, mut boxed): (_, Box<dyn Machine>) = (hub(), Box::new(hub()));
    let conn = ConnId::new(1);
    let connect = Event::Connect { conn, peer: Peer::default(), greeting: Greeting::default() };
    for event in [connect, Event::Flushed] {
        let (mut commands, mut same) = (Vec::new(), Vec::new());
        bare.handle(Timestamp::ZERO, event.clone(), &mut commands);
        boxed.handle(Timestamp::ZERO, event, &mut same);
        assert_eq!(commands, same);
        assert_eq!(bare.next_deadline(), boxed.next_deadline());
    }
    assert!(bare.next_deadline().is_some());
}

#[test]
fn the_same_plan_is_the_same_run() {
    let plan =
        |hub| Plan { seed: 7, clients: 20, span: Duration::from_mins(10), mix: Mix::Chat, hub };
    let single = plan(Kind::Single).run().expect("it holds");
    assert_eq!(plan(Kind::Single).run().expect("it holds"), single);
    assert_eq!(plan(Kind::Twin).run().expect("it holds").figures, single.figures);
}
