//! What both runtimes share and that does no I/O: settings, HTTP front door, codec, page.
