//! The simulator: a crowd on a bad network against a hub, for as long as one likes, in no time. The
//! same plan gives the same run, always; a plan that fails is cut down to the steps that it takes.

mod crowd;
mod swarm;

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use fastrand::Rng;
use roundtable::{Config, Hub};

use crate::ORIGIN;
use crate::driver::{Driver, Figures};
use crate::generator::Step;
use crate::invariant::Checked;
use crate::subject::Subject;
use crate::twin::Twin;
use crowd::Crowd;
use swarm::Swarm;

/// What is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What every chance is drawn from.
    pub seed: u64,
    /// How many clients there are.
    pub clients: u16,
    /// How much time passes for them.
    pub span: Duration,
    /// What they are like.
    pub mix: Mix,
    /// Who they are talking to.
    pub hub: Kind,
}

/// What a crowd is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// People who chat.
    Chat,
    /// People on the way, who lose their connections all the time and come back.
    Roam,
    /// Drawn for each run: which faults exist at all, and how often each comes.
    Swarm,
}

impl Mix {
    /// Every mix, by its name.
    pub const ALL: [(&str, Self); 3] =
        [("swarm", Self::Swarm), ("chat", Self::Chat), ("roam", Self::Roam)];
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = Self::ALL.into_iter().find(|(_, mix)| mix == self).expect("all are there");
        f.write_str(name)
    }
}

/// Which hub is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One.
    Single,
    /// One with a [`Twin`].
    Twin,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What happened.
    pub figures: Figures,
    /// How often each invariant was checked.
    pub checked: Checked,
}

/// A run that broke an invariant.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What was broken.
    pub message: String,
    /// The configuration.
    pub config: Config,
    /// What happened, up to the failure.
    pub steps: Vec<Step>,
    hub: Kind,
}

impl Plan {
    fn swarm(&self, rng: &mut Rng) -> Swarm {
        match self.mix {
            Mix::Chat => Swarm::chat(),
            Mix::Roam => Swarm::roam(),
            Mix::Swarm => Swarm::draw(self.clients, rng),
        }
    }

    /// Plays the plan to its end.
    ///
    /// # Errors
    ///
    /// The first broken invariant, with the steps that led to it.
    pub fn run(&self) -> Result<Outcome, Box<Failure>> {
        let crowd = Crowd::new(self);
        let config = crowd.swarm().config.clone();
        let mut played = 0;
        let counted = crowd.inspect(|_| played += 1);
        play(self.hub, &config, counted).map_err(|message| {
            let steps = Crowd::new(self).take(played).collect();
            Box::new(Failure { message, config, steps, hub: self.hub })
        })
    }
}

/// Plays `steps` to a new hub.
fn play(hub: Kind, config: &Config, steps: impl Iterator<Item = Step>) -> Result<Outcome, String> {
    let run = || match hub {
        Kind::Single => play_to(Hub::begin(config.clone(), ORIGIN), config, steps).1,
        Kind::Twin => {
            let (twin, mut outcome) = play_to(Twin::begin(config.clone(), ORIGIN), config, steps);
            outcome.checked.add(&twin.checked);
            outcome
        }
    };
    panic::catch_unwind(AssertUnwindSafe(run)).map_err(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default()
    })
}

fn play_to<M: Subject>(
    subject: M,
    config: &Config,
    steps: impl Iterator<Item = Step>,
) -> (M, Outcome) {
    let mut driver = Driver::new(subject, config.clone(), ());
    for step in steps {
        driver.step(&step);
    }
    driver.settle();
    driver.leave();
    let outcome = Outcome { figures: driver.figures(), checked: driver.checked().clone() };
    (driver.into_parts().0, outcome)
}

impl Failure {
    /// Whether `steps` alone break the same invariant, or fail in the same words.
    fn fails_with(&self, steps: &[Step]) -> Option<String> {
        let kind = |message: &str| message.split([':', '#']).next().map(str::to_owned);
        let message = play(self.hub, &self.config, steps.iter().cloned()).err()?;
        (kind(&message) == kind(&self.message)).then_some(message)
    }

    /// Leaves out steps for as long as the run fails in the same way, and until `enough` says so.
    #[must_use]
    pub fn shrink(mut self, mut enough: impl FnMut() -> bool) -> Self {
        let mut size = self.steps.len().div_ceil(2);
        while size > 0 {
            let before = self.steps.len();
            let mut at = 0;
            while at < self.steps.len() {
                if enough() {
                    return self;
                }
                let end = (at + size).min(self.steps.len());
                let fewer = [&self.steps[..at], &self.steps[end..]].concat();
                match self.fails_with(&fewer) {
                    Some(message) => (self.message, self.steps) = (message, fewer),
                    None => at = end,
                }
            }
            let none_left_out = self.steps.len() == before;
            size = if none_left_out || size > 1 { size / 2 } else { 1 };
        }
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\nunder {:?}\n\nafter these steps:", self.message, self.config)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "  {step:?}"))
    }
}

impl Outcome {
    /// Adds what another run came to.
    pub fn add(&mut self, other: &Self) {
        let (mine, theirs) = (&mut self.figures, &other.figures);
        mine.events += theirs.events;
        mine.deliveries += theirs.deliveries;
        mine.reconnects += theirs.reconnects;
        mine.resumed += theirs.resumed;
        mine.gaps += theirs.gaps;
        mine.closes += theirs.closes;
        mine.restarts += theirs.restarts;
        self.checked.add(&other.checked);
    }
}
