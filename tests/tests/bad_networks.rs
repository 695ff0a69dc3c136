//! The conformance script against both runtimes, over networks that misbehave: what comes byte by
//! byte, cut anywhere, late, or after a stall, comes to the same. Which case is left out, and why, is
//! said at `conformance_through_networks`.

use roundtable_tests::conformance::networks::over_each;

roundtable_tests::conformance_through_networks!(over_each);
