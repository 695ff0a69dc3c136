//! The load generator and its floor, as a program.

use std::fs;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use bench::compare::cost;
use bench::floor::{Fanout, Floor};
use bench::load::{self, Flags};
use bench::{compare, report};
use clap::{Parser, Subcommand};

/// Measures chat servers that do the same work: every text goes to everybody.
#[derive(Parser)]
#[command(name = "bench")]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One workload against one server: a table, and a measurement as JSON.
    Load(Box<Flags>),
    /// Every server and every workload, side by side; writes docs/benchmarks.md.
    Compare(compare::Flags),
    /// What a journal or TLS costs: the same server with and without, in turn.
    Cost(cost::Flags),
    /// Make docs/benchmarks.md again from docs/benchmarks/results.json.
    Report(report::Flags),
    /// A server that does nothing but what the work asks of the kernel, until its input ends.
    Floor {
        /// One send for each connection and turn, not for each text.
        #[arg(long)]
        batched: bool,
        /// A file with the texts that every newcomer gets, one a line.
        #[arg(long)]
        greet: Option<PathBuf>,
        /// The fewest bytes of a text that goes out: a shorter one gets spaces behind it.
        #[arg(long, default_value_t = 0, value_name = "BYTES")]
        pad: usize,
    },
}

fn main() -> ExitCode {
    let end = match Line::parse().command {
        Command::Load(flags) => measure(&flags),
        Command::Compare(flags) => compare::run(&flags).map(|()| ExitCode::SUCCESS),
        Command::Cost(flags) => cost::run(&flags).map(|()| ExitCode::SUCCESS),
        Command::Report(flags) => report::run(&flags).map(|()| ExitCode::SUCCESS),
        Command::Floor { batched, greet, pad } => {
            let fanout = if batched { Fanout::EachTurn } else { Fanout::EachText };
            serve(fanout, greet, pad).map(|()| ExitCode::SUCCESS).map_err(|error| error.to_string())
        }
    };
    end.unwrap_or_else(|error| {
        eprintln!("bench: {error}");
        ExitCode::from(2)
    })
}

fn measure(flags: &Flags) -> Result<ExitCode, String> {
    let found = load::run(flags)?;
    print!("{found}");
    if let Some(path) = &flags.json {
        let json = serde_json::to_string_pretty(&found).map_err(|error| error.to_string())?;
        fs::write(path, json + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let failures = found.failures();
    for failure in &failures {
        eprintln!("bench: {failure}");
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn serve(fanout: Fanout, greet: Option<PathBuf>, pad: usize) -> io::Result<()> {
    let mut greeting = Vec::new();
    if let Some(path) = greet {
        for text in fs::read_to_string(path)?.lines() {
            bench::frame::write_server(&mut greeting, bench::frame::Opcode::Text, text.as_bytes());
        }
    }
    let floor = Floor::bind(fanout, greeting, pad)?;
    // Whoever started it and is gone leaves nothing behind.
    thread::Builder::new().name("input".to_owned()).spawn(|| {
        let ended = io::stdin().lock().read_to_end(&mut Vec::new());
        std::process::exit(i32::from(ended.is_err()));
    })?;
    floor.run()
}
