//! Peers that break every rule there is, against both runtimes. Each test says what the server does
//! to them; where others might notice, it tells on standard error how much they did.
//!
//! Figures are told, and held only to generous multiples of what is promised: the machine that runs
//! the tests may be busy.

mod floods;
mod frames;
mod heads;
mod states;
mod texts;

use std::io::{self, Write as _};
use std::time::Duration;

use roundtable_tests::conformance::servers::RUNTIMES;
use roundtable_tests::conformance::{Client, Server, settings};
use serde_json::json;

/// How many times longer than promised something may take on a machine that is busy.
const BUSY: u32 = 10;

/// Runs a case against each runtime, one after the other, and sees that it still serves behind it.
fn on_each(case: impl Fn(&str, &Server)) {
    for (name, start) in RUNTIMES {
        let server = start(&settings(), None);
        let (mut ann, _) = Client::join(server.addr, "watch", "ann");
        case(name, &server);
        ann.say("still here");
        ann.expect_message("ann", &json!("still here"));
        server.shut();
    }
}

/// The value below which `percent` of them lie.
fn percentile(spans: &mut [Duration], percent: usize) -> Duration {
    spans.sort_unstable();
    spans[(spans.len() * percent / 100).min(spans.len() - 1)]
}

/// Says something that the test runner does not swallow.
fn tell(line: &str) {
    // A closed standard error is no reason to fail.
    let _unheard = writeln!(io::stderr(), "hostile: {line}");
}
