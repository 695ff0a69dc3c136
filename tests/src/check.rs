//! Everything that a script can be checked for, in one call. This file does not know where scripts
//! come from.

use roundtable::Origin;

use crate::compare::Compare;
use crate::driver::Driver;
use crate::generator::{Limits, Reading, Script, Step};
use crate::subject::Subject as _;
use crate::twin::Twin;

/// Where the time and the chances of every checked hub begin.
pub const ORIGIN: Origin = Origin { seed: 7, wall_clock_ms: 1_785_578_400_000 };

/// Plays `script` to a new hub, and holds it to its contract and its protocol; where nobody lags,
/// also to the reference.
///
/// # Panics
///
/// If the hub breaks a promise.
pub fn check(script: &Script) {
    let config = script.limits.config();
    let hub = Twin::begin(config.clone(), ORIGIN);
    if nobody_lags(script) {
        let compare = Compare::new(config.clone(), ORIGIN.wall_clock_ms);
        Driver::new(hub, config, compare).play(script);
    } else {
        Driver::new(hub, config, ()).play(script);
    }
}

/// Whether everybody takes everything at once, and the windows are wide enough for it.
pub fn nobody_lags(script: &Script) -> bool {
    let stops = |step: &Step| match step {
        Step::Reads { reading, .. } => matches!(reading, Reading::Stopped | Reading::Slow { .. }),
        Step::Vanish { .. } => true,
        _ => false,
    };
    let is_wide = match script.limits {
        Limits::Default | Limits::Roomy | Limits::RoomyGuarded | Limits::RoomyLocked => true,
        Limits::Tiny | Limits::TinyBehind | Limits::Guarded => false,
    };
    is_wide && !script.steps.iter().any(stops)
}
