//! The terminal client alone, so that the tests of this package can put a bad network before either
//! server. This file does not know what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime_smol::chat::run(&runtime_smol::chat::command().get_matches())
}
