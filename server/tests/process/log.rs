//! What a server tells its operator: nothing for each message, what is asked for by SIGHUP, and of whom
//! it speaks in fields.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use super::Server;
use super::state::Client;
use super::tokens::{Log, knock};

/// Everything that is promised of the log of `program`.
pub(crate) fn check(program: &str) {
    no_line_is_for_a_message(program);
    what_is_logged_is_read_again(program);
    a_connection_and_its_room_are_fields(program);
}

fn no_line_is_for_a_message(program: &str) {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, "a secret that is long enough for it").unwrap();
    let tokens = ["--auth", "optional", "--auth-keys", key.to_str().unwrap()];
    let wide = ["--message-burst", "100000", "--byte-burst", "64MiB", "--drain-within", "0s"];
    let lines = |messages: usize| {
        let (server, mut log) = start(program, &[&tokens[..], &wide].concat());
        let mut people: Vec<Client> =
            (0..3).map(|_| Client::connect(&server, "/ws?room=lobby")).collect();
        for number in 0..messages {
            for person in &mut people {
                person.say(&format!("plain {number}"));
                person.say("{\"type\":\"nonsense\"}");
                person.say(&format!("{{\"type\":\"join\",\"id\":1,\"room\":\"r{number}\"}}"));
                person.say("{\"type\":\"auth\",\"id\":2,\"token\":\"of.nobody.here\"}");
                let publish = "\"type\":\"publish\",\"room\":\"lobby\",\"data\":\"said\"";
                person.say(&format!("{{{publish},\"id\":{}}}", 10 + number));
            }
        }
        for person in &mut people {
            person.until(&format!("\"ack\",\"id\":{}", 9 + messages));
        }
        drop(people);
        server.signal("TERM");
        assert_eq!(server.end().code(), Some(0));
        let log = log.rest();
        log.lines().map(|line| line.split_once("  INFO ").expect(line).1.to_owned()).collect()
    };
    let [few, many]: [Vec<String>; 2] = [lines(1), lines(100)];
    assert_eq!(few, ["draining", "stopped"]);
    assert_eq!(many, few);
}

fn what_is_logged_is_read_again(program: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roundtable.toml");
    let write = |log: &str| fs::write(&file, format!("log = \"{log}\"\n")).unwrap();
    write("info");
    let flags = ["--config", file.to_str().unwrap(), "--drain-within", "0s"];
    let (server, mut log) = start(program, &flags);
    let come = |room: &str| knock(&server, &format!("/ws?room={room}"), "").1;
    assert_eq!(come("quiet"), "101");
    write("debug");
    server.signal("HUP");
    // Nothing of who came before is told.
    assert!(log.next().ends_with(" INFO what is logged is read again filter=\"debug\""));
    assert_eq!(come("told"), "101");
    let line = log.until(" connected ");
    assert!(line.contains(" DEBUG connected conn=") && line.ends_with(" room=\"told\""), "{line}");

    write("loud");
    server.signal("HUP");
    let line = log.until(" ERROR ");
    assert!(line.contains("--log loud: must be error, warn"), "{line}");
    assert!(line.ends_with("; what is logged stays as it was"), "{line}");
    assert_eq!(come("still-told"), "101");
    log.until(" room=\"still-told\"");

    write("info");
    server.signal("HUP");
    log.until("what is logged is read again filter=\"info\"");
    assert_eq!(come("untold"), "101");
    server.signal("TERM");
    assert_eq!(server.end().code(), Some(0));
    let rest = log.rest();
    assert!(!rest.contains("DEBUG connected"), "{rest}");
}

fn a_connection_and_its_room_are_fields(program: &str) {
    let flags = ["--log", "debug", "--log-format", "json", "--drain-within", "0s"];
    let (server, mut log) = start(program, &flags);
    let (socket, status) = knock(&server, "/ws?room=tea", "");
    assert_eq!(status, "101");
    let mut until = |message: &str| {
        let line = log.until(&format!("\"message\":\"{message}\""));
        let line: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&line["level"], line["timestamp"].is_string()), (&"DEBUG".into(), true));
        line
    };
    let connected = until("connected");
    assert_eq!(connected["room"], "tea");
    drop(socket);
    let conn = connected["conn"].as_u64().expect("a number");
    assert_eq!(until("disconnected")["conn"], conn);

    let (_socket, status) = knock(&server, "/ws?room=", "");
    assert_eq!(status, "101");
    let connected = until("connected");
    assert!(connected["conn"].is_u64() && connected.get("room").is_none(), "{connected}");
    server.signal("TERM");
    let closed = until("closed");
    assert_eq!((&closed["conn"], &closed["code"]), (&connected["conn"], &4002.into()));
    assert_eq!(server.end().code(), Some(0));
}

fn start(program: &str, flags: &[&str]) -> (Server, Log) {
    let mut server = Server::start_with(program, flags, Stdio::piped());
    let log = Log::of(server.child.0.stderr.take().unwrap());
    (server, log)
}
