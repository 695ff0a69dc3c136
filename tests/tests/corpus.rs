//! What the fuzzer has found worth keeping, replayed without it: each corpus covers every edge that
//! its target has reached so far.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use roundtable_tests::fuzz::{TARGETS, seeds};

/// A corpus with fewer files was lost or never made.
const FEWEST_FILES: usize = 50;

fn fuzz(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(folder)
}

/// What is in a folder, in order.
fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|file| file.expect("a readable folder").path()).collect();
    files.sort();
    files
}

fn replay(name: &str) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a known target");
    let files = list(&fuzz("corpus").join(name));
    assert!(files.len() >= FEWEST_FILES, "only {} files of {name}", files.len());
    for file in files {
        // The name of the file that fails is what one needs to know.
        println!("{}", file.display());
        target(&fs::read(&file).expect("a readable file"));
    }
}

#[test]
fn the_corpus_of_the_codec_holds() {
    replay("codec");
}

#[test]
fn the_corpus_of_the_front_door_holds() {
    replay("http");
}

#[test]
fn the_corpus_of_the_hub_holds() {
    replay("hub");
}

#[test]
fn the_corpus_of_the_outbox_holds() {
    replay("outbox");
}

#[test]
fn the_corpus_of_the_protocol_holds() {
    replay("protocol");
}

#[test]
fn the_corpus_of_recordings_holds() {
    replay("replay");
}

/// An older format is refused at the first record, and nothing behind it is tried.
#[test]
fn recordings_of_todays_format_are_in_the_corpus() {
    let folder = fuzz("corpus/replay");
    for (name, made) in seeds::recordings() {
        let path = folder.join(&name);
        if env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, &made).expect("a folder that can be written to");
        }
        let what = "UPDATE_EXPECT=1 makes it anew";
        let input = fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}: {what}"));
        let events = seeds::events(&input);
        let events = events.unwrap_or_else(|error| panic!("{name}: {error}: {what}"));
        assert!(events >= 20, "{name} has {events} events: {what}");
    }
}

#[test]
fn the_corpus_of_snapshots_holds() {
    let folder = fuzz("corpus/restore");
    for (name, made) in seeds::snapshots() {
        let path = folder.join(&name);
        if env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, &made).expect("a folder that can be written to");
        }
        assert!(path.exists(), "{name}: UPDATE_EXPECT=1 makes it anew");
    }
    replay("restore");
}

#[test]
fn each_target_has_a_file_and_a_corpus_and_nothing_else_is_there() {
    let known: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for folder in ["fuzz_targets", "corpus"] {
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let found: BTreeSet<String> = list(&fuzz(folder)).into_iter().map(stem).collect();
        assert_eq!(found, known, "in fuzz/{folder}");
    }
    let tests = include_str!("corpus.rs");
    for name in known {
        assert!(tests.contains(&format!("replay(\"{name}\")")), "{name} is not replayed");
    }
}
