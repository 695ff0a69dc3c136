//! A server that is stopped, and the one that goes on in its place: what was said is there, who was
//! there comes back to it, and what was said twice is said once.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use super::tokens::{Log, knock};
use super::{Server, refused, run};

/// Everything that is promised of what `program` keeps over a restart.
pub(crate) fn check(program: &str) {
    a_restart_loses_nobody_and_nothing(program);
    what_cannot_be_gone_on_with_is_one_line(program);
}

fn a_restart_loses_nobody_and_nothing(program: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    let flags = ["--state", file.to_str().unwrap(), "--drain-within", "0s", "--log", "info"];
    let start_with = |more: &[&str]| {
        let flags = [&flags[..], more].concat();
        let mut server = Server::start_with(program, &flags, Stdio::piped());
        let log = Log::of(server.child.0.stderr.take().unwrap());
        (server, log)
    };
    let start = || start_with(&[]);
    let (first, _log) = start();
    let mut ann = Client::connect(&first, "/ws?room=lobby&name=ann");
    let welcome = ann.until("\"welcome\"");
    let (session, epoch) = (word(&welcome, "session"), word(&ann.until("\"joined\""), "epoch"));
    ann.say("{\"type\":\"publish\",\"id\":1,\"room\":\"lobby\",\"data\":\"before\",\"key\":\"k\"}");
    assert!(ann.until("\"ack\"").contains("\"seq\":1"));
    first.signal("TERM");
    ann.until("\"code\":4002");
    assert_eq!(first.end().code(), Some(0));

    let recording = folder.path().join("recording");
    let recording = recording.to_str().unwrap();
    let (second, mut log) = start_with(&["--record", recording]);
    log.until("state restored");
    assert!(!file.exists(), "a log must not go on twice from the same place");
    let mut ann = Client::connect(&second, "/ws?room=");
    ann.until("\"welcome\"");
    ann.say(&format!(
        "{{\"type\":\"hello\",\"id\":2,\"resume\":\"{session}\",\
         \"since\":{{\"lobby\":{{\"epoch\":\"{epoch}\",\"seq\":0}}}}}}"
    ));
    let welcome = ann.until("\"welcome\"");
    assert!(welcome.contains("\"resumed\":true") && welcome.contains("\"user\":\"ann\""));
    let joined = ann.until("\"joined\"");
    assert_eq!(word(&joined, "epoch"), epoch);
    assert!(joined.contains("\"recovered\":true") && joined.contains("\"before\""), "{joined}");
    ann.say("{\"type\":\"publish\",\"id\":3,\"room\":\"lobby\",\"data\":\"before\",\"key\":\"k\"}");
    assert!(ann.until("\"ack\"").contains("\"seq\":1,\"duplicate\":true"));
    ann.say("{\"type\":\"publish\",\"id\":4,\"room\":\"lobby\",\"data\":\"after\"}");
    assert!(ann.until("\"ack\"").contains("\"seq\":2"));
    second.signal("TERM");
    assert_eq!(second.end().code(), Some(0));
    // What was recorded begins with what was restored.
    let (status, output, errors) = run(program, &["replay", recording, "--print"]);
    assert_eq!((status.code(), &*errors), (Some(0), ""), "{output}");
    assert!(output.contains("\"resumed\":true") && output.contains("\"duplicate\":true"));
    assert!(output.ends_with(", as recorded\n"), "{output}");

    // One that is killed kept nothing, and what was kept before it is not taken for new.
    let (third, mut log) = start();
    log.until("state restored");
    third.signal("KILL");
    assert_eq!(third.end().code(), None);
    let (fourth, _log) = start();
    let mut bob = Client::connect(&fourth, "/ws?room=lobby&name=bob");
    let joined = bob.until("\"joined\"");
    assert!(word(&joined, "epoch") != epoch && joined.contains("\"seq\":0"), "{joined}");
}

fn what_cannot_be_gone_on_with_is_one_line(program: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    fs::write(&file, "nothing of ours").unwrap();
    let file = file.to_str().unwrap();
    let why = format!("--state {file}: is no state of Roundtable");
    refused(program, &["--listen", "127.0.0.1:0", "--state", file], &why, 1);
    let both = ["--journal", "journal", "--state", file];
    refused(program, &both, "--journal: needs a server without --state", 2);
}

/// The text of a field in a frame.
fn word(frame: &str, field: &str) -> String {
    let start = frame.find(&format!("\"{field}\":\"")).expect(field) + field.len() + 4;
    frame[start..].split('"').next().unwrap().to_owned()
}

pub(super) struct Client(BufReader<TcpStream>);

impl Client {
    pub(super) fn connect(server: &Server, target: &str) -> Self {
        let (socket, status) = knock(server, target, "");
        assert_eq!(status, "101", "{target}");
        Self(BufReader::new(socket))
    }

    pub(super) fn say(&mut self, frame: &str) {
        let length = u16::try_from(frame.len()).unwrap();
        // A mask of zeros leaves the text as it is.
        let head = if length < 126 {
            vec![0x81, 0x80 | length.to_be_bytes()[1], 0, 0, 0, 0]
        } else {
            let [high, low] = length.to_be_bytes();
            vec![0x81, 0xfe, high, low, 0, 0, 0, 0]
        };
        self.0.get_mut().write_all(&[&head, frame.as_bytes()].concat()).unwrap();
    }

    /// What comes up to the end of the frame in which `wanted` is.
    pub(super) fn until(&mut self, wanted: &str) -> String {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes);
            let frame = text.find(wanted).and_then(|at| text[..at].rfind("{\"type\":"));
            if let Some(start) = frame
                && let Some(end) = whole(&text[start..])
            {
                return text[start..start + end].to_owned();
            }
            let count = self.0.read_until(b'}', &mut bytes).unwrap();
            assert!(count > 0, "{wanted} is not in {}", String::from_utf8_lossy(&bytes));
        }
    }
}

/// Where the braces of a frame are closed.
fn whole(text: &str) -> Option<usize> {
    let mut depth = 0;
    text.char_indices().find_map(|(at, found)| {
        depth += i32::from(found == '{') - i32::from(found == '}');
        (depth == 0).then_some(at + 1)
    })
}
