//! The line is cut before each of the frames that it carries, and everything is said once, in
//! order.

use std::time::Duration;

use roundtable::Config;

use super::world::{Accident, World};
use crate::chat::client::End;

const LINES: [&str; 5] = ["one", "two", "/who", "three", "four"];
const WORDS: [&str; 4] = ["one", "two", "three", "four"];

fn config() -> Config {
    // Nobody says who comes and goes, so that each frame belongs to a line.
    Config { presence_tick: Duration::from_hours(1), ..Config::default() }
}

fn play(config: &Config, accidents: &[(usize, Accident)]) -> World {
    World::new(config.clone(), &LINES, accidents).run()
}

#[test]
fn without_accidents_everything_is_said_and_heard() {
    let world = play(&config(), &[]);
    assert_eq!(world.heard, WORDS);
    assert_eq!(world.told_words(), WORDS);
    assert_eq!(world.end, Some(End::Well));
}

#[test]
fn a_line_that_is_cut_anywhere_loses_nothing_and_repeats_nothing() {
    let frames = play(&config(), &[]).carried;
    assert!(frames > 15, "{frames} frames");
    for first in 0..=frames {
        for second in (first + 1)..=(first + 12) {
            let accidents = [(first, Accident::Cut), (second, Accident::Cut)];
            let world = play(&config(), &accidents);
            assert_eq!(world.heard, WORDS, "{accidents:?}: {:#?}", world.told);
            assert_eq!(world.told_words(), WORDS, "{accidents:?}: {:#?}", world.told);
            assert_eq!(world.end, Some(End::Well), "{accidents:?}: {:#?}", world.told);
        }
    }
}

#[test]
fn a_session_that_is_gone_repeats_nothing_and_says_what_is_in_doubt() {
    // Whoever comes back comes too late.
    let config =
        Config { resume_window: Duration::ZERO, presence_linger: Duration::ZERO, ..config() };
    let frames = play(&config, &[]).carried;
    for at in 0..=frames {
        let world = play(&config, &[(at, Accident::Cut)]);
        let in_doubt = |word: &&str| {
            let words = format!("nobody knows whether lobby heard this: {word}");
            world.told.iter().any(|line| line.contains(&words))
        };
        let doubts: Vec<&str> = WORDS.into_iter().filter(in_doubt).collect();
        let expected: Vec<&str> = WORDS
            .into_iter()
            .filter(|word| world.heard.iter().any(|heard| heard == word) || !doubts.contains(word))
            .collect();
        assert_eq!(world.heard, expected, "{at}: {:#?}", world.told);
        assert_eq!(world.told_words(), expected, "{at}: {:#?}", world.told);
        let end = if doubts.is_empty() { End::Well } else { End::Refused(1) };
        assert_eq!(world.end, Some(end), "{at}: {:#?}", world.told);
    }
}

#[test]
fn a_server_that_begins_anew_is_told_what_it_may_not_have_heard() {
    let frames = play(&config(), &[]).carried;
    for at in 0..=frames {
        let world = play(&config(), &[(at, Accident::Restart)]);
        let mut heard = world.heard.clone();
        // The log of the first server is gone, and with it one that was not acknowledged.
        heard.dedup();
        assert_eq!(heard, WORDS, "{at}: {:#?}", world.told);
        assert!(world.heard.len() <= WORDS.len() + 1, "{at}: {:?}", world.heard);
        assert_eq!(world.end, Some(End::Well), "{at}: {:#?}", world.told);
    }
}

#[test]
fn a_rate_limit_slows_down_and_loses_nothing() {
    let config = Config { message_burst: 5, messages_per_second: 10, ..config() };
    let lines: Vec<String> = (0..300).map(|number| format!("line {number}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let world = World::new(config, &lines, &[]).run();
    assert_eq!(world.heard, lines);
    assert_eq!(world.end, Some(End::Well));
    let losses = world.told.iter().filter(|line| line.contains("coming back")).count();
    assert_eq!(losses, 0, "{:#?}", world.told);
}
