//! The hub's loop. This file does not know sockets, frames or what a machine does with its events.

use std::time::Duration;
use std::vec;

use roundtable::{Command, Event, Machine, RunAhead};
use roundtable_server::Settings;
use roundtable_server::admin::{Question, Told};
use roundtable_server::metrics::Measured;
use smol::channel::{Receiver, Sender, TryRecvError};
use smol::future;
use tracing::info;

use crate::clock::{Alarm, Clock};
use crate::turn::{ShardLost, Shards};

/// A word to the hub's loop that is no event of a peer.
#[derive(Clone, Debug)]
pub(crate) enum Signal {
    /// Somebody wants the server to stop.
    Stop,
    /// A shard has levels to report, outside of a turn.
    Report {
        /// Which one.
        shard: usize,
    },
    /// Somebody asks: the answer is waited for, and has its place.
    Ask(Question, Sender<Told>),
    /// A shard is gone.
    ShardLost,
}

/// What the hub's loop works with.
pub(crate) struct Driver {
    pub(crate) clock: Clock,
    pub(crate) inbox: Inbox,
    pub(crate) shards: Shards,
    pub(crate) limits: Limits,
    pub(crate) run_ahead: RunAhead,
}

/// How much of the machine's work makes a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    events: usize,
    bytes: usize,
}

/// Where events and signals come in.
pub(crate) struct Inbox {
    events: Receiver<Vec<Event>>,
    /// What is left of the events that came last.
    batch: vec::IntoIter<Event>,
    signals: Receiver<Signal>,
    drain_within: Duration,
}

/// What came through the channels, or nothing if all senders are gone.
enum Came {
    Signal(Option<Signal>),
    Events(Option<Vec<Event>>),
}

/// What comes in.
enum Input {
    Event(Event),
    /// This shard takes part in the turn.
    Touch(usize),
    /// This is asked, and begins no turn unless it is to be done.
    Ask(Question, Sender<Told>),
}

impl Driver {
    /// Drives `machine` until it is drained.
    ///
    /// In each turn, while the shards are busy with the one before: some events, each one's commands
    /// collected before the next. When the shards have answered, what has come by then belongs to the
    /// turn, too; so do a `Tick`, if one is due, and the levels that the shards report. Then the
    /// shards get this turn, and the machine its `Flushed`, which covers the turn before. A machine
    /// that wants no run-ahead has its `Flushed` once the shards have answered this turn.
    pub(crate) async fn run(
        &mut self,
        machine: &mut Measured<impl Machine>,
    ) -> Result<(), ShardLost> {
        let mut commands = Vec::new();
        let mut alarm = Alarm::new(self.clock);
        let mut is_drained = false;
        while !is_drained || self.shards.are_busy() {
            let mut turn = self.limits;
            // What the last `Flushed` commanded is the beginning of this turn.
            let is_idle = commands.is_empty() && !self.shards.are_busy() && !is_drained;
            is_drained |= self.carry_out(&mut commands);
            let mut input = loop {
                let came = if is_idle {
                    self.inbox.next(alarm.ring(machine.next_deadline())).await?
                } else {
                    self.next_while_busy().await?
                };
                match came {
                    Some(Input::Ask(question, asker)) if question.event().is_none() => {
                        tell(&asker, question.answer(self.clock.now(), machine));
                    }
                    came => break came,
                }
            };
            while let Some(next) = input {
                match next {
                    Input::Event(event) => {
                        turn.count(&event);
                        if let Event::Connect { conn, .. } = &event {
                            self.shards.connect(*conn);
                        } else if let Event::Disconnect { conn } = &event {
                            self.shards.part(*conn);
                        }
                        machine.handle(self.clock.now(), event, &mut commands);
                        is_drained |= self.carry_out(&mut commands);
                    }
                    Input::Touch(shard) => self.shards.touch(shard),
                    Input::Ask(question, asker) => {
                        let told = question.answer(self.clock.now(), machine);
                        if let Some(event) = question.event() {
                            turn.count(&event);
                            machine.handle(self.clock.now(), event, &mut commands);
                            is_drained |= self.carry_out(&mut commands);
                        }
                        tell(&asker, told);
                    }
                }
                input = if turn.is_over() { None } else { self.next_while_busy().await? };
            }
            let now = self.clock.now();
            if machine.next_deadline().is_some_and(|deadline| deadline <= now) {
                machine.handle(now, Event::Tick, &mut commands);
                is_drained |= self.carry_out(&mut commands);
            }
            if self.run_ahead == RunAhead::Zero {
                machine.commit();
                self.shards.post()?;
            }
            for (conn, bytes) in self.shards.answers().await? {
                machine.handle(self.clock.now(), Event::Backlog { conn, bytes }, &mut commands);
                is_drained |= self.carry_out(&mut commands);
            }
            if self.run_ahead == RunAhead::One {
                machine.commit();
                self.shards.post()?;
            }
            machine.handle(self.clock.now(), Event::Flushed, &mut commands);
        }
        Ok(())
    }

    /// What comes in before the shards have answered, or has come in by then.
    async fn next_while_busy(&mut self) -> Result<Option<Input>, ShardLost> {
        let Self { inbox, shards, .. } = self;
        let input = async { inbox.next_input().await.map(Some) };
        let answered = async { shards.answered().await.map(|()| None) };
        match future::or(input, answered).await? {
            Some(input) => Ok(Some(input)),
            None => inbox.try_next(),
        }
    }

    /// Collects what was commanded. Returns whether the drain is over.
    fn carry_out(&mut self, commands: &mut Vec<Command>) -> bool {
        commands
            .drain(..)
            .fold(false, |is_drained, command| is_drained | self.shards.carry_out(command))
    }
}

fn tell(asker: &Sender<Told>, told: Told) {
    // Whoever asked may have given up.
    let _unheard = asker.try_send(told);
}

impl Limits {
    /// As the settings have them.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { events: settings.hub.turn_events, bytes: settings.hub.turn_bytes }
    }

    fn count(&mut self, event: &Event) {
        self.events = self.events.saturating_sub(1);
        if let Event::Text { text, .. } = event {
            self.bytes = self.bytes.saturating_sub(text.len());
        }
    }

    fn is_over(self) -> bool {
        self.events == 0 || self.bytes == 0
    }
}

impl Inbox {
    pub(crate) fn new(
        events: Receiver<Vec<Event>>,
        signals: Receiver<Signal>,
        drain_within: Duration,
    ) -> Self {
        Self { events, batch: vec::IntoIter::default(), signals, drain_within }
    }

    /// Waits for what comes in, or for the deadline: then it is `None`.
    async fn next(
        &mut self,
        deadline: impl Future<Output = ()>,
    ) -> Result<Option<Input>, ShardLost> {
        let input = async { self.next_input().await.map(Some) };
        let deadline = async {
            deadline.await;
            Ok(None)
        };
        future::or(input, deadline).await
    }

    async fn next_input(&mut self) -> Result<Input, ShardLost> {
        loop {
            if let Some(input) = self.try_next()? {
                return Ok(input);
            }
            let signal = async { Came::Signal(self.signals.recv().await.ok()) };
            let events = async { Came::Events(self.events.recv().await.ok()) };
            match future::or(signal, events).await {
                Came::Signal(signal) => return self.translate(signal),
                Came::Events(events) => self.batch = events.ok_or(ShardLost)?.into_iter(),
            }
        }
    }

    /// What has come in already.
    fn try_next(&mut self) -> Result<Option<Input>, ShardLost> {
        loop {
            if let Ok(signal) = self.signals.try_recv() {
                return self.translate(Some(signal)).map(Some);
            }
            if let Some(event) = self.batch.next() {
                return Ok(Some(Input::Event(event)));
            }
            match self.events.try_recv() {
                Ok(events) => self.batch = events.into_iter(),
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Closed) => return Err(ShardLost),
            }
        }
    }

    fn translate(&self, signal: Option<Signal>) -> Result<Input, ShardLost> {
        match signal {
            Some(Signal::Stop) => {
                info!("draining");
                Ok(Input::Event(Event::Drain { within: self.drain_within }))
            }
            Some(Signal::Report { shard }) => Ok(Input::Touch(shard)),
            Some(Signal::Ask(question, asker)) => Ok(Input::Ask(question, asker)),
            Some(Signal::ShardLost) | None => Err(ShardLost),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::pin::pin;

    use roundtable::{ConnId, Recipients, Timestamp};
    use roundtable_server::binary::Binary;
    use smol::channel::bounded;

    use super::*;
    use crate::turn::{Slot, Turn};

    const CONN: ConnId = ConnId::new(0);

    /// Echoes, and writes down what it is handed.
    struct Echo<'a>(&'a RefCell<Vec<Event>>);

    impl Machine for Echo<'_> {
        fn handle(&mut self, _: Timestamp, event: Event, commands: &mut Vec<Command>) {
            match &event {
                Event::Text { conn, text } => {
                    let to = Recipients::One(*conn);
                    commands.push(Command::Send { to, text: text.as_str().into() });
                }
                Event::Drain { .. } => commands.push(Command::Drained),
                _ => {}
            }
            self.0.borrow_mut().push(event);
        }

        fn next_deadline(&self) -> Option<Timestamp> {
            None
        }
    }

    fn driver(run_ahead: RunAhead) -> (Driver, Slot, Sender<Vec<Event>>, Sender<Signal>) {
        let (shards, mut slots) = Shards::new(1, Binary::default());
        let (events_in, events) = bounded(8);
        let (signals_in, signals) = bounded(8);
        let inbox = Inbox::new(events, signals, Duration::ZERO);
        let limits = Limits { events: 2, bytes: 1000 };
        let driver = Driver { clock: Clock::start(), inbox, shards, limits, run_ahead };
        (driver, slots.remove(0), events_in, signals_in)
    }

    /// How many frames there are, each with one letter.
    fn frames(turn: &Turn) -> usize {
        turn.sends.iter().map(|(_, piece)| piece.len()).sum::<usize>() / roundtable::frame_len(1)
    }

    fn text(text: &str) -> Event {
        Event::Text { conn: CONN, text: text.to_owned() }
    }

    #[test]
    fn flushed_waits_for_the_answer_to_the_turn_before_and_comes_behind_its_backlogs() {
        let heard = RefCell::new(Vec::new());
        let handed = || std::mem::take(&mut *heard.borrow_mut());
        let (mut driver, slot, events, signals) = driver(RunAhead::One);
        let mut echo = Measured::new(Echo(&heard), driver.run_ahead);
        let mut run = pin!(driver.run(&mut echo));
        smol::block_on(async {
            events.send(vec![text("a")]).await.expect("room");
            assert!(future::poll_once(&mut run).await.is_none());
            assert_eq!(handed(), [text("a"), Event::Flushed]);
            let first: Turn = slot.turns.try_recv().expect("the turn is posted");
            assert_eq!(frames(&first), 1);

            // While the shard is busy with that, the next turn fills, and does not come to its end.
            // A turn is two events here; the third begins another one.
            events.send(vec![text("b")]).await.expect("room");
            events.send(vec![text("c"), text("d")]).await.expect("room");
            assert!(future::poll_once(&mut run).await.is_none());
            assert_eq!(handed(), [text("b"), text("c")]);

            let answer = Turn { backlogs: vec![(CONN, 3)], ..Turn::default() };
            slot.answers.try_send(answer).expect("room");
            assert!(future::poll_once(&mut run).await.is_none());
            let backlog = Event::Backlog { conn: CONN, bytes: 3 };
            assert_eq!(handed(), [backlog, Event::Flushed, text("d")]);
            assert_eq!(frames(&slot.turns.try_recv().expect("the turn is posted")), 2);

            slot.answers.try_send(Turn::default()).expect("room");
            assert!(future::poll_once(&mut run).await.is_none());
            assert_eq!(frames(&slot.turns.try_recv().expect("a turn")), 1);

            // Who has something to report takes part in a turn where nothing is sent.
            signals.try_send(Signal::Report { shard: 0 }).expect("room");
            signals.try_send(Signal::Stop).expect("room");
            slot.answers.try_send(Turn::default()).expect("room");
            assert!(future::poll_once(&mut run).await.is_none());
            assert_eq!(frames(&slot.turns.try_recv().expect("a turn")), 0);
            slot.answers.try_send(Turn::default()).expect("room");
            assert!(future::poll_once(&mut run).await.expect("it is drained").is_ok());
        });
    }

    #[test]
    fn without_run_ahead_flushed_waits_for_the_answer_to_its_own_turn() {
        let heard = RefCell::new(Vec::new());
        let handed = || std::mem::take(&mut *heard.borrow_mut());
        let (mut driver, slot, events, _signals) = driver(RunAhead::Zero);
        let mut echo = Measured::new(Echo(&heard), driver.run_ahead);
        let mut run = pin!(driver.run(&mut echo));
        events.try_send(vec![text("a")]).expect("room");
        assert!(smol::block_on(future::poll_once(&mut run)).is_none());
        assert_eq!(handed(), [text("a")]);
        assert_eq!(frames(&slot.turns.try_recv().expect("the turn is posted")), 1);
        slot.answers.try_send(Turn::default()).expect("room");
        assert!(smol::block_on(future::poll_once(&mut run)).is_none());
        assert_eq!(handed(), [Event::Flushed]);
    }

    #[test]
    fn a_question_is_answered_and_begins_no_turn() {
        let heard = RefCell::new(Vec::new());
        let (mut driver, slot, events, signals) = driver(RunAhead::One);
        let mut echo = Measured::new(Echo(&heard), driver.run_ahead);
        let mut run = pin!(driver.run(&mut echo));
        let (asker, told) = bounded(1);
        signals.try_send(Signal::Ask(Question::Metrics, asker)).expect("room");
        assert!(smol::block_on(future::poll_once(&mut run)).is_none());
        let Ok(Told::Metrics(report)) = told.try_recv() else { panic!("no numbers are told") };
        assert!(report.hub.is_none(), "an echo is no hub");
        assert_eq!(report.figures.turns.count(), 0);
        assert!(heard.borrow().is_empty(), "the machine is told {heard:?}");
        assert!(slot.turns.try_recv().is_err(), "the shards are left alone");
        // Nobody may be there any more.
        let (asker, told) = bounded(1);
        drop(told);
        signals.try_send(Signal::Ask(Question::Metrics, asker)).expect("room");
        events.try_send(vec![text("a")]).expect("room");
        assert!(smol::block_on(future::poll_once(&mut run)).is_none());
        assert_eq!(*heard.borrow(), [text("a"), Event::Flushed]);
    }

    #[test]
    fn what_is_to_be_done_is_an_event_of_a_turn() {
        let heard = RefCell::new(Vec::new());
        let (mut driver, slot, _events, signals) = driver(RunAhead::One);
        let mut echo = Measured::new(Echo(&heard), driver.run_ahead);
        let mut run = pin!(driver.run(&mut echo));
        let (asker, told) = bounded(1);
        let kick = Question::Kick { room: None, user: "ann".parse().expect("a name") };
        let event = kick.event().expect("it is to be done");
        signals.try_send(Signal::Ask(kick, asker)).expect("room");
        assert!(smol::block_on(future::poll_once(&mut run)).is_none());
        assert!(matches!(told.try_recv(), Ok(Told::Kicked(0))), "an echo knows nobody");
        assert_eq!(*heard.borrow(), [event, Event::Flushed]);
        assert!(slot.turns.try_recv().is_err(), "no shard takes part");
    }

    #[test]
    fn a_shard_that_is_lost_ends_the_loop() {
        let heard = RefCell::new(Vec::new());
        let (mut driver, slot, events, signals) = driver(RunAhead::One);
        signals.try_send(Signal::ShardLost).expect("room");
        assert!(
            smol::block_on(driver.run(&mut Measured::new(Echo(&heard), RunAhead::One))).is_err()
        );
        drop((slot, events));
    }
}
