//! Benchmarks of the hub.
