//! The conformance script against `runtime-smol`.

use roundtable_tests::conformance::servers::on_smol;

roundtable_tests::conformance!(|case| case(&on_smol));
