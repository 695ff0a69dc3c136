//! The Roundtable chat server on smol.
