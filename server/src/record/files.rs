//! Where the parts of a recording are. This file does not know what is in them.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Gives a recorder its parts, one after the other.
pub trait Parts {
    /// A part to write to.
    type Part: Write;

    /// Makes the part with this number, from 0.
    ///
    /// # Errors
    ///
    /// If it cannot be had, or is there already.
    fn create(&mut self, number: u32) -> io::Result<Self::Part>;
}

/// The parts as files: `FILE`, `FILE.1`, `FILE.2`.
#[derive(Clone, Debug)]
pub struct Files {
    first: PathBuf,
}

impl Files {
    /// The files of a recording that begins with this one.
    pub fn new(first: impl Into<PathBuf>) -> Self {
        Self { first: first.into() }
    }

    /// The file of this part.
    pub fn path(&self, number: u32) -> PathBuf {
        if number == 0 {
            return self.first.clone();
        }
        let mut path = OsString::from(&self.first);
        path.push(format!(".{number}"));
        path.into()
    }

    /// Opens a part to be read; nothing if it is not there.
    ///
    /// # Errors
    ///
    /// If it is there and cannot be read.
    pub fn open(&self, number: u32) -> io::Result<Option<impl Read + use<>>> {
        match File::open(self.path(number)) {
            Ok(file) => Ok(Some(BufReader::with_capacity(1 << 16, file))),
            Err(error) if error.kind() == ErrorKind::NotFound && number > 0 => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Parts for Files {
    type Part = File;

    /// What is there already is another recording, and is kept.
    fn create(&mut self, number: u32) -> io::Result<File> {
        if number == 0 && !exists(&self.first) && exists(&self.path(1)) {
            let message = format!("{} belongs to another recording", self.path(1).display());
            return Err(io::Error::new(ErrorKind::AlreadyExists, message));
        }
        OpenOptions::new().write(true).create_new(true).open(self.path(number))
    }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
