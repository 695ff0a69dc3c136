//! The Roundtable chat server on blocking threads.
