//! The conformance script against `runtime-std`.

use roundtable_tests::conformance::servers::on_threads;

roundtable_tests::conformance!(|case| case(&on_threads));
