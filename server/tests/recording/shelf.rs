//! The parts of a recording in memory. This file does not know what is in them.

use std::cell::RefCell;
use std::io::{self, Cursor, Write};
use std::rc::Rc;

use roundtable_server::record::Parts;
use roundtable_server::replay::Source;

/// Parts that all clones share, and that have so much room.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    parts: Rc<RefCell<Vec<Vec<u8>>>>,
    room: usize,
}

#[derive(Debug)]
pub(crate) struct Part {
    shelf: Shelf,
    number: usize,
}

impl Default for Shelf {
    fn default() -> Self {
        Self::with_room(usize::MAX)
    }
}

impl Shelf {
    /// Parts of at most `room` bytes each: the disk is full then.
    pub(crate) fn with_room(room: usize) -> Self {
        Self { parts: Rc::default(), room }
    }

    pub(crate) fn part(&self, number: usize) -> Vec<u8> {
        self.parts.borrow()[number].clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.parts.borrow().len()
    }

    pub(crate) fn replace(&self, number: usize, bytes: Vec<u8>) {
        self.parts.borrow_mut()[number] = bytes;
    }
}

impl Parts for Shelf {
    type Part = Part;

    fn create(&mut self, number: u32) -> io::Result<Part> {
        let number = number as usize;
        assert_eq!(number, self.count(), "parts come one after the other");
        self.parts.borrow_mut().push(Vec::new());
        Ok(Part { shelf: self.clone(), number })
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = &mut self.shelf.parts.borrow_mut()[self.number];
        let fits = bytes.len().min(self.shelf.room - part.len());
        if fits == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        part.extend_from_slice(&bytes[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Source for Shelf {
    type Input = Cursor<Vec<u8>>;

    fn open(&mut self, number: u32) -> io::Result<Option<Self::Input>> {
        Ok(self.parts.borrow().get(number as usize).cloned().map(Cursor::new))
    }
}
