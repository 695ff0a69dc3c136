//! A server under a supervisor, which is the test: systemd's protocol, spoken with the process.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{BACKSTOP, Server, command, refused};

const REQUEST: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Everything that is promised of `program` under a supervisor.
pub(crate) fn check(program: &str) {
    a_restart_refuses_nobody(program);
    the_hubs_loop_gives_signs_of_life(program);
    what_is_no_listening_socket_is_refused(program);
    the_units_are_what_systemd_takes(program);
}

/// Where a supervisor is told.
struct News {
    socket: UnixDatagram,
    folder: TempDir,
}

impl News {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(BACKSTOP)).unwrap();
        Self { socket, folder }
    }

    fn path(&self) -> String {
        self.folder.path().join("notify").to_str().unwrap().to_owned()
    }

    fn next(&self) -> String {
        let mut buffer = [0; 256];
        let count = self.socket.recv(&mut buffer).expect("the supervisor is told something");
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    }
}

/// Starts a server as a supervisor does that keeps `listener`: as descriptor 3.
fn supervised(program: &str, listener: &TcpListener, news: &News, flags: &[&str]) -> Server {
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    let arguments = [&["-c", script, program, "--log", "error"], flags].concat();
    let mut command = command("sh", &arguments);
    command.stdin(Stdio::from(OwnedFd::from(listener.try_clone().unwrap())));
    command.env("NOTIFY_SOCKET", news.path());
    Server::spawn(command, Stdio::inherit())
}

fn answer(socket: &mut TcpStream) -> String {
    let mut line = [0; 12];
    socket.read_exact(&mut line).unwrap();
    String::from_utf8(line.to_vec()).unwrap()
}

fn knock(listener: &TcpListener) -> TcpStream {
    let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    socket.set_read_timeout(Some(BACKSTOP)).unwrap();
    socket.write_all(REQUEST.as_bytes()).unwrap();
    socket
}

fn a_restart_refuses_nobody(program: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let news = News::new();
    // Whoever is there is let go of after a while, which is long enough to knock in between.
    let drain = ["--drain-within", "90d", "--drain-spread", "90d", "--drain-pace", "90d"];
    let first = supervised(program, &listener, &news, &drain);
    assert_eq!(first.address, listener.local_addr().unwrap().to_string());
    assert_eq!(news.next(), "READY=1\n");
    let mut there = knock(&listener);
    assert_eq!(answer(&mut there), "HTTP/1.1 101");
    first.signal("TERM");
    assert_eq!(news.next(), "STOPPING=1\n");
    // Nobody answers these, and nobody sends them away.
    let mut newcomers: Vec<TcpStream> = (0..10).map(|_| knock(&listener)).collect();
    first.signal("TERM");
    assert_eq!(first.end().code(), Some(1), "a second signal ends it at once");
    let second = supervised(program, &listener, &news, &[]);
    assert_eq!(news.next(), "READY=1\n");
    for newcomer in &mut newcomers {
        assert_eq!(answer(newcomer), "HTTP/1.1 101");
    }
    drop((there, newcomers));
    second.signal("TERM");
    assert_eq!(news.next(), "STOPPING=1\n");
    assert_eq!(second.end().code(), Some(0));
}

fn the_hubs_loop_gives_signs_of_life(program: &str) {
    let news = News::new();
    let mut command = command(program, &["--listen", "127.0.0.1:0", "--log", "error"]);
    command.env("NOTIFY_SOCKET", news.path()).env("WATCHDOG_USEC", "200000");
    let server = Server::spawn(command, Stdio::inherit());
    let told: Vec<String> = (0..4).map(|_| news.next()).collect();
    let signs = told.iter().filter(|told| *told == "WATCHDOG=1\n").count();
    // The first may overtake the word that it serves.
    assert_eq!((signs, told.len()), (3, 4), "{told:?}");
    server.signal("TERM");
    while news.next() != "STOPPING=1\n" {}
    assert_eq!(server.end().code(), Some(0));
}

fn what_is_no_listening_socket_is_refused(program: &str) {
    let given = |count: u8| {
        format!("exec 3</dev/null 4</dev/null; LISTEN_PID=$$ LISTEN_FDS={count} exec {program}")
    };
    let refused = |count, why| refused("sh", &["-c", &given(count)], why, 1);
    refused(1, "--listen 127.0.0.1:8080: fd 3 is not a socket");
    refused(2, "--listen 127.0.0.1:8080: the supervisor gave 2 sockets, not one");
}

/// Where systemd is installed, it reads the units of the documentation.
fn the_units_are_what_systemd_takes(program: &str) {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/systemd");
    let folder = tempfile::tempdir().unwrap();
    let copies = ["roundtable.service", "roundtable.socket"].map(|name| {
        let unit = fs::read_to_string(units.join(name)).unwrap();
        let copy = folder.path().join(name);
        fs::write(&copy, unit.replace("/usr/local/bin/runtime-smol", program)).unwrap();
        copy
    });
    let verify = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(copies).output();
    match verify {
        Err(error) if error.kind() == ErrorKind::NotFound => eprintln!("systemd is not installed"),
        verify => {
            let verify = verify.unwrap();
            let said = String::from_utf8_lossy(&verify.stderr);
            // It says what it does not know, and goes on.
            assert!(verify.status.success() && said.is_empty(), "{said}");
        }
    }
}
