//! The committed counts. This file does not know what is counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline/instructions.txt");

/// What the first line begins with; the toolchain follows.
const HEAD: &str = "# instructions of one step, by ";

/// The instructions of one step of a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) name: String,
    pub(crate) each: u64,
}

/// Counts, and the toolchain that they are true for.
#[derive(Debug)]
pub(crate) struct Baseline {
    pub(crate) toolchain: String,
    pub(crate) counts: Vec<Count>,
}

impl Baseline {
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(FILE).expect("the baseline is committed");
        let (head, lines) = text.split_once('\n').expect("a baseline has a head");
        let toolchain = head.strip_prefix(HEAD).expect("the head names the toolchain").to_owned();
        let count = |line: &str| {
            let (name, each) = line.rsplit_once(' ').expect("a name and a count");
            Count { name: name.trim().into(), each: each.parse().expect("a count") }
        };
        Self { toolchain, counts: lines.lines().map(count).collect() }
    }

    pub(crate) fn write(&self) {
        let mut text = format!("{HEAD}{}\n", self.toolchain);
        for Count { name, each } in &self.counts {
            writeln!(text, "{name} {each}").expect("a string takes everything");
        }
        fs::write(FILE, &text).expect("the baseline can be written");
        print!("{text}");
    }

    /// A table of these counts and `newer` ones, and the names of those that moved by more than
    /// `percent`, came or went.
    pub(crate) fn against(&self, newer: &Self, percent: f64) -> (String, Vec<String>) {
        let mut names = BTreeMap::<&str, (Option<u64>, Option<u64>)>::new();
        for count in &self.counts {
            names.entry(&count.name).or_default().0 = Some(count.each);
        }
        for count in &newer.counts {
            names.entry(&count.name).or_default().1 = Some(count.each);
        }
        let mut table =
            format!("{:<40} {:>10} {:>10} {:>9}\n", "path", "baseline", "here", "moved");
        let mut moved = Vec::new();
        for (name, counts) in names {
            let (Some(old), Some(new)) = counts else {
                moved.push(format!("{name} (on one side alone)"));
                continue;
            };
            let change = change(old, new);
            writeln!(table, "{name:<40} {old:>10} {new:>10} {change:>+8.2}%").expect("a string");
            if change.abs() > percent {
                moved.push(name.to_owned());
            }
        }
        (table, moved)
    }
}

/// The change from `old` to `new` in percent.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn change(old: u64, new: u64) -> f64 {
    (new as f64 / old as f64 - 1.0) * 100.0
}

/// What decides over the instructions: the compiler, for which machine, the C library, and whether
/// searches in bytes may use wide registers.
pub(crate) fn toolchain() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let about = say(&rustc, &["-vV"]);
    let field = |name: &str| about.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?");
    let library = say("getconf", &["GNU_LIBC_VERSION"]);
    let (release, host, wide) = (field("release: "), field("host: "), wide_registers());
    format!("rustc {release} for {host}, {}, {wide}", library.trim())
}

#[cfg(target_arch = "x86_64")]
fn wide_registers() -> &'static str {
    if is_x86_feature_detected!("avx2") { "avx2" } else { "no avx2" }
}

#[cfg(not(target_arch = "x86_64"))]
fn wide_registers() -> &'static str {
    "no avx2"
}

/// What a program prints.
fn say(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8(output.stdout).expect("a program that prints text")
}
