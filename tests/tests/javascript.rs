//! The client in JavaScript: its logic in Node without a network, its types, and the whole of it
//! against both runtimes.
//!
//! What is not installed is left out, and the test says so; with `ROUNDTABLE_FOREIGN=required` it
//! fails instead.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, io};

use roundtable_tests::conformance::servers::RUNTIMES;
use roundtable_tests::conformance::settings;

/// A file or folder of this package, as a program takes it.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn node() -> Command {
    let mut node = Command::new("node");
    // What a test runner above this one says of itself is not for that one.
    node.env_remove("NODE_TEST_CONTEXT");
    node
}

/// Whether a program answers; if not, that is said, or it is a failure.
fn is_there(program: &mut Command, how: &str) -> bool {
    let is_there = program
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let required = env::var_os("ROUNDTABLE_FOREIGN").is_some_and(|value| value == "required");
    assert!(is_there || !required, "not installed: {how}");
    if !is_there {
        // Written past the capture of a test that passes; a closed standard error is no failure.
        let _unheard = writeln!(io::stderr(), "javascript: left out. To include it: {how}");
    }
    is_there
}

/// Runs a program to its end; what it says is shown where it fails.
fn run(program: &mut Command) {
    let output = program.output().expect("the program was there a moment ago");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?}: {}\n{said}{complained}", output.status);
}

#[test]
fn the_client_keeps_what_it_promises() {
    if !is_there(node().arg("--version"), "install Node 20 or later") {
        return;
    }
    // Each file is named: what `--test` makes of a folder depends on the version.
    let files = ["line", "moderation", "presence", "session"];
    let files = files.map(|name| path(&format!("javascript/{name}.test.mjs")));
    run(node().arg("--test").args(files));
}

#[test]
fn the_types_of_the_client_hold() {
    let compiler = path("foreign/node_modules/.bin/tsc");
    let how = "npm install --prefix tests/foreign";
    if is_there(Command::new(&compiler).arg("--version"), how) {
        run(Command::new(&compiler).arg("--project").arg(path("javascript/tsconfig.json")));
    }
}

#[test]
fn the_client_talks_to_both_runtimes() {
    let talk = path("javascript/talk.mjs");
    let how = "npm install --prefix tests/foreign (with Node 20 or later)";
    if !is_there(node().arg(&talk).arg("--which"), how) {
        return;
    }
    let mut settings = settings();
    settings.hub.message_burst = 1000;
    for (_, runtime) in RUNTIMES {
        let server = runtime(&settings, None);
        run(node().arg(&talk).arg(server.addr.to_string()).arg("plain"));
        server.shut();
    }
}
