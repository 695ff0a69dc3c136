//! The WebSocket cases of the Autobahn suite, played by kosoku against both runtimes with a machine
//! that echoes. What each case comes to stands in `autobahn/expected.txt`.
//!
//! Where kosoku is not installed the test says so and passes; with `ROUNDTABLE_AUTOBAHN=required` it
//! fails instead.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, fs, io, thread};

use roundtable_server::Settings;
use roundtable_server::binary::Binary;
use roundtable_tests::conformance::servers::{DRIVERS, Drive};
use roundtable_tests::conformance::{Echo, settings};
use serde_json::Value;

/// Cases of compression, which is declined.
const COMPRESSION: [&str; 2] = ["12.*", "13.*"];

/// Cases whose messages are longer than the 32 KiB of production, or whose frames are more than a
/// chat server takes.
const BEYOND_LIMITS: [&str; 8] =
    ["1.1.6", "1.1.7", "1.1.8", "1.2.6", "1.2.7", "1.2.8", "9.*", "10.1.1"];

/// What each case came to.
type Verdicts = BTreeMap<Vec<u32>, String>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program, if it is installed.
fn kosoku() -> Option<PathBuf> {
    let own = root().join("autobahn/.venv/bin/kosoku");
    [own, PathBuf::from("kosoku")].into_iter().find(|program| {
        let mut asked = Command::new(program);
        let asked = asked.arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    })
}

/// The limits as they are in production.
fn production() -> Settings {
    Settings { listen: settings().listen, binary: Binary::AsText, ..Settings::default() }
}

/// Limits under which a message of 16 MiB may come in fragments of 64 bytes.
fn generous() -> Settings {
    let mut settings = production();
    settings.hub.max_message_bytes = 16 << 20;
    settings.hub.window_bytes = 64 << 20;
    settings.wire.frame_burst = 1_000_000;
    settings.wire.frames_per_second = 1_000_000;
    settings
}

/// Plays cases against a server, and reads the report.
fn play(kosoku: &Path, drive: Drive, settings: &Settings, selection: &[&str]) -> Verdicts {
    let server = drive(settings, Box::<Echo>::default());
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(kosoku);
    command.arg(format!("ws://{}/ws", server.addr)).args(["-p", "4", "-o"]).arg(folder.path());
    let output = command.args(selection).output().expect("kosoku was there a moment ago");
    // Which case failed stands in the report; without one, why kosoku has none.
    let report = fs::read_to_string(folder.path().join("index.json"));
    let report = report.unwrap_or_else(|error| panic!("no report: {error}: {output:?}"));
    let report: Value = serde_json::from_str(&report).expect("the report is JSON");
    let agents = report.as_object().expect("the report is by agent");
    let cases = agents.values().flat_map(|cases| cases.as_object().expect("cases by number"));
    let number = |case: &str| case.split('.').map(|part| part.parse().expect("numbers")).collect();
    let verdict = |case: &Value| {
        let [behavior, close] = ["behavior", "behaviorClose"].map(|key| case[key].as_str());
        format!("{} {}", behavior.expect("a verdict"), close.expect("a verdict on the close"))
    };
    let verdicts = cases.map(|(case, found)| (number(case), verdict(found))).collect();
    server.shut();
    verdicts
}

/// All cases: under the limits of production where they allow it.
fn verdicts(kosoku: &Path, drive: Drive) -> String {
    let without: Vec<_> =
        COMPRESSION.iter().chain(&BEYOND_LIMITS).flat_map(|x| ["-x", x]).collect();
    let with: Vec<_> = BEYOND_LIMITS.iter().flat_map(|x| ["-i", x]).collect();
    let mut all = play(kosoku, drive, &production(), &without);
    all.extend(play(kosoku, drive, &generous(), &with));
    let line = |(case, verdict): (Vec<u32>, String)| {
        let case: Vec<String> = case.iter().map(u32::to_string).collect();
        format!("{} {verdict}\n", case.join("."))
    };
    all.into_iter().map(line).collect()
}

#[test]
fn each_case_of_autobahn_comes_to_what_is_expected() {
    let Some(kosoku) = kosoku() else {
        let how = "python3 -m venv tests/autobahn/.venv && \
                   tests/autobahn/.venv/bin/pip install kosoku==0.1.0";
        let required = env::var_os("ROUNDTABLE_AUTOBAHN").is_some_and(|value| value == "required");
        assert!(!required, "kosoku is not installed: {how}");
        return tell(&format!("left out: kosoku is not installed. To include it: {how}"));
    };
    let path = root().join("autobahn/expected.txt");
    let found = thread::scope(|scope| {
        let runs = DRIVERS.map(|(name, drive)| {
            let kosoku = &kosoku;
            (
                name,
                scope.spawn(move || {
                    let start = Instant::now();
                    (verdicts(kosoku, drive), start.elapsed())
                }),
            )
        });
        runs.map(|(name, run)| (name, run.join().expect("a report")))
    });
    for (name, (found, took)) in found {
        let count = |word: &str| found.lines().filter(|line| line.contains(word)).count();
        tell(&format!(
            "{name}: {} cases, {} failed, {} non-strict, {took:.1?}",
            found.lines().count(),
            count("FAILED"),
            count("NON-STRICT"),
        ));
        if env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, &found).expect("a folder that can be written");
        }
        let expected = fs::read_to_string(&path).expect("what is expected");
        let differences: Vec<_> = found
            .lines()
            .zip(expected.lines())
            .filter(|(found, expected)| found != expected)
            .collect();
        assert!(differences.is_empty(), "{name}, found and expected: {differences:#?}");
        assert_eq!(found.lines().count(), expected.lines().count(), "{name}");
        assert!(!expected.contains("FAILED") && expected.matches("NON-STRICT ").count() <= 2);
    }
}

/// Says something that the test runner does not swallow.
fn tell(line: &str) {
    // A closed standard error is no reason to fail.
    let _unheard = writeln!(io::stderr(), "autobahn: {line}");
}
