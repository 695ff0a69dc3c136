//! The server's process: its words, its first line, its signals, its exit codes.

#[path = "../../server/tests/process/mod.rs"]
mod process;

#[test]
fn the_process_begins_and_ends_as_promised() {
    process::check(env!("CARGO_BIN_EXE_runtime-smol"));
}

#[test]
fn the_log_tells_what_an_operator_needs() {
    process::log::check(env!("CARGO_BIN_EXE_runtime-smol"));
}

#[test]
fn a_recorded_day_is_played_to_the_same_hash() {
    process::recording::check(env!("CARGO_BIN_EXE_runtime-smol"));
}

#[test]
fn tokens_are_taken_as_promised() {
    process::tokens::check(env!("CARGO_BIN_EXE_runtime-smol"));
}

#[test]
fn what_runs_out_is_survived() {
    process::resources::check(env!("CARGO_BIN_EXE_runtime-smol"));
}

#[test]
fn a_supervisor_is_told_and_keeps_the_socket() {
    process::supervisor::check(env!("CARGO_BIN_EXE_runtime-smol"));
}

#[test]
fn certificates_are_taken_as_promised() {
    process::tls::check(env!("CARGO_BIN_EXE_runtime-smol"));
}

#[test]
fn a_restart_loses_nobody_and_nothing() {
    process::state::check(env!("CARGO_BIN_EXE_runtime-smol"));
}

#[test]
fn nobody_is_lost_however_often_it_is_killed() {
    process::journal::check(env!("CARGO_BIN_EXE_runtime-smol"));
}
