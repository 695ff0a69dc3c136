//! One shard: a thread that owns the reading and the writing of its sockets. This file does not know
//! what is said on them, and leaves the reading to [`reader`](crate::reader).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use roundtable::{CloseCode, ConnId, Event, Queue, Timestamp, Verdict};
use roundtable_server::{Frame, Input, frame};
use smol::channel::{Receiver, Sender, bounded};
use smol::{LocalExecutor, Timer, future};
use tracing::debug;

use crate::Shared;
use crate::accept::{Acceptor, Admitted, accept};
use crate::batch::Batch;
use crate::clock::timer;
use crate::conn::Conn;
use crate::deliveries::Deliveries;
use crate::driver::Signal;
use crate::reader;
use crate::stream::{Buffers, Stream, Taken};
use crate::table::{Table, shard_of};
use crate::turn::{Slot, Turn};

/// What a shard's thread is started with.
pub(crate) struct Start {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) slot: Slot,
    /// For one of the shards.
    pub(crate) acceptor: Option<Acceptor>,
    pub(crate) admitted: Receiver<Admitted>,
    pub(crate) batch: Batch,
    pub(crate) events: Sender<Vec<Event>>,
    pub(crate) signals: Sender<Signal>,
}

/// What the tasks of one shard share. It stays on its thread.
pub(crate) struct Shard {
    pub(crate) shared: Arc<Shared>,
    /// What is on its way to the hub.
    pub(crate) batch: Batch,
    /// Inputs on their way, taken while there are some.
    pub(crate) inputs: Cell<Vec<Input>>,
    index: usize,
    /// Weak, since the executor owns the tasks and the tasks share this.
    executor: Weak<LocalExecutor<'static>>,
    table: RefCell<Table<Rc<Conn>>>,
    /// The read buffers of all connections.
    buffers: RefCell<Buffers>,
    /// Those with a level that the hub has not been told yet.
    untold: RefCell<Vec<ConnId>>,
    signals: Sender<Signal>,
    /// Whether the hub knows that there are levels to report.
    is_rung: Cell<bool>,
    /// Told when the last connection has ended.
    emptied: Sender<()>,
    /// Those that wait to say their last word until the machine has said its own.
    parting: RefCell<BTreeMap<ConnId, Sender<()>>>,
}

/// Tells the hub's loop when a shard panics.
struct Alarm(Sender<Signal>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // If the loop is gone, nobody needs to know.
            let _loop_is_gone = self.0.try_send(Signal::ShardLost);
        }
    }
}

/// The life of a shard's thread: it ends when the hub's loop is over and all connections have ended.
pub(crate) fn run(start: Start) {
    let _alarm = Alarm(start.signals.clone());
    let executor = Rc::new(LocalExecutor::new());
    let (emptied, last_left) = bounded(1);
    let close_timeout = start.shared.settings.wire.close_timeout;
    let shard = Rc::new(Shard {
        inputs: Cell::default(),
        index: start.index,
        executor: Rc::downgrade(&executor),
        table: RefCell::new(Table::new(start.index)),
        buffers: Buffers::new(start.shared.settings.wire.read_budget).into(),
        untold: RefCell::default(),
        batch: start.batch,
        signals: start.signals,
        is_rung: Cell::new(false),
        emptied,
        parting: RefCell::default(),
        shared: start.shared,
    });
    smol::block_on(executor.run(async {
        let accepting = start.acceptor.map(|acceptor| {
            let own = Rc::clone(&shard);
            executor.spawn(async move { accept(acceptor, &own.shared).await })
        });
        let passing = Rc::clone(&shard);
        shard.spawn(async move { passing.batch.pass_on(&start.events).await });
        let admitting = executor.spawn(Rc::clone(&shard).admit(start.admitted));
        shard.take_turns(start.slot).await;
        if let Some(accepting) = accepting {
            accepting.cancel().await;
        }
        admitting.cancel().await;
        if !shard.shared.is_drained.load(Ordering::Relaxed) {
            return;
        }
        let all_left =
            async { while !shard.table.borrow().is_empty() && last_left.recv().await.is_ok() {} };
        let too_long = async {
            Timer::after(close_timeout).await;
        };
        future::or(all_left, too_long).await;
    }));
}

impl Shard {
    /// Gives each accepted socket a task.
    async fn admit(self: Rc<Self>, admitted: Receiver<Admitted>) {
        while let Ok(admitted) = admitted.recv().await {
            self.spawn(reader::serve(Rc::clone(&self), admitted));
        }
    }

    /// What is to be awaited once the machine is told of the connection's end: until then it may
    /// answer what the peer said before.
    pub(crate) fn parting(&self, conn: ConnId) -> Receiver<()> {
        let (told, parted) = bounded(1);
        self.parting.borrow_mut().insert(conn, told);
        parted
    }

    /// Carries out the hub's turns until its loop is over.
    async fn take_turns(self: &Rc<Self>, slot: Slot) {
        let mut deliveries = Deliveries::default();
        while let Ok(mut turn) = slot.turns.recv().await {
            self.carry_out(&mut turn, &mut deliveries);
            // What those that the turn reached have said to it belongs to the next one: first the
            // system tells of it, then their readers run.
            future::yield_now().await;
            future::yield_now().await;
            if slot.answers.try_send(turn).is_err() {
                return;
            }
        }
    }

    /// One turn: each connection that it touches gets its frames in one write.
    fn carry_out(self: &Rc<Self>, turn: &mut Turn, deliveries: &mut Deliveries) {
        let now = self.shared.clock.now();
        for (conn, answer) in turn.refusals.drain(..) {
            self.refuse(conn, answer);
        }
        for (piece, (to, _)) in turn.sends.iter().enumerate() {
            let table = self.table.borrow();
            let own = to.iter().filter(|conn| shard_of(*conn) == self.index);
            own.filter(|conn| table.get(*conn).is_some())
                .for_each(|conn| deliveries.add(conn, piece));
        }
        for id in deliveries.conns() {
            if let Some(conn) = self.table.borrow().get(*id) {
                conn.offer(deliveries.of(*id).map(|piece| &turn.sends[piece].1));
                self.note_level(conn, now);
                self.flush_later(conn);
            }
        }
        deliveries.clear();
        turn.sends.clear();
        for conn in turn.connects.drain(..) {
            if let Some(conn) = self.table.borrow().get(conn) {
                conn.admit();
                self.flush_later(conn);
            }
        }
        for conn in turn.partings.drain(..) {
            // Dropping the sender wakes whoever waits for it.
            self.parting.borrow_mut().remove(&conn);
        }
        for (conn, token) in turn.tokens.drain(..) {
            self.spawn(Rc::clone(self).verify(conn, token));
        }
        for (conn, code, queue) in turn.closes.drain(..) {
            self.close(conn, code, queue);
        }
        self.is_rung.set(false);
        turn.backlogs.extend(self.untold.take().into_iter().filter_map(|conn| {
            let level = self.table.borrow().get(conn)?.take_level()?;
            Some((conn, level))
        }));
    }

    /// Verifies a token, in a task of its own: the others of this shard have their turns between one
    /// signature and the next.
    async fn verify(self: Rc<Self>, conn: ConnId, token: Box<str>) {
        let Some(conn) = self.table.borrow().get(conn).map(Rc::clone) else { return };
        // Without keys nobody is believed.
        let tokens = self.shared.tokens.as_ref();
        let verdict =
            tokens.map_or(Verdict::Invalid, |tokens| tokens.verify(Some(conn.id), &token));
        if let Some(room) = reader::tell(&self, &conn, Event::Verified { conn: conn.id, verdict }) {
            room.await;
        }
    }

    /// Closes a connection for the hub, which has forgotten it: its reader waits for the peer's
    /// answer, but not for long.
    fn close(self: &Rc<Self>, conn: ConnId, code: CloseCode, queue: Queue) {
        let Some(conn) = self.table.borrow().get(conn).map(Rc::clone) else { return };
        debug!(conn = conn.id.get(), code = code.number(), reason = code.reason(), "closed");
        conn.forget();
        conn.close(queue, frame::close(code));
        self.flush_later(&conn);
        self.end_soon(&conn);
    }

    /// Answers an upgrade that the hub refuses: its reader waits for the peer to end the connection,
    /// but not for long.
    fn refuse(self: &Rc<Self>, conn: ConnId, answer: Vec<u8>) {
        let Some(conn) = self.table.borrow().get(conn).map(Rc::clone) else { return };
        conn.refuse(answer);
        self.flush_later(&conn);
        self.end_soon(&conn);
    }

    /// Ends a connection that has not ended by itself when its time is over.
    fn end_soon(&self, conn: &Rc<Conn>) {
        let close_timeout = self.shared.settings.wire.close_timeout;
        let conn = Rc::downgrade(conn);
        self.spawn(async move {
            Timer::after(close_timeout).await;
            if let Some(conn) = conn.upgrade() {
                conn.shut_down();
            }
        });
    }

    /// Takes in a connection whose upgrade is granted, if the hub does not refuse it, with the answer
    /// that says so.
    pub(crate) fn seat(self: &Rc<Self>, stream: Stream, head: Vec<u8>) -> Seat {
        let mut table = self.table.borrow_mut();
        let id = table.insert(|id| Rc::new(Conn::new(id, stream, head)));
        let conn = Rc::clone(table.get(id).expect("it was put in"));
        Seat { shard: Rc::clone(self), conn }
    }

    /// Reads once from a socket, within the read budget. No more than this holds the buffers.
    pub(crate) fn read(&self, stream: &Stream, take: impl FnOnce(&[u8])) -> io::Result<Taken> {
        let read = stream.read(&mut self.buffers.borrow_mut(), take);
        read.inspect_err(|error| self.shared.edge.reading_failed(error))
    }

    /// Reads once, and no more than `most` bytes, what stands before all else.
    pub(crate) fn read_preface(
        &self,
        stream: &Stream,
        most: usize,
        take: impl FnOnce(&[u8]),
    ) -> io::Result<Taken> {
        stream.read_preface(&mut self.buffers.borrow_mut(), most, take)
    }

    /// Answers a ping.
    pub(crate) fn answer_ping(self: &Rc<Self>, conn: &Rc<Conn>, pong: Frame) {
        conn.answer_ping(pong);
        self.flush_later(conn);
    }

    /// Notes a level that the hub must be told.
    fn note_level(&self, conn: &Conn, now: Timestamp) -> bool {
        let backlog = conn.backlog();
        let window = self.shared.settings.hub.window_bytes;
        debug_assert!(backlog <= window, "{backlog} bytes are queued, the window is {window}");
        let is_noted = conn.note_level(now);
        if is_noted {
            self.untold.borrow_mut().push(conn.id);
        }
        is_noted
    }

    /// Starts a task that waits for the socket, if it is full and none is there yet.
    pub(crate) fn flush_later(self: &Rc<Self>, conn: &Rc<Conn>) {
        if conn.wants_waiting() {
            self.spawn(Rc::clone(self).write_on(Rc::clone(conn)));
        }
    }

    /// Writes whenever the socket takes something, until nothing is queued.
    async fn write_on(self: Rc<Self>, conn: Rc<Conn>) {
        loop {
            if self.note_level(&conn, self.shared.clock.now()) && !self.is_rung.replace(true) {
                // There is room for one of each shard; if the loop is gone, nobody needs to know.
                let _loop_is_gone = self.signals.try_send(Signal::Report { shard: self.index });
            }
            // After the level, since the answer to a ping may have taken the rest along.
            if conn.is_flushed() {
                break;
            }
            let writable = async {
                if conn.stream.socket.writable().await.is_err() {
                    conn.shut_down();
                }
            };
            let report = async {
                timer(self.shared.clock, conn.next_report()).await;
            };
            future::or(writable, report).await;
            conn.flush();
        }
        conn.ends_waiting();
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        // Without an executor the thread is about to end, and so are its tasks.
        if let Some(executor) = self.executor.upgrade() {
            executor.spawn(task).detach();
        }
    }
}

/// A connection's place in its shard, given up when it is dropped.
pub(crate) struct Seat {
    shard: Rc<Shard>,
    pub(crate) conn: Rc<Conn>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Where nobody else waits for it, the socket is about to be closed.
        if self.conn.is_awaited() {
            self.conn.shut_down();
        }
        let mut table = self.shard.table.borrow_mut();
        table.remove(self.conn.id);
        if table.is_empty() {
            // If it is full, the word is out already.
            let _is_told = self.shard.emptied.try_send(());
        }
    }
}
