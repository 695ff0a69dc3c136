//! The two runtimes, given the same script and the same seed, do the same.
//!
//! Each case of the conformance script is played against both, with a listening machine around the
//! hub and a listening network in front of the server. Connections are matched in the order in which
//! they came: a case opens one after the other. For each pair of connections these must be equal,
//! in full and in order, with the masks that `conformance/transcript.rs` names and no others:
//!
//! - the events that the hub was told of it (`Connect` with its greeting, texts, binaries, the end);
//! - the commands that the hub gave for it (each frame as its bytes are, each close with its code and
//!   what becomes of its queue), pings left out;
//! - the bytes that came out of the socket: the answer to the request, then each frame, pings left
//!   out.
//!
//! A 29th case, `a_reader_that_stops_holds_up_nobody_and_reads_on_later`, is not compared: where the
//! log is trimmed past a reader depends on how much its sockets took in.
//!
//! Events and commands are two sequences, since a client need not wait for an answer before it says
//! the next thing. How connections interleave is compared by what each of them was given.
//!
//! Two things are a race by nature, and this is what is left of the comparison there:
//!
//! - A client that goes away on its own is given frames until its server notices. Where both
//!   transcripts end without a close, the shorter one must be the beginning of the longer one.
//! - In `a_crowd_hears_everything_and_leaves` sixty authors speak at the same time. The
//!   `message`s that each connection is given are compared as a set there, without `seq`; that all
//!   are given the same order, and no place twice, the case itself asserts.

use std::thread;

use roundtable_tests::conformance::servers::RUNTIMES;
use roundtable_tests::conformance::transcript::{Transcript, play};
use roundtable_tests::conformance::{Case, cases};

roundtable_tests::conformance_in_turn!(agree);

#[test]
fn a_crowd_hears_everything_and_leaves() {
    let [smol, threads] = both(cases::a_crowd_hears_everything_and_leaves);
    compare(&without_order(smol), &without_order(threads));
}

#[test]
#[should_panic(expected = "bytes to socket 0")]
fn runs_that_differ_in_a_word_do_not_agree() {
    let [smol, mut threads] = both(cases::plain_text_is_a_message_of_its_own);
    let word = threads.sent[0].iter_mut().find(|line| line.contains("hi there"));
    word.expect("it was said").push(' ');
    compare(&smol, &threads);
}

fn agree(case: Case) {
    let [smol, threads] = both(case);
    compare(&smol, &threads);
}

/// What a case comes to with each runtime.
fn both(case: Case) -> [Transcript; 2] {
    thread::scope(|scope| {
        let runs = RUNTIMES.map(|(name, start)| {
            let thread = thread::Builder::new().name(name.to_owned());
            thread.spawn_scoped(scope, move || play(case, start)).expect("a thread")
        });
        runs.map(|run| run.join().expect("the case passes"))
    })
}

/// Leaves the order of messages out of what connections are given, where a race decides it.
fn without_order(mut transcript: Transcript) -> Transcript {
    let commands = transcript.told.iter_mut().map(|told| &mut told.commands);
    for given in commands.chain(&mut transcript.sent) {
        let is_message = |line: &&mut String| line.starts_with(r#"{"type":"message","#);
        let places: Vec<&mut String> = given.iter_mut().filter(is_message).collect();
        let mut messages: Vec<String> = places.iter().map(|line| without_place(line)).collect();
        messages.sort_unstable();
        assert_eq!(messages.len(), 60, "each hears each");
        places.into_iter().zip(messages).for_each(|(place, message)| *place = message);
    }
    transcript
}

/// A `message` without its `seq`.
fn without_place(line: &str) -> String {
    let Some((before, rest)) = line.split_once("\"seq\":") else { return line.to_owned() };
    let digits = rest.find(|found: char| !found.is_ascii_digit()).unwrap_or(rest.len());
    format!("{before}\"seq\":_{}", &rest[digits..])
}

fn compare(smol: &Transcript, threads: &Transcript) {
    assert!(!smol.sent.is_empty(), "nobody came");
    assert_eq!(smol.drained, threads.drained, "how often a drain was over");
    assert_eq!(smol.told.len(), threads.told.len(), "connections that the hubs had");
    assert_eq!(smol.sent.len(), threads.sent.len(), "sockets that were answered");
    for (number, (smol, threads)) in smol.told.iter().zip(&threads.told).enumerate() {
        assert_eq!(smol.events, threads.events, "events of connection {number}");
        same(&format!("commands for connection {number}"), &smol.commands, &threads.commands);
    }
    for (number, (smol, threads)) in smol.sent.iter().zip(&threads.sent).enumerate() {
        same(&format!("bytes to socket {number}"), smol, threads);
    }
}

/// Compares what a connection was given.
#[track_caller]
fn same(what: &str, smol: &[String], threads: &[String]) {
    let left = |given: &[String]| given.last().is_none_or(|last| !last.starts_with("close "));
    let is_upgraded = smol
        .first()
        .is_some_and(|line| !line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.1 101 "));
    let shorter = smol.len().min(threads.len());
    if left(smol) && left(threads) && is_upgraded {
        assert_eq!(smol[..shorter], threads[..shorter], "{what}");
    } else {
        assert_eq!(smol, threads, "{what}");
    }
}
