//! The runtimes that this workspace has, each as a [`Runtime`](super::Runtime).

use roundtable::{Hub, Origin};
use roundtable_server::Settings;

use super::{Server, Start};

/// Each runtime, by the name of its package.
pub const RUNTIMES: [(&str, Start); 2] = [("runtime-smol", on_smol), ("runtime-std", on_threads)];

/// Starts `runtime-smol`, whose shards lie a turn behind.
///
/// # Panics
///
/// If it cannot take a port.
pub fn on_smol(settings: &Settings) -> Server {
    let mut settings = settings.clone();
    settings.hub.run_ahead = runtime_smol::RUN_AHEAD;
    let settings = &settings;
    let server = runtime_smol::Server::bind(settings).expect("a free port");
    let addr = server.local_addr().expect("a port");
    let (stopper, hub) = (server.stopper(), hub(settings));
    Server::start(addr, move || stopper.stop(), move || server.run(hub))
}

/// Starts `runtime-std`.
///
/// # Panics
///
/// If it cannot take a port.
pub fn on_threads(settings: &Settings) -> Server {
    let server = runtime_std::Server::bind(settings).expect("a free port");
    let addr = server.local_addr().expect("a port");
    let (stopper, hub) = (server.stopper(), hub(settings));
    Server::start(addr, move || stopper.stop(), move || server.run(hub))
}

fn hub(settings: &Settings) -> Hub {
    let origin = Origin { seed: 7, wall_clock_ms: 1_785_578_400_000 };
    Hub::new(settings.hub.clone(), origin).expect("a valid configuration")
}
