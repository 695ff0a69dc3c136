//! The load generator against servers, for a few hundred texts. Nothing is claimed about time.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use bench::load::{self, Flags};
use bench::measurement::Measurement;
use clap::Parser;
use roundtable_server::tls::{Pair, Tls};
use roundtable_server::{Settings, cli};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    flags: Flags,
}

/// Twenty connections do some work to the server at `url`.
fn measure(url: &str, pid: u32, flags: &str) -> Measurement {
    let line =
        format!("load {url}/ws --pid {pid} --connections 20 --seconds 1 --warm-up 0.5 {flags}");
    let line = Line::try_parse_from(line.split_ascii_whitespace()).expect("flags");
    let found = load::run(&line.flags).expect("a server that is there");
    assert_eq!(found.failures(), Vec::<String>::new(), "{found}");
    assert!(found.offered > 0 && found.deliveries > 0, "{found}");
    assert_eq!(found.expected, 20 * found.offered);
    found
}

/// The floor's process, which ends with its input.
struct Floor {
    process: Child,
    address: String,
}

impl Floor {
    fn start(flags: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_bench"))
            .arg("floor")
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program");
        let mut line = String::new();
        let output = process.stdout.take().expect("an output");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
        Self { process, address }
    }

    fn measure(&self, flags: &str) -> Measurement {
        measure(&format!("ws://{}", self.address), self.process.id(), flags)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().expect("it ends with its input");
    }
}

#[test]
fn the_floors_deliver_everything() {
    for flags in [&[][..], &["--batched", "--pad", "166"]] {
        let floor = Floor::start(flags);
        let paced = floor.measure("--rate 100");
        assert!(paced.latency_ms.is_some());
        let saturated = floor.measure("--in-flight 2 --senders 3 --payload 4096");
        assert!(saturated.latency_ms.is_none(), "there is no schedule");
        let visited = floor.measure("--rate 100 --visitors 3");
        assert!(visited.handshake_ms.is_some(), "{visited}");
        assert_eq!(visited.handshakes_failed, 0);
    }
}

#[test]
fn the_chat_server_delivers_everything() {
    serve(None, |address| {
        for work in ["--rate 100 --slow 2", "--in-flight 2 --senders 3", "--rate 50 --visitors 2"] {
            let flags = format!("--dialect roundtable {work}");
            measure(&format!("ws://{address}"), std::process::id(), &flags);
        }
    });
}

#[test]
fn it_does_so_with_tls() {
    let file = |name: &str| Path::new("../server/tests/tls").join(name);
    let pair = Pair { certificate: file("first.pem"), key: file("first.key.pem") };
    serve(Some(pair), |address| {
        for work in ["--rate 100", "--in-flight 2 --senders 3 --payload 4096"] {
            let flags = format!("--dialect roundtable --tls-ca ../server/tests/tls/ca.pem {work}");
            measure(&format!("wss://{address}"), std::process::id(), &flags);
        }
    });
}

/// Has the chat server run while `work` is done, with its address.
fn serve(pair: Option<Pair>, work: impl FnOnce(SocketAddr)) {
    let mut settings = Settings::default();
    settings.listen.set_port(0);
    settings.hub.run_ahead = runtime_smol::RUN_AHEAD;
    settings.hub.message_burst = 1_000_000;
    settings.hub.messages_per_second = 1_000_000;
    settings.hub.byte_burst = 1 << 30;
    settings.hub.bytes_per_second = 1 << 30;
    settings.wire.frame_burst = 1_000_000;
    settings.wire.frames_per_second = 1_000_000;
    let mut server = runtime_smol::Server::bind(&settings).expect("a port");
    if let Some(pair) = pair {
        server = server.with_tls(Tls::read(pair).expect("a pair that fits"));
    }
    let address = server.local_addr().expect("an address");
    let stopper = server.stopper();
    let hub = cli::hub(&settings);
    let serving = thread::spawn(move || server.run(hub));
    work(address);
    stopper.stop();
    serving.join().expect("no panic").expect("a clean end");
}
