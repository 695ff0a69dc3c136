//! The workloads of a comparison: who does them, and with which flags. What happens in them is the load
//! generator's matter.

/// Who does a workload.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who {
    /// Every server but the floor that greets.
    All,
    /// Every server but the floors that do not greet.
    Greeters,
    /// The same as all, without the batched floors.
    NotBatched,
    /// `runtime-smol` alone.
    Smol,
}

/// One workload.
pub(super) struct Work {
    /// The load generator's name of it.
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// What is added to the command of Roundtable's servers.
    pub(super) flags: &'static str,
    pub(super) who: Who,
    /// Seconds that are measured; none if it is the comparison's to say.
    pub(super) seconds: Option<f64>,
    /// Seconds of the same before.
    pub(super) warm_up: f64,
}

/// A log that holds what a run publishes, so that nobody is told of a gap.
const LONG: &str = "--shards 1 --history-entries 1000000 --history-bytes 256MiB";

/// The load generator needs a core as well: on two, the server has one to write with.
const ONE_SHARD: &str = "--shards 1";

/// Every workload, in the order of the document.
pub(super) const WORKS: [Work; 9] = [
    Work {
        name: "room-1000-paced",
        what: "1,000 connections in one room, 100 messages a second, 64 B",
        flags: ONE_SHARD,
        who: Who::All,
        // How a processor's time is divided between program and kernel is seen 250 times a second,
        // and the program has a small part of it.
        seconds: Some(15.0),
        warm_up: 1.0,
    },
    Work {
        name: "room-1000-saturated",
        what: "The same room, as fast as it goes: ten senders, each with two messages under way",
        flags: LONG,
        who: Who::All,
        seconds: None,
        warm_up: 1.0,
    },
    Work {
        name: "room-10000-paced",
        what: "10,000 connections in one room, 5 messages a second, 64 B",
        flags: ONE_SHARD,
        who: Who::NotBatched,
        seconds: None,
        warm_up: 1.0,
    },
    Work {
        name: "idle-19000",
        what: "19,000 connections in one room, nobody talks",
        flags: ONE_SHARD,
        who: Who::NotBatched,
        seconds: Some(1.0),
        warm_up: 0.0,
    },
    Work {
        name: "slow-1000",
        what: "990 connections, 20 messages of 4 KiB a second, and 10 more that never read",
        flags: LONG,
        who: Who::Smol,
        seconds: Some(30.0),
        warm_up: 1.0,
    },
    Work {
        name: "slow-1000-twin",
        what: "The same without those ten",
        flags: LONG,
        who: Who::Smol,
        seconds: Some(30.0),
        warm_up: 1.0,
    },
    Work {
        name: "storm",
        what: "100 connections talk, 10 messages a second, while 64 others at a time come, are \
               greeted and go as fast as it goes",
        flags: ONE_SHARD,
        who: Who::Greeters,
        seconds: None,
        warm_up: 1.0,
    },
    Work {
        name: "shards-1",
        what: "As room-1000-paced, with one shard",
        flags: ONE_SHARD,
        who: Who::Smol,
        seconds: None,
        warm_up: 1.0,
    },
    Work {
        name: "shards-2",
        what: "As room-1000-paced, with two shards",
        flags: "--shards 2",
        who: Who::Smol,
        seconds: None,
        warm_up: 1.0,
    },
];
