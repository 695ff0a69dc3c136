//! The document of a comparison, made of its results: tables, plots, targets, and where Roundtable loses.
//! It reads and writes files and measures nothing.

mod figures;
mod plot;
mod results;
mod targets;
mod text;

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

pub use results::{Machine, Results, Role, Server, Workload, median};

use text::{Columns, fixed, table};

/// The flags of `report`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Where benchmarks/results.json is, and where the document goes.
    #[arg(default_value = "docs")]
    pub folder: PathBuf,
}

/// Makes the document again.
///
/// # Errors
///
/// If there are no results, or the document cannot be written.
pub fn run(flags: &Flags) -> Result<(), String> {
    let folder = root().join(&flags.folder);
    let written = read(&folder).and_then(|results| write(&folder, &results));
    written.map_err(|error| format!("{}: {error}", folder.join("benchmarks").display()))
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    bench.parent().expect("the package is in a folder of the repository").to_owned()
}

/// Reads the results that a folder keeps.
///
/// # Errors
///
/// If they are not there, or no results.
pub fn read(folder: &Path) -> io::Result<Results> {
    let text = std::fs::read_to_string(folder.join("benchmarks/results.json"))?;
    Ok(serde_json::from_str(&text)?)
}

/// Writes the results, the plots and the document into a folder.
///
/// # Errors
///
/// If the folder cannot be written to.
pub fn write(folder: &Path, results: &Results) -> io::Result<()> {
    std::fs::create_dir_all(folder.join("benchmarks"))?;
    std::fs::write(folder.join("benchmarks/results.json"), results.to_json())?;
    for (path, text) in files(results) {
        std::fs::write(folder.join(path), text)?;
    }
    Ok(())
}

/// The document and its plots, each with its path.
fn files(results: &Results) -> Vec<(String, String)> {
    let plots = plot::plots(results);
    let names: Vec<&str> = plots.iter().map(|(name, _)| *name).collect();
    let mut files = vec![("benchmarks.md".to_owned(), document(results, &names))];
    files.extend(plots.into_iter().map(|(name, svg)| (format!("benchmarks/{name}"), svg)));
    files
}

fn document(results: &Results, plots: &[&str]) -> String {
    let mut parts = vec![include_str!("report/intro.txt").to_owned()];
    for name in plots {
        let what = name.trim_end_matches(".svg");
        parts.push(format!("![{what}](benchmarks/{name})\n"));
    }
    parts.push("## Targets\n".to_owned());
    parts.push(reached(results));
    parts.push("## Figures\n".to_owned());
    parts.push(include_str!("report/figures.txt").to_owned());
    for workload in &results.workloads {
        if results.under(&workload.name).next().is_some() {
            parts.push(format!("### `{}`\n", workload.name));
            parts.push(format!("{}.\n", workload.what));
            parts.push(figures::measured(results, &workload.name));
        }
    }
    parts.push("## Where Roundtable loses\n".to_owned());
    parts.push(losing(results));
    parts.push("## Machine\n".to_owned());
    parts.push(machine(results));
    parts.push("## Servers\n".to_owned());
    parts.push(servers(results));
    parts.push("## Workloads\n".to_owned());
    parts.push(workloads(results));
    parts.push(include_str!("report/caveats.txt").to_owned());
    parts.join("\n")
}

fn reached(results: &Results) -> String {
    let rows: Vec<Vec<String>> = targets::targets(results)
        .into_iter()
        .map(|target| {
            let (found, holds) = match target.found {
                Some((found, targets::Verdict::Holds)) => (found, "yes"),
                Some((found, targets::Verdict::Missed)) => (found, "**no**"),
                None => ("–".to_owned(), "not measured"),
            };
            vec![target.work.to_owned(), target.wanted.to_owned(), found, holds.to_owned()]
        })
        .collect();
    table(Columns::Words, &["work", "target", "measured", "holds"], &rows)
}

fn losing(results: &Results) -> String {
    let lines = figures::losses(results);
    if lines.is_empty() {
        return "In none of the figures above is a peer ahead of Roundtable.\n".to_owned();
    }
    let lines: Vec<String> = lines.into_iter().map(|line| format!("- {line}\n")).collect();
    include_str!("report/losing.txt").to_owned() + "\n" + &lines.concat()
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn machine(results: &Results) -> String {
    let machine = &results.machine;
    let runs = match results.runs {
        1 => "One run of each: a glance, not a comparison.".to_owned(),
        runs => format!("{runs} runs of each, interleaved; the figures are medians."),
    };
    format!(
        "{} cores of {}, {} GiB of memory, Linux {}, {}. {runs}\n",
        machine.cores,
        machine.cpu,
        fixed(machine.memory_bytes as f64 / 1_073_741_824.0),
        machine.kernel,
        machine.rustc,
    )
}

fn servers(results: &Results) -> String {
    let rows: Vec<Vec<String>> = results
        .servers
        .iter()
        .map(|server| {
            let command = format!("`{}`", server.command);
            vec![server.name.clone(), server.what.clone(), server.versions.clone(), command]
        })
        .collect();
    table(Columns::Words, &["server", "what it is", "versions", "command"], &rows)
}

fn workloads(results: &Results) -> String {
    let code = |text: &str| if text.is_empty() { "–".to_owned() } else { format!("`{text}`") };
    let rows: Vec<Vec<String>> = results
        .workloads
        .iter()
        .map(|workload| vec![workload.name.clone(), code(&workload.command), code(&workload.flags)])
        .collect();
    let head = ["workload", "command", "what it adds to Roundtable's command"];
    table(Columns::Words, &head, &rows)
}

#[cfg(test)]
pub(crate) mod tests;
