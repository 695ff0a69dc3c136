//! Every metric that there is: its name, what it means, and where its numbers are found.

use roundtable::protocol::ErrorCode;
use roundtable::{CloseCode, Counts, Levels, Limit};

use super::{Edge, Family, Number, Numbers};
use crate::admin::Report;

/// A family that is one number of the hub's counts.
macro_rules! counter {
    ($name:literal, $field:ident, $help:literal) => {
        Family {
            name: $name,
            labels: "",
            help: $help,
            numbers: Numbers::Counter(|report| counted(report, |counts| counts.$field)),
        }
    };
}

/// A family that is one number of the hub's levels.
macro_rules! gauge {
    ($name:literal, $field:ident, $help:literal) => {
        Family {
            name: $name,
            labels: "",
            help: $help,
            numbers: Numbers::Gauge(|report| level(report, |levels| levels.$field)),
        }
    };
}

/// A family that is a histogram of the loop's figures.
macro_rules! spread {
    ($name:literal, $unit:expr, $field:ident, $help:literal) => {
        Family {
            name: $name,
            labels: "",
            help: $help,
            numbers: Numbers::Spread(|figures| &figures.$field, $unit),
        }
    };
}

/// All of them, in the order in which they are told.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "build_info",
        labels: "version",
        help: "Which server this is; always 1",
        numbers: Numbers::Gauge(|_| vec![Number::of("version", env!("CARGO_PKG_VERSION"), 1)]),
    },
    gauge!("connections", connections, "Connections that have a session"),
    gauge!("detached_sessions", detached, "Sessions that wait for their clients to come back"),
    gauge!(
        "unverified_connections",
        unverified,
        "Connections that have shown no token, where tokens are taken"
    ),
    gauge!("rooms", rooms, "Rooms"),
    Family {
        name: "members",
        labels: "state",
        help: "Memberships of sessions in rooms: given what is new at once (`live`), or lagging, \
               without a connection, or still to be told who is there (`behind`)",
        numbers: Numbers::Gauge(members),
    },
    gauge!("log_entries", entries, "Entries in the logs of all rooms"),
    gauge!("log_bytes", entry_bytes, "Their bytes"),
    gauge!("backlog_bytes", backlog_bytes, "What waits for full sockets, as last reported"),
    gauge!("queued_bytes", queued_bytes, "The same and what was sent since, at the most"),
    gauge!("addresses", addresses, "Addresses that are remembered"),
    gauge!("bans", bans, "Bans in force"),
    gauge!("publish_keys", keys, "Keys of publishes that are kept"),
    gauge!("draining", draining, "1 while the server stops, else 0"),
    counter!("connects", connects, "Connections that came to the hub, refused ones too"),
    counter!("disconnects", disconnects, "Connections that were lost or left by themselves"),
    Family {
        name: "closes",
        labels: "code, reason",
        help: "Connections that the hub closed",
        numbers: Numbers::Counter(closes),
    },
    counter!("detaches", detached, "Sessions that lost their connection and waited"),
    Family {
        name: "resumes",
        labels: "outcome",
        help: "Clients that wanted back to their session, and got it (`resumed`) or another one (`new`)",
        numbers: Numbers::Counter(resumes),
    },
    counter!("texts", texts, "Texts that clients sent"),
    counter!("text_bytes", text_bytes, "Their bytes"),
    counter!("entries", entries, "Messages and removals appended to logs"),
    counter!("duplicates", duplicates, "Publishes that were said again, and appended nothing"),
    counter!("signals", signals, "Signals that somebody was given"),
    counter!("sends", sends, "Frames sent: each once, whoever is given it"),
    counter!("deliveries", deliveries, "Frames given to a connection: each recipient counts"),
    counter!("delivered_bytes", delivered_bytes, "Their bytes, before TLS"),
    counter!("pings", pings, "WebSocket pings sent"),
    counter!("verifies", verifies, "Tokens in frames that were given to be verified"),
    counter!("lagged", lagged, "Members that could not be given what was new at once"),
    counter!("gaps", gaps, "Gaps that readers were told of"),
    Family {
        name: "errors",
        labels: "code",
        help: "Errors that clients were told",
        numbers: Numbers::Counter(errors),
    },
    counter!("errors_untold", untold, "Refusals without `id` right behind another one, not told"),
    Family {
        name: "limit_hits",
        labels: "limit",
        help: "How often each limit held somebody up or something was let go of for it; bursts \
               count with their rates",
        numbers: Numbers::Counter(limits),
    },
    spread!(
        "turn_seconds",
        NANOSECONDS,
        turns,
        "How long the turns of the hub's loop took, from the first event to the end"
    ),
    spread!("turn_events", 1.0, events, "How many events a turn had"),
    spread!(
        "delivery_seconds",
        NANOSECONDS,
        deliveries,
        "From a text's coming to the hub until what it led to was offered to the sockets"
    ),
    Family {
        name: "http_answers",
        labels: "status",
        help: "Requests that the front door answered itself; those that the hub refused are in \
               `roundtable_limit_hits_total`",
        numbers: Numbers::Outer(answers),
    },
    Family {
        name: "broken_rules",
        labels: "code, reason",
        help: "Peers that broke the rules of WebSocket or a limit on frames, by the code that they \
               were closed with; the hub counts them among its disconnects",
        numbers: Numbers::Outer(broken),
    },
    Family {
        name: "accept_failures",
        labels: "",
        help: "Connections that could not be accepted",
        numbers: Numbers::Outer(|edge| vec![Number::alone(edge.accept_failures())]),
    },
    Family {
        name: "accept_waits",
        labels: "",
        help: "How often all of `max_connections` were there, so that whoever knocks must wait",
        numbers: Numbers::Outer(|edge| vec![Number::alone(edge.waits())]),
    },
    Family {
        name: "tls_failures",
        labels: "",
        help: "Connections on which TLS failed, in the handshake or later",
        numbers: Numbers::Outer(|edge| vec![Number::alone(edge.tls_failures())]),
    },
    Family {
        name: "process_resident_bytes",
        labels: "",
        help: "Memory of the process that is in use and not swapped out",
        numbers: Numbers::System(|process| process.resident_bytes),
    },
    Family {
        name: "process_open_files",
        labels: "",
        help: "Open files of the process, sockets among them",
        numbers: Numbers::System(|process| process.open_files),
    },
    Family {
        name: "process_threads",
        labels: "",
        help: "Threads of the process",
        numbers: Numbers::System(|process| process.threads),
    },
];

/// How many of them a second has.
const NANOSECONDS: f64 = 1e9;

fn counted(report: &Report, of: impl Fn(&Counts) -> u64) -> Vec<Number> {
    report.hub.iter().map(|hub| Number::alone(of(&hub.counts))).collect()
}

fn level(report: &Report, of: impl Fn(&Levels) -> u64) -> Vec<Number> {
    report.hub.iter().map(|hub| Number::alone(of(&hub.levels))).collect()
}

fn members(report: &Report) -> Vec<Number> {
    let Some(hub) = &report.hub else { return Vec::new() };
    let Levels { members, live, .. } = hub.levels;
    vec![Number::of("state", "live", live), Number::of("state", "behind", members - live)]
}

fn answers(edge: &Edge) -> Vec<Number> {
    edge.answers().map(|(status, count)| Number::of("status", status.to_string(), count)).collect()
}

fn broken(edge: &Edge) -> Vec<Number> {
    edge.broken_with().map(|(code, count)| Number::closed(code, count)).collect()
}

fn closes(report: &Report) -> Vec<Number> {
    let Some(hub) = &report.hub else { return Vec::new() };
    CloseCode::ALL.map(|code| Number::closed(code, hub.counts.closes(code))).into()
}

fn resumes(report: &Report) -> Vec<Number> {
    let Some(hub) = &report.hub else { return Vec::new() };
    let Counts { resumed, not_resumed, .. } = hub.counts;
    vec![Number::of("outcome", "resumed", resumed), Number::of("outcome", "new", not_resumed)]
}

fn errors(report: &Report) -> Vec<Number> {
    let Some(hub) = &report.hub else { return Vec::new() };
    let number = |code: &ErrorCode| {
        let name = serde_json::to_string(code).expect("a code is a word");
        Number::of("code", name.trim_matches('"').to_owned(), hub.counts.errors(*code))
    };
    ErrorCode::ALL.iter().map(number).collect()
}

fn limits(report: &Report) -> Vec<Number> {
    let Some(hub) = &report.hub else { return Vec::new() };
    let number = |limit: &Limit| Number::of("limit", limit.setting(), hub.counts.limits(*limit));
    Limit::ALL.iter().map(number).collect()
}
