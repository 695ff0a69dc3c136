//! What the hub tells its driver to do. This file does not know how it is done.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use crate::close::CloseCode;
use crate::event::ConnId;
use crate::journal::Batch;

/// One thing for the driver to do, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Answer the upgrade of `conn` with a refusal, in place of the answer that grants it.
    ///
    /// It is the only command that a [`Connect`](crate::Event::Connect) leads to then. The hub has
    /// never known `conn`: it names it in no later command, and ignores later events for it.
    Refuse {
        /// The connection that is none.
        conn: ConnId,
        /// Why.
        refusal: Refusal,
        /// After which time it may be worth another try.
        retry_after: Duration,
    },
    /// Send `text` as one WebSocket text frame to each of `to`.
    ///
    /// Every recipient was connected and not closed when the command was given.
    Send {
        /// Who gets it.
        to: Recipients,
        /// The frame's payload, shared by all of them.
        text: Arc<str>,
    },
    /// Send a WebSocket ping without payload.
    Ping {
        /// Who gets it.
        conn: ConnId,
    },
    /// Check a token, and answer with exactly one [`Event::Verified`](crate::Event::Verified), in any
    /// order among connections.
    Verify {
        /// Who showed it.
        conn: ConnId,
        /// The token, as it came.
        token: Box<str>,
    },
    /// Close the connection with a WebSocket close frame, within the driver's `close_timeout`.
    ///
    /// The hub has forgotten `conn`: it names it in no later command, and ignores later events
    /// for it.
    Close {
        /// The connection to close.
        conn: ConnId,
        /// The close code.
        code: CloseCode,
        /// What to do with that which is queued for it.
        queue: Queue,
    },
    /// Write down what has changed: no later command may be carried out before that is done, or nobody
    /// would know tomorrow what somebody was told today.
    ///
    /// It comes before the commands that tell of the change, and only if
    /// [`journal`](crate::Config::journal) asks for it. A driver that collects the commands of many
    /// events writes all their batches at once, before it carries out the others.
    Append {
        /// What has changed.
        batch: Box<Batch>,
    },
    /// The drain is over: nobody is connected, and nobody will be.
    Drained,
}

/// Why an upgrade is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its address has [`address_connections`](crate::Config::address_connections) already.
    TooManyConnections,
    /// Its address begins more than
    /// [`address_per_minute`](crate::Config::address_per_minute) lets pass.
    TooFast,
    /// There are [`max_addresses`](crate::Config::max_addresses) others, each with a connection.
    TooManyAddresses,
    /// It brings no token, and
    /// [`max_unverified`](crate::Config::max_unverified) connections have shown none.
    TooManyUnverified,
}

/// Who gets a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// One connection.
    One(ConnId),
    /// Everybody in a shared list, but for one.
    Many {
        /// The list; each connection is in it once.
        list: Arc<[ConnId]>,
        /// The one on the list that gets nothing.
        except: Option<ConnId>,
    },
}

impl Recipients {
    /// Each recipient, once.
    pub fn iter(&self) -> impl Iterator<Item = ConnId> + '_ {
        let (list, except) = match self {
            Self::One(conn) => (core::slice::from_ref(conn), None),
            Self::Many { list, except } => (&**list, *except),
        };
        list.iter().copied().filter(move |conn| Some(*conn) != except)
    }
}

/// What becomes of that which is queued for a connection that is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// It is sent first, as far as the driver's `close_timeout` allows.
    Flush,
    /// What the socket does not take at once is thrown away: the peer does not read, and the memory
    /// is wanted back. A frame that is partly sent is still finished.
    Drop,
}
