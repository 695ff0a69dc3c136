//! What a session goes by: what its token says, or that it must still show one. This file does not
//! know who verifies tokens, nor what is done without one.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::claims::Claims;
use crate::time::Timestamp;

/// What a session goes by, and its timer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Credential {
    pub(crate) proof: Proof,
    /// When its timer is set to fire.
    pub(crate) armed: Option<Timestamp>,
}

/// How a session shows who it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Proof {
    /// It must show a token until then, by the clock of waking hours.
    Owed { until: Timestamp },
    /// By a verified token.
    Token { claims: Box<Claims>, notice: Notice },
}

/// Whether a client was told that its token has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Notice {
    /// Not so far.
    Due,
    /// It was.
    Given,
}

impl Credential {
    pub(crate) fn new(proof: Proof) -> Self {
        Self { proof, armed: None }
    }

    /// What the token says, if one was shown.
    pub(crate) fn claims(&self) -> Option<&Claims> {
        match &self.proof {
            Proof::Owed { .. } => None,
            Proof::Token { claims, .. } => Some(claims),
        }
    }
}

/// The frames of a client while its token is verified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    /// The one that brought the token.
    pub(crate) first: Box<str>,
    /// Those that came behind it.
    pub(crate) rest: VecDeque<Box<str>>,
    /// What they have, in bytes.
    pub(crate) bytes: usize,
}

impl Waiting {
    pub(crate) fn new(first: &str) -> Self {
        Self { first: first.into(), rest: VecDeque::new(), bytes: 0 }
    }

    /// Whether it counts the bytes that it has.
    pub(crate) fn is_sound(&self) -> bool {
        self.bytes == self.rest.iter().map(|text| text.len()).sum::<usize>()
    }

    pub(crate) fn push(&mut self, text: Box<str>) {
        self.bytes += text.len();
        self.rest.push_back(text);
    }
}
