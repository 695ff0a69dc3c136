//! The side-by-side: installs and builds the servers, has each do each workload, interleaved, and writes
//! the medians. It does not know how a server is measured, nor what a document looks like.

pub mod cost;
mod machine;
mod newcomer;
mod servers;
mod work;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::Args;

use crate::measurement::Measurement;
use crate::report::{self, Results, Role, Server, Workload, median, root};

use servers::{GREETING_FLOOR, LONG_FLOOR, Program};
use work::{WORKS, Who, Work};

/// The flags of `compare`.
#[derive(Args, Debug)]
pub struct Flags {
    /// The servers that are measured, separated by commas; all if none are named.
    #[arg(long, value_delimiter = ',', value_name = "SERVERS")]
    pub only: Vec<String>,
    /// The workloads that are done, separated by commas; all if none are named.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub workloads: Vec<String>,
    /// How many times each server does each workload.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=99))]
    pub runs: u64,
    /// Seconds that are measured of each, where the workload does not say it itself.
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// The folder for the document; docs if everything is measured, else target/benchmarks.
    #[arg(long, value_name = "FOLDER")]
    pub into: Option<PathBuf>,
}

/// What is measured, and where its traces go.
struct Comparison<'a> {
    flags: &'a Flags,
    programs: Vec<Program>,
    works: Vec<&'static Work>,
    /// For the measurements as they came, and the servers' logs.
    raw: PathBuf,
}

/// Installs, builds, measures, and writes the document.
///
/// # Errors
///
/// If nothing could be measured, a name is unknown, or the document cannot be written.
///
/// # Panics
///
/// If this program is in no folder, which cannot be.
pub fn run(flags: &Flags) -> Result<(), String> {
    crate::process::raise_open_files();
    let built = std::env::current_exe().map_err(|error| error.to_string())?;
    let built = built.parent().expect("a program is in a folder").to_owned();
    let raw = root().join("target/benchmarks/raw");
    fs::create_dir_all(&raw).map_err(|error| format!("{}: {error}", raw.display()))?;
    let works = chosen(&flags.workloads, WORKS.iter().collect(), |work| work.name)?;
    build(&built)?;
    let greeting = raw.join("greeting");
    let programs = servers::programs(&built, &greeting, &install(&flags.only)?);
    greet(&programs, &greeting, &raw)?;
    let programs = chosen(&flags.only, programs, |program| program.name)?;
    let comparison = Comparison { flags, programs, works, raw };
    let medians = comparison.measure();
    let folder = match &flags.into {
        Some(folder) => folder.clone(),
        None if flags.only.is_empty() && flags.workloads.is_empty() => root().join("docs"),
        None => root().join("target/benchmarks"),
    };
    report::write(&folder, &comparison.results(medians)?)
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    println!("{}", folder.join("benchmarks.md").display());
    Ok(())
}

/// Those of `all` whose names were given; all of them if none were.
fn chosen<T>(
    names: &[String],
    all: Vec<T>,
    name: impl Fn(&T) -> &'static str,
) -> Result<Vec<T>, String> {
    let known: Vec<&str> = all.iter().map(&name).collect();
    if let Some(unknown) = names.iter().find(|given| !known.contains(&given.as_str())) {
        return Err(format!("{unknown}: must be one of {}", known.join(", ")));
    }
    let is_wanted = |found: &T| names.is_empty() || names.iter().any(|given| given == name(found));
    Ok(all.into_iter().filter(is_wanted).collect())
}

/// Builds Roundtable's servers beside this program, in the folder `release`.
fn build(release: &Path) -> Result<(), String> {
    let target = release.parent().expect("cargo's folder has folders for profiles");
    let built = Command::new("cargo")
        .args(["build", "--release", "-p", "runtime-smol", "-p", "runtime-std", "--target-dir"])
        .arg(target)
        .current_dir(root())
        .status();
    match built {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("Roundtable's servers could not be built".to_owned()),
        Err(error) => Err(format!("cargo: {error}")),
    }
}

/// Installs the peers, if any is wanted, and returns the versions of those that can be run.
fn install(only: &[String]) -> Result<String, String> {
    let own = |name: &String| name.starts_with("floor") || name.starts_with("runtime-");
    if only.is_empty() || !only.iter().all(own) {
        let installed = Command::new(root().join("bench/peers/install")).status();
        // The script has said itself which of the peers are missing.
        installed.map_err(|error| format!("bench/peers/install: {error}"))?;
    }
    Ok(fs::read_to_string(root().join("bench/peers/target/installed")).unwrap_or_default())
}

/// Asks `runtime-smol` what it says to a newcomer, and keeps it for the floor that says the same.
fn greet(programs: &[Program], greeting: &Path, raw: &Path) -> Result<(), String> {
    let smol = programs.iter().find(|program| program.name == "runtime-smol");
    let smol = smol.expect("it is always there");
    let running = smol.start("", &raw.join("greeting.log"));
    let said = running.and_then(|running| newcomer::greeting(running.address()));
    let kept = said.and_then(|said| fs::write(greeting, said.join("\n") + "\n"));
    kept.map_err(|error| format!("the greeting of runtime-smol: {error}"))
}

impl Work {
    fn is_done_by(&self, program: &Program) -> bool {
        match self.who {
            Who::All => program.name != GREETING_FLOOR,
            Who::Greeters => program.role != Role::Floor || program.name == GREETING_FLOOR,
            Who::NotBatched => {
                !matches!(program.name, GREETING_FLOOR | LONG_FLOOR | "floor-batched")
            }
            Who::Smol => program.name == "runtime-smol",
        }
    }

    /// The flags of the load generator that are the same for every server.
    fn command(&self, seconds: f64) -> String {
        let seconds = self.seconds.unwrap_or(seconds);
        format!("--workload {} --seconds {seconds} --warm-up {}", self.name, self.warm_up)
    }
}

impl Comparison<'_> {
    /// Every server does every workload as often as asked; the servers take turns at being first.
    fn measure(&self) -> Vec<Measurement> {
        let pairs = self
            .works
            .iter()
            .flat_map(|work| self.programs.iter().filter(move |program| work.is_done_by(program)));
        let all = pairs.count() * usize::try_from(self.flags.runs).expect("a few runs");
        let (began, mut done) = (Instant::now(), 0);
        let mut found: BTreeMap<(usize, usize), Vec<Measurement>> = BTreeMap::new();
        for run in 1..=self.flags.runs {
            for (at_work, work) in self.works.iter().enumerate() {
                let mut order: Vec<usize> = (0..self.programs.len()).collect();
                let first = usize::try_from(run).expect("a few runs") % order.len();
                order.rotate_left(first);
                order.retain(|at| work.is_done_by(&self.programs[*at]));
                for at in order {
                    let program = &self.programs[at];
                    done += 1;
                    let (seconds, name) = (began.elapsed().as_secs(), program.name);
                    eprintln!("{done}/{all}, {seconds} s: run {run}, {}, {name}", work.name);
                    match self.one(run, work, program) {
                        Ok(one) => found.entry((at_work, at)).or_default().push(one),
                        Err(error) => eprintln!("{name}, {}: {error}", work.name),
                    }
                }
            }
        }
        found.into_values().map(|runs| median(&runs)).collect()
    }

    /// One run of one workload against one fresh server.
    fn one(&self, run: u64, work: &Work, program: &Program) -> Result<Measurement, String> {
        let stem = self.raw.join(format!("{run}-{}-{}", work.name, program.name));
        let (json, log) = (stem.with_extension("json"), stem.with_extension("log"));
        // What an earlier comparison left is no result of this one.
        let _ = fs::remove_file(&json);
        let (flags, dialect) = match program.role {
            Role::Ours => (work.flags, "roundtable"),
            Role::Floor if program.name == GREETING_FLOOR => ("", "roundtable"),
            Role::Floor | Role::Peer => ("", "raw"),
        };
        let server = program.start(flags, &log).map_err(|error| error.to_string())?;
        let itself = std::env::current_exe().map_err(|error| error.to_string())?;
        let load = Command::new(itself)
            .arg("load")
            .arg(format!("ws://{}/ws", server.address()))
            .args(["--pid", &server.pid().to_string(), "--server", program.name])
            .args(["--dialect", dialect])
            .args(work.command(self.flags.seconds).split(' '))
            .arg("--json")
            .arg(&json)
            .stdout(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        // A measurement with losses is one, too.
        let text = fs::read_to_string(&json)
            .map_err(|_missing| String::from_utf8_lossy(&load.stderr).trim().to_owned())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    fn results(&self, medians: Vec<Measurement>) -> Result<Results, String> {
        if medians.is_empty() {
            return Err("nothing was measured".to_owned());
        }
        let servers = self.programs.iter().map(|program| Server {
            name: program.name.to_owned(),
            role: program.role,
            what: program.what.to_owned(),
            versions: program.versions.clone(),
            command: program.command(),
        });
        let workloads = self.works.iter().map(|work| Workload {
            name: work.name.to_owned(),
            what: work.what.to_owned(),
            command: format!("bench load URL --pid PID {}", work.command(self.flags.seconds)),
            flags: work.flags.to_owned(),
        });
        Ok(Results {
            machine: machine::machine(),
            runs: usize::try_from(self.flags.runs).expect("a few runs"),
            servers: servers.collect(),
            workloads: workloads.collect(),
            publishes_per_second: Some(machine::publishes_per_second()),
            medians,
        })
    }
}

#[cfg(test)]
mod tests;
