//! A server whose calls to the system are interrupted, or come to less than was asked for.
//!
//! What is injected is an error, which promises that nothing was done. A length that is injected
//! would be a lie about bytes that were written; so writes that are really short come of a small
//! buffer, and the tracer counts them.

use std::fs;
use std::process::Command;

use super::{Chat, Limited, tell};

pub(super) fn whoever_is_interrupted_all_the_time_loses_nothing(program: &str) {
    if !can_be_traced() {
        return;
    }
    let sending = by_which_sockets_send(program);
    for injected in [
        "accept4:error=EINTR:when=1+2",
        "accept4:error=EAGAIN:when=1+2",
        "recvfrom:error=EINTR:when=2+3",
        "recvfrom:error=EAGAIN:when=2+3",
        "sendto,sendmsg,writev:error=EINTR:when=2+3",
        &format!("{sending}:error=EAGAIN:when=2+3"),
        "epoll_wait,poll:error=EINTR:when=3+3",
        "accept4:error=ECONNABORTED:when=1+2",
    ] {
        let tracer = format!("exec strace -D -f -qq -o /dev/null -e inject={injected}");
        let server = Limited::within(&tracer, program, &[]);
        let mut people: Vec<Chat> =
            ["ann", "bob", "eve"].iter().map(|name| Chat::join(&server.server, name)).collect();
        for number in 0..10 {
            let text = format!("{injected} {number}");
            people[number % 3].say(&text);
            for person in &mut people {
                person.hears(&text);
            }
        }
    }
}

/// Long messages over small buffers, to one who reads later, while calls fail as well: those of full
/// sockets, and by which threads wake each other.
pub(super) fn whose_sockets_take_only_a_part_loses_nothing(program: &str) {
    const MESSAGES: usize = 8;
    if !can_be_traced() {
        return;
    }
    let sending = by_which_sockets_send(program);
    let flags = ["--message-burst", "1000", "--byte-burst", "64MiB", "--write-timeout", "1h"];
    let flags = [&flags[..], &["--sndbuf", "4KiB"]].concat();
    for failing in [
        &format!("{sending}:error=EAGAIN:when=2+3"),
        &format!("{sending}:error=EINTR:when=2+3"),
        "sendto:error=EINTR:when=1+2",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("calls");
        let trace = format!("-v -s 0 -e trace=sendto,sendmsg,writev -o {}", file.display());
        let tracer = format!("exec strace -D -f -qq {trace} -e inject={failing}");
        let server = Limited::within(&tracer, program, &flags);
        let mut ann = Chat::join(&server.server, "ann");
        let mut bob = Chat::join(&server.server, "bob");
        let texts: Vec<String> = (0..MESSAGES).map(long_text).collect();
        for text in &texts {
            ann.hears_herself(text);
        }
        for text in &texts {
            bob.hears(text);
        }
        let calls = fs::read_to_string(file).unwrap();
        let short = calls.lines().filter(|line| is_short(line)).count();
        let injected = calls.matches("(INJECTED)").count();
        tell(&format!("{program}: {short} short writes, and {injected} that fail by {failing}"));
        assert!(short > 0, "no write was short");
        assert!(injected > 0, "none failed");
    }
}

/// The calls of which EAGAIN says that a socket is full. `runtime-std` has `sendto` for its upgrades,
/// which wait, so that there it is a time-out; and for pipes, where it says that they are full.
fn by_which_sockets_send(program: &str) -> &'static str {
    if program.ends_with("runtime-std") { "sendmsg" } else { "sendto,writev" }
}

/// A text in which no part is like another, nor like one of another text.
fn long_text(text: usize) -> String {
    let parts: Vec<String> = (0..5000).map(|part| format!("{:06}", 5000 * text + part)).collect();
    parts.concat()
}

/// Whether a line of the trace tells of a send that took less than it was offered.
fn is_short(line: &str) -> bool {
    let Some((call, result)) = line.rsplit_once(") = ") else { return false };
    let number = |text: &str| text.split([',', '}']).next()?.parse::<usize>().ok();
    let offered: usize = match call.split_once("sendto(") {
        Some((_, arguments)) => arguments.split(", ").nth(2).and_then(number).unwrap_or_default(),
        None => call.split("iov_len=").skip(1).filter_map(number).sum(),
    };
    number(result.trim()).is_some_and(|taken| taken < offered)
}

fn can_be_traced() -> bool {
    let is_there = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    let can = is_there.is_ok_and(|status| status.success());
    if !can {
        let is_required = std::env::var_os("ROUNDTABLE_STRACE").is_some_and(|to| to == "required");
        assert!(!is_required, "strace is not installed, or may not trace");
        tell("left out: strace is not installed, or may not trace");
    }
    can
}
