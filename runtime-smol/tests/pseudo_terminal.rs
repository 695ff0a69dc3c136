//! The terminal client in a pseudo-terminal: somebody edits lines while others speak.
#![cfg(unix)]

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use roundtable_server::{Settings, cli};
use runtime_smol::{RUN_AHEAD, Server};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A backstop that is never reached where the client works.
const BACKSTOP: Duration = Duration::from_secs(30);

/// The terminal client, and the terminal that it is in.
struct Terminal {
    program: Child,
    keys: File,
    screen: Receiver<Vec<u8>>,
    /// What came and was not waited for yet.
    seen: String,
}

impl Terminal {
    fn open(address: SocketAddr, query: &str, no_color: &str) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&controller).expect("a terminal of one's own");
        unlockpt(&controller).expect("a terminal that can be opened");
        let name = ptsname(&controller, Vec::new()).expect("a name");
        let name = OsStr::from_bytes(name.as_bytes());
        let terminal = OpenOptions::new().read(true).write(true).open(name).expect("it opens");
        let end = || Stdio::from(terminal.try_clone().expect("another handle"));
        let program = Command::new(env!("CARGO_BIN_EXE_runtime-smol"))
            .args(["chat", &format!("ws://{address}/ws{query}")])
            .env("TERM", "xterm-256color")
            .env("NO_COLOR", no_color)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("the program starts");
        let keys = File::from(controller);
        let mut output = keys.try_clone().expect("another handle");
        let (tell, screen) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Once the program has ended, reading from its terminal fails.
            while let Ok(count) = output.read(&mut bytes) {
                if count == 0 || tell.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { program, keys, screen, seen: String::new() }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes it");
    }

    /// Waits until this is on the screen, and gives what came up to there.
    fn expect(&mut self, words: &str) -> String {
        loop {
            if let Some(start) = self.seen.find(words) {
                let rest = self.seen.split_off(start + words.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let more = self.screen.recv_timeout(BACKSTOP);
            let more = more.unwrap_or_else(|_| panic!("no {words:?} in {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
    }

    /// Waits until it has ended well.
    fn end(mut self) {
        assert!(self.program.wait().expect("it ends").success());
    }
}

#[test]
fn lines_are_edited_while_others_speak() {
    let mut settings =
        Settings { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Settings::default() };
    settings.hub.run_ahead = RUN_AHEAD;
    let server = Server::bind(&settings).expect("a free port");
    let (address, stopper) = (server.local_addr().expect("a port"), server.stopper());
    let hub = cli::hub(&settings);
    let serving = thread::spawn(move || server.run(hub));

    let mut ann = Terminal::open(address, "?room=den&name=ann", "");
    let greeting = ann.expect("den> ");
    assert!(greeting.contains("\u{1b}[2m* you are ann\u{1b}[0m"), "{greeting:?}");
    // The cursor goes back for the letter that was left out.
    ann.press("helo\u{1b}[Dl\r");
    ann.expect(": hello\r\n");
    ann.expect("den> ");

    let mut bob = Terminal::open(address, "?room=den&name=bob", "1");
    let greeting = bob.expect("den> ");
    assert!(greeting.contains("* you are bob\r\n"), "{greeting:?}");
    assert!(greeting.contains("ann: hello\r\n"), "{greeting:?}");
    assert!(!greeting.contains("\u{1b}[2m"), "{greeting:?}");
    ann.expect("bob came");

    // What bob says comes above the line that ann is typing, which stays.
    ann.press("half");
    ann.expect("half");
    bob.press("psst\r");
    bob.expect("bob: psst\r\n");
    ann.expect(": psst");
    ann.press(" and half\r");
    ann.expect(": half and half\r\n");
    bob.expect("ann: half and half");

    // The history has the line before.
    ann.expect("den> ");
    ann.press("\u{1b}[A\r");
    ann.expect(": half and half\r\n");
    ann.expect("den> ");
    ann.press("/who\r");
    ann.expect("in den: ann, bob");
    ann.expect("den> ");
    // An empty line and Ctrl-D end it.
    ann.press("\u{4}");
    ann.end();
    bob.expect("ann went");
    bob.press("/quit\r");
    bob.end();

    stopper.stop();
    serving.join().expect("no panic").expect("no error");
}
