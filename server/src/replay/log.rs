//! The parts of a recording as one log. This file does not know what a hub makes of it.

use std::io::{self, Read};

use roundtable::Image;

use super::Error;
use crate::record::{Entry, Fault, Files, Head, Mark, Next, Record, Records, image};

/// Where the parts of a recording come from.
pub trait Source {
    /// A part to read from.
    type Input: Read;

    /// Opens the part with this number, from 0; nothing if there is none.
    ///
    /// # Errors
    ///
    /// If it is there and cannot be read.
    fn open(&mut self, number: u32) -> io::Result<Option<Self::Input>>;
}

impl Source for Files {
    type Input = Box<dyn Read>;

    fn open(&mut self, number: u32) -> io::Result<Option<Self::Input>> {
        Ok(Files::open(self, number)?.map(|input| Box::new(input) as Box<dyn Read>))
    }
}

impl<'a> Source for &'a [u8] {
    type Input = &'a [u8];

    fn open(&mut self, number: u32) -> io::Result<Option<Self::Input>> {
        Ok((number == 0).then_some(*self))
    }
}

/// A recording, read from its beginning.
#[derive(Debug)]
pub struct Log<S: Source> {
    source: S,
    records: Records<S::Input>,
    head: Head,
    image: Option<Image>,
    torn: Option<Torn>,
    is_over: bool,
}

/// What a recording holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An event.
    Entry(Entry),
    /// What all events before it came to.
    Mark(Mark),
}

/// A record that was not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The part that ends with it.
    pub part: u32,
    /// Where it begins, in bytes from the part's start.
    pub at: u64,
    /// How many bytes of it are there.
    pub bytes: u64,
}

impl<S: Source> Log<S> {
    /// Opens the recording that `source` holds.
    ///
    /// # Errors
    ///
    /// If there is none, or its head cannot be read.
    pub fn open(mut source: S) -> Result<Self, Error> {
        let failed = |fault| Error::Part { part: 0, fault };
        let input = source.open(0).map_err(|error| failed(Fault::Io(error)))?;
        let mut records = Records::new(input.ok_or(Error::Empty)?);
        let head = match records.next().map_err(failed)? {
            Next::Record(Record::Head(head)) => *head,
            Next::Record(_) => return Err(failed(damaged("it does not begin with a head"))),
            Next::End | Next::Torn { .. } => return Err(Error::Empty),
        };
        if head.part != 0 || head.so_far != Mark::default() {
            return Err(failed(damaged("it is not the first part of its recording")));
        }
        let image = if head.image { Some(read_image(&mut records)?) } else { None };
        Ok(Self { source, records, head, image, torn: None, is_over: false })
    }

    /// The head of the part that is being read.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The image of the hub that the recording begins with, if it does, and nobody has taken it so far.
    pub(super) fn take_image(&mut self) -> Option<Image> {
        self.image.take()
    }

    /// The record that was not finished, once the end is reached.
    pub fn torn(&self) -> Option<Torn> {
        self.torn
    }

    /// What comes next; nothing at the end.
    ///
    /// # Errors
    ///
    /// If a part cannot be read, or is not what was written.
    #[expect(clippy::should_implement_trait, reason = "it can fail, and then there is no next one")]
    pub fn next(&mut self) -> Result<Option<Item>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let part = self.head.part;
        let failed = |fault| Error::Part { part, fault };
        match self.records.next().map_err(failed)? {
            Next::Record(Record::Entry(entry)) => Ok(Some(Item::Entry(entry))),
            Next::Record(Record::Mark(mark)) => Ok(Some(Item::Mark(mark))),
            Next::Record(Record::Head(_)) => Err(failed(damaged("a head stands in its middle"))),
            Next::Record(Record::Piece(_)) => Err(failed(damaged("an image stands in its middle"))),
            Next::End => self.turn_over(),
            Next::Torn { at, bytes } => {
                if self.open_next()?.is_some() {
                    let what = "a record was not finished, and there is another part".to_owned();
                    return Err(failed(Fault::Damaged { at, what }));
                }
                self.torn = Some(Torn { part, at, bytes });
                self.is_over = true;
                Ok(None)
            }
        }
    }

    /// Goes on with the next part.
    fn turn_over(&mut self) -> Result<Option<Item>, Error> {
        let Some(mut records) = self.open_next()? else {
            self.is_over = true;
            return Ok(None);
        };
        let part = self.head.part + 1;
        let failed = |fault| Error::Part { part, fault };
        let head = match records.next().map_err(failed)? {
            Next::Record(Record::Head(head)) => *head,
            Next::Record(_) => return Err(failed(damaged("it does not begin with a head"))),
            // The process died when it had just begun this part.
            Next::End => {
                self.is_over = true;
                return Ok(None);
            }
            Next::Torn { at, bytes } => {
                self.torn = Some(Torn { part, at, bytes });
                self.is_over = true;
                return Ok(None);
            }
        };
        let expected = Head { part, so_far: head.so_far, ..self.head.clone() };
        if head != expected {
            return Err(failed(damaged("it belongs to another recording")));
        }
        (self.records, self.head) = (records, head);
        Ok(Some(Item::Mark(self.head.so_far)))
    }

    fn open_next(&mut self) -> Result<Option<Records<S::Input>>, Error> {
        let Some(part) = self.head.part.checked_add(1) else { return Ok(None) };
        let input = self.source.open(part);
        let failed = |error| Error::Part { part, fault: Fault::Io(error) };
        Ok(input.map_err(failed)?.map(Records::new))
    }
}

/// Reads the image that stands behind the first head.
fn read_image(records: &mut Records<impl Read>) -> Result<Image, Error> {
    let failed = |fault| Error::Part { part: 0, fault };
    let mut bytes = Vec::new();
    loop {
        match records.next().map_err(failed)? {
            Next::Record(Record::Piece(piece)) => {
                bytes.extend_from_slice(&piece.bytes);
                if piece.is_last {
                    return image::read(&bytes).map_err(|what| failed(damaged(&what)));
                }
            }
            Next::Record(_) => return Err(failed(damaged("its image has no end"))),
            Next::End | Next::Torn { .. } => return Err(Error::Empty),
        }
    }
}

fn damaged(what: &str) -> Fault {
    Fault::Damaged { at: 0, what: what.to_owned() }
}
