//! What an operator may set: flags, the environment, a file, in that order of strength. This file
//! reads the process's surroundings when it is asked to, and nothing afterwards.

mod sources;
mod table;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use roundtable::{Auth, Config};

use crate::admin::{Admin, AdminToken};
use crate::auth::{Expected, Sources};
use crate::binary::Binary;
use crate::door::AdminDoor;
use crate::journal;
use crate::log;
use crate::tls::Pair;

pub use sources::{Invocation, Recording, SettingsError};
pub use values::{LogFormat, Networks, Origins};

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where to listen; port 0 lets the system pick one.
    pub listen: SocketAddr,
    /// Whose pages may connect, beside the server's own.
    pub allow_origin: Origins,
    /// The proxies that are believed when they say whom they speak for.
    pub trust_proxy: Networks,
    /// Whether each connection begins with a PROXY header, which only these proxies may send.
    pub proxy_protocol: bool,
    /// How the log is written.
    pub log_format: LogFormat,
    /// What is logged, as `tracing` filters it: `info`, `roundtable=debug,warn`.
    pub log: String,
    /// The longest that a graceful stop may take.
    pub drain_within: Duration,
    /// How many threads read and write sockets, where the runtime has shards; 0 is one a core.
    pub shards: usize,
    /// Where the operator's listener is, which nobody has unless it is given.
    pub admin_listen: Option<SocketAddr>,
    /// The file of the secret that operators show there.
    pub admin_token_file: Option<PathBuf>,
    /// The file that carries rooms and sessions over a restart.
    pub state: Option<PathBuf>,
    /// The folder where what changes is written down before anybody is told of it.
    pub journal: Option<PathBuf>,
    /// When it must be on the disk.
    pub journal_sync: journal::Sync,
    /// How long that may take where it need not be at once.
    pub journal_interval: Duration,
    /// The size of a segment, in bytes, at which the next one begins.
    pub journal_segment: usize,
    /// The age of a segment at which the next one begins.
    pub journal_age: Duration,
    /// The folder of recordings that operators start, who may where it is given.
    pub record_dir: Option<PathBuf>,
    /// The file of the certificate with which connections are made secure, where they are.
    pub tls_cert: Option<PathBuf>,
    /// The file of its private key.
    pub tls_key: Option<PathBuf>,
    /// The file of the keys by which tokens are verified. The keys themselves are no settings, so
    /// none is ever printed.
    pub auth_keys: Option<PathBuf>,
    /// For whom a token must be (`aud`).
    pub auth_audience: Option<String>,
    /// Who must have made a token (`iss`).
    pub auth_issuer: Option<String>,
    /// The file of the users and tokens that are taken back.
    pub revoked: Option<PathBuf>,
    /// What becomes of binary messages: the author of a machine decides that, and no operator.
    pub binary: Binary,
    /// Whether loopback is held to the limits by address, too.
    pub limit_loopback: bool,
    /// The limits of the hub.
    pub hub: Config,
    /// The limits below the hub.
    pub wire: Wire,
}

/// The limits on sockets, bytes and frames, below what the hub sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// The most sockets at a time; further ones wait in the system's queue.
    pub max_connections: usize,
    /// The longest request head, in bytes; a longer one gets 431.
    pub head_bytes: usize,
    /// How long a request head may take; a later one gets 408.
    pub head_timeout: Duration,
    /// How long a message may take from its first byte to its last.
    pub message_timeout: Duration,
    /// How long a close handshake may take, with what is still queued before it.
    pub close_timeout: Duration,
    /// How many frames a client may send at once, fragments and pings counted; more close with 4029.
    pub frame_burst: u32,
    /// How many frames a second a client may send in the long run.
    pub frames_per_second: u32,
    /// The most bytes read from one connection before another one's turn.
    pub read_budget: usize,
    /// The size of a socket's send buffer, in bytes.
    pub sndbuf: usize,
    /// How long accepting pauses when the system has no descriptor left.
    pub accept_backoff: Duration,
    /// How many events may wait for the hub before readers wait.
    pub event_queue: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            allow_origin: Origins::default(),
            trust_proxy: Networks::default(),
            proxy_protocol: false,
            log_format: LogFormat::Text,
            log: "info".to_owned(),
            drain_within: Duration::from_secs(30),
            shards: 0,
            admin_listen: None,
            admin_token_file: None,
            state: None,
            journal: None,
            journal_sync: journal::Sync::Always,
            journal_interval: Duration::from_secs(1),
            journal_segment: 64 * 1024 * 1024,
            journal_age: Duration::from_hours(1),
            record_dir: None,
            tls_cert: None,
            tls_key: None,
            auth_keys: None,
            auth_audience: None,
            auth_issuer: None,
            revoked: None,
            binary: Binary::default(),
            limit_loopback: false,
            hub: Config::default(),
            wire: Wire::default(),
        }
    }
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            max_connections: 18_000,
            head_bytes: 8 * 1024,
            head_timeout: Duration::from_secs(10),
            message_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(2),
            frame_burst: 1000,
            frames_per_second: 500,
            read_budget: 4 * 1024,
            sndbuf: 64 * 1024,
            accept_backoff: Duration::from_millis(100),
            event_queue: 1024,
        }
    }
}

impl Settings {
    /// Checks every limit and the relations between them.
    ///
    /// # Errors
    ///
    /// The first setting that is out of its bounds, as one line with its value and what to do.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let wire = &self.wire;
        let counts = [
            ("max_connections", wire.max_connections, 1, 10_000_000),
            ("head_bytes", wire.head_bytes, 512, 1 << 20),
            ("frame_burst", wire.frame_burst as usize, 1, 1_000_000_000),
            ("frames_per_second", wire.frames_per_second as usize, 1, 1_000_000_000),
            ("read_budget", wire.read_budget, 512, 1 << 20),
            ("sndbuf", wire.sndbuf, 4096, 1 << 30),
            ("event_queue", wire.event_queue, 1, 1 << 24),
            ("shards", self.shards, 0, 255),
            ("journal_segment", self.journal_segment, 4096, 1 << 30),
        ];
        for (name, value, least, most) in counts {
            if value < least || value > most {
                return Err(self.fault(name, &format!("must be from {least} to {most}")));
            }
        }
        let spans = [
            ("head_timeout", wire.head_timeout),
            ("message_timeout", wire.message_timeout),
            ("close_timeout", wire.close_timeout),
            ("accept_backoff", wire.accept_backoff),
            ("journal_interval", self.journal_interval),
        ];
        for (name, span) in spans {
            if span < Duration::from_millis(10) || span > Duration::from_hours(1) {
                return Err(self.fault(name, "must be from 10ms to 1h"));
            }
        }
        if self.journal_age < Duration::from_secs(1) {
            return Err(self.fault("journal_age", "must be 1s or more"));
        }
        if !log::is_filter(&self.log) {
            let remedy = "must be error, warn, info, debug, trace, off, or a filter like \
                          roundtable=debug,warn";
            return Err(self.fault("log", remedy));
        }
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => return Err(self.fault("tls_cert", "needs --tls-key FILE")),
            (None, Some(_)) => return Err(self.fault("tls_key", "needs --tls-cert FILE")),
            _ => {}
        }
        if self.proxy_protocol && self.trust_proxy.is_empty() {
            return Err(self.fault("proxy_protocol", "needs --trust-proxy CIDR"));
        }
        self.validate_admin()?;
        self.validate_auth()?;
        self.hub.validate().map_err(|error| self.fault(error.setting(), error.remedy()))
    }

    /// Whoever reaches the operator's listener sees what is there: only this machine's own may,
    /// unless they must show a secret.
    fn validate_admin(&self) -> Result<(), SettingsError> {
        match (self.admin_listen, &self.admin_token_file) {
            (None, Some(_)) => Err(self.fault("admin_token_file", "needs --admin-listen ADDR")),
            (Some(listen), None) if !listen.ip().to_canonical().is_loopback() => {
                let remedy = "needs --admin-token-file FILE, or an address that is loopback";
                Err(self.fault("admin_listen", remedy))
            }
            _ => Ok(()),
        }
    }

    /// Who gives keys means tokens to be asked for, and who asks for tokens must say by which keys.
    fn validate_auth(&self) -> Result<(), SettingsError> {
        let given = [
            ("auth_keys", self.auth_keys.is_some()),
            ("auth_audience", self.auth_audience.is_some()),
            ("auth_issuer", self.auth_issuer.is_some()),
            ("revoked", self.revoked.is_some()),
        ];
        match self.hub.auth {
            Auth::Off => match given.into_iter().find(|(_, is_given)| *is_given) {
                Some((name, _)) => Err(self.fault(name, "needs --auth optional or required")),
                None => Ok(()),
            },
            Auth::Optional | Auth::Required if self.auth_keys.is_none() => {
                Err(self.fault("auth", "needs --auth-keys FILE, a public key, a JWKS or a secret"))
            }
            Auth::Optional | Auth::Required => Ok(()),
        }
    }

    /// How a journal is kept, where one is.
    pub(crate) fn journal_plan(&self) -> Option<journal::Plan> {
        Some(journal::Plan {
            folder: self.journal.clone()?,
            sync: self.journal_sync,
            interval: self.journal_interval,
            segment_bytes: self.journal_segment as u64,
            segment_age: self.journal_age,
        })
    }

    /// What makes connections secure, where they are to be.
    pub fn tls(&self) -> Option<Pair> {
        Some(Pair { certificate: self.tls_cert.clone()?, key: self.tls_key.clone()? })
    }

    /// What operators are answered by, where they are.
    ///
    /// # Errors
    ///
    /// One line that says why the file of the token cannot be used.
    pub fn admin(&self) -> Result<Option<Admin>, String> {
        let Some(listen) = self.admin_listen else { return Ok(None) };
        let token = self.admin_token_file.as_deref().map(AdminToken::read).transpose()?;
        Ok(Some(Admin { listen, door: AdminDoor::new(self, token) }))
    }

    /// What tokens are verified by, where they are taken.
    pub fn tokens(&self) -> Option<Sources> {
        match self.hub.auth {
            Auth::Off => None,
            Auth::Optional | Auth::Required => Some(Sources {
                keys: self.auth_keys.clone()?,
                expected: Expected {
                    audience: self.auth_audience.clone(),
                    issuer: self.auth_issuer.clone(),
                },
                revoked: self.revoked.clone(),
            }),
        }
    }

    /// Sets one setting by its name, or says in a few words what it must be.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let row = table::find(name).ok_or("there is no such setting")?;
        (row.set)(self, value)
    }

    /// A table of all settings in Markdown, with what they mean and their defaults.
    pub fn table_markdown() -> String {
        table::markdown(&Self::default())
    }

    /// These settings as a file that can be read back with `--config`.
    pub fn to_toml(&self) -> String {
        table::toml(self)
    }

    fn fault(&self, name: &str, remedy: &str) -> SettingsError {
        let flag = name.replace('_', "-");
        let value = table::find(name).map(|row| (row.get)(self)).unwrap_or_default();
        SettingsError::usage(format!("--{flag} {value}: {remedy}"))
    }
}
