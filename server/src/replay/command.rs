//! The subcommand `replay`. This file does not know how a recording is played.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use roundtable::{Config, ConnId};

use super::summary::{Summary, Table};
use super::transcript::{Filter, Line};
use super::{Error, Log, compare, play};
use crate::record::Files;
use crate::settings::Settings;

/// The subcommand's name.
pub(crate) const NAME: &str = "replay";

/// The subcommand and its words.
pub(crate) fn command() -> Command {
    let file = Arg::new("file")
        .value_name("FILE")
        .required(true)
        .value_parser(clap::value_parser!(PathBuf))
        .help("A recording, as --record wrote it; its further parts lie beside it");
    let print = Arg::new("print")
        .long("print")
        .action(ArgAction::SetTrue)
        .help("Print what happened, and what the hub commanded");
    let conn = Arg::new("conn")
        .long("conn")
        .value_name("N")
        .action(ArgAction::Append)
        .value_parser(clap::value_parser!(u64))
        .help("Print only what this connection did and was sent");
    let room = Arg::new("room")
        .long("room")
        .value_name("NAME")
        .action(ArgAction::Append)
        .help("Print only what names this room");
    let set = Arg::new("set")
        .long("set")
        .value_name("NAME=VALUE")
        .action(ArgAction::Append)
        .help("Play under another limit, like window_bytes=128KiB, and tell who would have fared otherwise");
    Command::new(NAME)
        .about("Play a recording: the same events must get the same commands")
        .args([file, print, conn, room, set])
}

/// Does what the subcommand's words say.
pub(crate) fn run(words: &ArgMatches) -> ExitCode {
    let path: &PathBuf = words.get_one("file").expect("it is required");
    let sets: Vec<&String> = words.get_many("set").unwrap_or_default().collect();
    let played = Log::open(Files::new(path)).and_then(|log| {
        if sets.is_empty() { play_as_recorded(words, log) } else { play_otherwise(&sets, log) }
    });
    played.unwrap_or_else(|error| {
        eprintln!("replay {}: {}", path.display(), Line(error.to_string()));
        ExitCode::FAILURE
    })
}

fn play_as_recorded(words: &ArgMatches, mut log: Log<Files>) -> Result<ExitCode, Error> {
    let mut output = Output::open();
    let head = log.head().clone();
    let filter = filter(words, &head.config);
    let is_filtered = !filter.conns.is_empty() || !filter.rooms.is_empty();
    let is_printed = words.get_flag("print") || is_filtered;
    let report = play(&mut log, |played| {
        if is_printed {
            output.say(&filter.tell(played));
        }
        Ok(())
    })?;
    output.say(&Summary { head: &head, report: &report });
    Ok(match report.difference {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    })
}

fn play_otherwise(sets: &[&String], mut log: Log<Files>) -> Result<ExitCode, Error> {
    let config = match changed(&log.head().config, sets) {
        Ok(config) => config,
        Err(message) => {
            eprintln!("{}", Line(message));
            return Ok(ExitCode::from(2));
        }
    };
    let comparison = compare(&mut log, config)?;
    Output::open().say(&Table { sets, comparison: &comparison });
    Ok(ExitCode::SUCCESS)
}

fn filter(words: &ArgMatches, config: &Config) -> Filter {
    let conns: clap::parser::ValuesRef<'_, u64> = words.get_many("conn").unwrap_or_default();
    let rooms: clap::parser::ValuesRef<'_, String> = words.get_many("room").unwrap_or_default();
    Filter {
        conns: conns.copied().map(ConnId::new).collect(),
        rooms: rooms.cloned().collect(),
        default_room: config.default_room.clone(),
    }
}

/// The recorded limits with these changes.
fn changed(recorded: &Config, sets: &[&String]) -> Result<Config, String> {
    let mut settings = Settings { hub: recorded.clone(), ..Settings::default() };
    for set in sets {
        let Some((name, value)) = set.split_once('=') else {
            return Err(format!("--set {set}: must be a limit and its value, like recent=10"));
        };
        settings
            .set(&name.replace('-', "_"), value)
            .map_err(|why| format!("--set {set}: {why}"))?;
    }
    let Settings { hub, .. } = settings.clone();
    if settings != (Settings { hub: hub.clone(), ..Settings::default() }) {
        return Err("--set: only the limits of the hub can be set, not those of the server".into());
    }
    hub.validate().map_err(|error| format!("--set {error}"))?;
    Ok(hub)
}

/// Where lines go, as long as somebody reads them. What is checked is checked all the same.
struct Output {
    to: Box<dyn Write>,
    is_open: bool,
}

impl Output {
    fn open() -> Self {
        Self { to: Box::new(BufWriter::new(io::stdout())), is_open: true }
    }

    fn say(&mut self, text: &dyn fmt::Display) {
        if self.is_open {
            self.is_open = write!(self.to, "{text}").is_ok();
        }
    }
}
