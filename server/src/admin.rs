//! What operators ask of a running server, and what they are told. A question goes to the owner of the
//! machine, who answers it with plain values and waits for nobody; others write them down.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use ring::hmac;
use ring::rand::SystemRandom;
use roundtable::{Hub, Machine, Switch, Timestamp, Totals};

use crate::door::AdminDoor;
use crate::metrics::{Figures, Measured};

/// The shortest token that operators may show, in bytes.
const LEAST_TOKEN_BYTES: usize = 16;

/// Where operators ask, and what answers them.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What answers requests.
    pub door: AdminDoor,
}

/// What the owner of a machine is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The numbers of the hub, and of the loop that drives it.
    Metrics,
    /// That a recording begins.
    StartRecording,
    /// That the recording ends.
    StopRecording,
}

/// What the owner of a machine tells.
#[derive(Clone, Debug)]
pub enum Told {
    /// The answer to [`Question::Metrics`].
    Metrics(Box<Report>),
    /// The answer to the others: what the recording is called that has begun or ended, or why none has.
    Recording(Result<String, String>),
}

/// Numbers, as they are at a moment.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Those of the hub, where the machine has one.
    pub hub: Option<Totals>,
    /// Those of the loop that drives it.
    pub figures: Figures,
    /// What the recording is called that is being made, if one is.
    pub recording: Option<String>,
}

impl Question {
    /// What the owner of `machine` tells: O(1), whoever is connected; but a recording begins with all
    /// that the hub is.
    pub fn answer(self, now: Timestamp, machine: &mut Measured<impl Machine>) -> Told {
        match self {
            Self::Metrics => Told::Metrics(Box::new(Report {
                hub: machine.hub().map(Hub::totals),
                figures: machine.figures().clone(),
                recording: machine.recording(),
            })),
            Self::StartRecording => Told::Recording(machine.record(now, Switch::On)),
            Self::StopRecording => Told::Recording(machine.record(now, Switch::Off)),
        }
    }
}

/// The secret that operators show. It is not kept: what is kept tells only whether another is the same,
/// and takes equally long for all that are not.
#[derive(Clone)]
pub struct AdminToken {
    key: hmac::Key,
    tag: hmac::Tag,
}

impl AdminToken {
    /// The token in a file, without the white space around it.
    ///
    /// # Errors
    ///
    /// One line that names the file and says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let fault =
            |why: &dyn fmt::Display| format!("--admin-token-file {}: {why}", path.display());
        let text = fs::read_to_string(path).map_err(|error| fault(&error))?;
        Self::new(text.trim()).map_err(|why| fault(&why))
    }

    /// A token.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn new(token: &str) -> Result<Self, &'static str> {
        if token.len() < LEAST_TOKEN_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("must hold a token of 16 or more visible ASCII characters");
        }
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let key = key.map_err(|_| "the system gives no random bytes")?;
        let tag = hmac::sign(&key, token.as_bytes());
        Ok(Self { key, tag })
    }

    /// Whether `shown` is the token.
    pub fn is(&self, shown: &str) -> bool {
        hmac::verify(&self.key, shown.as_bytes(), self.tag.as_ref()).is_ok()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken")
    }
}
