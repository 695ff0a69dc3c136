//! Clients that nobody here wrote talk to both runtimes: `ws` or Node's own WebSocket, and websocat.
//! And what the makers of `AsyncAPI` say of our document.
//!
//! What is not installed is left out, and the test says so; with `ROUNDTABLE_FOREIGN=required` it
//! fails instead unless at least one client is there, and `AsyncAPI`'s own schema.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::{env, fs, io, thread};

use roundtable::Auth;
use roundtable_tests::conformance::servers::RUNTIMES;
use roundtable_tests::conformance::{BACKSTOP, Client, Desk, Runtime, settings};
use serde_json::{Value, json};

/// A program that takes a WebSocket address, and then lines in and lines out.
struct Tool {
    program: &'static str,
    arguments: Vec<String>,
    /// What it writes by itself at the end.
    farewell: Option<&'static str>,
}

impl Tool {
    /// Node, if it has a WebSocket: the package `ws`, or from version 22 on its own.
    fn node() -> Option<Self> {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("foreign/lines.mjs");
        let script = script.to_str().expect("a folder in UTF-8").to_owned();
        is_there("node", &[&script, "--which"]).then(|| Self {
            program: "node",
            arguments: vec![script],
            farewell: Some("closed 1000"),
        })
    }

    fn websocat() -> Option<Self> {
        is_there("websocat", &["--version"]).then(|| Self {
            program: "websocat",
            arguments: Vec::new(),
            farewell: None,
        })
    }

    fn start(&self, address: &str) -> Session {
        let mut child = Command::new(self.program)
            .args(&self.arguments)
            .arg(address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program was there a moment ago");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Nobody listens any more where the test has failed.
                let _unheard = tell.send(line);
            }
        });
        Session { input: child.stdin.take(), child, lines }
    }
}

fn is_there(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}

/// A program that runs.
struct Session {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Session {
    fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("still open");
        writeln!(input, "{line}").expect("the program reads");
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(BACKSTOP).expect("the program writes a line")
    }

    fn expect(&self, kind: &str) -> Value {
        let line = self.line();
        let frame: Value = serde_json::from_str(&line).expect("a line is a frame");
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// Says a frame, and takes the answer.
    fn ask(&mut self, frame: &Value, kind: &str) -> Value {
        self.say(&frame.to_string());
        let answer = self.expect(kind);
        assert_eq!(answer["id"], frame["id"], "{answer}");
        answer
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A whole conversation with somebody who uses our own client.
fn converse(tool: &Tool, runtime: Runtime<'_>) {
    let server = runtime(&settings());
    let (mut bob, _) = Client::join(server.addr, "lobby", "bob");
    let mut ann = tool.start(&format!("ws://{}/ws?room=lobby&name=ann", server.addr));
    assert_eq!(ann.expect("welcome")["user"], "ann");
    assert_eq!(ann.expect("joined")["room"], "lobby");
    ann.say("hi there");
    assert_eq!(ann.expect("message")["data"], "hi there");
    bob.expect_message("ann", &json!("hi there"));
    bob.say("h\u{e9}llo ann");
    bob.expect("message");
    let message = ann.expect("message");
    assert_eq!((&message["from"], &message["data"]), (&json!("bob"), &json!("h\u{e9}llo ann")));
    ann.say("{\"type\":\"publish\",\"id\":1,\"room\":\"lobby\",\"data\":{\"n\":1}}");
    assert_eq!(ann.expect("ack")["seq"], 3);
    assert_eq!(ann.expect("message")["data"], json!({ "n": 1 }));
    bob.expect_message("ann", &json!({ "n": 1 }));
    let long = "x".repeat(30_000);
    ann.say(&long);
    assert_eq!(ann.expect("message")["data"], long);
    bob.expect_message("ann", &json!(long));
    ann.say("{\"type\":\"bye\"}");
    assert_eq!(ann.expect("bye")["code"], 1000);
    if let Some(farewell) = tool.farewell {
        assert_eq!(ann.line(), farewell);
    }
    drop(ann);
    server.shut();
}

/// Somebody with a token does all that one can do beside talking.
fn do_everything(tool: &Tool, runtime: Runtime<'_>) {
    let desk = Desk::new();
    let server = runtime(&desk.settings(Auth::Optional));
    let (mut bob, _) = Client::join(server.addr, "lobby", "bob");
    let can = "*:join,publish,signal,history,presence,moderate";
    let token = desk.token(&["--room", can, "mod"]);
    let mut ann = tool.start(&format!("ws://{}/ws?room=&token={token}", server.addr));
    let welcome = ann.expect("welcome");
    assert_eq!(welcome["user"], "mod", "{welcome}");
    ann.ask(&json!({ "type": "join", "id": 1, "room": "lobby" }), "joined");
    let publish = json!({ "type": "publish", "id": 2, "room": "lobby", "key": "k", "data": "one" });
    assert_eq!(ann.ask(&publish, "ack")["seq"], 1);
    ann.expect("message");
    bob.expect_message("mod", &json!("one"));
    assert_eq!(ann.ask(&publish, "ack")["duplicate"], true);
    let signal =
        json!({ "type": "signal", "id": 3, "room": "lobby", "key": "typing", "data": true });
    ann.ask(&signal, "ack");
    assert_eq!(bob.expect("signal")["from"], "mod");
    let people = ann.ask(&json!({ "type": "presence", "id": 4, "room": "lobby" }), "presence");
    assert_eq!(people["count"], 2, "{people}");
    ann.ask(&json!({ "type": "remove", "id": 5, "room": "lobby", "seq": 1 }), "ack");
    assert_eq!(ann.expect("removed")["removes"], 1);
    assert_eq!(bob.expect("removed")["removes"], 1);
    ann.ask(
        &json!({ "type": "ban", "id": 6, "room": "lobby", "user": "bob", "for_ms": 60_000 }),
        "ack",
    );
    assert_eq!(bob.expect("left")["reason"], "banned");
    ann.ask(&json!({ "type": "auth", "id": 7, "token": token }), "welcome");
    drop(ann);
    let mut again = tool.start(&format!("ws://{}/ws?room=&name=again", server.addr));
    again.expect("welcome");
    let hello = json!({ "type": "hello", "id": 8, "token": token, "resume": welcome["session"] });
    let back = again.ask(&hello, "welcome");
    assert_eq!((&back["user"], &back["resumed"]), (&json!("mod"), &json!(true)), "{back}");
    assert_eq!(again.expect("joined")["recovered"], true);
    again.ask(&json!({ "type": "leave", "id": 9, "room": "lobby" }), "left");
    drop(again);
    server.shut();
}

#[test]
fn clients_that_others_wrote_can_chat() {
    let tools = [Tool::node(), Tool::websocat()];
    let tools: Vec<Tool> = tools.into_iter().flatten().collect();
    for (name, runtime) in RUNTIMES {
        for tool in &tools {
            tell(&format!("{} talks to {name}", tool.program));
            converse(tool, &|settings| runtime(settings, None));
            do_everything(tool, &|settings| runtime(settings, None));
        }
    }
    if tools.is_empty() {
        leave_out(
            "no foreign client is installed",
            "npm install --prefix tests/foreign (with Node 20 or later), or cargo install websocat",
        );
    }
}

#[test]
fn the_document_is_asyncapi() {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let schema = tests.join("foreign/node_modules/@asyncapi/specs/schemas/3.0.0.json");
    let Ok(schema) = fs::read_to_string(schema) else {
        leave_out("AsyncAPI's schema is not there", "npm install --prefix tests/foreign");
        return;
    };
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let document = fs::read_to_string(tests.join("../docs/asyncapi.json")).expect("committed");
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema");
    let faults: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Says that something is not tested here, unless it must be.
fn leave_out(what: &str, how: &str) {
    let required = env::var_os("ROUNDTABLE_FOREIGN").is_some_and(|value| value == "required");
    assert!(!required, "{what}: {how}");
    tell(&format!("left out: {what}. To include it: {how}"));
}

/// Says something that the test runner does not swallow.
fn tell(line: &str) {
    // A closed standard error is no reason to fail.
    let _unheard = writeln!(io::stderr(), "foreign: {line}");
}
