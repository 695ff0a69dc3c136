//! The offline checker: what clients wrote down, held against what they were promised. It shares no
//! code with the hub and knows no socket.

use std::collections::BTreeMap;

use super::book::{Deed, Word};

/// What was found to be right, by counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Words that were given, to whomever.
    pub deliveries: u64,
    /// Words that were acknowledged.
    pub acks: u64,
    /// Joins, the first ones and those that came back.
    pub joins: u64,
    /// Gaps that were told.
    pub gaps: u64,
    /// Sessions that were not come back to.
    pub renewed: u64,
}

/// A client, as far as its lines tell.
#[derive(Debug, Default)]
struct Person {
    /// Its room, and where it stands there.
    stands: Option<(Room, u64)>,
    is_done: bool,
}

/// A room, and the run of its log.
type Room = (u32, String);

/// What all lines come to.
#[derive(Debug, Default)]
pub struct Checker {
    people: BTreeMap<u32, Person>,
    /// What stands where, as everybody must be told.
    order: BTreeMap<Room, BTreeMap<u64, Word>>,
    /// Where each word stands.
    places: BTreeMap<Word, (Room, u64)>,
    /// What its author was told of that.
    acked: BTreeMap<Word, u64>,
    /// How many words each has said.
    said: BTreeMap<u32, u64>,
    counts: Counts,
}

impl Checker {
    /// Takes the next line.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn take(&mut self, who: u32, deed: Deed) -> Result<(), String> {
        self.judge(who, deed).map_err(|why| format!("client {who}: {why}"))
    }

    fn judge(&mut self, who: u32, deed: Deed) -> Result<(), String> {
        match deed {
            Deed::Said(n) => {
                let before = self.said.insert(who, n).unwrap_or_default();
                hold(n == before + 1, || format!("word {n} was said after {before}"))
            }
            Deed::Acked(n, seq) => {
                self.counts.acks += 1;
                hold(n <= self.said.get(&who).copied().unwrap_or_default(), || {
                    format!("word {n} is acknowledged and was never said")
                })?;
                let first = *self.acked.entry((who, n)).or_insert(seq);
                hold(first == seq, || format!("word {n} is acknowledged at {first} and at {seq}"))
            }
            Deed::Joined { room, epoch, since, gap, given, seq } => {
                self.counts.joins += 1;
                let room = (room, epoch);
                let stood = self.people.entry(who).or_default().stands.take();
                let stood = stood.map(|(before, place)| {
                    hold(before == room, || format!("{before:?} goes on as {room:?}"))?;
                    Ok::<u64, String>(place)
                });
                let stood = stood.transpose()?;
                hold(stood == since, || format!("asked for {since:?} at {stood:?}"))?;
                let first = given.first().map_or(seq + 1, |(first, _)| *first);
                self.people.entry(who).or_default().stands =
                    Some((room, since.unwrap_or(first - 1)));
                if let Some((from, to)) = gap {
                    self.miss(who, from, to)?;
                }
                for (place, word) in given {
                    self.give(who, place, word)?;
                }
                let (_, stands) = self.stands(who)?;
                hold(*stands == seq, || format!("stands at {stands} and is told {seq}"))
            }
            Deed::Got(seq, word) => self.give(who, seq, word),
            Deed::Gap(from, to) => self.miss(who, from, to),
            Deed::Renewed => {
                self.counts.renewed += 1;
                Ok(())
            }
            Deed::Refused(code) => Err(format!("refused: {code}")),
            Deed::Done => {
                self.people.entry(who).or_default().is_done = true;
                Ok(())
            }
        }
    }

    fn stands(&mut self, who: u32) -> Result<&mut (Room, u64), String> {
        let person = self.people.entry(who).or_default();
        person.stands.as_mut().ok_or_else(|| "is in no room".to_owned())
    }

    fn give(&mut self, who: u32, seq: u64, word: Word) -> Result<(), String> {
        self.counts.deliveries += 1;
        let (room, stands) = self.stands(who)?;
        hold(seq == *stands + 1, || {
            let what = if seq > *stands { "lost" } else { "given twice or late" };
            format!("{seq} comes behind {stands}: {what}")
        })?;
        *stands = seq;
        let room = room.clone();
        let first = *self.order.entry(room.clone()).or_default().entry(seq).or_insert(word);
        hold(first == word, || format!("{seq} is {word:?}, and {first:?} to others"))?;
        let place = self.places.entry(word).or_insert_with(|| (room, seq));
        hold(place.1 == seq, || format!("{word:?} stands at {} and at {seq}", place.1))
    }

    fn miss(&mut self, who: u32, from: u64, to: u64) -> Result<(), String> {
        self.counts.gaps += 1;
        let (_, stands) = self.stands(who)?;
        hold(from == *stands + 1 && to >= from, || {
            format!("a gap from {from} to {to} behind {stands}")
        })?;
        *stands = to;
        Ok(())
    }

    /// Nothing more comes.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub fn end(self) -> Result<Counts, String> {
        let mut heads: BTreeMap<&Room, u64> = BTreeMap::new();
        for (word, seq) in &self.acked {
            let Some((room, place)) = self.places.get(word) else {
                return Err(format!("{word:?} is acknowledged, and was given to nobody"));
            };
            hold(place == seq, || format!("{word:?} is acknowledged at {seq}, and is at {place}"))?;
            let head = heads.entry(room).or_default();
            *head = (*head).max(*seq);
        }
        for (who, person) in &self.people {
            hold(person.is_done, || format!("client {who} has not come to the end"))?;
            let (room, stands) = person.stands.as_ref().ok_or("somebody is in no room")?;
            let head = heads.get(room).copied().unwrap_or_default();
            hold(*stands >= head, || format!("client {who} was given up to {stands} of {head}"))?;
        }
        Ok(self.counts)
    }
}

fn hold(is_so: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(why()) }
}
