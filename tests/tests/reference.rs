//! The hub against the reference, and against its own contract, on generated scripts. A failure
//! prints the script, shrunk, and keeps its seed for the next run.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use roundtable::{Hub, Origin};
use roundtable_tests::compare::Compare;
use roundtable_tests::driver::Driver;
use roundtable_tests::generator::{Limits, Script};
use roundtable_tests::strategy::{Readers, scripts};

const ORIGIN: Origin = Origin { seed: 7, wall_clock_ms: 1_785_578_400_000 };

fn hub(limits: Limits) -> Hub {
    Hub::new(limits.config(), ORIGIN).expect("a valid configuration")
}

fn matches_the_reference(script: &Script) {
    let compare = Compare::new(script.limits.config(), ORIGIN.wall_clock_ms);
    Driver::new(hub(script.limits), script.limits.config(), compare).play(script);
}

fn keeps_the_contract(script: &Script) {
    Driver::new(hub(script.limits), script.limits.config(), ()).play(script);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/reference.proptest-regressions",
        ))),
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn where_nobody_lags_the_hub_is_the_reference(script in scripts(Limits::Roomy, Readers::Prompt, 120)) {
        matches_the_reference(&script);
    }

    #[test]
    fn rate_limits_are_those_of_the_reference(script in scripts(Limits::Default, Readers::Prompt, 200)) {
        matches_the_reference(&script);
    }

    #[test]
    fn slow_readers_miss_nothing_and_are_told_of_gaps(script in scripts(Limits::Tiny, Readers::Any, 200)) {
        keeps_the_contract(&script);
    }

    #[test]
    fn shards_one_turn_behind_keep_within_the_window(script in scripts(Limits::TinyBehind, Readers::Any, 200)) {
        keeps_the_contract(&script);
    }
}
