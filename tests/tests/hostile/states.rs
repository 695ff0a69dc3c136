//! Peers that vanish: in each state that a connection can be in, with a farewell of the system's
//! (FIN) and without (RST). Nothing of them is left.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use roundtable::{Command, Event};
use roundtable_tests::conformance::servers::RUNTIMES;
use roundtable_tests::conformance::{BACKSTOP, Client, Raw, frame, settings, text, upgrade};
use serde_json::json;

use crate::tell;

/// A state: its name, whether the hub has surely heard of the connection, and how one gets there.
type State = (&'static str, bool, fn(&mut Raw));

const STATES: [State; 11] = [
    ("connected", false, |_| ()),
    ("within the request", false, |raw| raw.write(b"GET /ws HTTP/1.1\r\nHo")),
    ("behind a bad request", false, |raw| raw.write(b"POST /ws HTTP/1.1\r\nHost: a\r\n\r\n")),
    ("before the answer", false, |raw| raw.write(upgrade("room=lobby").as_bytes())),
    ("upgraded", true, |raw| {
        raw.write(upgrade("room=lobby").as_bytes());
        raw.expect_upgrade();
    }),
    ("joined", true, joined),
    ("within a frame's header", true, |raw| {
        joined(raw);
        raw.write(&text("hi")[..3]);
    }),
    ("within a frame", true, |raw| {
        joined(raw);
        raw.write(&text("never to be said")[..12]);
    }),
    ("within a message", true, |raw| {
        joined(raw);
        raw.write(&frame(0x01, true, b"never to be said"));
    }),
    ("with answers on their way", true, |raw| {
        joined(raw);
        raw.write(&frame(0x89, true, b"?").repeat(50));
        raw.write(&text("{\"type\":\"presence\",\"id\":1,\"room\":\"lobby\"}").repeat(15));
    }),
    ("within its close", true, |raw| {
        joined(raw);
        raw.write(&text("{\"type\":\"bye\"}"));
    }),
];

fn joined(raw: &mut Raw) {
    raw.write(upgrade("room=lobby").as_bytes());
    raw.expect_upgrade();
    assert_eq!(raw.json()["type"], "welcome");
    assert_eq!(raw.json()["type"], "joined");
}

#[test]
fn of_a_peer_that_vanishes_nothing_is_left_in_whatever_state_it_was() {
    for (name, start) in RUNTIMES {
        let mut settings = settings();
        settings.hub.resume_window = Duration::ZERO;
        settings.hub.presence_linger = Duration::ZERO;
        let (ear, notes) = std::sync::mpsc::channel();
        let server = start(&settings, Some(ear));
        let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
        let mut known = 0;
        for (_, is_known, enter) in STATES {
            for vanish in [drop, Raw::reset] {
                let mut raw = Raw::connect(server.addr);
                enter(&mut raw);
                vanish(raw);
                known += usize::from(is_known);
            }
        }
        // Whoever was there is gone, or was closed: then nothing is heard of it any more.
        let (mut came, mut present) = (0, BTreeSet::new());
        while came <= known || present.len() > 1 {
            let note = notes.recv_timeout(BACKSTOP).expect("everybody goes");
            if let Event::Connect { conn, .. } = note.event {
                came += usize::from(present.insert(conn));
            } else if let Event::Disconnect { conn } = note.event {
                present.remove(&conn);
            }
            for command in note.commands {
                if let Command::Close { conn, .. } = command {
                    present.remove(&conn);
                }
            }
        }
        let count = json!({ "type": "presence", "id": 1, "room": "lobby" });
        let start = Instant::now();
        while ann.ask(&count)["count"] != 1 {
            assert!(start.elapsed() < BACKSTOP, "{name}: somebody stays");
        }
        tell(&format!("{name}: {known} peers that vanished came and went, and ann is alone"));
        drop(ann);
        server.shut();
    }
}
