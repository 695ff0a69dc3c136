//! A hub and its twin: the twin is fed the same events as text, after extra ticks, is made anew of an
//! image of itself now and then, and must command the same. This file does not know what is commanded.

use roundtable::{
    Command, Config, ConnId, Event, Hub, Image, Machine, Origin, Snapshot, Timestamp,
};

use crate::invariant::{Checked, hold};
use crate::parse::parse;
use crate::subject::Subject;

/// The twin is made anew after so many events.
const MADE_ANEW: u64 = 61;

/// Two hubs that behave like one.
#[derive(Debug)]
pub struct Twin {
    hub: Hub,
    again: Hub,
    commands: Vec<Command>,
    /// How many events there were.
    events: u64,
    /// How often the two were compared.
    pub checked: Checked,
}

impl Twin {
    /// The twin goes on with all that it is, written down and read back.
    fn make_anew(&mut self) {
        let image = self.again.image();
        let anew = anew(self.again.config(), &image);
        let same = anew.image() == image
            && anew.totals().levels == self.again.totals().levels
            && anew.next_deadline() == self.again.next_deadline();
        hold!(self.checked, Pure, same, "{anew:?} is made of {image:?}");
        self.again = anew;
    }

    /// A tick when nothing is due changes nothing.
    fn tick_early(&mut self, now: Timestamp) {
        let deadline = self.again.next_deadline();
        if deadline.is_none_or(|deadline| deadline > now) {
            self.again.handle(now, Event::Tick, &mut self.commands);
            let nothing = self.commands.is_empty() && self.again.next_deadline() == deadline;
            hold!(self.checked, ExtraTicks, nothing, "an early tick gave {:?}", self.commands);
        }
    }
}

/// The hub that is made of what was written down of an image.
///
/// # Panics
///
/// If none is.
pub fn anew(config: &Config, image: &Image) -> Hub {
    let bytes = postcard::to_allocvec(image).expect("an image is plain data");
    let read: Image = postcard::from_bytes(&bytes).expect("what was written");
    Hub::from_image(config.clone(), read).expect("what a hub has made")
}

impl Machine for Twin {
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        self.events += 1;
        if self.events.is_multiple_of(MADE_ANEW) {
            self.make_anew();
        }
        self.tick_early(now);
        let parsed = parse(&format!("{now:?} {event:?}"));
        let (then, parsed) = parsed.unwrap_or_else(|| panic!("no event: {now:?} {event:?}"));
        self.again.handle(then, parsed, &mut self.commands);
        let before = commands.len();
        self.hub.handle(now, event, commands);
        let same = commands[before..] == self.commands
            && self.hub.next_deadline() == self.again.next_deadline();
        hold!(
            self.checked,
            Pure,
            same,
            "{:?}, next {:?}\nand the twin\n{:?}, next {:?}",
            &commands[before..],
            self.hub.next_deadline(),
            self.commands,
            self.again.next_deadline()
        );
        self.commands.clear();
        self.tick_early(now);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.hub.next_deadline()
    }

    fn hub(&self) -> Option<&Hub> {
        Some(&self.hub)
    }
}

impl Subject for Twin {
    fn begin(config: Config, origin: Origin) -> Self {
        let begin = || Hub::begin(config.clone(), origin);
        let (commands, checked) = (Vec::new(), Checked::default());
        Self { hub: begin(), again: begin(), commands, events: 0, checked }
    }

    fn queued_for(&self, conn: ConnId) -> Option<usize> {
        self.hub.queued_for(conn)
    }

    fn is_clean(&self) -> bool {
        self.hub.is_clean()
    }

    fn snapshot(&self, now: Timestamp) -> Snapshot {
        self.hub.snapshot(now)
    }

    /// The hub goes on with what was written down and read back; the twin lives on, unless it drains.
    fn carry_over(&mut self, config: &Config, snapshot: Snapshot, was_draining: bool) {
        let text = serde_json::to_string(&snapshot).expect("a snapshot is plain data");
        let read = serde_json::from_str(&text).expect("what was written");
        self.hub.carry_over(config, read, was_draining);
        let again = self.hub.snapshot(self.hub.now());
        hold!(self.checked, CarriedOver, again == snapshot, "{again:?} is not {text}");
        if was_draining {
            self.again.carry_over(config, snapshot, was_draining);
        }
    }
}
