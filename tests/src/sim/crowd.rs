//! A crowd of clients, each with a habit, as one sequence of steps in virtual time. This file does
//! not know what the hub answers: a client that it has closed comes back with its next step.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use fastrand::Rng;

use super::Plan;
use super::swarm::{Habit, Swarm};
use crate::generator::{
    CROWD_ROOMS, Decision, EpochChoice, Frame, Id, NAMES, Reading, SeqChoice, ShownBy, Since, Step,
};
use crate::odd::ODD;

/// The steps of a plan, in order.
#[derive(Debug)]
pub(super) struct Crowd {
    rng: Rng,
    swarm: Swarm,
    now: Duration,
    until: Duration,
    people: Vec<Person>,
    wakes: BinaryHeap<Reverse<(Duration, Who)>>,
    steps: VecDeque<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Client(u16),
    /// The machine that the hub runs on has a fault.
    Machine,
    /// The hub is started again.
    Start,
}

#[derive(Debug)]
struct Person {
    habit: Habit,
    rooms: &'static [&'static str],
    leaves_at: Duration,
}

impl Crowd {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut rng = Rng::with_seed(plan.seed);
        let swarm = plan.swarm(&mut rng);
        let mut crowd = Self {
            now: Duration::ZERO,
            until: plan.span,
            people: Vec::new(),
            wakes: BinaryHeap::new(),
            steps: VecDeque::new(),
            rng,
            swarm,
        };
        for client in 0..plan.clients {
            crowd.add(client, plan.clients);
        }
        crowd.plan_fault();
        crowd
    }

    pub(super) fn swarm(&self) -> &Swarm {
        &self.swarm
    }

    fn add(&mut self, client: u16, clients: u16) {
        let weights = self.swarm.habits;
        let mut chance = self.rng.u32(0..weights.iter().sum());
        let habit = Habit::ALL.into_iter().zip(weights).find(|(_, weight)| {
            let found = chance < *weight;
            chance = chance.saturating_sub(*weight);
            found
        });
        let habit = habit.expect("the chance is below the sum").0;
        // Everybody is in the lobby and in a room of about ten.
        let rooms = (usize::from(clients) / 10).clamp(1, CROWD_ROOMS.len() / 2);
        let room = 2 * self.rng.usize(0..rooms);
        let rooms = &CROWD_ROOMS[room..room + 2];
        let latency = self.part_of(self.swarm.latency);
        self.steps.push_back(Step::Link { client, latency });
        self.people.push(Person { habit, rooms, leaves_at: Duration::ZERO });
        self.wake_in(self.swarm.every, Who::Client(client));
    }

    /// A span of an exponential distribution: most are short, a few are long.
    fn around(&mut self, mean: Duration) -> Duration {
        let chance = self.rng.u32(1..=1 << 20);
        // -ln(chance) by halving: the same on every platform, which floating point need not be.
        let halvings = 20 - u64::from(chance.ilog2());
        let rest = u64::from((chance << (31 - chance.ilog2())) & 0x7FFF_FFFF);
        let parts = (halvings << 31).saturating_sub(rest);
        let nanos = mean.as_nanos() * u128::from(parts) * 693 / (1000 << 31);
        // Whole microseconds print in few digits.
        Duration::from_micros(u64::try_from(nanos / 1000).unwrap_or(u64::MAX))
    }

    fn part_of(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.rng.u64(0..=most))
    }

    fn wake_in(&mut self, mean: Duration, who: Who) {
        let at = self.now + self.around(mean);
        self.wakes.push(Reverse((at, who)));
    }

    fn plan_fault(&mut self) {
        if let Some(every) = self.swarm.faults {
            self.wake_in(every, Who::Machine);
        }
    }

    fn per_mille(&mut self, odds: u32) -> bool {
        self.rng.u32(0..1000) < odds
    }

    fn machine_fault(&mut self) {
        match self.rng.u8(0..5) {
            0 => self.steps.push_back(Step::Restart),
            2 => self.steps.push_back(Step::CarryOver),
            1 => {
                let within = self.part_of(Duration::from_secs(40));
                self.steps.push_back(Step::Drain { within });
                let down = self.part_of(Duration::from_secs(10));
                self.wakes.push(Reverse((self.now + within + down, Who::Start)));
                return;
            }
            _ => {
                let span = self.part_of(Duration::from_mins(1));
                self.now += span;
                self.steps.push_back(Step::Away(span));
            }
        }
        self.plan_fault();
    }

    fn client_acts(&mut self, client: u16) {
        let rooms = self.people[usize::from(client)].rooms;
        if self.people[usize::from(client)].leaves_at <= self.now {
            self.client_leaves(client);
            return;
        }
        self.steps.push_back(Step::Return { client, rooms });
        self.read(client);
        if self.per_mille(self.swarm.bursts) {
            self.burst();
        }
        let habit = self.people[usize::from(client)].habit;
        let step = match habit {
            Habit::Flooding if self.rng.bool() => self.flood(client),
            Habit::Malformed if self.rng.bool() => {
                let frame = Frame::Odd(ODD[self.rng.usize(..ODD.len())]);
                Step::Send { client, frame }
            }
            Habit::Hostile => self.harm(client),
            _ => {
                let frame = self.frame(rooms);
                Step::Send { client, frame }
            }
        };
        self.steps.push_back(step);
        // Odds of zero draw nothing: the mixes of before stay what they were.
        if self.swarm.moderations > 0 && self.per_mille(self.swarm.moderations) {
            let frame = self.authority(rooms);
            self.steps.push_back(Step::Send { client, frame });
        }
        if self.per_mille(self.swarm.decisions) {
            let decision = self.decision(client, rooms);
            self.steps.push_back(Step::Decide(decision));
        }
        self.wake_in(self.swarm.every, Who::Client(client));
    }

    /// The operator has had enough of somebody, or of something.
    fn decision(&mut self, client: u16, rooms: &[&'static str]) -> Decision {
        let room = rooms[self.rng.usize(..rooms.len())];
        match self.rng.u8(0..6) {
            0 if self.swarm.moderations > 0 => match self.rng.u8(0..4) {
                0 => Decision::RevokeUser { client },
                1 => Decision::RevokeToken { client },
                _ => Decision::Kick { client, room: None },
            },
            0 => Decision::Kick { client, room: None },
            1 => Decision::Kick { client, room: Some(room) },
            2 => Decision::Ban { client, room, span: self.part_of(Duration::from_mins(2)) },
            _ => Decision::Remove { room, behind: self.rng.u8(..8) },
        }
    }

    /// A client does what takes a token, whether it has one that allows it or not, or shows one.
    fn authority(&mut self, rooms: &[&'static str]) -> Frame {
        let id = [Id::Number, Id::Text][self.rng.usize(..2)];
        if self.rng.u8(0..4) == 0 {
            let by = [ShownBy::Hello, ShownBy::Auth, ShownBy::Resume][self.rng.usize(..3)];
            return Frame::Show { id, by };
        }
        let people = u16::try_from(self.people.len()).expect("few people");
        let client = self.rng.u16(0..people);
        Frame::Moderate { id, decision: self.decision(client, rooms) }
    }

    /// A client's stay is over, and a new one is planned.
    fn client_leaves(&mut self, client: u16) {
        let stay = self.around(self.swarm.stay);
        let away = self.around(Duration::from_secs(20));
        let person = &mut self.people[usize::from(client)];
        person.leaves_at = self.now + stay;
        let step = match person.habit {
            Habit::Vanishing => Step::Vanish { client },
            _ if stay.as_micros().is_multiple_of(4) => Step::Send { client, frame: Frame::Bye },
            _ => Step::Disconnect { client },
        };
        self.steps.push_back(step);
        self.wakes.push(Reverse((self.now + away, Who::Client(client))));
    }

    /// How the client reads: its habit belongs to each of its connections.
    fn read(&mut self, client: u16) {
        let reading = match self.people[usize::from(client)].habit {
            Habit::Slow => Reading::Slow { bytes_per_second: 20 << self.rng.u32(0..8) },
            Habit::Never => Reading::Stopped,
            Habit::Mute => Reading::Mute,
            Habit::Prompt
            | Habit::Vanishing
            | Habit::Flooding
            | Habit::Malformed
            | Habit::Hostile => return,
        };
        self.steps.push_back(Step::Reads { client, reading });
        if reading == Reading::Stopped && self.rng.bool() {
            let bytes = self.rng.usize(..10_000);
            self.steps.push_back(Step::Take { client, bytes });
        }
    }

    /// Many have something to say at the same moment.
    fn burst(&mut self) {
        for _ in 0..self.rng.usize(1..=self.people.len()) {
            let index = self.rng.usize(..self.people.len());
            let client = u16::try_from(index).expect("a client");
            let frame = self.frame(self.people[index].rooms);
            self.steps.push_back(Step::Send { client, frame });
        }
    }

    fn flood(&mut self, client: u16) -> Step {
        let rooms = self.people[usize::from(client)].rooms;
        let frame = self.frame(rooms);
        Step::Burst { client, frame, times: self.rng.u8(1..200) }
    }

    fn harm(&mut self, client: u16) -> Step {
        let rooms = self.people[usize::from(client)].rooms;
        match self.rng.u8(0..10) {
            0 => Step::Binary { client },
            1 => Step::Vanish { client },
            2 => Step::Disconnect { client },
            3 => Step::Reads { client, reading: Reading::Stopped },
            4 => Step::Reads { client, reading: Reading::Mute },
            5 => self.flood(client),
            6 => {
                let room = rooms[0];
                let most = 1 << self.rng.u32(5..16);
                let letters = self.rng.usize(..most);
                Step::Send { client, frame: Frame::Publish { id: Id::Number, room, letters } }
            }
            7 => Step::Heard { client },
            _ => {
                let frame = Frame::Odd(ODD[self.rng.usize(..ODD.len())]);
                Step::Send { client, frame }
            }
        }
    }

    fn frame(&mut self, rooms: &[&'static str]) -> Frame {
        let id = [Id::Number, Id::Number, Id::None, Id::Text][self.rng.usize(..4)];
        let room = rooms[usize::from(self.per_mille(self.swarm.lobby))];
        if !self.per_mille(self.swarm.else_than_talk) {
            if self.rng.u8(0..8) == 0 {
                let (key, letters) = (self.rng.u8(0..8), self.rng.usize(..3));
                return Frame::Keyed { id, room, key, letters };
            }
            let letters = self.rng.usize(..self.swarm.letters);
            return Frame::Publish { id, room, letters };
        }
        match self.rng.u8(0..10) {
            8 => Frame::Presence { id, room },
            9 => Frame::Signal { id, room, letters: self.rng.usize(..40) },
            0 => Frame::Leave { id, room },
            1 => Frame::Ping { id },
            2 => Frame::Plain { letters: self.rng.usize(..60) },
            3 => Frame::Hello { id, name: NAMES[self.rng.usize(..NAMES.len())] },
            4 | 5 => {
                let limit = self.rng.bool().then(|| self.rng.u16(1..300));
                Frame::History { id, room, before: self.since(), limit }
            }
            _ => {
                let echo = self.rng.bool().then(|| self.rng.bool());
                Frame::Join { id, room, since: self.since(), echo }
            }
        }
    }

    fn since(&mut self) -> Option<Since> {
        let epoch = match self.rng.u8(0..8) {
            0 => EpochChoice::Before,
            1 => EpochChoice::Foreign,
            2 => EpochChoice::Last,
            _ => EpochChoice::Seen,
        };
        let seq = match self.rng.u8(0..8) {
            0 => SeqChoice::Zero,
            1 => SeqChoice::Ahead(self.rng.u8(..)),
            2 | 3 => SeqChoice::Behind(self.rng.u8(..)),
            _ => SeqChoice::Seen,
        };
        self.rng.bool().then_some(Since { epoch, seq })
    }
}

impl Iterator for Crowd {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        while self.steps.is_empty() {
            let Reverse((at, who)) = self.wakes.pop()?;
            if at > self.until {
                return None;
            }
            let wait = at.saturating_sub(self.now);
            if !wait.is_zero() {
                self.steps.push_back(Step::Wait(wait));
                self.now = at;
            }
            match who {
                Who::Client(client) => self.client_acts(client),
                Who::Machine => self.machine_fault(),
                Who::Start => {
                    let starts = [Step::Restart, Step::CarryOver];
                    let start = starts[self.rng.usize(0..starts.len())].clone();
                    self.steps.push_back(start);
                    self.plan_fault();
                }
            }
        }
        self.steps.pop_front()
    }
}
