//! The one table of settings, from which the flags, the environment's names, the file's keys, the
//! help, and the README's table come.

use std::fmt::Write as _;

use super::Settings;
use super::values::Value;

/// One setting.
pub(super) struct Row {
    /// As in the file: `ping_after`. The flag is `--ping-after`, the environment's name
    /// `ROUNDTABLE_PING_AFTER`.
    pub(super) name: &'static str,
    pub(super) group: &'static str,
    /// What stands for a value in the help.
    pub(super) form: &'static str,
    pub(super) help: &'static str,
    pub(super) get: fn(&Settings) -> String,
    pub(super) set: fn(&mut Settings, &str) -> Result<(), String>,
    pub(super) to_toml: fn(&Settings) -> toml::Value,
    pub(super) from_toml: fn(&mut Settings, &toml::Value) -> Result<(), String>,
}

/// A row for the field `$($at).+` of the settings, called by its last name.
macro_rules! row {
    ($group:literal, $name:ident, [$($at:ident).+] : $kind:ty, $help:literal) => {
        Row {
            name: stringify!($name),
            group: $group,
            form: <$kind as Value>::FORM,
            help: $help,
            get: |settings| settings.$($at).+.write(),
            set: |settings, text| Value::read(text).map(|value| settings.$($at).+ = value),
            to_toml: |settings| settings.$($at).+.to_toml(),
            from_toml: |settings, value| {
                Value::from_toml(value).map(|value| settings.$($at).+ = value)
            },
        }
    };
}

/// Every setting, in the order in which it is told.
pub(super) const ROWS: &[Row] = &[
    row!("Server", listen, [listen]: std::net::SocketAddr,
        "Where to listen; port 0 lets the system pick one"),
    row!("Server", allow_origin, [allow_origin]: super::Origins,
        "Whose pages may connect, beside the server's own: origins separated by commas, or *"),
    row!("Server", trust_proxy, [trust_proxy]: super::Networks,
        "The proxies whose `Forwarded` or `X-Forwarded-For` is believed: networks separated by commas"),
    row!("Server", proxy_protocol, [proxy_protocol]: bool,
        "Whether each connection begins with a PROXY header (version 2), which only these proxies may send"),
    row!("Server", log, [log]: String,
        "What is logged: error, warn, info, debug, or a filter like roundtable=debug,warn; read again on SIGHUP"),
    row!("Server", log_format, [log_format]: super::LogFormat,
        "How the log is written"),
    row!("Server", drain_within, [drain_within]: std::time::Duration,
        "The longest that a graceful stop may take"),
    row!("Server", shards, [shards]: usize,
        "How many threads read and write sockets (runtime-smol); 0 is one a core"),
    row!("Server", admin_listen, [admin_listen]: Option<std::net::SocketAddr>,
        "Where operators find their page, metrics and health; loopback only, unless they show a token"),
    row!("Server", admin_token_file, [admin_token_file]: Option<std::path::PathBuf>,
        "The file of the token that operators show as Authorization: Bearer, of 16 bytes or more"),
    row!("Server", state, [state]: Option<std::path::PathBuf>,
        "The file that carries rooms and sessions over a restart"),
    row!("Server", journal, [journal]: Option<std::path::PathBuf>,
        "The folder where what changes is written down before anybody is told of it"),
    row!("Server", journal_sync, [journal_sync]: crate::journal::Sync,
        "When it must be on the disk: before anybody is told (always), or a while later (interval)"),
    row!("Server", journal_interval, [journal_interval]: std::time::Duration,
        "How long that may take with interval; what a machine without power forgets at the most"),
    row!("Server", journal_segment, [journal_segment]: usize,
        "The size of the journal's segments, in bytes, at which the next one begins"),
    row!("Server", journal_age, [journal_age]: std::time::Duration,
        "The age of a segment at which the next one begins, and the one before is condensed"),
    row!("Server", record_dir, [record_dir]: Option<std::path::PathBuf>,
        "The folder of recordings that operators start; they may not, unless it is given"),
    row!("Server", tls_cert, [tls_cert]: Option<std::path::PathBuf>,
        "The certificate for TLS and those that vouch for it, as PEM; read again on SIGHUP"),
    row!("Server", tls_key, [tls_key]: Option<std::path::PathBuf>,
        "The private key of the certificate, as PEM; read again on SIGHUP"),
    row!("Tokens", auth, [hub.auth]: roundtable::Auth,
        "Whether tokens are taken: off, from who has one (optional), or from everybody (required)"),
    row!("Tokens", auth_keys, [auth_keys]: Option<std::path::PathBuf>,
        "What tokens are verified with: a public key as PEM, a JWKS, or a secret; read again on SIGHUP"),
    row!("Tokens", auth_audience, [auth_audience]: Option<String>,
        "For whom a token must be (`aud`)"),
    row!("Tokens", auth_issuer, [auth_issuer]: Option<String>,
        "Who must have made a token (`iss`)"),
    row!("Tokens", revoked, [revoked]: Option<std::path::PathBuf>,
        "Lines like `user ann` and `token 7f3a`, whose tokens are taken back; read again on SIGHUP"),
    row!("Tokens", hello_timeout, [hub.hello_timeout]: std::time::Duration,
        "How long who must show a token may take; then close 4502"),
    row!("Tokens", auth_grace, [hub.auth_grace]: std::time::Duration,
        "How long a client may take to show a fresh token once its own has expired; then close 4010"),
    row!("Tokens", waiting_frames, [hub.waiting_frames]: usize,
        "How many frames of a client wait while its token is verified; one more gets overloaded"),
    row!("Tokens", waiting_bytes, [hub.waiting_bytes]: usize,
        "How many bytes these frames may have; more get overloaded"),
    row!("Tokens", sessions_per_user, [hub.sessions_per_user]: usize,
        "The most sessions of a user with a token; one more gets session_limit"),
    row!("Tokens", max_unverified, [hub.max_unverified]: usize,
        "The most connections without a token, where tokens are taken; one more gets 503"),
    row!("Rooms", default_room, [hub.default_room]: roundtable::Name,
        "The room that a connection joins whose URL names none"),
    row!("Rooms", plain_text, [hub.plain_text]: roundtable::PlainText,
        "Whether text that is not JSON is published as it is"),
    row!("Rooms", max_rooms, [hub.max_rooms]: usize,
        "The most rooms; a join beyond gets room_limit"),
    row!("Rooms", rooms_per_session, [hub.rooms_per_session]: usize,
        "The most rooms one session may be in; a join beyond gets room_limit"),
    row!("Rooms", members_per_room, [hub.members_per_room]: usize,
        "The most members of a room; a join beyond gets room_full"),
    row!("Rooms", history_entries, [hub.history_entries]: usize,
        "The most entries a room keeps"),
    row!("Rooms", history_bytes, [hub.history_bytes]: usize,
        "The most bytes of entries a room keeps"),
    row!("Rooms", history_age, [hub.history_age]: std::time::Duration,
        "How long a room keeps an entry"),
    row!("Rooms", recent, [hub.recent]: usize,
        "How many entries a newcomer is given"),
    row!("Rooms", presence_tick, [hub.presence_tick]: std::time::Duration,
        "How often members are told of who came and went, at the most"),
    row!("Rooms", presence_list, [hub.presence_list]: usize,
        "The most members that are told by name; of more, only the number is told"),
    row!("Rooms", max_bans, [hub.max_bans]: usize,
        "The most bans of moderators; one more gets ban_limit"),
    row!("Clients", max_sessions, [hub.max_sessions]: usize,
        "The most sessions; one more takes a lost one's place, or is closed with 1013"),
    row!("Clients", address_connections, [hub.address_connections]: u32,
        "The most connections of an address (IPv4, or an IPv6 /64); one more gets 429"),
    row!("Clients", address_burst, [hub.address_burst]: u32,
        "How many connections an address may begin at once; more get 429"),
    row!("Clients", address_per_minute, [hub.address_per_minute]: u32,
        "How many connections a minute an address may begin in the long run"),
    row!("Clients", max_addresses, [hub.max_addresses]: usize,
        "The most addresses remembered; one more, when all are connected, gets 503"),
    row!("Clients", limit_loopback, [limit_loopback]: bool,
        "Whether loopback is held to the limits by address, too"),
    row!("Clients", max_message_bytes, [hub.max_message_bytes]: usize,
        "The longest message from a client; a longer one closes with 1009"),
    row!("Clients", max_depth, [hub.max_depth]: usize,
        "How deep a frame's JSON may be nested; deeper gets bad_json"),
    row!("Clients", message_burst, [hub.message_burst]: u32,
        "How many messages a client may send at once; more get rate_limited"),
    row!("Clients", messages_per_second, [hub.messages_per_second]: u32,
        "How many messages a second a client may send in the long run"),
    row!("Clients", byte_burst, [hub.byte_burst]: u32,
        "How many bytes a client may send at once; more get rate_limited"),
    row!("Clients", bytes_per_second, [hub.bytes_per_second]: u32,
        "How many bytes a second a client may send in the long run"),
    row!("Clients", rate_limit_strikes, [hub.rate_limit_strikes]: u32,
        "How many refusals by rate a client may collect, one forgiven a second; more close with 4029"),
    row!("Clients", key_age, [hub.key_age]: std::time::Duration,
        "How long the key of a publish stands for its entry"),
    row!("Clients", max_keys, [hub.max_keys]: usize,
        "The most keys that are kept; one more makes the oldest be forgotten"),
    row!("Clients", signal_bytes, [hub.signal_bytes]: usize,
        "The longest data of a signal; a longer one gets too_large"),
    row!("Clients", signal_ttl, [hub.signal_ttl]: std::time::Duration,
        "How long a client shows a signal"),
    row!("Clients", resume_window, [hub.resume_window]: std::time::Duration,
        "How long a session outlives its connection, so that its client can come back to it"),
    row!("Clients", presence_linger, [hub.presence_linger]: std::time::Duration,
        "How long somebody who lost the connection is still there for others, and has the name"),
    row!("Liveness", ping_after, [hub.ping_after]: std::time::Duration,
        "The silence after which a ping is sent, give or take a tenth"),
    row!("Liveness", pong_wait, [hub.pong_wait]: std::time::Duration,
        "How long any answer to a ping may take; then the connection is closed with 4000"),
    row!("Liveness", write_timeout, [hub.write_timeout]: std::time::Duration,
        "How long a full socket may take nothing; then the connection is closed with 4001"),
    row!("Liveness", stall, [hub.stall]: std::time::Duration,
        "How late the server itself may be before it gives its peers more time"),
    row!("Flow", window_bytes, [hub.window_bytes]: usize,
        "What may be queued for one connection"),
    row!("Flow", reserve_bytes, [hub.reserve_bytes]: usize,
        "The part of the window that only control messages use; when it is full: 4001"),
    row!("Flow", budget_bytes, [hub.budget_bytes]: usize,
        "What may be queued for all connections; beyond it the largest are closed with 4003"),
    row!("Flow", page_bytes, [hub.page_bytes]: usize,
        "The most that a page of history holds"),
    row!("Flow", turn_events, [hub.turn_events]: usize,
        "The most events that are taken in one turn"),
    row!("Flow", turn_bytes, [hub.turn_bytes]: usize,
        "The bytes of texts after which a turn takes no more"),
    row!("Flow", tick_work, [hub.tick_work]: usize,
        "The most timers that fire, and lagging readers that read on, at a time"),
    row!("Drain", drain_pace, [hub.drain_pace]: std::time::Duration,
        "The span that notices and closes take for each session, up to the next two"),
    row!("Drain", drain_notice, [hub.drain_notice]: std::time::Duration,
        "The longest span over which notices are spread"),
    row!("Drain", drain_spread, [hub.drain_spread]: std::time::Duration,
        "The longest span over which closes are spread"),
    row!("Wire", max_connections, [wire.max_connections]: usize,
        "The most sockets; further ones wait in the system's queue"),
    row!("Wire", head_bytes, [wire.head_bytes]: usize,
        "The longest request head; a longer one gets 431"),
    row!("Wire", head_timeout, [wire.head_timeout]: std::time::Duration,
        "How long a request head may take; a later one gets 408"),
    row!("Wire", message_timeout, [wire.message_timeout]: std::time::Duration,
        "How long a message may take from its first byte to its last"),
    row!("Wire", close_timeout, [wire.close_timeout]: std::time::Duration,
        "How long a close handshake may take, with what is queued before it"),
    row!("Wire", frame_burst, [wire.frame_burst]: u32,
        "How many frames a client may send at once, fragments and pings counted; more: 4029"),
    row!("Wire", frames_per_second, [wire.frames_per_second]: u32,
        "How many frames a second a client may send in the long run"),
    row!("Wire", read_budget, [wire.read_budget]: usize,
        "The most bytes read from one connection before another one's turn"),
    row!("Wire", sndbuf, [wire.sndbuf]: usize,
        "The size of a socket's send buffer (SO_SNDBUF)"),
    row!("Wire", accept_backoff, [wire.accept_backoff]: std::time::Duration,
        "How long accepting pauses when the system has no descriptor left"),
    row!("Wire", event_queue, [wire.event_queue]: usize,
        "How many events may wait for the hub before readers wait"),
];

pub(super) fn find(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

impl Row {
    pub(super) fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    pub(super) fn variable(&self) -> String {
        format!("ROUNDTABLE_{}", self.name.to_uppercase())
    }
}

pub(super) fn markdown(defaults: &Settings) -> String {
    let mut text = "| flag | default | meaning |\n|---|---|---|\n".to_owned();
    for row in ROWS {
        let default = (row.get)(defaults);
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        let (flag, help) = (row.flag(), row.help.replace('|', "\\|"));
        writeln!(text, "| `--{flag}` | {default} | {help} |").expect("a string takes everything");
    }
    text
}

pub(super) fn toml(settings: &Settings) -> String {
    let mut text = String::new();
    let mut group = "";
    for row in ROWS {
        if row.group != group {
            let break_before = if group.is_empty() { "" } else { "\n" };
            writeln!(text, "{break_before}# {}", row.group).expect("a string takes everything");
            group = row.group;
        }
        let value = (row.to_toml)(settings);
        writeln!(text, "{} = {value}", row.name).expect("a string takes everything");
    }
    text
}
