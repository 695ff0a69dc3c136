//! Where one direction of a connection is, and what is done to it there. This file does not know a
//! socket.

use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;

use super::{Fault, Path, Way};

/// Where one direction is, and where something is done to it.
pub(super) struct Course {
    rng: Rng,
    position: u64,
    /// Where the fault is played, once.
    place: Option<u64>,
    /// Where the piece ends that is being written.
    cut: u64,
    /// Where pieces are cut.
    stretch: Range<u64>,
    /// The longest piece.
    most: u64,
    /// The longest time that a piece is held back.
    hold: Duration,
}

impl Course {
    pub(super) fn new(path: &Path, own: Way, number: u64) -> Self {
        let way_number = u64::from(own == Way::Down);
        let mut rng = Rng::with_seed(path.seed ^ (2 * number + way_number).rotate_right(16));
        let mut course = Self {
            rng: rng.fork(),
            position: 0,
            place: None,
            cut: 0,
            stretch: 0..0,
            most: 1,
            hold: Duration::ZERO,
        };
        match &path.fault {
            Fault::None => {}
            Fault::Pieces { most, hold, up, down } => {
                let stretch = if own == Way::Up { up } else { down };
                course.stretch = stretch.clone();
                (course.most, course.hold) = (*most, *hold);
            }
            Fault::Stall { within, .. } => course.place = Some(rng.u64(..=*within)),
            Fault::Hold { way, after }
            | Fault::Cut { way, after, .. }
            | Fault::HalfClose { way, after } => course.place = (*way == own).then_some(*after),
        }
        course
    }

    /// Whether the fault is due here; only once.
    pub(super) fn has_arrived(&mut self) -> bool {
        self.place.take_if(|place| *place == self.position).is_some()
    }

    /// How many bytes lie before the fault.
    pub(super) fn to_its_place(&self) -> usize {
        let left = self.place.map_or(u64::MAX, |place| place - self.position);
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// The length of the next piece, of so many bytes that are there: to the next cut, where all of
    /// it is there.
    pub(super) fn piece(&mut self, there: usize) -> usize {
        if self.cut == self.position {
            self.cut = if self.position < self.stretch.start {
                self.stretch.start
            } else if self.stretch.contains(&self.position) {
                self.position.saturating_add(self.rng.u64(1..=self.most))
            } else {
                u64::MAX
            };
        }
        let whole = usize::try_from(self.cut - self.position).unwrap_or(usize::MAX);
        let len = whole.min(there);
        self.position += len as u64;
        len
    }

    /// How long the piece waits. It is drawn apart from the cuts: how many pieces there are depends
    /// on the reads.
    pub(super) fn held_back(&self) -> Duration {
        self.hold.mul_f64(fastrand::f64())
    }
}
