//! How a server's process begins and ends: its words, its first line, its exit code.

use std::fmt::Display;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Command;
use roundtable::{Hub, Machine, Origin};
use tracing::info;

use crate::admin::Admin;
use crate::auth::Tokens;
use crate::journal::{Journaled, Spawn};
use crate::log::Log;
use crate::record::Recordable;
use crate::settings::{Invocation, Recording, Settings, SettingsError};
use crate::state::Keeper;
use crate::tls::Tls;
use crate::{auth, replay, supervisor};

/// What the command line comes to.
pub enum Start {
    /// Serve with these settings, or do what the subcommand says; the log is started.
    Go(Box<Invocation>, Log),
    /// Everything is said: end with this code.
    End(ExitCode),
}

/// Reads the process's words and starts the log. What both servers' processes do beside serving is
/// done here: the subcommands `replay` and `token`.
pub fn start(program: Command) -> Start {
    let program =
        program.subcommand(replay::command::command()).subcommand(auth::command::command());
    let invocation = match read(&program) {
        Ok(invocation) => invocation,
        Err(error) if error.exit_code() == 0 => {
            say(&error);
            return Start::End(ExitCode::SUCCESS);
        }
        Err(error) => {
            eprintln!("{error}");
            return Start::End(ExitCode::from(error.exit_code()));
        }
    };
    if invocation.print_config {
        say(&invocation.settings.to_toml().trim_end());
        return Start::End(ExitCode::SUCCESS);
    }
    if let Some((name, words)) = &invocation.subcommand {
        match name.as_str() {
            replay::command::NAME => return Start::End(replay::command::run(words)),
            auth::command::NAME => return Start::End(auth::command::run(words)),
            // The others are the binary's own.
            _ => {}
        }
    }
    let log = Log::start(&invocation.settings, move || read(&program).map(|again| again.settings));
    Start::Go(Box::new(invocation), log)
}

/// What the process's words, its environment and its file say.
fn read(program: &Command) -> Result<Invocation, SettingsError> {
    // What is not Unicode elsewhere in the environment is none of ours.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Settings::read(program.clone(), std::env::args_os().skip(1), environment)
}

/// Says where the server listens: the first line on standard output. A supervisor is told, too.
pub fn announce(settings: &Settings, address: SocketAddr) {
    let scheme = if settings.tls().is_some() { "https" } else { "http" };
    say(&format_args!("listening on {scheme}://{address}"));
    supervisor::serving();
}

/// Says in the log where operators are answered.
pub fn announce_admin(address: Option<SocketAddr>) {
    if let Some(address) = address {
        info!("operators are answered on http://{address}");
    }
}

/// Writes a line to standard output. A reader that has gone away, like `head`, is no reason to end.
fn say(line: &dyn Display) {
    let mut output = std::io::stdout().lock();
    let _nobody_reads = writeln!(output, "{line}").and_then(|()| output.flush());
}

/// What stopped the server, as one line, with the exit code for it.
pub fn fail(settings: &Settings, error: &dyn Display) -> ExitCode {
    eprintln!("--listen {}: {error}", settings.listen);
    ExitCode::FAILURE
}

/// The same, where it is the operators' listener that cannot be had.
pub fn fail_admin(settings: &Settings, error: &dyn Display) -> ExitCode {
    let address = settings.admin_listen.map(|address| address.to_string()).unwrap_or_default();
    eprintln!("--admin-listen {address}: {error}");
    ExitCode::FAILURE
}

/// A hub as the settings want it, that begins now.
///
/// # Panics
///
/// If the settings were not validated.
pub fn hub(settings: &Settings) -> Hub {
    Hub::new(settings.hub.clone(), origin()).expect("settings are validated when they are read")
}

/// The hub, which goes on with what another one kept if a state or a journal is wanted. It can be
/// recorded, and is from the start if that is wanted. A supervisor that wants signs of life is given
/// them by it.
///
/// # Errors
///
/// With what the process ends if what was kept cannot be gone on with, or the recording cannot be made;
/// why is said.
///
/// # Panics
///
/// If the settings were not validated.
pub fn machine(
    settings: &Settings,
    recording: Recording,
    spawn: Spawn<'_>,
) -> Result<Box<dyn Machine>, ExitCode> {
    if let Some(plan) = settings.journal_plan() {
        return match Journaled::open(plan, &settings.hub, origin(), spawn) {
            Ok(journaled) => recordable(journaled, settings, recording),
            Err((file, why)) => {
                eprintln!("--journal: {}: {why}", file.display());
                Err(ExitCode::FAILURE)
            }
        };
    }
    if let Some(file) = &settings.state {
        let kept = Keeper::open(file, &settings.hub, origin());
        return match kept {
            Ok(keeper) => recordable(keeper, settings, recording),
            Err(why) => {
                eprintln!("--state {}: {why}", file.display());
                Err(ExitCode::FAILURE)
            }
        };
    }
    recordable(hub(settings), settings, recording)
}

/// The machine as it is driven: recorded or not, and watched.
fn recordable(
    machine: impl Machine + 'static,
    settings: &Settings,
    Recording { file, options }: Recording,
) -> Result<Box<dyn Machine>, ExitCode> {
    if let Some(folder) = settings.record_dir.as_deref().filter(|folder| !folder.is_dir()) {
        eprintln!("--record-dir {}: must be a folder that is there", folder.display());
        return Err(ExitCode::FAILURE);
    }
    let mut machine = Recordable::new(machine, settings.record_dir.clone(), options);
    if let Some(file) = file
        && let Err(error) = machine.start(file.clone())
    {
        eprintln!("--record {}: {error}", file.display());
        return Err(ExitCode::FAILURE);
    }
    Ok(supervisor::watch(Box::new(machine)))
}

/// What verifies tokens, where the settings want them.
///
/// # Errors
///
/// With what the process ends if a file cannot be used; why is said.
pub fn tokens(settings: &Settings) -> Result<Option<Arc<Tokens>>, ExitCode> {
    let Some(sources) = settings.tokens() else { return Ok(None) };
    Tokens::read(sources).map(Some).map_err(|why| {
        eprintln!("{why}");
        ExitCode::FAILURE
    })
}

/// What makes connections secure, where the settings want them so.
///
/// # Errors
///
/// With what the process ends if a file cannot be used; why is said.
pub fn tls(settings: &Settings) -> Result<Option<Arc<Tls>>, ExitCode> {
    let Some(pair) = settings.tls() else { return Ok(None) };
    Tls::read(pair).map(Some).map_err(|why| {
        eprintln!("{why}");
        ExitCode::FAILURE
    })
}

/// What operators are answered by, where the settings want them to be.
///
/// # Errors
///
/// With what the process ends if the file of the token cannot be used; why is said.
pub fn admin(settings: &Settings) -> Result<Option<Admin>, ExitCode> {
    settings.admin().map_err(|why| {
        eprintln!("{why}");
        ExitCode::FAILURE
    })
}

fn origin() -> Origin {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall_clock_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
    Origin { seed: fastrand::u64(..), wall_clock_ms }
}
