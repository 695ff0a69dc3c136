//! What a server does about tokens: it verifies them with the keys of the day, and forgets neither
//! what was taken back nor to say why. This file does not know how a token comes or what it allows.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use roundtable::{
    AdminAction, Claims, Command, ConnId, Event, Hub, Machine, Switch, Timestamp, Verdict,
};
use tracing::{debug, error, info};

use super::revoked::Revoked;
use super::{Expected, Refusal, Verifier};

/// What a server is told about tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The file of the keys: a public key as PEM, a JWKS, or a secret of at least 32 bytes.
    pub keys: PathBuf,
    /// What a token must say.
    pub expected: Expected,
    /// The file of what is taken back, in lines like `user ann` and `token 7f3a`.
    pub revoked: Option<PathBuf>,
}

/// The keys and the revocations of a server, which can be read again while it runs. One serves all
/// connections.
#[derive(Debug)]
pub struct Tokens {
    /// Whoever verifies a token takes it as it is at that moment, and waits for nobody.
    verifier: ArcSwap<Verifier>,
    revoked: ArcSwap<Revoked>,
    sources: Sources,
}

impl Tokens {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// One line that says which file is wrong, and why.
    pub fn read(sources: Sources) -> Result<Arc<Self>, String> {
        let verifier = Verifier::read(&sources.keys, sources.expected.clone());
        let verifier = verifier.map_err(|why| format!("--auth-keys {why}"))?;
        let revoked = sources.revoked.as_deref().map(Revoked::read).transpose();
        let revoked = revoked.map_err(|why| format!("--revoked {why}"))?;
        Ok(Arc::new(Self {
            verifier: ArcSwap::from_pointee(verifier),
            revoked: ArcSwap::from_pointee(revoked.unwrap_or_default()),
            sources,
        }))
    }

    /// What a token says, if it is to be believed: one that came in a frame of `conn`, or in a request.
    /// Why not is told in the log, and to nobody else. Of frames a client may send many: of those the
    /// log tells at `debug`.
    pub fn verify(&self, conn: Option<ConnId>, token: &str) -> Verdict {
        let verified = self.verifier.load().verify(token).and_then(|claims| {
            let is_revoked = self.revoked.load().revokes(&claims).is_some();
            if is_revoked { Err(Refusal::Revoked) } else { Ok(claims) }
        });
        match verified {
            Ok(claims) => Verdict::Valid(Box::new(claims)),
            Err(refusal) => {
                match conn {
                    None => info!(why = %refusal, "a token is refused"),
                    Some(conn) => debug!(conn = conn.get(), why = %refusal, "a token is refused"),
                }
                if refusal == Refusal::Expired { Verdict::Expired } else { Verdict::Invalid }
            }
        }
    }

    /// Reads the files again, and gives what is revoked that was not before: the hub must be told.
    ///
    /// A file that is wrong changes nothing, and the other one is read all the same: a mistake among
    /// the keys must not keep a revocation from being heard.
    pub fn reload(&self) -> Vec<AdminAction> {
        match Verifier::read(&self.sources.keys, self.sources.expected.clone()) {
            Ok(verifier) => {
                info!(file = %self.sources.keys.display(), "the keys are read again");
                self.verifier.store(Arc::new(verifier));
            }
            Err(why) => error!("--auth-keys {why}; the keys stay as they were"),
        }
        let Some(file) = &self.sources.revoked else { return Vec::new() };
        match Revoked::read(file) {
            Ok(revoked) => {
                info!(file = %file.display(), count = revoked.len(), "the revocations are read again");
                let revoked = Arc::new(revoked);
                let before = self.revoked.swap(Arc::clone(&revoked));
                revoked.beyond(&before)
            }
            Err(why) => {
                error!("--revoked {why}; the revocations stay as they were");
                Vec::new()
            }
        }
    }

    fn revokes(&self, claims: &Claims) -> Option<AdminAction> {
        self.revoked.load().revokes(claims)
    }
}

/// A machine that is told again of what is revoked when somebody comes with it.
///
/// A token may be verified just before it is revoked, and reach the machine just behind the word of
/// that.
#[derive(Debug)]
pub struct Guarded<M> {
    machine: M,
    tokens: Option<Arc<Tokens>>,
}

impl<M> Guarded<M> {
    /// Guards `machine` by what is revoked.
    pub fn new(machine: M, tokens: Option<Arc<Tokens>>) -> Self {
        Self { machine, tokens }
    }
}

impl<M: Machine> Machine for Guarded<M> {
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        let claims = match &event {
            Event::Connect { peer, .. } => peer.claims.as_deref(),
            Event::Verified { verdict: Verdict::Valid(claims), .. } => Some(&**claims),
            _ => None,
        };
        let tokens = self.tokens.as_ref();
        let revoked = tokens.zip(claims).and_then(|(tokens, claims)| tokens.revokes(claims));
        self.machine.handle(now, event, commands);
        if let Some(action) = revoked {
            self.machine.handle(now, Event::Admin { action }, commands);
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.machine.next_deadline()
    }

    fn commit(&mut self) {
        self.machine.commit();
    }

    fn hub(&self) -> Option<&Hub> {
        self.machine.hub()
    }

    fn record(&mut self, now: Timestamp, switch: Switch) -> Result<String, String> {
        self.machine.record(now, switch)
    }

    fn recording(&self) -> Option<String> {
        self.machine.recording()
    }
}
