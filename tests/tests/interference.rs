//! Invariant 9: whether B reads changes nothing of what the others are sent, as long as B is not
//! closed; and when it is, the others see what they would see had B disconnected then.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use roundtable::{Command, Config, ConnId, Event, Hub, Timestamp};
use roundtable_tests::ORIGIN;
use roundtable_tests::clock::Clock;
use roundtable_tests::driver::{Driver, Observer};
use roundtable_tests::generator::{
    Decision, Frame, Limits, Reading, Script, SeqChoice, Step, Whose,
};
use roundtable_tests::strategy::{Readers, scripts};
use roundtable_tests::subject::Subject as _;

/// The client that may not read: B.
const B: u16 = 0;

/// What each connection was sent, with the time, and when each was closed.
#[derive(Debug, Default)]
struct Heard {
    connects: usize,
    /// B's first connection.
    b: Option<ConnId>,
    texts: BTreeMap<ConnId, Vec<(Timestamp, String)>>,
    b_closed: Option<Timestamp>,
}

impl Observer for Heard {
    fn observe(&mut self, clock: Clock, event: &Event, commands: &[Command]) {
        if let Event::Connect { conn, .. } = event {
            self.connects += 1;
            self.b.get_or_insert(*conn);
        }
        for command in commands {
            match command {
                Command::Send { to, text } => {
                    for conn in to.iter() {
                        self.texts.entry(conn).or_default().push((clock.now, text.to_string()));
                    }
                }
                Command::Close { conn, .. } if Some(*conn) == self.b => {
                    self.b_closed.get_or_insert(clock.now);
                }
                Command::Refuse { .. }
                | Command::Close { .. }
                | Command::Ping { .. }
                | Command::Verify { .. }
                | Command::Append { .. }
                | Command::Drained => {}
            }
        }
    }
}

impl Heard {
    /// What everybody but B was sent before `until`.
    fn by_others(&self, until: Timestamp) -> BTreeMap<ConnId, Vec<&String>> {
        let others = self.texts.iter().filter(|(conn, _)| Some(**conn) != self.b);
        let before = |texts: &'_ [(Timestamp, String)]| {
            texts.iter().take_while(|(at, _)| *at < until).count()
        };
        others
            .map(|(conn, texts)| {
                (*conn, texts[..before(texts)].iter().map(|(_, text)| text).collect())
            })
            .filter(|(_, texts): &(_, Vec<_>)| !texts.is_empty())
            .collect()
    }
}

/// The budget is never reached, and B is the first who connects.
fn config(limits: Limits) -> Config {
    Config { budget_bytes: 1 << 40, ..limits.config() }
}

/// Plays `steps`; with `leaves`, B disconnects at that time.
fn play(limits: Limits, steps: &[Step], leaves: Option<Timestamp>) -> Heard {
    let hub = Hub::begin(config(limits), ORIGIN);
    let mut driver = Driver::new(hub, config(limits), Heard::default());
    let mut left = leaves.is_none();
    for step in steps {
        let passes = span_of(step);
        if let (Some(at), Some(span), false) = (leaves, passes, left)
            && driver.now() + span >= at
        {
            let before = at.saturating_since(driver.now());
            driver.step(&Step::Wait(before));
            driver.step(&Step::Disconnect { client: B });
            driver.step(&Step::Wait(span.saturating_sub(before)));
            left = true;
            continue;
        }
        driver.step(step);
    }
    driver.into_parts().1
}

/// How long a step takes: only steps that say so are played here.
fn span_of(step: &Step) -> Option<Duration> {
    match step {
        Step::Wait(span) => Some(*span),
        _ => None,
    }
}

/// The script as B lives it that takes everything, or nothing. B connects once; nothing else that
/// depends on how B reads is left in.
fn with_b(script: &Script, reading: Reading) -> Vec<Step> {
    let mut steps = script.steps.iter();
    let first = steps.next().cloned().expect("a script begins with B");
    let plays = |step: &&Step| match step {
        Step::Connect { client, .. }
        | Step::Reads { client, .. }
        | Step::Take { client, .. }
        | Step::Link { client, .. }
        | Step::Binary { client }
        | Step::Heard { client }
        | Step::Disconnect { client }
        | Step::Vanish { client }
        | Step::Return { client, .. }
        | Step::Decide(
            Decision::Kick { client, .. }
            | Decision::Ban { client, .. }
            | Decision::RevokeUser { client }
            | Decision::RevokeToken { client },
        ) => *client != B,
        // Who goes on as B is sent what B was not.
        Step::Send { client, frame } | Step::Burst { client, frame, .. } => {
            let depends_on_b = match frame {
                Frame::Resume { whose: Whose::Of(B), .. } => true,
                Frame::Moderate { decision, .. } => {
                    matches!(decision, Decision::Remove { .. }) || decision.client() == Some(B)
                }
                _ => false,
            };
            *client != B && !depends_on_b
        }
        Step::EndTurn | Step::Wait(_) => true,
        // What is the newest entry may depend on B.
        Step::Decide(Decision::Remove { .. })
        | Step::Sleep
        | Step::Away(_)
        | Step::Drain { .. }
        | Step::Restart
        | Step::CarryOver => false,
    };
    [first, Step::Reads { client: B, reading }]
        .into_iter()
        .chain(steps.filter(plays).cloned().map(by_its_own_lights))
        .chain([Step::Wait(Duration::from_mins(2))])
        .collect()
}

/// The step of a client that knows its own place only: what is the newest entry that anybody was told
/// of may depend on B.
fn by_its_own_lights(mut step: Step) -> Step {
    if let Step::Send { frame, .. } | Step::Burst { frame, .. } = &mut step
        && let Frame::Join { since: Some(place), .. } | Frame::History { before: Some(place), .. } =
            frame
        && let SeqChoice::Behind(_) | SeqChoice::Ahead(_) = place.seq
    {
        place.seq = SeqChoice::Seen;
    }
    step
}

fn check(script: &Script) -> Result<(), TestCaseError> {
    let limits = script.limits;
    let reads = play(limits, &with_b(script, Reading::Prompt), None);
    let stopped = play(limits, &with_b(script, Reading::Stopped), None);
    let end = stopped.b_closed.unwrap_or(Timestamp::new(Duration::MAX));
    prop_assert_eq!(reads.by_others(end), stopped.by_others(end));
    if stopped.b_closed.is_some() {
        let left = play(limits, &with_b(script, Reading::Prompt), stopped.b_closed);
        let always = Timestamp::new(Duration::MAX);
        prop_assert_eq!(left.by_others(always), stopped.by_others(always));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/interference.proptest-regressions",
        ))),
        cases: 128,
        ..ProptestConfig::default()
    })]

    #[test]
    fn invariant_9_non_interference(script in scripts(Limits::Tiny, Readers::Any, 200)) {
        check(&script)?;
    }

    #[test]
    fn invariant_9_non_interference_one_turn_behind(
        script in scripts(Limits::TinyBehind, Readers::Any, 200),
    ) {
        check(&script)?;
    }
}
