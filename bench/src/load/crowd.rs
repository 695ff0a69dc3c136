//! All connections of a run, in one thread: who is ready to read, what is read, what is sent. This
//! file does not know when things are to happen.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustls::ClientConfig;

use super::link::{Heard, Link, Role, Stage};
use super::payload::Stamp;
use super::tally::{Tally, histogram, micros};
use crate::frame::Opcode;

/// Connections that are taken care of before anybody looks at the clock.
const MOST_EVENTS: usize = 64;

/// What is read at a time.
const READ_BYTES: usize = 256 << 10;

/// Connections that are being made at a time: fewer than a listening socket lets wait.
const CONNECTING: usize = 64;

/// A close code that says goodbye (RFC 6455 §7.4.1).
const NORMAL: [u8; 2] = 1000_u16.to_be_bytes();

/// Where to connect, and how.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) server: SocketAddr,
    /// The whole request of an upgrade.
    pub(super) request: Vec<u8>,
    /// The messages with which the server greets.
    pub(super) greetings: u32,
    /// What makes connections secure, where they are to be.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// Visits: connections that were greeted, and have left.
pub(super) struct Visits {
    /// Those that were greeted.
    pub(super) greeted: u64,
    /// Those that were turned away.
    pub(super) failed: u64,
    /// From the beginning of the connection to the last greeting, in microseconds.
    pub(super) took: Histogram<u64>,
}

/// The connections.
pub(super) struct Crowd {
    epoll: OwnedFd,
    start: Instant,
    target: Target,
    visitors_target: Target,
    links: Vec<Link>,
    /// Those that are connected and greeted.
    ready: usize,
    buffer: Vec<u8>,
    events: Vec<Event>,
    text: Vec<u8>,
    pub(super) tally: Tally,
    /// Senders whose own text came back, once for each.
    echoes: Vec<u32>,
    pub(super) visits: Visits,
    connects: u32,
    /// The close codes of connections that were to stay.
    pub(super) ended: Vec<(Role, Option<u16>)>,
    visiting: Visiting,
}

/// Whether visitors that have left are followed by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visiting {
    GoOn,
    Stop,
}

impl Crowd {
    pub(super) fn new(target: Target, visitors_target: Target, tally: Tally) -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            start: Instant::now(),
            target,
            visitors_target,
            links: Vec::new(),
            ready: 0,
            buffer: vec![0; READ_BYTES],
            events: Vec::with_capacity(MOST_EVENTS),
            text: Vec::new(),
            tally,
            echoes: Vec::new(),
            visits: Visits { greeted: 0, failed: 0, took: histogram() },
            connects: 0,
            ended: Vec::new(),
            visiting: Visiting::Stop,
        })
    }

    /// The time since the run began.
    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The connections that were greeted.
    pub(super) fn ready(&self) -> usize {
        self.ready
    }

    /// Begins connections with `role` until there are `all` connections in all or enough are on their
    /// way.
    pub(super) fn fill(&mut self, all: usize, role: Role) -> io::Result<()> {
        while self.links.len() < all && self.links.len() - self.ready < CONNECTING {
            let index = self.links.len();
            let link = self.dial(index, role)?;
            self.links.push(link);
        }
        Ok(())
    }

    /// Lets `count` visitors come, each followed by another, until [`Self::close_the_door`].
    pub(super) fn let_in(&mut self, count: usize) -> io::Result<()> {
        self.visiting = Visiting::GoOn;
        for _ in 0..count {
            let index = self.links.len();
            let link = self.dial(index, Role::Visitor)?;
            self.links.push(link);
        }
        Ok(())
    }

    /// Lets nobody follow visitors that leave.
    pub(super) fn close_the_door(&mut self) {
        self.visiting = Visiting::Stop;
    }

    fn dial(&mut self, index: usize, role: Role) -> io::Result<Link> {
        let now = self.now();
        let target = match role {
            Role::Receiver | Role::Slow => &self.target,
            Role::Visitor => &self.visitors_target,
        };
        let mut link = Link::connect(target.server, self.connects, role, now)?;
        if let Some(config) = &target.tls {
            link.secure(Arc::clone(config))?;
        }
        self.connects = self.connects.wrapping_add(1);
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &link.socket, EventData::new_u64(index as u64), flags)?;
        Ok(link)
    }

    /// Lets `sender` say its `number`th text of `bytes` bytes.
    pub(super) fn say(&mut self, sender: u32, number: u32, intended: Duration, bytes: usize) {
        let intended_ns = u64::try_from(intended.as_nanos()).expect("a run shorter than centuries");
        let mut text = mem::take(&mut self.text);
        Stamp { sender, number, intended_ns }.write(bytes, &mut text);
        let index = sender as usize;
        let link = &mut self.links[index];
        if !matches!(link.stage, Stage::Closed(_)) && link.send(Opcode::Text, &text).is_err() {
            self.end(index);
        }
        self.text = text;
    }

    /// Takes the senders whose own texts came back, once for each text.
    pub(super) fn take_echoes(&mut self, echoes: &mut Vec<u32>) {
        echoes.clear();
        mem::swap(echoes, &mut self.echoes);
    }

    /// The clients' ends of those that never read.
    pub(super) fn slow_ends(&self) -> Vec<SocketAddr> {
        let slow = self.links.iter().filter(|link| link.role == Role::Slow);
        slow.filter_map(Link::end).collect()
    }

    /// Waits for something to happen until `until`, and takes care of a bounded part of it.
    pub(super) fn turn(&mut self, until: Duration) -> io::Result<()> {
        let wait = until.saturating_sub(self.now());
        let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
        let mut events = mem::take(&mut self.events);
        events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let (flags, data) = (event.flags, event.data);
            let index = usize::try_from(data.u64()).expect("an index");
            let failed = self.touch(index, flags).is_err();
            if failed || matches!(self.links[index].stage, Stage::Closed(_)) {
                self.end(index);
            }
        }
        self.events = events;
        Ok(())
    }

    fn touch(&mut self, index: usize, flags: EventFlags) -> io::Result<()> {
        let link = &mut self.links[index];
        let target = match link.role {
            Role::Receiver | Role::Slow => &self.target,
            Role::Visitor => &self.visitors_target,
        };
        if flags.contains(EventFlags::OUT) {
            link.connected(&target.request)?;
        }
        if !flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR)
        {
            return Ok(());
        }
        let now = self.start.elapsed();
        let was_ready = is_ready(link, target);
        if link.role == Role::Slow && was_ready {
            // What it does not read stays in the kernel; that it was cut off is told all the same.
            if flags.intersects(EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP) {
                link.stage = Stage::Closed(None);
            }
            return Ok(());
        }
        let (tally, echoes, expected, role) =
            (&mut self.tally, &mut self.echoes, target.greetings, link.role);
        link.read(&mut self.buffer, |greetings, heard| match heard {
            Heard::Upgraded => {}
            Heard::Message(_) if *greetings < expected => *greetings += 1,
            Heard::Message(message) => match role {
                Role::Receiver => {
                    let own = tally.message(index, message, now);
                    echoes.extend((0..own).map(|_| u32::try_from(index).expect("an index")));
                }
                Role::Slow | Role::Visitor => {}
            },
        })?;
        if !was_ready && is_ready(link, target) {
            self.greeted(index)?;
        }
        Ok(())
    }

    fn greeted(&mut self, index: usize) -> io::Result<()> {
        let now = self.now();
        let link = &mut self.links[index];
        match link.role {
            Role::Receiver | Role::Slow => self.ready += 1,
            Role::Visitor => {
                self.visits.greeted += 1;
                self.visits.took.saturating_record(micros(now.saturating_sub(link.began)));
                link.send(Opcode::Close, &NORMAL)?;
                link.stage = Stage::Leaving;
            }
        }
        Ok(())
    }

    /// Lets go of a connection that is over; a visitor is followed by another.
    fn end(&mut self, index: usize) {
        let link = &mut self.links[index];
        // A socket that is left open would keep its place at the server.
        let _ = epoll::delete(&self.epoll, &link.socket);
        let _ = link.socket.shutdown(std::net::Shutdown::Both);
        let (role, stage) = (link.role, link.stage);
        let code = match stage {
            Stage::Closed(code) => code,
            Stage::Connecting | Stage::Upgrading | Stage::Open | Stage::Leaving => None,
        };
        link.stage = Stage::Closed(code);
        match role {
            Role::Receiver | Role::Slow => self.ended.push((role, code)),
            Role::Visitor => {
                let was_greeted =
                    stage == Stage::Leaving || link.greetings >= self.visitors_target.greetings;
                self.visits.failed += u64::from(!was_greeted);
                if self.visiting == Visiting::GoOn {
                    match self.dial(index, role) {
                        Ok(link) => self.links[index] = link,
                        Err(_) => self.visits.failed += 1,
                    }
                }
            }
        }
    }
}

/// Whether the connection is a WebSocket, and the server has said all that it says to newcomers.
fn is_ready(link: &Link, target: &Target) -> bool {
    match link.stage {
        Stage::Connecting | Stage::Upgrading => false,
        Stage::Open | Stage::Leaving | Stage::Closed(_) => link.greetings >= target.greetings,
    }
}
