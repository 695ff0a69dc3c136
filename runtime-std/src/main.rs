//! The blocking server's process.

use std::process::ExitCode;

use clap::Command;
use roundtable_server::cli::{self, Start};
use roundtable_server::log::Log;
use roundtable_server::{Invocation, supervisor};
use runtime_std::{Server, Stopper};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

fn main() -> ExitCode {
    let program = Command::new("runtime-std")
        .version(env!("CARGO_PKG_VERSION"))
        .about("The Roundtable chat server on blocking threads");
    let (invocation, log) = match cli::start(program) {
        Start::Go(invocation, log) => (invocation, log),
        Start::End(code) => return code,
    };
    let Invocation { settings, recording, .. } = *invocation;
    let kept = supervisor::sockets().and_then(|mut given| given.take_tcp_listener(0));
    let server = kept.and_then(|kept| match kept {
        Some(listener) => Ok(Server::inherit(listener, &settings)),
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
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut is_stopping = false;
        for signal in signals.forever() {
            match signal {
                SIGHUP => {
                    log.reload();
                    stopper.reload();
                }
                _ if is_stopping => std::process::exit(1),
                _ => {
                    stopper.stop();
                    supervisor::stopping();
                    is_stopping = true;
                }
            }
        }
    })?;
    Ok(())
}
