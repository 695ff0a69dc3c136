//! Recordings that begin in the middle of a script: played again, each event gets the commands that it
//! got. This file does not know how a recording is made.

use proptest::prelude::*;
use roundtable::{Hub, Machine as _};
use roundtable_server::record::{Options, Recorder, Redaction};
use roundtable_server::replay;

use crate::ORIGIN;
use crate::fuzz::seeds::Part;
use crate::images::{limits, told};
use crate::strategy::{Readers, scripts};
use crate::subject::Subject as _;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_recording_begins_at_any_moment(
        (limits, script) in limits().prop_flat_map(|limits| {
            (Just(limits), scripts(limits, Readers::Any, 80))
        }),
        cut in any::<prop::sample::Index>(),
        redaction in prop::sample::select(vec![Redaction::Secrets, Redaction::Data]),
    ) {
        let (config, events) = (limits.config(), told(limits, &script));
        let (before, after) = events.split_at(cut.index(events.len()));
        let mut recorder = Recorder::idle(Hub::begin(config, ORIGIN));
        let mut commands = Vec::new();
        for (now, event) in before {
            recorder.handle(*now, event.clone(), &mut commands);
        }
        let part = Part::default();
        recorder.start(part.clone(), Options { redaction, part_bytes: u64::MAX }).unwrap();
        for (now, event) in after {
            recorder.handle(*now, event.clone(), &mut commands);
        }
        recorder.stop().unwrap();
        let report = replay::check(&part.bytes()).unwrap();
        prop_assert_eq!(report.difference, None);
        prop_assert!(report.is_ended);
        prop_assert_eq!(report.events, after.len() as u64);
    }
}
