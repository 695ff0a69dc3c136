//! All that a hub is, written down and read back at any moment: what it is from there on, and what is
//! refused. This file does not know what an image holds.

use std::time::Duration;

use proptest::prelude::*;
use roundtable::{
    AddressKey, AdminAction, Auth, Command, Config, ConnId, Event, Greeting, Hub, Image, Peer,
    RestoreError, RoomChoice, Timestamp, Verdict,
};

use crate::ORIGIN;
use crate::clock::Clock;
use crate::driver::{Driver, Observer};
use crate::generator::{Limits, Script, claims};
use crate::strategy::{Readers, scripts};
use crate::subject::Subject as _;
use crate::table::Table;
use crate::twin::anew;

/// What a hub was told until it ended.
#[derive(Default)]
struct Events {
    list: Vec<(Timestamp, Event)>,
    is_over: bool,
}

impl Observer for Events {
    fn observe(&mut self, clock: Clock, event: &Event, _commands: &[Command]) {
        if !self.is_over {
            self.list.push((clock.now, event.clone()));
        }
    }

    fn restarted(&mut self) {
        self.is_over = true;
    }

    fn carried_over(&mut self) {
        self.is_over = true;
    }
}

/// Each of the limits.
pub(crate) fn limits() -> impl Strategy<Value = Limits> {
    prop::sample::select(Limits::ALL.to_vec())
}

/// What a hub is told in a script until it ends.
pub(crate) fn told(limits: Limits, script: &Script) -> Vec<(Timestamp, Event)> {
    let hub = Hub::begin(limits.config(), ORIGIN);
    Driver::new(hub, limits.config(), Events::default()).play(script).1.list
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// An image is taken at a moment of a script, and the hub that is made of it goes through the rest.
    #[test]
    fn a_hub_of_an_image_says_what_the_hub_itself_says(
        (limits, script) in limits().prop_flat_map(|limits| {
            (Just(limits), scripts(limits, Readers::Any, 80))
        }),
        cut in any::<prop::sample::Index>(),
    ) {
        let config = limits.config();
        let events = told(limits, &script);
        let mut hub = Hub::begin(config.clone(), ORIGIN);
        let cut = cut.index(events.len());
        let (before, after) = events.split_at(cut);
        for (now, event) in before {
            hub.handle(*now, event.clone(), &mut Vec::new());
        }
        let image = hub.image();
        let mut again = anew(&config, &image);
        prop_assert_eq!(again.image(), image);
        prop_assert_eq!(again.totals().levels, hub.totals().levels);
        prop_assert!(again.connections().eq(hub.connections()));
        for (now, event) in after {
            let (mut commands, mut of_again) = (Vec::new(), Vec::new());
            hub.handle(*now, event.clone(), &mut commands);
            again.handle(*now, event.clone(), &mut of_again);
            prop_assert_eq!(&of_again, &commands, "{:?}", event);
            prop_assert_eq!(again.next_deadline(), hub.next_deadline());
        }
        prop_assert_eq!(again.image(), hub.image());
    }
}

fn config() -> Config {
    Config { auth: Auth::Optional, ..Config::default() }
}

/// Two who are connected, in a room where something was said, and one who lost the connection; one whose
/// token is being verified while it goes on, and a ban.
fn busy() -> Hub {
    let mut table = Table::new(config());
    for (conn, name) in [(1, "ann"), (2, "bob"), (3, "eve")] {
        table.connect_as(conn, name.parse().ok());
        table.join(conn, "lobby");
    }
    table.say(1, r#"{"type":"publish","room":"lobby","data":1,"key":"k"}"#);
    table.tell(3, Event::Disconnect { conn: ConnId::new(3) });
    let conn = ConnId::new(4);
    let peer = Peer { address: Some(AddressKey::new(4)), ..Peer::default() };
    let greeting = Greeting { room: RoomChoice::None, ..Greeting::default() };
    table.tell(4, Event::Connect { conn, peer, greeting });
    table.say(4, r#"{"type":"hello","token":"eyJ"}"#);
    table.say(4, r#"{"type":"join","room":"lobby"}"#);
    let (room, user) = ("lobby".parse().unwrap(), "mallory".parse().unwrap());
    let span = Duration::from_mins(1);
    table.tell(4, Event::Admin { action: AdminAction::Ban { room, user, span } });
    table.tell(1, Event::Flushed);
    table.tell(1, Event::Backlog { conn: ConnId::new(1), bytes: 10 });
    table.hub
}

#[test]
fn a_configuration_that_is_not_valid_makes_no_hub() {
    let config = Config { tick_work: 0, ..config() };
    let error = Hub::from_image(config, busy().image()).unwrap_err();
    assert!(matches!(&error, RestoreError::Config(_)), "{error}");
}

/// An image that any bytes change is refused, or makes a hub that lives on.
#[test]
fn a_changed_image_is_refused_or_harmless() {
    let whole = postcard::to_allocvec(&busy().image()).unwrap();
    let (mut taken, mut refused) = (0, 0);
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(0..bytes.len());
            bytes[at] = [rng.u8(..), bytes[at].wrapping_add(1), 0, 1, 255][rng.usize(0..5)];
        }
        let image = postcard::from_bytes::<Image>(&bytes).ok();
        let hub = image.and_then(|image| Hub::from_image(config(), image).ok());
        let Some(hub) = hub else {
            refused += 1;
            continue;
        };
        taken += 1;
        live_on(hub);
    }
    assert!(taken > 1000 && refused > 1000, "{taken}, {refused}");
}

/// Everybody talks, is ticked, and leaves.
fn live_on(mut hub: Hub) {
    let mut commands = Vec::new();
    let connections: Vec<_> = hub.connections().collect();
    let mut now = hub.now();
    for connection in &connections {
        let verdict = Verdict::Valid(claims(1, 0, 7).expect("a token"));
        hub.handle(now, Event::Verified { conn: connection.conn, verdict }, &mut commands);
    }
    let texts = [
        r#"{"type":"hello","id":1,"name":"new"}"#,
        r#"{"type":"join","id":2,"room":"lobby"}"#,
        r#"{"type":"publish","id":3,"room":"lobby","data":1,"key":"k"}"#,
        r#"{"type":"history","id":4,"room":"lobby"}"#,
        r#"{"type":"leave","id":5,"room":"lobby"}"#,
    ];
    for text in texts {
        for connection in &connections {
            let text = text.to_owned();
            hub.handle(now, Event::Text { conn: connection.conn, text }, &mut commands);
        }
        hub.handle(now, Event::Flushed, &mut commands);
    }
    for _ in 0..20 {
        let Some(due) = hub.next_deadline() else { break };
        now = now.max(due);
        hub.handle(now, Event::Tick, &mut commands);
    }
    for connection in &connections {
        hub.handle(now, Event::Disconnect { conn: connection.conn }, &mut commands);
    }
    assert_eq!(hub.totals().levels.connections, 0);
    for _ in 0..20 {
        let Some(due) = hub.next_deadline() else { break };
        now = now.max(due);
        hub.handle(now, Event::Tick, &mut commands);
    }
}
