//! Bytes as what a hub kept. This file does not know what a snapshot must hold; it asks the hub, and
//! lives on with it.

use roundtable::{
    AfterDrain, Command, Config, ConnId, Entropy, Event, Framing, Greeting, Hub, Peer, RoomChoice,
    Snapshot, Ticket, Timestamp,
};
use serde_json::{Value, json};

/// More timers than a small snapshot sets.
const MOST_TICKS: usize = 300;

/// Restores a hub, if it can be restored, and lives on with it. Returns whether it could.
///
/// # Panics
///
/// If a hub that was restored cannot live, or keeps something else than it was given.
pub(crate) fn restored(bytes: &[u8]) -> bool {
    let Ok(snapshot) = serde_json::from_slice::<Snapshot>(bytes) else { return false };
    let config = Config { after_drain: AfterDrain::Wait, tick_work: 16, ..Config::default() };
    let Ok(mut hub) = Hub::restore(config.clone(), snapshot) else { return false };
    let kept = hub.snapshot(hub.now());
    let again = Hub::restore(config, kept.clone()).expect("what a hub has made");
    assert!(again.snapshot(again.now()) == kept, "it is not what it was: {kept:?}");
    let value = serde_json::to_value(&kept).expect("plain data");
    let mut guests = Guests { hub: &mut hub, count: 0 };
    for session in list(&value["sessions"]) {
        guests.come_back(session);
    }
    for room in list(&value["rooms"]) {
        guests.talk_in(&room["name"]);
    }
    guests.leave();
    let mut now = hub.now();
    for _ in 0..MOST_TICKS {
        let Some(due) = hub.next_deadline() else {
            assert!(hub.is_clean(), "something is left: {hub:?}");
            break;
        };
        now = now.max(due);
        hub.handle(now, Event::Tick, &mut Vec::new());
    }
    true
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Those who come to a hub that was restored.
struct Guests<'a> {
    hub: &'a mut Hub,
    count: u64,
}

impl Guests<'_> {
    fn hand(&mut self, event: Event) -> Vec<Command> {
        let (mut commands, now): (_, Timestamp) = (Vec::new(), self.hub.now());
        self.hub.handle(now, event, &mut commands);
        commands
    }

    fn connect(&mut self) -> ConnId {
        let conn = ConnId::new(self.count);
        self.count += 1;
        let room = RoomChoice::None;
        let greeting = Greeting { name: None, room, framing: Framing::Strict };
        self.hand(Event::Connect { conn, peer: Peer::default(), greeting });
        conn
    }

    fn say(&mut self, conn: ConnId, frame: &Value) {
        self.hand(Event::Text { conn, text: frame.to_string() });
    }

    fn come_back(&mut self, session: &Value) {
        let place = session["slot"].as_u64().and_then(|slot| u32::try_from(slot).ok());
        let secret: Option<Entropy> = serde_json::from_value(session["secret"].clone()).ok();
        let (place, secret) = place.zip(secret).expect("what a hub has made");
        let conn = self.connect();
        let ticket = Ticket { place, secret }.to_string();
        self.say(conn, &json!({ "type": "hello", "id": 1, "resume": ticket }));
    }

    fn talk_in(&mut self, room: &Value) {
        let conn = self.connect();
        self.say(conn, &json!({ "type": "join", "id": 1, "room": room }));
        self.say(conn, &json!({ "type": "history", "id": 2, "room": room }));
        self.say(conn, &json!({ "type": "publish", "id": 3, "room": room, "data": 1, "key": "k" }));
        self.hand(Event::Flushed);
    }

    fn leave(&mut self) {
        for conn in (0..self.count).map(ConnId::new) {
            self.hand(Event::Disconnect { conn });
        }
    }
}
