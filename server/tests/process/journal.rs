//! A server that is killed, again and again, while people talk: what was acknowledged is there, in its
//! place, and nothing that anybody has seen is gone.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

use super::tokens::Log;
use super::{BACKSTOP, Server, command, refused, run};

const KILLS: u64 = 100;
const PEOPLE: usize = 3;

/// Everything that is promised of what `program` writes down.
pub(crate) fn check(program: &str) {
    nobody_is_lost_however_often_it_is_killed(program);
    a_planned_end_leaves_one_checkpoint(program);
    what_may_be_missing_begins_a_new_epoch(program);
    a_torn_end_is_cut_and_other_damage_is_refused(program);
    where_nothing_can_be_written_nobody_is_told(program);
}

fn nobody_is_lost_however_often_it_is_killed(program: &str) {
    let seed = std::env::var("ROUNDTABLE_KILLS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("ROUNDTABLE_KILLS_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut people: Vec<Person> = (0..PEOPLE).map(Person::new).collect();
    for _ in 0..KILLS {
        let mut server = start(program, folder.path(), &["--journal-segment", "4096"]);
        let (acked, acks) = channel();
        let most = rng.usize(1..12);
        people = thread::scope(|scope| {
            let talk = |mut person: Person, acked: Sender<()>| {
                let address = server.address.clone();
                move || {
                    person.talk(&address, &acked);
                    person
                }
            };
            let talking: Vec<_> =
                people.drain(..).map(|person| scope.spawn(talk(person, acked.clone()))).collect();
            for _ in 0..most {
                acks.recv_timeout(BACKSTOP).unwrap();
            }
            server.child.0.kill().unwrap();
            talking.into_iter().map(|talker| talker.join().unwrap()).collect()
        });
    }
    let server = start(program, folder.path(), &[]);
    let mut reader = Person::new(PEOPLE);
    reader.place.clone_from(&people[0].place.clone().map(|(epoch, _)| (epoch, 0)));
    let mut socket = reader.come(&server.address).unwrap();
    let head = people.iter().filter_map(|of| of.place.as_ref()).map(|(_, seq)| *seq).max();
    while reader.place.as_ref().map(|(_, seq)| *seq) < head {
        reader.hear(&mut socket).unwrap();
    }
    for person in &people {
        for (seq, data) in &person.seen {
            assert_eq!(reader.seen.get(seq), Some(data), "at {seq}");
        }
        for (data, seq) in &person.acked {
            assert_eq!(reader.seen.get(seq), Some(data), "at {seq}");
        }
        assert!(person.acked.len() as u64 >= KILLS / 10, "{}", person.acked.len());
    }
    let mut said: Vec<&String> = reader.seen.values().collect();
    said.sort_unstable();
    said.dedup();
    assert_eq!(said.len(), reader.seen.len(), "something is there twice");
}

fn a_planned_end_leaves_one_checkpoint(program: &str) {
    let folder = tempfile::tempdir().unwrap();
    let server = start(program, folder.path(), &["--journal-sync", "interval"]);
    let mut ann = Person::new(0);
    let mut socket = ann.come(&server.address).unwrap();
    ann.say(&mut socket).unwrap();
    server.signal("TERM");
    assert_eq!(server.end().code(), Some(0));
    assert_eq!(files(folder.path()), ["0000000002.checkpoint", "lock"]);
    let recordings = tempfile::tempdir().unwrap();
    let recording = recordings.path().join("recording");
    let recording = recording.to_str().unwrap();
    let flags = ["--journal-sync", "interval", "--record", recording];
    let server = start(program, folder.path(), &flags);
    // She comes back to her session, and to her room's log.
    ann.come(&server.address).unwrap();
    // Nobody else writes there.
    let folder = folder.path().to_str().unwrap();
    let why = format!("--journal: {folder}: another server writes there");
    refused(program, &["--listen", "127.0.0.1:0", "--journal", folder], &why, 1);
    server.signal("TERM");
    assert_eq!(server.end().code(), Some(0));
    // What was recorded begins with what was read.
    let (status, output, errors) = run(program, &["replay", recording, "--print"]);
    assert_eq!((status.code(), &*errors), (Some(0), ""), "{output}");
    assert!(output.contains("\"resumed\":true") && output.ends_with(", as recorded\n"));
}

fn what_may_be_missing_begins_a_new_epoch(program: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(program, folder.path(), &["--journal-sync", "interval"]);
    let mut ann = Person::new(0);
    let mut socket = ann.come(&server.address).unwrap();
    ann.say(&mut socket).unwrap();
    server.child.0.kill().unwrap();
    // It has the folder until it is gone.
    drop(server);
    let server = start(program, folder.path(), &[]);
    let mut socket = connect(&server.address, 0).unwrap();
    let (session, (epoch, seq)) = (ann.session.unwrap(), ann.place.unwrap());
    let hello = json!({ "type": "hello", "id": 1, "resume": session,
        "since": { "lobby": { "epoch": epoch, "seq": seq } } });
    socket.send(Message::text(hello.to_string())).unwrap();
    let joined = until(&mut socket, "joined").unwrap();
    assert_eq!((&joined["recovered"], &joined["reason"]), (&json!(false), &json!("epoch_changed")));
    assert_eq!(joined["history"][0]["data"], ann.acked.keys().next().unwrap().as_str());
}

fn a_torn_end_is_cut_and_other_damage_is_refused(program: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(program, folder.path(), &[]);
    let mut ann = Person::new(0);
    let mut socket = ann.come(&server.address).unwrap();
    ann.say(&mut socket).unwrap();
    server.child.0.kill().unwrap();
    drop(server);
    let segment = folder.path().join("0000000002.journal");
    let whole = fs::read(&segment).unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(&segment).unwrap();
    file.write_all(b"0badc0de 00000010\nhalf").unwrap();
    let flags = ["--journal", folder.path().to_str().unwrap(), "--log", "info"];
    let mut server = Server::start_with(program, &flags, Stdio::piped());
    let mut log = Log::of(server.child.0.stderr.take().unwrap());
    log.until("the journal's last block is not whole: it is cut bytes=22");
    ann.come(&server.address).unwrap();
    server.child.0.kill().unwrap();
    drop(server);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    fs::write(folder.path().join("0000000002.journal"), whole).unwrap();
    let why = format!("--journal: {path}/0000000002.journal: is damaged: the checkpoint before it");
    let flags = ["--listen", "127.0.0.1:0", "--journal", path];
    refused(program, &flags, &why, 1);
    fs::write(folder.path().join("0000000003.checkpoint"), "roundtable checkpoint 2 ").unwrap();
    let why = format!("--journal: {path}/0000000003.checkpoint: is damaged: its first line");
    refused(program, &flags, &why, 1);
    let both = ["--journal", path, "--state", path];
    refused(program, &both, "--journal: needs a server without --state", 2);
}

fn where_nothing_can_be_written_nobody_is_told(program: &str) {
    let folder = tempfile::tempdir().unwrap();
    // A write past the limit is an error where the signal is ignored.
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"";
    let fixed = ["-c", script, program, "--listen", "127.0.0.1:0", "--message-burst", "100000"];
    let flags = ["--drain-within", "0s", "--journal", folder.path().to_str().unwrap()];
    let mut server = Server::spawn(command("sh", &[&fixed[..], &flags].concat()), Stdio::piped());
    let mut log = Log::of(server.child.0.stderr.take().unwrap());
    let mut ann = Person::new(0);
    ann.talk(&server.address, &channel().0);
    log.until("cannot be written, so nobody may be told");
    let code = server.end().code();
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
    // What she was told is there, and where she was not answered she says it again.
    assert!(!ann.acked.is_empty() && ann.open.is_some());
    let server = start(program, folder.path(), &[]);
    let mut socket = ann.come(&server.address).unwrap();
    ann.say(&mut socket).unwrap();
    assert_eq!(ann.acked.len() as u64, ann.said);
    assert_eq!(ann.acked.values().max(), Some(&ann.said));
}

fn start(program: &str, folder: &Path, flags: &[&str]) -> Server {
    let journal = ["--journal", folder.to_str().unwrap(), "--drain-within", "0s"];
    let wide = ["--history-entries", "100000", "--message-burst", "100000"];
    Server::start(program, &[&journal[..], &wide, flags].concat())
}

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

type Socket = WebSocket<MaybeTlsStream<TcpStream>>;

/// The server is gone.
#[derive(Debug)]
struct Gone;

impl From<tungstenite::Error> for Gone {
    fn from(_: tungstenite::Error) -> Self {
        Self
    }
}

fn connect(address: &str, who: usize) -> Result<Socket, Gone> {
    let (socket, _) = tungstenite::connect(format!("ws://{address}/ws?room=&name=p{who}"))?;
    if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
        stream.set_read_timeout(Some(BACKSTOP)).unwrap();
    }
    Ok(socket)
}

fn read(socket: &mut Socket) -> Result<Value, Gone> {
    loop {
        if let Message::Text(text) = socket.read()? {
            return Ok(serde_json::from_str(&text).expect("JSON"));
        }
    }
}

fn until(socket: &mut Socket, kind: &str) -> Result<Value, Gone> {
    loop {
        let frame = read(socket)?;
        assert!(frame["type"] != "error", "{frame}");
        if frame["type"] == kind {
            return Ok(frame);
        }
    }
}

/// Somebody who talks, and remembers all that was said.
struct Person {
    who: usize,
    session: Option<String>,
    /// The epoch of the room's log, and the last place seen.
    place: Option<(String, u64)>,
    said: u64,
    /// What was said, and not acknowledged.
    open: Option<String>,
    acked: BTreeMap<String, u64>,
    seen: BTreeMap<u64, String>,
}

impl Person {
    fn new(who: usize) -> Self {
        let (acked, seen) = (BTreeMap::new(), BTreeMap::new());
        Self { who, session: None, place: None, said: 0, open: None, acked, seen }
    }

    /// Talks until the server is gone.
    fn talk(&mut self, address: &str, acked: &Sender<()>) {
        let Ok(mut socket) = self.come(address) else { return };
        while self.say(&mut socket).is_ok() {
            // Nobody counts any more.
            let _enough = acked.send(());
        }
        while self.hear(&mut socket).is_ok() {}
    }

    /// Connects, and comes back to the session that there was.
    fn come(&mut self, address: &str) -> Result<Socket, Gone> {
        let mut socket = connect(address, self.who)?;
        let welcome = until(&mut socket, "welcome")?;
        let since = self.place.as_ref().map(|(epoch, seq)| json!({ "epoch": epoch, "seq": seq }));
        if let Some(session) = &self.session {
            let hello = json!({ "type": "hello", "id": 1, "resume": session,
                "since": { "lobby": since } });
            socket.send(Message::text(hello.to_string()))?;
            let welcome = until(&mut socket, "welcome")?;
            assert_eq!(welcome["resumed"], true, "{welcome}");
        } else {
            let mut join = json!({ "type": "join", "id": 1, "room": "lobby" });
            if let Some(since) = since {
                join["since"] = since;
            }
            socket.send(Message::text(join.to_string()))?;
        }
        let joined = until(&mut socket, "joined")?;
        let epoch = joined["epoch"].as_str().expect("an epoch").to_owned();
        if let Some((known, _)) = &self.place {
            assert_eq!((&joined["recovered"], known), (&json!(true), &epoch), "{joined}");
        } else {
            self.place = Some((epoch, joined["seq"].as_u64().expect("a place")));
        }
        let session = welcome["session"].as_str().expect("a session").to_owned();
        self.session.get_or_insert(session);
        for entry in joined["history"].as_array().expect("a page") {
            self.note(entry);
        }
        Ok(socket)
    }

    /// Says something, or once more what was not acknowledged, and waits until it is.
    fn say(&mut self, socket: &mut Socket) -> Result<(), Gone> {
        let data = self.open.take().unwrap_or_else(|| {
            self.said += 1;
            format!("{}-{}", self.who, self.said)
        });
        self.open = Some(data.clone());
        let publish =
            json!({ "type": "publish", "id": 2, "room": "lobby", "data": data, "key": data });
        socket.send(Message::text(publish.to_string()))?;
        loop {
            let frame = self.hear(socket)?;
            if frame["type"] == "ack" {
                self.acked.insert(data, frame["seq"].as_u64().expect("a place"));
                self.open = None;
                return Ok(());
            }
        }
    }

    fn hear(&mut self, socket: &mut Socket) -> Result<Value, Gone> {
        let frame = read(socket)?;
        let kind = frame["type"].as_str().expect("a type");
        assert!(!["error", "gap", "bye"].contains(&kind), "{frame}");
        if kind == "message" {
            self.note(&frame);
        }
        Ok(frame)
    }

    /// An entry, which follows the one before.
    fn note(&mut self, entry: &Value) {
        let seq = entry["seq"].as_u64().expect("a place");
        let data = entry["data"].as_str().expect("what was said").to_owned();
        if let Some(before) = self.seen.insert(seq, data.clone()) {
            assert_eq!(before, data, "at {seq}");
        }
        let place = &mut self.place.as_mut().expect("a room").1;
        // What a newcomer is given first lies before its place.
        assert!(seq <= *place || seq == *place + 1, "{seq} behind {place}");
        *place = seq.max(*place);
    }
}
