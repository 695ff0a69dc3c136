//! What the hub shows to who looks after it, held against what it counts and what it commanded. This
//! file does not know who looks.

use roundtable::{Command, ConnId, Event, Hub, RoomView};

use super::{Driver, Observer};
use crate::invariant::hold;
use crate::subject::Subject;

impl<M: Subject, O: Observer> Driver<M, O> {
    /// Whom it says to have closed are those that it closed, but for one that comes and is turned away.
    pub(super) fn check_closed(&mut self, event: &Event, commands: &[Command]) {
        let Some(hub) = self.machine.hub() else { return };
        let mut shown = hub.closed().iter().map(|of| (of.conn, of.code)).peekable();
        let mut commanded = commands.iter().filter_map(|command| match command {
            Command::Close { conn, code, .. } => Some((*conn, *code)),
            _ => None,
        });
        let is_shown = commanded.all(|close| {
            let comes = matches!(event, Event::Connect { conn, .. } if *conn == close.0);
            shown.next_if_eq(&close).is_some() || comes
        });
        let is_all = is_shown && shown.next().is_none();
        let closed = hub.closed();
        hold!(self.audit.checked, Counted, is_all, "{closed:?} are shown, of {commands:?}");
    }

    /// What it shows of rooms and sessions comes to what it counts.
    pub(super) fn check_views(&mut self) {
        let Some(hub) = self.machine.hub() else { return };
        let levels = hub.totals().levels;
        let rooms = hub.busiest(usize::MAX);
        let is_ranked = rooms.is_sorted_by(|one, next| {
            one.members > next.members || (one.members == next.members && one.name < next.name)
        });
        let sum = |of: fn(&RoomView) -> u64| rooms.iter().map(of).sum::<u64>();
        let shown = [rooms.len() as u64, sum(|room| room.members), sum(|room| room.live)];
        let kept = [sum(|room| room.entries), sum(|room| room.bytes)];
        let is_so = shown == [levels.rooms, levels.members, levels.live]
            && kept == [levels.entries, levels.entry_bytes]
            && is_ranked
            && hub.busiest(2) == rooms[..rooms.len().min(2)];
        hold!(self.audit.checked, Counted, is_so, "{rooms:?} are shown, of {levels:?}");
        let strange = self.sockets.iter().flatten().find_map(|socket| is_strange(hub, socket.conn));
        hold!(self.audit.checked, Counted, strange.is_none(), "{strange:?}");
    }
}

/// What is wrong with what is shown of a connection.
fn is_strange(hub: &Hub, conn: ConnId) -> Option<String> {
    let (session, queued) = (hub.session(conn), hub.queued_for(conn));
    let Some(session) = session else {
        return queued.map(|_| format!("{conn:?} is not shown"));
    };
    let lags = session.rooms.iter().any(|place| !place.live);
    let is_behind_though_live = session.rooms.iter().any(|place| place.live && place.behind > 0);
    let is_so = session.connected
        && session.conn == conn
        && Some(session.queued_bytes) == queued.map(|bytes| bytes as u64)
        && lags == hub.is_lagging(conn)
        && !is_behind_though_live
        && hub.sessions_of(&session.user, usize::MAX).contains(&session);
    (!is_so).then(|| format!("{session:?} is shown, with {queued:?} bytes"))
}
