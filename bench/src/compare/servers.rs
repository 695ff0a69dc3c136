//! The servers of a comparison: what they are, how they are started, and how one runs until it has been
//! measured. It does not know what is done to them.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::report::{Role, root};

/// A server that can be started.
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) role: Role,
    pub(super) what: &'static str,
    /// The program, from the repository's root.
    path: PathBuf,
    arguments: Vec<String>,
    pub(super) versions: String,
}

/// What Roundtable's servers are always started with: one client of the load generator says more than a
/// person.
const RAISED: &str = "--listen 127.0.0.1:0 --log warn --max-connections 25000 \
    --message-burst 1000000 --messages-per-second 1000000 --byte-burst 1GiB \
    --bytes-per-second 1GiB --frame-burst 1000000 --frames-per-second 1000000";

/// 64 bytes with their room, author, number and time are 166 on Roundtable's wire, and four before them.
const PADDED: &str = "floor --batched --pad 166";

/// The name of the floor that greets as Roundtable does.
pub(super) const GREETING_FLOOR: &str = "floor-greeting";

/// The name of the floor whose frames are as long as Roundtable's.
pub(super) const LONG_FLOOR: &str = "floor-batched-long";

/// What a peer is called, what it is, and how it is started.
const PEERS: [(&str, &str, &str); 6] = [
    ("gorilla", "gorilla/websocket's chat example, a frame for each message", "gorilla"),
    ("gorilla-joined", "the same, what waits is joined into one frame", "gorilla -join"),
    ("axum", "axum's chat example, a broadcast channel on tokio", "tokio/release/axum-broadcast"),
    (
        "fastwebsockets",
        "fastwebsockets and hyper, a broadcast channel on tokio",
        "tokio/release/fastwebsockets-broadcast",
    ),
    ("node-ws", "ws's broadcast example on Node", "node bench/peers/node/server.mjs"),
    (
        "python-websockets",
        "websockets' broadcast example on asyncio",
        "python/bin/python bench/peers/python/server.py",
    ),
];

/// Every server that there is, in the order of the document. `versions` are the lines of the peers that
/// are installed; `greeting` is the file with what a newcomer to Roundtable is told.
pub(super) fn programs(built: &Path, greeting: &Path, versions: &str) -> Vec<Program> {
    let own = |name, role, what, program: &str, arguments: Vec<String>| Program {
        name,
        role,
        what,
        path: built.join(program),
        arguments,
        versions: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let ours = |name, what| own(name, Role::Ours, what, name, words(RAISED));
    let floor = |name, what, flags| own(name, Role::Floor, what, "bench", words(flags));
    let mut greeting_floor =
        floor(GREETING_FLOOR, "the floor, with Roundtable's greeting", "floor --greet");
    greeting_floor.arguments.push(greeting.display().to_string());
    let mut all = vec![
        floor("floor", "one `send` for each text and connection", "floor"),
        floor("floor-batched", "one `send` for each turn and connection", "floor --batched"),
        floor(LONG_FLOOR, "the same, each frame as long as Roundtable's", PADDED),
        greeting_floor,
        ours("runtime-smol", "Roundtable on smol"),
        ours("runtime-std", "Roundtable on blocking threads"),
    ];
    all.extend(PEERS.into_iter().filter_map(|(name, what, command)| {
        let line = versions.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        Some(peer(name, what, command, line?))
    }));
    all
}

fn peer(name: &'static str, what: &'static str, command: &str, versions: &str) -> Program {
    let mut words = words(command);
    let program = words.remove(0);
    // Node comes with the system, all else was built or installed beside the peers.
    let path = match &*program {
        "node" => PathBuf::from(program),
        _ => Path::new("bench/peers/target").join(program),
    };
    let versions = versions.to_owned();
    Program { name, role: Role::Peer, what, path, arguments: words, versions }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

impl Program {
    /// How it is started, as one would type it.
    pub(super) fn command(&self) -> String {
        let program = match self.role {
            Role::Ours | Role::Floor => {
                let name = self.path.file_name().expect("a program has a name");
                Path::new("target/release").join(name)
            }
            Role::Peer => self.path.clone(),
        };
        let mut shown = program.display().to_string();
        for argument in &self.arguments {
            let inside = Path::new(argument).strip_prefix(root());
            shown += " ";
            shown += &inside.map_or_else(|_| argument.clone(), |path| path.display().to_string());
        }
        shown
    }

    /// Starts it with further `flags`, and waits until it says where it listens. Its errors go to `log`.
    pub(super) fn start(&self, flags: &str, log: &Path) -> io::Result<Running> {
        let program = match self.path.components().count() {
            // It is looked for in the path.
            1 => self.path.clone(),
            _ => root().join(&self.path),
        };
        let mut child = Command::new(program)
            .args(&self.arguments)
            .args(flags.split_whitespace())
            .current_dir(root())
            // The floors run until their input ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()?;
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut running = Running { child, output, address: String::new() };
        let mut line = String::new();
        running.output.read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ").ok_or_else(|| {
            let said = line.trim();
            io::Error::other(format!("it says «{said}» and not where it listens; see its log"))
        })?;
        let (_, bare) = address.split_once("://").unwrap_or(("", address));
        bare.clone_into(&mut running.address);
        Ok(running)
    }
}

/// A server that runs until this is dropped.
pub(super) struct Running {
    child: Child,
    /// Kept open, so that whoever writes to it does not fail.
    output: BufReader<ChildStdout>,
    address: String,
}

impl Running {
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Like `127.0.0.1:8080`.
    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
