//! The runtimes that this workspace has, each as a [`Runtime`](super::Runtime), and a machine that
//! tells what happens in it.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{SystemTime, UNIX_EPOCH};

use roundtable::{Auth, Command, Event, Hub, Machine, Origin, Timestamp};
use roundtable_server::Settings;
use roundtable_server::admin::Admin;
use roundtable_server::auth::Tokens;
use roundtable_server::tls::Tls;

use super::{Server, Start};

/// What happened to a hub, and what it commanded.
#[derive(Clone, Debug)]
pub struct Note {
    /// The event.
    pub event: Event,
    /// The hub's answer to it.
    pub commands: Vec<Command>,
}

/// Who is told what happens, if anybody is.
pub type Ear = Option<Sender<Note>>;

/// Each runtime, by the name of its package.
pub const RUNTIMES: [(&str, Start); 2] =
    [("runtime-smol", start_on_smol), ("runtime-std", start_on_threads)];

/// Whatever a runtime may drive.
pub type AnyMachine = Box<dyn Machine + Send>;

/// Starts a server that drives a machine.
pub type Drive = fn(&Settings, AnyMachine) -> Server;

/// Each runtime, by the name of its package, with a machine that need not be a hub.
pub const DRIVERS: [(&str, Drive); 2] =
    [("runtime-smol", drive_on_smol), ("runtime-std", drive_on_threads)];

/// `runtime-smol`, and nobody is told.
pub fn on_smol(settings: &Settings) -> Server {
    start_on_smol(settings, None)
}

/// `runtime-std`, and nobody is told.
pub fn on_threads(settings: &Settings) -> Server {
    start_on_threads(settings, None)
}

/// Starts `runtime-smol` with a hub.
fn start_on_smol(settings: &Settings, ear: Ear) -> Server {
    drive_on_smol(settings, Box::new(Overheard::new(&on_shards(settings), ear)))
}

/// Starts `runtime-std` with a hub.
fn start_on_threads(settings: &Settings, ear: Ear) -> Server {
    drive_on_threads(settings, Box::new(Overheard::new(settings, ear)))
}

/// The settings of a runtime whose shards lie a turn behind.
fn on_shards(settings: &Settings) -> Settings {
    let mut settings = settings.clone();
    settings.hub.run_ahead = runtime_smol::RUN_AHEAD;
    settings
}

fn drive_on_smol(settings: &Settings, machine: AnyMachine) -> Server {
    let settings = on_shards(settings);
    let server = runtime_smol::Server::bind(&settings).expect("a free port");
    let server = match tokens(&settings) {
        Some(tokens) => server.with_tokens(tokens),
        None => server,
    };
    let server = match tls(&settings) {
        Some(tls) => server.with_tls(tls),
        None => server,
    };
    let server = match admin(&settings) {
        Some(admin) => server.with_admin(admin).expect("a free port"),
        None => server,
    };
    let addr = server.local_addr().expect("a port");
    let operated_at = server.admin_addr().expect("a port");
    let stopper = server.stopper();
    let reloader = stopper.clone();
    Server::start(addr, move || stopper.stop(), move || server.run(machine))
        .reloading_by(move || reloader.reload())
        .operated_at(operated_at)
}

fn drive_on_threads(settings: &Settings, machine: AnyMachine) -> Server {
    let server = runtime_std::Server::bind(settings).expect("a free port");
    let server = match tokens(settings) {
        Some(tokens) => server.with_tokens(tokens),
        None => server,
    };
    let server = match tls(settings) {
        Some(tls) => server.with_tls(tls),
        None => server,
    };
    let server = match admin(settings) {
        Some(admin) => server.with_admin(admin).expect("a free port"),
        None => server,
    };
    let addr = server.local_addr().expect("a port");
    let operated_at = server.admin_addr().expect("a port");
    let stopper = server.stopper();
    let reloader = stopper.clone();
    Server::start(addr, move || stopper.stop(), move || server.run(machine))
        .reloading_by(move || reloader.reload())
        .operated_at(operated_at)
}

fn admin(settings: &Settings) -> Option<Admin> {
    settings.admin().expect("a token that can be used")
}

fn tokens(settings: &Settings) -> Option<Arc<Tokens>> {
    settings.tokens().map(|sources| Tokens::read(sources).expect("keys that can be used"))
}

/// A hub that somebody may listen to. All have the same seed.
struct Overheard {
    hub: Hub,
    ear: Ear,
}

impl Overheard {
    fn new(settings: &Settings, ear: Ear) -> Self {
        let origin = Origin { seed: 7, wall_clock_ms: time_of_day(settings) };
        let hub = Hub::new(settings.hub.clone(), origin).expect("a valid configuration");
        Self { hub, ear }
    }
}

/// The same in every run, but where tokens are taken: theirs are times of the real day.
fn time_of_day(settings: &Settings) -> u64 {
    match settings.hub.auth {
        Auth::Off => 1_785_578_400_000,
        Auth::Optional | Auth::Required => {
            let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("a sane clock");
            u64::try_from(since_1970.as_millis()).expect("some million years are left")
        }
    }
}

impl Machine for Overheard {
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        let Some(ear) = &self.ear else { return self.hub.handle(now, event, commands) };
        let before = commands.len();
        self.hub.handle(now, event.clone(), commands);
        // Whoever has heard enough need not be told.
        let _unheard = ear.send(Note { event, commands: commands[before..].to_vec() });
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.hub.next_deadline()
    }

    fn hub(&self) -> Option<&Hub> {
        Some(&self.hub)
    }
}

fn tls(settings: &Settings) -> Option<Arc<Tls>> {
    settings.tls().map(|pair| Tls::read(pair).expect("a certificate and its key"))
}
