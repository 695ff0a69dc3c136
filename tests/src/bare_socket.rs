//! A socket that may be full, for drivers without sockets. This file does not know who reads it.

use std::collections::VecDeque;

use roundtable::ConnId;

/// What waits for one connection.
pub(crate) struct Socket {
    pub(crate) conn: ConnId,
    /// Frames that were not taken, by what is left of them.
    pub(crate) queue: VecDeque<usize>,
    /// What is still taken; nothing means everything.
    pub(crate) takes: Option<usize>,
    reported: usize,
}

impl Socket {
    pub(crate) fn new(conn: ConnId) -> Self {
        Self { conn, queue: VecDeque::new(), takes: None, reported: 0 }
    }

    /// Offers the queue, and tells what is left if it differs from what was told last.
    pub(crate) fn offer(&mut self) -> Option<(ConnId, usize)> {
        let mut free = self.takes.unwrap_or(usize::MAX);
        while let Some(first) = self.queue.front_mut() {
            let taken = free.min(*first);
            free -= taken;
            *first -= taken;
            if *first > 0 {
                break;
            }
            self.queue.pop_front();
        }
        self.takes = self.takes.map(|_| free);
        let level: usize = self.queue.iter().sum();
        let tell = level != self.reported;
        self.reported = level;
        tell.then_some((self.conn, level))
    }
}
