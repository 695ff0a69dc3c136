//! A machine that is no hub: whatever a client says, it is told the same. With it a suite of others
//! judges how the servers speak WebSocket. This file does not know how they do that.

use std::collections::BTreeSet;

use roundtable::{CloseCode, Command, ConnId, Event, Machine, Queue, Recipients, Timestamp};

/// Says again what it is told, to whoever said it.
#[derive(Debug, Default)]
pub struct Echo {
    present: BTreeSet<ConnId>,
}

impl Machine for Echo {
    fn handle(&mut self, _now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        match event {
            Event::Connect { conn, .. } => drop(self.present.insert(conn)),
            Event::Disconnect { conn } => drop(self.present.remove(&conn)),
            Event::Text { conn, text } => {
                commands.push(Command::Send { to: Recipients::One(conn), text: text.into() });
            }
            Event::Drain { .. } => {
                let (code, queue) = (CloseCode::Drain, Queue::Flush);
                let close = |conn| Command::Close { conn, code, queue };
                commands.extend(std::mem::take(&mut self.present).into_iter().map(close));
                commands.push(Command::Drained);
            }
            Event::Binary { .. }
            | Event::Heard { .. }
            | Event::Verified { .. }
            | Event::Backlog { .. }
            | Event::Flushed
            | Event::Tick
            | Event::Admin { .. } => {}
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }
}
