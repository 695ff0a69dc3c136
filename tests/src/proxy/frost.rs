//! What of a network stands still, by the numbers of its connections. This file does not know what
//! would pass.

use std::cell::RefCell;
use std::convert::Infallible;

use smol::channel;

/// What passes at all, whatever the fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// All of it.
    Everything,
    /// What has come through the proxy before stands still, and what comes later does not.
    WhatIsNew,
    /// None of it.
    Nothing,
}

/// What stands still, if anything does.
#[derive(Debug, Default)]
pub(super) struct Frost(RefCell<Option<Frozen>>);

#[derive(Debug)]
struct Frozen {
    /// The number of the first connection that does not stand still.
    end: u64,
    /// All go on once this is gone.
    _hold: channel::Sender<Infallible>,
    gate: channel::Receiver<Infallible>,
}

impl Frost {
    /// Lets this pass from now on, and nothing else; `accepted` connections have come so far.
    pub(super) fn set(&self, flow: Flow, accepted: u64) {
        let mut frozen = self.0.borrow_mut();
        let end = match flow {
            Flow::Everything => return *frozen = None,
            Flow::WhatIsNew => accepted,
            Flow::Nothing => u64::MAX,
        };
        if let Some(frozen) = &mut *frozen {
            frozen.end = end;
        } else {
            let (hold, gate) = channel::bounded(1);
            *frozen = Some(Frozen { end, _hold: hold, gate });
        }
    }

    /// Waits while a connection stands still.
    pub(super) async fn is_over(&self, number: u64) {
        let gate = |frozen: &Frozen| (number < frozen.end).then(|| frozen.gate.clone());
        loop {
            let Some(gate) = self.0.borrow().as_ref().and_then(gate) else { break };
            let _gone_on = gate.recv().await;
        }
    }
}
