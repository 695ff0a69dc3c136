//! Networks that lose something: bob's connection is cut, half closed, or stands still, at places that
//! are drawn. Against both runtimes the server notices, ann goes on as if nothing were, and bob comes
//! back with `since` and misses nothing.

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use roundtable::{CloseCode, Command, ConnId, Event};
use roundtable_server::Settings;
use roundtable_tests::conformance::servers::{Note, RUNTIMES};
use roundtable_tests::conformance::{BACKSTOP, Client, Raw, Server, Start, settings};
use roundtable_tests::proxy::{Cut, Fault, Proxy, Way, seed};
use serde_json::{Value, json};

/// How often ann speaks.
const MESSAGES: u64 = 20;

/// How many places are drawn for each fault.
const PLACES: usize = 8;

/// Behind the answer to bob's upgrade, his `welcome` and his `joined`, and before ann's last message.
const SENT_TO_BOB: std::ops::Range<u64> = 650..1500;

/// Behind bob's request, and before the end of his last message.
const SENT_BY_BOB: std::ops::Range<u64> = 250..900;

/// A server, with ann in it and with everything noted that happens to its hub.
struct Stage {
    server: Server,
    notes: Receiver<Note>,
    ann: Client,
}

/// A session, and where its client stands in the room.
type Stand = (Value, Value);

/// Bob, as he is before he is cut off.
struct Bob {
    raw: Raw,
    session: Value,
    epoch: Value,
    /// What he was given, from the first entry on.
    given: u64,
}

fn with_each_runtime(play: impl Fn(Start, u64) + Sync) {
    let (seed, play) = (seed(), &play);
    thread::scope(|scope| {
        for (name, start) in RUNTIMES {
            let thread = thread::Builder::new().name(name.to_owned());
            thread.spawn_scoped(scope, move || play(start, seed)).expect("a thread");
        }
    });
}

impl Stage {
    fn new(start: Start, settings: &Settings) -> Self {
        let (ear, notes) = mpsc::channel();
        let server = start(settings, Some(ear));
        let ann = Client::connect(server.addr, "room=&name=ann");
        Self { server, notes, ann }
    }

    /// Puts this network in front of the server, for bob.
    fn network(&self, fault: Fault, seed: u64) -> Proxy {
        Proxy::start(self.server.addr, fault, seed)
    }

    /// Ann joins a room; nobody else was ever in it.
    fn enter(&mut self, room: &str) {
        let joined = self.ann.ask(&json!({ "type": "join", "id": 1, "room": room }));
        assert_eq!((&joined["type"], &joined["seq"]), (&json!("joined"), &json!(0)), "{joined}");
    }

    /// Ann says the numbers, each with this behind it, and hears herself.
    fn speak(&mut self, room: &str, numbers: std::ops::RangeInclusive<u64>, filler: &str) {
        for number in numbers {
            let data = json!([number, filler]);
            assert_eq!(self.ann.publish(room, &data), number);
            self.ann.expect_message("ann", &data);
        }
    }

    /// Waits until the hub is told or commands what `is_it` looks for.
    fn wait_for(&self, mut is_it: impl FnMut(&Note) -> bool) {
        while !is_it(&self.notes.recv_timeout(BACKSTOP).expect("it happens")) {}
    }

    /// Waits until this person comes; everything that happened before is forgotten.
    fn arrival(&self, name: &str) -> ConnId {
        let mut found = None;
        self.wait_for(|note| {
            if let Event::Connect { conn, greeting, .. } = &note.event {
                let is_it = greeting.name.as_ref().is_some_and(|wished| wished.as_str() == name);
                found = is_it.then_some(*conn);
            }
            found.is_some()
        });
        found.expect("it was found")
    }

    /// Waits until the hub is told that this connection is gone; gives how many texts came of it.
    fn departure(&self, gone: ConnId) -> u64 {
        let mut texts = 0;
        self.wait_for(|note| match &note.event {
            Event::Text { conn, .. } if *conn == gone => {
                texts += 1;
                false
            }
            event => *event == Event::Disconnect { conn: gone },
        });
        texts
    }

    /// Somebody comes back to the session, and is given the rest.
    fn come_back(&self, name: &str, room: &str, (session, place): &Stand, last: u64) -> Client {
        let mut back = Client::connect(self.server.addr, "room=");
        let since = json!({ room: place });
        let hello = json!({ "type": "hello", "id": "back", "resume": session, "since": since });
        let welcome = back.ask(&hello);
        let told = (&welcome["resumed"], &welcome["user"]);
        assert_eq!(told, (&json!(true), &json!(name)), "{welcome}");
        let joined = back.expect("joined");
        assert_eq!(joined["recovered"], true, "{joined}");
        let first = place["seq"].as_u64().expect("a place") + 1;
        let history = joined["history"].as_array().expect("a page");
        let mut given: Vec<u64> = history.iter().map(number).collect();
        // What does not fit the page comes as messages.
        while given.len() as u64 != last + 1 - first {
            given.push(number(&back.expect("message")));
        }
        assert_eq!(given, (first..=last).collect::<Vec<_>>(), "{joined}");
        back
    }
}

/// What an entry says, which is its place as well.
fn number(entry: &Value) -> u64 {
    let number = entry["data"][0].as_u64().expect("a number");
    assert_eq!(entry["seq"], number, "{entry}");
    number
}

impl Bob {
    fn join(network: &Proxy, room: &str, name: &str) -> Self {
        let mut raw = Raw::upgraded(network.addr(), &format!("room={room}&name={name}"));
        let welcome = raw.json();
        assert_eq!(welcome["user"], name);
        let joined = raw.json();
        assert_eq!((&joined["type"], &joined["seq"]), (&json!("joined"), &json!(0)), "{joined}");
        let session = welcome["session"].clone();
        Self { raw, session, epoch: joined["epoch"].clone(), given: 0 }
    }

    /// Reads until he has been given so many entries, or the connection ends. None is left out.
    fn read(&mut self, last: u64) {
        while self.given < last {
            let Some(frame) = self.raw.frame() else { return };
            assert_eq!(frame.opcode, 1, "{frame:?}");
            let frame: Value = serde_json::from_slice(&frame.payload).expect("every text is JSON");
            assert_eq!((&frame["type"], number(&frame)), (&json!("message"), self.given + 1));
            self.given += 1;
        }
    }

    fn place(&self) -> Stand {
        (self.session.clone(), json!({ "epoch": self.epoch, "seq": self.given }))
    }
}

/// Plays a fault at drawn places of what bob is sent.
fn lose_what_bob_is_sent(fault: impl Fn(u64) -> Fault + Sync) {
    with_each_runtime(|start, seed| {
        let mut rng = Rng::with_seed(seed);
        let mut stage = Stage::new(start, &settings());
        for round in 0..PLACES {
            let (room, name) = (format!("room-{round}"), format!("bob-{round}"));
            let fault = fault(rng.u64(SENT_TO_BOB));
            let is_half = matches!(fault, Fault::HalfClose { .. });
            let network = stage.network(fault, seed);
            stage.enter(&room);
            let mut bob = Bob::join(&network, &room, &name);
            let conn = stage.arrival(&name);
            stage.speak(&room, 1..=MESSAGES, "");
            bob.read(MESSAGES);
            assert!(bob.given < MESSAGES, "he was cut off before the end");
            let place = bob.place();
            if is_half {
                // A server that can still hear him waits for him to go.
                drop(bob);
                stage.departure(conn);
            } else {
                stage.departure(conn);
                drop(bob);
            }
            let mut back = stage.come_back(&name, &room, &place, MESSAGES);
            stage.speak(&room, MESSAGES + 1..=MESSAGES + 1, "");
            assert_eq!(number(&back.expect("message")), MESSAGES + 1);
        }
        stage.server.shut();
    });
}

#[test]
fn who_is_cut_off_by_a_reset_comes_back_and_misses_nothing() {
    lose_what_bob_is_sent(|after| Fault::Cut { way: Way::Down, after, how: Cut::Reset });
}

#[test]
fn who_is_cut_off_by_an_end_comes_back_and_misses_nothing() {
    lose_what_bob_is_sent(|after| Fault::Cut { way: Way::Down, after, how: Cut::End });
}

#[test]
fn who_hears_no_more_leaves_comes_back_and_misses_nothing() {
    lose_what_bob_is_sent(|after| Fault::HalfClose { way: Way::Down, after });
}

/// Plays a fault at drawn places of what bob sends: each of his words is heard by all or by nobody,
/// and he learns from `since` which.
fn lose_what_bob_sends(fault: impl Fn(u64) -> Fault + Sync) {
    with_each_runtime(|start, seed| {
        let mut rng = Rng::with_seed(seed);
        let mut stage = Stage::new(start, &settings());
        for round in 0..PLACES {
            let (room, name) = (format!("room-{round}"), format!("bob-{round}"));
            let network = stage.network(fault(rng.u64(SENT_BY_BOB)), seed);
            stage.enter(&room);
            let mut bob = Bob::join(&network, &room, &name);
            let conn = stage.arrival(&name);
            let say = |number| json!({ "type": "publish", "room": room, "data": [number] });
            // He is cut off in the middle of it.
            let _cut = (1..=MESSAGES).all(|number| bob.raw.try_send(&say(number)));
            let heard = stage.departure(conn);
            assert!(heard < MESSAGES, "he was cut off before the end");
            for place in 1..=heard {
                assert_eq!(number(&stage.ann.expect("message")), place);
            }
            let mut back = stage.come_back(&name, &room, &bob.place(), heard);
            for place in heard + 1..=MESSAGES {
                back.send(&say(place));
                assert_eq!(number(&back.expect("message")), place);
                assert_eq!(number(&stage.ann.expect("message")), place);
            }
        }
        stage.server.shut();
    });
}

#[test]
fn words_that_a_reset_cuts_are_heard_whole_or_not_at_all() {
    lose_what_bob_sends(|after| Fault::Cut { way: Way::Up, after, how: Cut::Reset });
}

#[test]
fn words_that_an_end_cuts_are_heard_whole_or_not_at_all() {
    lose_what_bob_sends(|after| Fault::Cut { way: Way::Up, after, how: Cut::End });
}

#[test]
fn words_of_one_who_is_heard_no_more_are_heard_whole_or_not_at_all() {
    lose_what_bob_sends(|after| Fault::HalfClose { way: Way::Up, after });
}

#[test]
fn who_is_cut_off_before_the_welcome_is_noticed() {
    with_each_runtime(|start, seed| {
        let mut rng = Rng::with_seed(seed);
        let mut settings = settings();
        // His name is free as soon as he is gone.
        settings.hub.presence_linger = Duration::ZERO;
        let mut stage = Stage::new(start, &settings);
        for round in 0..PLACES {
            let (room, name) = (format!("room-{round}"), format!("bob-{round}"));
            // The answer to the upgrade is longer than that.
            let after = rng.u64(1..100);
            let cut = Fault::Cut { way: Way::Down, after, how: Cut::Reset };
            let network = stage.network(cut, seed);
            let mut raw = Raw::connect(network.addr());
            raw.write(
                format!(
                    "GET /ws?room={room}&name={name} HTTP/1.1\r\nHost: localhost\r\n\
                     Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n"
                )
                .as_bytes(),
            );
            network.wait_until_played();
            // The upgrade has begun, so the hub is told of him, and of his end.
            stage.departure(stage.arrival(&name));
            stage.enter(&room);
            stage.speak(&room, 1..=1, "");
            let (again, joined) = Client::join(stage.server.addr, &room, &name);
            assert_eq!((again.user, number(&joined["history"][0])), (name, 1));
        }
        stage.server.shut();
    });
}

/// More than the sockets and the window hold, and less than the log does.
const MANY: u64 = 100;

/// Bob's path stands still, and ann speaks on until he lags.
fn hold(start: Start, settings: &Settings, seed: u64) -> (Stage, Proxy, Bob, ConnId) {
    let mut stage = Stage::new(start, settings);
    let network = stage.network(Fault::Hold { way: Way::Down, after: 700 }, seed);
    stage.enter("lobby");
    let bob = Bob::join(&network, "lobby", "bob");
    let conn = stage.arrival("bob");
    stage.speak("lobby", 1..=MANY, &"x".repeat(8000));
    network.wait_until_played();
    (stage, network, bob, conn)
}

fn with_small_sockets() -> Settings {
    let mut settings = settings();
    settings.wire.sndbuf = 16 * 1024;
    settings
}

#[test]
fn who_stands_still_for_a_while_holds_up_nobody_and_is_given_everything() {
    with_each_runtime(|start, seed| {
        let (mut stage, mut network, mut bob, held) = hold(start, &with_small_sockets(), seed);
        stage.wait_for(
            |note| matches!(note.event, Event::Backlog { conn, bytes: 200_000.. } if conn == held),
        );
        network.go_on();
        bob.read(MANY);
        assert_eq!(bob.given, MANY);
        stage.speak("lobby", MANY + 1..=MANY + 1, "");
        bob.read(MANY + 1);
        assert_eq!(bob.given, MANY + 1);
        stage.server.shut();
    });
}

#[test]
fn who_stands_still_for_good_is_closed_comes_back_and_misses_nothing() {
    with_each_runtime(|start, seed| {
        let mut settings = with_small_sockets();
        settings.hub.write_timeout = Duration::from_secs(1);
        let (mut stage, network, bob, held) = hold(start, &settings, seed);
        stage.wait_for(|note| {
            note.commands.iter().any(|command| {
                matches!(command, Command::Close { conn, code, .. }
                    if *conn == held && *code == CloseCode::SlowConsumer)
            })
        });
        let mut back = stage.come_back("bob", "lobby", &bob.place(), MANY);
        drop((network, bob));
        stage.speak("lobby", MANY + 1..=MANY + 1, "");
        assert_eq!(number(&back.expect("message")), MANY + 1);
        stage.server.shut();
    });
}
