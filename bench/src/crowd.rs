//! Crowds for the benches: hubs with many people in them, and nobody's socket.

#![expect(clippy::missing_panics_doc, reason = "what the crowds ask for is valid")]

use roundtable::{
    Command, Config, ConnId, Event, Greeting, Hub, Origin, Peer, RoomChoice, RunAhead, Timestamp,
};

/// A hub that lets a crowd do what the benches ask of it.
pub fn hub() -> Hub {
    let config = Config {
        max_sessions: 2_000_000,
        max_rooms: 200_000,
        members_per_room: 2_000_000,
        message_burst: 1_000_000_000,
        messages_per_second: 1_000_000_000,
        byte_burst: u32::MAX - 1,
        bytes_per_second: 1_000_000_000,
        run_ahead: RunAhead::Zero,
        ..Config::default()
    };
    let origin = Origin { seed: 1, wall_clock_ms: 1_785_578_400_000 };
    Hub::new(config, origin).expect("a valid configuration")
}

/// When a crowd is [`seat`]ed, and everybody is told who is there.
pub const SEATED: Timestamp = Timestamp::from_millis(1000);

/// Connects `sessions`, spread over `rooms`, and lets them be told of each other; the commands are
/// carried out by nobody.
pub fn seat(hub: &mut Hub, sessions: u64, rooms: u64) {
    let mut commands = Vec::new();
    for number in 0..sessions {
        let room = format!("room {}", number % rooms).parse().expect("a valid name");
        let name = format!("person {number}").parse().expect("a valid name");
        let room = RoomChoice::Named(room);
        let greeting = Greeting { name: Some(name), room, ..Greeting::default() };
        let conn = ConnId::new(number);
        hub.handle(
            Timestamp::ZERO,
            Event::Connect { conn, peer: Peer::default(), greeting },
            &mut commands,
        );
        hub.handle(Timestamp::ZERO, Event::Flushed, &mut commands);
        commands.clear();
    }
    while hub.next_deadline().is_some_and(|at| at <= SEATED) {
        hub.handle(SEATED, Event::Tick, &mut commands);
        hub.handle(SEATED, Event::Flushed, &mut commands);
        commands.clear();
    }
}

/// Lets `conn` say `text`, and ends the turn.
pub fn say(hub: &mut Hub, now: Timestamp, conn: u64, text: &str, commands: &mut Vec<Command>) {
    let text = text.to_owned();
    hub.handle(now, Event::Text { conn: ConnId::new(conn), text }, commands);
    hub.handle(now, Event::Flushed, commands);
}
