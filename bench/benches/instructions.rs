//! How many instructions the hub takes for its hot paths, counted by callgrind, against those in
//! `baseline/instructions.txt`. The counts are the same from run to run, so a small change shows.
//!
//! `cargo bench -p bench --bench instructions` fails where a count moved by more than 3 %;
//! with `-- rewrite` it writes the baseline anew. The process runs itself under valgrind, once for
//! each path, and knows from its arguments which part it plays.

#[path = "instructions/baseline.rs"]
mod baseline;
#[path = "instructions/paths.rs"]
mod paths;

use std::env;
use std::process::{Command, ExitCode};

use baseline::{Baseline, Count};
use paths::{PATHS, Path};

/// Beyond what a change that has nothing to do with a path moves it by.
const MOST_PERCENT: f64 = 3.0;

const PACKAGE: &str = env!("CARGO_PKG_NAME");

/// The function that callgrind counts, by a name that nothing else has.
const COUNTED: &str = "--toggle-collect=*instructions_of_these_steps*";

/// The C library picks its ways of copying by the processor; these are not picked, so that machines
/// agree.
const PLAIN_COPIES: &str = "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    match &words[..] {
        [] => check(),
        [word] if word == "rewrite" => {
            measure().write();
            ExitCode::SUCCESS
        }
        [word, name] if word == "walk" => {
            paths::find(name).walk(instructions_of_these_steps);
            ExitCode::SUCCESS
        }
        words => {
            eprintln!("{words:?}: say nothing, to check, or `rewrite`");
            ExitCode::FAILURE
        }
    }
}

/// What is counted: `times` calls of `step`, each with its number.
#[inline(never)]
fn instructions_of_these_steps(times: u64, step: &mut dyn FnMut(u64)) {
    (0..times).for_each(step);
}

fn measure() -> Baseline {
    let counts = PATHS.iter().map(|path| Count { name: path.name.into(), each: count(path) });
    Baseline { toolchain: baseline::toolchain(), counts: counts.collect() }
}

/// The instructions of one step of `path`.
fn count(path: &Path) -> u64 {
    let program = env::current_exe().expect("a program has a place");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", COUNTED]);
    valgrind.arg(program).args(["walk", path.name]).env("GLIBC_TUNABLES", PLAIN_COPIES);
    let output = valgrind.output().expect("valgrind is needed, and is not installed");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {words}", path.name);
    let total = words.lines().find_map(|line| line.split_once("Collected : "));
    let total = total.and_then(|(_, total)| total.trim().parse::<u64>().ok());
    let total = total.unwrap_or_else(|| panic!("no count of {} in {words}", path.name));
    assert!(total > path.steps, "{} was not counted: {words}", path.name);
    total / path.steps
}

fn check() -> ExitCode {
    let committed = Baseline::read();
    let here = baseline::toolchain();
    if committed.toolchain != here {
        println!("skipped: the baseline is of {}, and here is {here}", committed.toolchain);
        return ExitCode::SUCCESS;
    }
    let (table, moved) = committed.against(&measure(), MOST_PERCENT);
    print!("{table}");
    if moved.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("\nmoved by more than {MOST_PERCENT} %: {}", moved.join(", "));
    println!("if that is meant: cargo bench -p {PACKAGE} --bench instructions -- rewrite");
    ExitCode::FAILURE
}
