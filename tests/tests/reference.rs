//! The hub against the reference, and against its own contract, on generated scripts. A failure
//! prints the script, shrunk, and keeps its seed for the next run.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use roundtable_tests::generator::Limits;
use roundtable_tests::strategy::{Readers, scripts};
use roundtable_tests::{check, nobody_lags};

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/reference.proptest-regressions",
        ))),
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn where_nobody_lags_the_hub_is_the_reference(
        script in scripts(Limits::Roomy, Readers::Prompt, 120),
    ) {
        prop_assert!(nobody_lags(&script));
        check(&script);
    }

    #[test]
    fn rate_limits_are_those_of_the_reference(
        script in scripts(Limits::Default, Readers::Prompt, 200),
    ) {
        prop_assert!(nobody_lags(&script));
        check(&script);
    }

    #[test]
    fn tokens_are_those_of_the_reference(
        script in scripts(Limits::RoomyGuarded, Readers::Prompt, 120),
    ) {
        prop_assert!(nobody_lags(&script));
        check(&script);
    }

    #[test]
    fn nobody_does_without_a_token_what_the_reference_forbids(
        script in scripts(Limits::RoomyLocked, Readers::Prompt, 120),
    ) {
        prop_assert!(nobody_lags(&script));
        check(&script);
    }

    #[test]
    fn slow_readers_miss_nothing_and_are_told_of_gaps(
        script in scripts(Limits::Tiny, Readers::Any, 200),
    ) {
        check(&script);
    }

    #[test]
    fn shards_one_turn_behind_keep_within_the_window(
        script in scripts(Limits::TinyBehind, Readers::Any, 200),
    ) {
        check(&script);
    }
}
