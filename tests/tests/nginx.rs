//! Both servers behind nginx, with the configuration that `docs/operations.md` prints.
//!
//! Where nginx is not installed the test says so and passes; with `ROUNDTABLE_NGINX=required` it fails
//! instead.

mod secure;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, io};

use roundtable_server::Settings;
use roundtable_tests::conformance::servers::{on_smol, on_threads};
use roundtable_tests::conformance::{BACKSTOP, Runtime, Server, frame, settings, upgrade};
use rustix::process::{Pid, Signal, kill_process};
use rustls::version::TLS13;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use secure::{Secure, file, shake_hands};

/// What the printed configuration stands in: nothing but places that are this test's own.
const AROUND: &str = "
daemon off;
user root;
pid nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include printed.conf;
}
";

/// nginx, until it is dropped.
struct Nginx {
    addr: SocketAddr,
    child: Child,
    folder: TempDir,
}

impl Nginx {
    /// Starts it in front of `server`, with the printed configuration, in which `replaced` stands in
    /// the place of some words. It is given a socket that listens already, on a port that the system
    /// has picked, so nobody has to wait for it.
    fn start(server: &Server, replaced: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("a port");
        let path = |name| file(name).canonicalize().expect("a file").display().to_string();
        let own = [
            ("listen 443 ssl;", &*format!("listen {addr} ssl;")),
            ("/etc/ssl/chat/fullchain.pem", &path("first.pem")),
            ("/etc/ssl/chat/private.pem", &path("first.key.pem")),
            ("127.0.0.1:8080", &server.addr.to_string()),
        ];
        let mut text = printed();
        for (from, to) in own.iter().chain(replaced) {
            assert!(text.contains(from), "{from} is not in\n{text}");
            text = text.replace(from, to);
        }
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("printed.conf"), text).expect("room");
        fs::write(folder.path().join("around.conf"), AROUND).expect("room");
        let child = nginx(folder.path())
            .args(["-c", "around.conf"])
            // The socket, as one nginx hands it to the next.
            .env("NGINX", "0;")
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .spawn()
            .expect("nginx was there a moment ago");
        Self { addr, child, folder }
    }

    /// Connects from an address of this machine.
    fn connect(&self, from: &str) -> Secure {
        let from: SocketAddr = format!("{from}:0").parse().expect("an address");
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&from.into()).expect("all of 127.0.0.0/8 is this machine's");
        socket.connect(&self.addr.into()).expect("it is listened to");
        socket.set_read_timeout(Some(BACKSTOP)).expect("a time-out");
        shake_hands(TcpStream::from(socket), &TLS13)
    }

    /// Sends a request with further lines from there, and gives the answer's status.
    fn ask(&self, from: &str, request: &str, lines: &str) -> (Secure, String) {
        let mut stream = self.connect(from);
        let request = request.replace("\r\n\r\n", &format!("\r\n{lines}\r\n"));
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            let why = || fs::read_to_string(self.folder.path().join("error.log"));
            stream.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error}: {:?}", why()));
            head.extend(byte);
        }
        let head = String::from_utf8(head).expect("a head in ASCII");
        let status = head.split(' ').nth(1).expect("a status");
        (stream, status.to_owned())
    }

    /// The status of an upgrade with further lines, from there.
    fn knock(&self, from: &str, lines: &str) -> (Secure, String) {
        self.ask(from, &upgrade("room=lobby"), lines)
    }

    /// Comes in from there.
    fn enter(&self, from: &str, query: &str) -> Secure {
        let (stream, status) = self.ask(from, &upgrade(query), "");
        assert_eq!(status, "101");
        stream
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It ends its worker with it. If it has ended by itself, a test has noticed that.
        let _gone = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ended = self.child.wait();
    }
}

fn nginx(folder: &Path) -> Command {
    let mut command = Command::new("nginx");
    let path = env::var("PATH").unwrap_or_default();
    // Where Debian has it, and not everybody looks.
    command.env("PATH", format!("{path}:/usr/sbin"));
    command.arg("-p").arg(folder).args(["-e", "error.log"]);
    command
}

/// Whether nginx is there, or word that the test is left out.
fn is_there() -> bool {
    let asked = Command::new("sh").args(["-c", "PATH=$PATH:/usr/sbin nginx -v"]).output();
    let is_there = asked.is_ok_and(|asked| asked.status.success());
    if !is_there {
        let is_required = env::var("ROUNDTABLE_NGINX").is_ok_and(|value| value == "required");
        assert!(!is_required, "there is no nginx: install nginx-light");
        // Written past the capture of a test that passes.
        let _unheard = writeln!(io::stderr(), "nginx: left out, there is none");
    }
    is_there
}

/// The only configuration of nginx that is printed.
fn printed() -> String {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let document = fs::read_to_string(document).expect("the document");
    let mut blocks = document.split("\n```nginx\n").skip(1);
    let block = blocks.next().expect("a block").split("\n```").next().expect("its end");
    assert_eq!(blocks.next(), None, "there are two");
    block.to_owned()
}

/// The command that is printed beside it, as settings.
fn behind_nginx() -> Settings {
    let mut settings = settings();
    settings.trust_proxy = "127.0.0.1".parse().expect("an address");
    settings
}

fn say(stream: &mut Secure, words: &str) {
    stream.write_all(&frame(0x81, true, words.as_bytes())).expect("it reads");
}

/// The next frame: its kind, and what it carries.
fn next(stream: &mut Secure) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let len = match head[1] {
        126 => {
            let mut len = [0; 2];
            stream.read_exact(&mut len)?;
            u16::from_be_bytes(len).into()
        }
        len => usize::from(len),
    };
    let mut payload = vec![0; len];
    stream.read_exact(&mut payload)?;
    Ok((head[0] & 15, payload))
}

/// Reads until somebody says this.
fn until(stream: &mut Secure, wanted: &str) {
    while !String::from_utf8_lossy(&next(stream).expect(wanted).1).contains(wanted) {}
}

#[test]
fn runtime_smol_works_behind_nginx() {
    check(&on_smol);
}

#[test]
fn runtime_std_works_behind_nginx() {
    check(&on_threads);
}

fn check(runtime: Runtime<'_>) {
    if is_there() {
        people_chat_and_the_page_comes(runtime);
        each_address_has_its_own_limits(runtime);
        who_is_silent_stays_for_the_pings(runtime);
    }
}

fn people_chat_and_the_page_comes(runtime: Runtime<'_>) {
    let server = runtime(&behind_nginx());
    let nginx = Nginx::start(&server, &[]);
    let mut ann = nginx.enter("127.0.0.1", "room=lobby&name=ann");
    let mut bob = nginx.enter("127.0.0.2", "room=lobby&name=bob");
    say(&mut ann, "hello from ann");
    until(&mut bob, "hello from ann");
    say(&mut bob, "hello from bob");
    until(&mut ann, "hello from bob");
    let page = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let (mut page, status) = nginx.ask("127.0.0.1", page, "");
    assert_eq!(status, "200");
    let mut body = String::new();
    page.read_to_string(&mut body).expect("an end that is told");
    assert!(body.contains("</html>"), "{body}");
    // The page's own origin, and another one.
    for (origin, expected) in [("https://localhost", "101"), ("https://evil.example", "403")] {
        let (_stream, status) = nginx.knock("127.0.0.1", &format!("Origin: {origin}\r\n"));
        assert_eq!(status, expected, "{origin}");
    }
    // What is no upgrade is told so.
    let plain = "GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(nginx.ask("127.0.0.1", plain, "").1, "426");
    drop(nginx);
    server.shut();
}

fn each_address_has_its_own_limits(runtime: Runtime<'_>) {
    let mut settings = behind_nginx();
    settings.hub.address_connections = 1;
    let server = runtime(&settings);
    let nginx = Nginx::start(&server, &[]);
    let mut inside = Vec::new();
    for (from, lines, expected) in [
        ("127.0.0.2", "", "101"),
        ("127.0.0.2", "", "429"),
        ("127.0.0.3", "", "101"),
        // The machine of the proxy itself.
        ("127.0.0.1", "", "101"),
        ("127.0.0.1", "", "429"),
        // What clients write themselves.
        ("127.0.0.2", "X-Forwarded-For: 192.0.2.1\r\n", "429"),
        ("127.0.0.2", "X-Forwarded-For: 192.0.2.1, 127.0.0.1\r\n", "429"),
        ("127.0.0.2", "Forwarded: for=192.0.2.1\r\n", "429"),
        ("127.0.0.4", "Forwarded: for=127.0.0.2\r\nX-Forwarded-For: 127.0.0.2\r\n", "101"),
    ] {
        let (stream, status) = nginx.knock(from, lines);
        assert_eq!(status, expected, "{from} {lines}");
        inside.push(stream);
    }
    drop(nginx);
    server.shut();
}

fn who_is_silent_stays_for_the_pings(runtime: Runtime<'_>) {
    let timeout = "proxy_read_timeout 75s;";
    assert!(printed().contains(timeout));
    let usual = Settings::default().hub;
    // A ping goes out a tenth late at most, and may be on its way for as long as a server waits.
    assert!(usual.ping_after.mul_f64(1.1) + usual.pong_wait < Duration::from_secs(75));
    let server = runtime(&behind_nginx());
    let nginx = Nginx::start(&server, &[(timeout, "proxy_read_timeout 1s;")]);
    let mut eve = nginx.enter("127.0.0.1", "room=");
    while next(&mut eve).is_ok() {}
    drop(nginx);
    server.shut();
    // In the same relation, only quicker.
    let mut settings = behind_nginx();
    settings.hub.ping_after = Duration::from_secs(1);
    let server = runtime(&settings);
    let nginx = Nginx::start(&server, &[(timeout, "proxy_read_timeout 2s;")]);
    let mut ann = nginx.enter("127.0.0.1", "room=lobby&name=ann");
    for _ in 0..3 {
        while next(&mut ann).expect("a ping").0 != 9 {}
        ann.write_all(&frame(0x8A, true, b"")).expect("it reads");
    }
    say(&mut ann, "still here");
    until(&mut ann, "still here");
    drop(nginx);
    server.shut();
}
