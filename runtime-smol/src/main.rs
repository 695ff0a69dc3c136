//! The smol server's process, and the terminal client.

use std::process::ExitCode;

use async_signal::{Signal, Signals};
use clap::Command;
use roundtable_server::cli::{self, Start};
use roundtable_server::log::Log;
use roundtable_server::{Recording, Settings, supervisor};
use runtime_smol::{RUN_AHEAD, Server, Stopper, chat};
use smol::stream::StreamExt as _;

fn main() -> ExitCode {
    let program = Command::new("runtime-smol")
        .version(env!("CARGO_PKG_VERSION"))
        .about("The Roundtable chat server on smol")
        .subcommand(chat::command());
    let (invocation, log) = match cli::start(program) {
        Start::Go(invocation, log) => (invocation, log),
        Start::End(code) => return code,
    };
    match invocation.subcommand {
        // The others are those of every server.
        Some((_, words)) => chat::run(&words),
        None => serve(invocation.settings, invocation.recording, log),
    }
}

fn serve(mut settings: Settings, recording: Recording, log: Log) -> ExitCode {
    settings.hub.run_ahead = RUN_AHEAD;
    let kept = supervisor::sockets().and_then(|mut given| given.take_tcp_listener(0));
    let server = kept.and_then(|kept| match kept {
        Some(listener) => Server::inherit(listener, &settings),
        None => Server::bind(&settings),
    });
    let server = match server {
        Ok(server) => server,
        Err(error) => return cli::fail(&settings, &error),
    };
    let server = match cli::tokens(&settings) {
        Ok(Some(tokens)) => server.with_tokens(tokens),
        Ok(None) => server,
        Err(code) => return code,
    };
    let server = match cli::tls(&settings) {
        Ok(Some(tls)) => server.with_tls(tls),
        Ok(None) => server,
        Err(code) => return code,
    };
    let server = match cli::admin(&settings) {
        Ok(Some(admin)) => match server.with_admin(admin) {
            Ok(server) => server,
            Err(error) => return cli::fail_admin(&settings, &error),
        },
        Ok(None) => server,
        Err(code) => return code,
    };
    let machine = match cli::machine(&settings, recording, &spawn) {
        Ok(machine) => machine,
        Err(code) => return code,
    };
    let end = stop_on_signals(server.stopper(), log).and_then(|()| {
        cli::announce_admin(server.admin_addr()?);
        cli::announce(&settings, server.local_addr()?);
        server.run(machine)
    });
    // Where nobody was there, the end may come before the thread of signals has said so.
    supervisor::stopping();
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fail(&settings, &error),
    }
}

/// A thread beside those of the server.
fn spawn(name: &str, work: Box<dyn FnOnce() + Send>) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

/// The first Ctrl-C or SIGTERM drains, the second ends the process at once. SIGHUP has what is logged,
/// the keys and the certificate read again.
fn stop_on_signals(stopper: Stopper, log: Log) -> std::io::Result<()> {
    let mut signals = Signals::new([Signal::Int, Signal::Term, Signal::Hup])?;
    let wait = async move {
        let mut is_stopping = false;
        while let Some(signal) = signals.next().await {
            match signal {
                Ok(Signal::Hup) => {
                    log.reload();
                    stopper.reload();
                }
                // A read that was interrupted is no signal.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                _ if is_stopping => std::process::exit(1),
                _ => {
                    stopper.stop();
                    supervisor::stopping();
                    is_stopping = true;
                }
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(|| smol::block_on(wait))?;
    Ok(())
}
