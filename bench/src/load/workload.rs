//! What is done to a server: the workloads by name, and what flags change of them.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tungstenite::http::Uri;

use super::payload::SHORTEST;

/// What a server says to newcomers, and how it tells of losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// Nothing: texts come as they were sent.
    Raw,
    /// `welcome` and `joined`; entries that are missing are told as `gap`.
    Roundtable,
}

impl Dialect {
    fn greetings(self) -> u32 {
        match self {
            Self::Raw => 0,
            Self::Roundtable => 2,
        }
    }
}

/// The workloads that have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// 1,000 connections in one room, 100 messages a second.
    #[value(name = "room-1000-paced")]
    Room1000Paced,
    /// The same, as fast as it goes: ten senders keep two texts each under way.
    #[value(name = "room-1000-saturated")]
    Room1000Saturated,
    /// 10,000 connections in one room, 5 messages a second.
    #[value(name = "room-10000-paced")]
    Room10000Paced,
    /// 19,000 connections that nobody talks to.
    #[value(name = "idle-19000")]
    Idle19000,
    /// 1,000 connections, 20 messages of 4 KiB a second, 10 connections never read.
    #[value(name = "slow-1000")]
    Slow1000,
    /// The same without those ten.
    #[value(name = "slow-1000-twin")]
    Slow1000Twin,
    /// 100 connections talk, ten messages a second, while others come and go as fast as it goes.
    #[value(name = "storm")]
    Storm,
    /// As room-1000-paced, for a server with one shard.
    #[value(name = "shards-1")]
    Shards1,
    /// As room-1000-paced, for a server with two shards.
    #[value(name = "shards-2")]
    Shards2,
}

/// The flags of `load`.
#[derive(Args, Debug)]
pub struct Flags {
    /// The server, like <ws://127.0.0.1:8080/ws>: an address and not a name.
    pub url: Uri,
    /// The server's process, on this machine.
    #[arg(long)]
    pub pid: u32,
    /// What the measurement calls the server.
    #[arg(long, default_value = "server")]
    pub server: String,
    /// What the server says to newcomers, and how it tells of losses.
    #[arg(long, value_enum, default_value = "raw")]
    pub dialect: Dialect,
    /// With wss: the file of the authority, as PEM, that vouches for the server as `localhost`.
    #[arg(long)]
    pub tls_ca: Option<PathBuf>,
    /// A workload with a name; the flags below change it.
    #[arg(long, value_enum, default_value = "room-1000-paced")]
    pub workload: Name,
    /// What the measurement calls the workload, instead of its name.
    #[arg(long)]
    pub label: Option<String>,
    /// Connections that receive.
    #[arg(long)]
    pub connections: Option<usize>,
    /// How many of them send.
    #[arg(long)]
    pub senders: Option<u32>,
    /// Bytes of a text.
    #[arg(long)]
    pub payload: Option<usize>,
    /// Messages a second of all senders together; 0 sends nothing.
    #[arg(long, conflicts_with = "in_flight")]
    pub rate: Option<f64>,
    /// Saturate: each sender keeps so many of its texts under way until they come back to it.
    #[arg(long)]
    pub in_flight: Option<u32>,
    /// Seconds that are measured.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Seconds of the same work before that.
    #[arg(long)]
    pub warm_up: Option<f64>,
    /// Further connections that never read.
    #[arg(long)]
    pub slow: Option<usize>,
    /// Visitors at a time, who come, are greeted and go while others talk.
    #[arg(long)]
    pub visitors: Option<usize>,
    /// The path and the query of visitors, if not those of the URL.
    #[arg(long)]
    pub visitors_path: Option<String>,
    /// The messages that a newcomer gets, if not those of the dialect.
    #[arg(long)]
    pub greetings: Option<u32>,
    /// The file that gets the measurement as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// How senders send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Nobody says anything.
    Silent,
    /// An open loop: so many messages a second, whatever the server does.
    Paced(f64),
    /// A closed loop: each sender keeps so many texts under way.
    Saturated(u32),
}

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// What it is called.
    pub name: String,
    /// Connections that receive.
    pub connections: usize,
    /// The first of them, that send.
    pub senders: u32,
    /// Bytes of a text.
    pub payload_bytes: usize,
    /// How they send.
    pub pace: Pace,
    /// What is measured.
    pub lasting: Duration,
    /// What comes before.
    pub warm_up: Duration,
    /// Connections that never read.
    pub slow: usize,
    /// Visitors at a time.
    pub visitors: usize,
}

impl Workload {
    fn named(name: Name) -> Self {
        let spelled = name.to_possible_value().expect("every workload has a name");
        let room = Self {
            name: spelled.get_name().to_owned(),
            connections: 1000,
            senders: 100,
            payload_bytes: 64,
            pace: Pace::Paced(100.0),
            lasting: Duration::from_secs(10),
            warm_up: Duration::from_secs(2),
            slow: 0,
            visitors: 0,
        };
        let lasting = Duration::from_secs(30);
        let large = Self { payload_bytes: 4096, pace: Pace::Paced(20.0), lasting, ..room.clone() };
        match name {
            Name::Room1000Paced | Name::Shards1 | Name::Shards2 => room,
            Name::Room1000Saturated => Self { senders: 10, pace: Pace::Saturated(2), ..room },
            Name::Room10000Paced => Self { connections: 10_000, pace: Pace::Paced(5.0), ..room },
            Name::Idle19000 => Self { connections: 19_000, pace: Pace::Silent, ..room },
            Name::Slow1000 => Self { connections: 990, slow: 10, ..large },
            Name::Slow1000Twin => Self { connections: 990, ..large },
            Name::Storm => Self { connections: 100, pace: Pace::Paced(10.0), visitors: 64, ..room },
        }
    }

    /// The workload that `flags` name and change.
    ///
    /// # Errors
    ///
    /// What is wrong with them, and what to do.
    pub fn of(flags: &Flags) -> Result<Self, String> {
        let mut work = Self::named(flags.workload);
        let seconds = |seconds: Option<f64>, otherwise| match seconds {
            None => Ok(otherwise),
            Some(given) => Duration::try_from_secs_f64(given)
                .map_err(|error| format!("{given} seconds: {error}")),
        };
        work.name = flags.label.clone().unwrap_or(work.name);
        work.connections = flags.connections.unwrap_or(work.connections);
        work.senders = flags.senders.unwrap_or(work.senders);
        work.payload_bytes = flags.payload.unwrap_or(work.payload_bytes);
        work.lasting = seconds(flags.seconds, work.lasting)?;
        work.warm_up = seconds(flags.warm_up, work.warm_up)?;
        work.slow = flags.slow.unwrap_or(work.slow);
        work.visitors = flags.visitors.unwrap_or(work.visitors);
        work.pace = match (flags.rate, flags.in_flight) {
            (None, None) => work.pace,
            (_, Some(in_flight)) => Pace::Saturated(in_flight),
            (Some(0.0), None) => Pace::Silent,
            (Some(rate), None) => Pace::Paced(rate),
        };
        // Fewer connections than senders: all of them send.
        let connections = u32::try_from(work.connections).map_err(|error| error.to_string())?;
        work.senders = work.senders.min(connections);
        work.check()?;
        Ok(work)
    }

    fn check(&self) -> Result<(), String> {
        if self.connections == 0 || self.senders == 0 {
            return Err("--connections and --senders: must be at least 1".to_owned());
        }
        if self.payload_bytes < SHORTEST {
            return Err(format!("--payload {}: must be at least {SHORTEST}", self.payload_bytes));
        }
        match self.pace {
            Pace::Paced(rate) if !(0.001..=1e6).contains(&rate) => {
                Err(format!("--rate {rate}: must be 0, or from 0.001 to 1000000"))
            }
            Pace::Saturated(0) => Err("--in-flight 0: must be at least 1".to_owned()),
            _ if !(0.1..=3600.0).contains(&self.lasting.as_secs_f64()) => {
                Err("--seconds: must be from 0.1 to 3600".to_owned())
            }
            Pace::Silent | Pace::Paced(_) | Pace::Saturated(_) => Ok(()),
        }
    }
}

impl Flags {
    /// The server's address.
    ///
    /// # Errors
    ///
    /// If the URL has none.
    pub fn address(&self) -> Result<SocketAddr, String> {
        let scheme = if self.tls_ca.is_some() { "wss" } else { "ws" };
        let authority = self.url.authority().filter(|_| self.url.scheme_str() == Some(scheme));
        let address = authority.and_then(|authority| authority.as_str().parse().ok());
        address.filter(SocketAddr::is_ipv4).ok_or_else(|| {
            let like = "must be like ws://127.0.0.1:8080/ws, with an address of IPv4";
            format!("{}: {like}; wss needs --tls-ca FILE, and ws none", self.url)
        })
    }

    /// What makes connections secure, where they are to be: each with a handshake of its own.
    ///
    /// # Errors
    ///
    /// If the file cannot be used.
    pub(super) fn tls(&self) -> Result<Option<Arc<ClientConfig>>, String> {
        let Some(file) = &self.tls_ca else { return Ok(None) };
        let fault = |why: &dyn fmt::Display| format!("--tls-ca {}: {why}", file.display());
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_file(file).map_err(|error| fault(&error))?;
        roots.add(root).map_err(|error| fault(&error))?;
        let mut config =
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Some(Arc::new(config)))
    }

    /// The path and query that connections ask for.
    pub fn path(&self) -> &str {
        self.url.path_and_query().map_or("/", |path| path.as_str())
    }

    /// The messages that a newcomer gets.
    pub fn greetings(&self) -> u32 {
        self.greetings.unwrap_or(self.dialect.greetings())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: Flags,
    }

    fn of(flags: &str) -> Result<Workload, String> {
        let line = format!("load ws://127.0.0.1:1/ws?room=a --pid 1 {flags}");
        let line = Line::try_parse_from(line.split_ascii_whitespace()).expect("flags");
        assert_eq!(line.flags.path(), "/ws?room=a");
        line.flags.address().expect("an address");
        Workload::of(&line.flags)
    }

    #[test]
    fn flags_change_a_workload_with_a_name() {
        let work =
            of("--workload room-1000-saturated --connections 20 --seconds 1").expect("right");
        assert_eq!((work.connections, work.senders, work.pace), (20, 10, Pace::Saturated(2)));
        assert_eq!((work.name.as_str(), work.lasting.as_secs()), ("room-1000-saturated", 1));
        let work = of("--workload storm --rate 0 --label quiet").expect("right");
        assert_eq!((work.pace, work.name.as_str()), (Pace::Silent, "quiet"));
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        for flags in
            ["--payload 5", "--connections 0", "--rate 1e9", "--in-flight 0", "--seconds 0"]
        {
            assert!(of(flags).is_err(), "{flags}");
        }
    }
}
