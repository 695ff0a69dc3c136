//! The conformance script against `runtime-smol`.

use roundtable::{Hub, Origin};
use roundtable_server::Settings;
use roundtable_tests::conformance::Server;

fn start(settings: &Settings) -> Server {
    let origin = Origin { seed: 7, wall_clock_ms: 1_785_578_400_000 };
    let mut settings = settings.clone();
    settings.hub.run_ahead = runtime_smol::RUN_AHEAD;
    let hub = Hub::new(settings.hub.clone(), origin).expect("a valid configuration");
    let server = runtime_smol::Server::bind(&settings).expect("a free port");
    let addr = server.local_addr().expect("a port");
    let stopper = server.stopper();
    Server::start(addr, move || stopper.stop(), move || server.run(hub))
}

roundtable_tests::conformance!(start);
