//! Both servers carry out `Verify` and tell what is revoked, for any machine: here one that asks for
//! a verdict on all that it hears.

use std::fs;
use std::sync::Arc;
use std::time::SystemTime;

use roundtable::{
    CloseCode, Command, ConnId, Event, Machine, Queue, Recipients, Timestamp, Verdict,
};
use roundtable_server::auth::{Expected, Sources, Tokens, command};
use roundtable_tests::conformance::{Raw, Server, settings};
use serde_json::json;

/// Says what it is told of tokens, as JSON texts.
#[derive(Default)]
struct Asker {
    conns: Vec<ConnId>,
}

impl Asker {
    fn say(conn: ConnId, words: &str, commands: &mut Vec<Command>) {
        let text = json!(words).to_string().into();
        commands.push(Command::Send { to: Recipients::One(conn), text });
    }
}

impl Machine for Asker {
    fn handle(&mut self, _: Timestamp, event: Event, commands: &mut Vec<Command>) {
        match event {
            Event::Connect { conn, peer, .. } => {
                self.conns.push(conn);
                let user =
                    peer.claims.map_or("nobody".to_owned(), |claims| claims.user.to_string());
                Self::say(conn, &user, commands);
            }
            Event::Text { conn, text } => {
                commands.push(Command::Verify { conn, token: text.trim_matches('"').into() });
            }
            Event::Verified { conn, verdict } => match verdict {
                Verdict::Valid(claims) => Self::say(conn, claims.user.as_str(), commands),
                Verdict::Expired => Self::say(conn, "expired", commands),
                Verdict::Invalid => Self::say(conn, "invalid", commands),
            },
            Event::Admin { action } => {
                let words = format!("{action:?}");
                self.conns.iter().for_each(|conn| Self::say(*conn, &words, commands));
            }
            Event::Disconnect { conn } => self.conns.retain(|known| *known != conn),
            Event::Drain { .. } => {
                let (code, queue) = (CloseCode::Drain, Queue::Flush);
                let conns = self.conns.drain(..);
                commands.extend(conns.map(|conn| Command::Close { conn, code, queue }));
                commands.push(Command::Drained);
            }
            Event::Binary { .. }
            | Event::Heard { .. }
            | Event::Backlog { .. }
            | Event::Flushed
            | Event::Tick => {}
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }
}

/// Starts a server of this machine that takes these tokens, with what makes it read them again.
type Start = fn(Arc<Tokens>) -> (Server, Box<dyn Fn()>);

#[test]
fn runtime_smol_verifies_and_reads_again() {
    check(|tokens| {
        let mut settings = settings();
        settings.hub.run_ahead = runtime_smol::RUN_AHEAD;
        let server = runtime_smol::Server::bind(&settings).expect("a free port");
        let server = server.with_tokens(tokens);
        let (addr, stopper) = (server.local_addr().expect("a port"), server.stopper());
        let reloader = stopper.clone();
        let run = move || server.run(Asker::default());
        (Server::start(addr, move || stopper.stop(), run), Box::new(move || reloader.reload()))
    });
}

#[test]
fn runtime_std_verifies_and_reads_again() {
    check(|tokens| {
        let server = runtime_std::Server::bind(&settings()).expect("a free port");
        let server = server.with_tokens(tokens);
        let (addr, stopper) = (server.local_addr().expect("a port"), server.stopper());
        let reloader = stopper.clone();
        let run = move || server.run(Asker::default());
        (Server::start(addr, move || stopper.stop(), run), Box::new(move || reloader.reload()))
    });
}

fn check(start: Start) {
    let folder = tempfile::tempdir().expect("a folder");
    let (key, revoked) = (folder.path().join("key"), folder.path().join("revoked"));
    fs::write(&key, "a secret that is long enough for it").expect("room");
    fs::write(&revoked, "").expect("room");
    let token = |user: &str| {
        let words = ["token", "--key", key.to_str().expect("a path"), user];
        command::make(&command::command().get_matches_from(words), SystemTime::now()).expect("one")
    };
    let (ann, bob) = (token("ann"), token("bob"));
    let expected = Expected::default();
    let sources = Sources { keys: key.clone(), expected, revoked: Some(revoked.clone()) };
    let (server, reload) = start(Tokens::read(sources).expect("keys"));

    let mut by_url = Raw::upgraded(server.addr, &format!("token={ann}"));
    assert_eq!(by_url.json(), "ann");
    let mut by_frame = Raw::upgraded(server.addr, "");
    assert_eq!(by_frame.json(), "nobody");
    for (token, verdict) in [(&*bob, "bob"), (&*ann, "ann"), ("nonsense", "invalid")] {
        assert!(by_frame.try_send(&json!(token)));
        assert_eq!(by_frame.json(), verdict);
    }

    fs::write(&revoked, "user ann\n").expect("room");
    reload();
    let word = by_url.json();
    assert!(word.as_str().is_some_and(|word| word.starts_with("RevokeUser")), "{word}");
    assert_eq!(by_frame.json(), word);
    for (token, verdict) in [(&*ann, "invalid"), (&*bob, "bob")] {
        assert!(by_frame.try_send(&json!(token)));
        assert_eq!(by_frame.json(), verdict);
    }
    let mut late = Raw::connect(server.addr);
    late.write(
        format!(
            "GET /ws?token={ann} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n"
        )
        .as_bytes(),
    );
    assert!(late.answer().0.starts_with("HTTP/1.1 401 "));
    server.shut();
}
