//! Tokens over real sockets: where they may stand, which are refused, and what ends with them. This
//! file knows tokens as a client does, as texts.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use roundtable::Auth;
use roundtable_server::Settings;
use roundtable_server::auth::command;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::serve;
use super::raw::{Raw, upgrade};
use super::{Client, Runtime};

/// A good head and a good signature over a token that begins in the year 2100.
const NOT_YET: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
     eyJzdWIiOiJhbm4iLCJuYmYiOjQxMDI0NDQ4MDAsImV4cCI6NDEwMjQ0ODQwMH0.\
     qZELZniZvxV619X_eEwlaMPZuxbbEiDIhCHyDPxHi1U";

/// The secret of that one.
const SECRET: &str = "a secret that is long enough for it";

/// Where a server finds its keys, and its clients theirs.
#[derive(Debug)]
pub struct Desk {
    folder: TempDir,
}

impl Default for Desk {
    fn default() -> Self {
        Self::new()
    }
}

impl Desk {
    /// One with a key.
    ///
    /// # Panics
    ///
    /// If there is no place for it.
    pub fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().expect("a folder") };
        desk.write("key", SECRET);
        desk.write("other", "another secret, also long enough for it");
        desk.write("revoked", "");
        desk
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).expect("a folder that can be written");
    }

    /// What a server is told that takes tokens from here.
    pub fn settings(&self, auth: Auth) -> Settings {
        let mut settings = super::settings();
        settings.auth_keys = Some(self.path("key"));
        settings.revoked = Some(self.path("revoked"));
        settings.hub.auth = auth;
        settings
    }

    /// A token by the key of this file, with these words of the subcommand.
    fn made(&self, key: &str, when: SystemTime, words: &[&str]) -> String {
        let key = self.path(key);
        let all = ["token", "--key", key.to_str().expect("a path")];
        let words = command::command().get_matches_from(all.iter().chain(words));
        command::make(&words, when).expect("a token")
    }

    /// One that is fine, with these words of the subcommand.
    pub fn token(&self, words: &[&str]) -> String {
        self.made("key", SystemTime::now(), words)
    }

    /// Those that nobody may believe.
    fn bad(&self) -> [String; 6] {
        let (now, good) = (SystemTime::now(), self.token(&["ann"]));
        let claims = good.split('.').nth(1).expect("claims");
        [
            self.made("key", now - Duration::from_hours(24), &["ann"]),
            self.made("other", now, &["ann"]),
            self.token(&["--audience", "shop", "ann"]),
            format!("eyJhbGciOiJub25lIn0.{claims}."),
            NOT_YET.to_owned(),
            "nonsense".to_owned(),
        ]
    }
}

/// Programs send a header, browsers a query, and both a frame.
pub fn a_token_may_stand_in_the_header_in_the_url_or_in_hello(runtime: Runtime<'_>) {
    let desk = Desk::new();
    let server = serve(runtime, &desk.settings(Auth::Required));
    let token = desk.token(&["ann"]);
    let bearer = format!("Bearer {token}");
    let by_header = Client::connect_with(server.addr, "room=", &[("Authorization", &bearer)]);
    assert_eq!(by_header.user, "ann");
    let by_query = Client::connect(server.addr, &format!("room=&token={token}"));
    assert_eq!(by_query.user, "ann");
    let mut by_frame = Client::connect(server.addr, "room=");
    let welcome = by_frame.ask(&json!({ "type": "hello", "id": 1, "token": token }));
    assert_eq!((&welcome["type"], &welcome["user"]), (&json!("welcome"), &json!("ann")));
    server.shut();
}

/// The answer is always the same, and comes before the upgrade.
pub fn a_bad_token_is_refused_before_the_upgrade(runtime: Runtime<'_>) {
    let desk = Desk::new();
    let server = serve(runtime, &desk.settings(Auth::Optional));
    let answers = desk.bad().map(|token| {
        let mut raw = Raw::connect(server.addr);
        raw.write(upgrade(&format!("room=lobby&token={token}")).as_bytes());
        raw.answer()
    });
    assert!(answers[0].0.starts_with("HTTP/1.1 401 "), "{answers:?}");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    server.shut();
}

/// Who shows no token is counted apart, before the upgrade, until a token comes.
pub fn without_a_token_there_is_room_for_so_many(runtime: Runtime<'_>) {
    let desk = Desk::new();
    let mut settings = desk.settings(Auth::Optional);
    settings.hub.max_unverified = 1;
    let server = serve(runtime, &settings);
    let mut eve = Client::connect(server.addr, "room=&name=eve");
    let mut raw = Raw::connect(server.addr);
    raw.write(upgrade("room=").as_bytes());
    let (head, body) = raw.answer();
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("Retry-After: 10"), "{head}");
    assert_eq!(String::from_utf8_lossy(&body), "the server is full for who shows no token\n");
    let token = desk.token(&["ann"]);
    let ann = Client::connect(server.addr, &format!("room=&token={token}"));
    assert_eq!(ann.welcome["user"], "ann");
    let shown = eve.ask(&json!({ "type": "auth", "id": 1, "token": desk.token(&["bob"]) }));
    assert_eq!(shown["user"], "bob", "{shown}");
    Client::connect(server.addr, "room=&name=eve");
    server.shut();
}

/// In a frame, one word says no, and where a token is needed that is the end.
pub fn a_bad_token_in_a_frame_is_unauthorized(runtime: Runtime<'_>) {
    let desk = Desk::new();
    let server = serve(runtime, &desk.settings(Auth::Optional));
    let mut ann = Client::connect(server.addr, "room=&name=eve");
    for (id, token) in desk.bad().iter().skip(1).enumerate() {
        let error = ann.ask(&json!({ "type": "auth", "id": id, "token": token }));
        assert_eq!(error["code"], "unauthorized", "{error}");
    }
    let welcome = ann.ask(&json!({ "type": "auth", "id": 9, "token": desk.token(&["ann"]) }));
    assert_eq!(welcome["user"], "ann", "{welcome}");
    server.shut();

    let server = serve(runtime, &desk.settings(Auth::Required));
    let mut eve = Client::connect(server.addr, "room=");
    eve.send(&json!({ "type": "hello", "token": "nonsense" }));
    assert_eq!(eve.closed().1, 4501);
    server.shut();
}

/// Who says nothing does not stay.
pub fn without_the_token_that_is_needed_the_end_is_4502(runtime: Runtime<'_>) {
    let desk = Desk::new();
    let mut settings = desk.settings(Auth::Required);
    settings.hub.hello_timeout = Duration::from_secs(1);
    let server = serve(runtime, &settings);
    let mut eve = Client::connect(server.addr, "room=lobby&name=eve");
    assert_eq!(eve.welcome["auth"], "required");
    let error = eve.ask(&json!({ "type": "join", "id": 1, "room": "lobby" }));
    assert_eq!(error["code"], "unauthorized", "{error}");
    assert_eq!(eve.closed(), (Some(4502), 4502));
    server.shut();
}

/// A token ends while its client is there.
pub fn a_token_that_expires_gives_way_to_a_fresh_one_or_ends_with_4010(runtime: Runtime<'_>) {
    let desk = Desk::new();
    let mut settings = desk.settings(Auth::Required);
    settings.hub.auth_grace = Duration::from_secs(1);
    let server = serve(runtime, &settings);
    let [mut ann, mut bob] = ["ann", "bob"].map(|user| {
        let token = desk.token(&["--for", "2s", user]);
        let mut client = Client::connect(server.addr, &format!("room=lobby&token={token}"));
        client.expect("joined");
        client
    });
    for client in [&mut ann, &mut bob] {
        assert_eq!(client.expect("error")["code"], "token_expired");
    }
    let fresh = desk.token(&["ann"]);
    let welcome = ann.ask(&json!({ "type": "auth", "id": 1, "token": fresh }));
    assert_eq!((&welcome["type"], &welcome["user"]), (&json!("welcome"), &json!("ann")));
    assert_eq!(bob.closed(), (Some(4010), 4010));
    ann.say("still here");
    ann.expect_message("ann", &json!("still here"));
    server.shut();
}

/// What a token does not allow is refused, room by room.
pub fn a_token_allows_what_it_says(runtime: Runtime<'_>) {
    let desk = Desk::new();
    let server = serve(runtime, &desk.settings(Auth::Required));
    let token = desk.token(&["--room", "team-*:join,history", "--room", "lobby", "ann"]);
    let mut ann = Client::connect(server.addr, &format!("room=&token={token}"));
    for (frame, expected) in [
        (json!({ "type": "join", "id": 1, "room": "team-7" }), json!("joined")),
        (json!({ "type": "join", "id": 2, "room": "other" }), json!("forbidden")),
        (json!({ "type": "publish", "id": 3, "room": "team-7", "data": 1 }), json!("forbidden")),
        (json!({ "type": "join", "id": 4, "room": "lobby" }), json!("joined")),
        (json!({ "type": "publish", "id": 5, "room": "lobby", "data": 1 }), json!("ack")),
    ] {
        let reply = ann.ask(&frame);
        let found = if reply["type"] == "error" { &reply["code"] } else { &reply["type"] };
        assert_eq!(*found, expected, "{frame}: {reply}");
    }
    server.shut();
}

/// The operator takes a user and a token back.
pub fn whoever_is_revoked_is_closed_with_4011(runtime: Runtime<'_>) {
    let desk = Desk::new();
    let server = serve(runtime, &desk.settings(Auth::Required));
    let tokens = [
        desk.token(&["ann"]),
        desk.token(&["--id", "t1", "bob"]),
        desk.token(&["--id", "t2", "bob"]),
    ];
    let [mut ann, mut bob, mut other] = tokens.each_ref().map(|token| {
        let mut client = Client::connect(server.addr, &format!("room=lobby&token={token}"));
        client.expect("joined");
        client
    });
    desk.write("revoked", "user ann\ntoken t1\n");
    server.reload();
    assert_eq!(ann.closed(), (Some(4011), 4011));
    assert_eq!(bob.closed(), (Some(4011), 4011));
    other.say("still here");
    other.expect_message("bob", &json!("still here"));
    let mut late = Raw::connect(server.addr);
    late.write(upgrade(&format!("room=lobby&token={}", tokens[0])).as_bytes());
    assert!(late.answer().0.starts_with("HTTP/1.1 401 "));
    server.shut();
}

/// Who may moderate sends people away, keeps them out, and takes out what they said.
pub fn a_moderator_kicks_bans_and_removes(runtime: Runtime<'_>) {
    let desk = Desk::new();
    let server = serve(runtime, &desk.settings(Auth::Required));
    let [mut moderator, mut ann] =
        [["--room", "*:join,publish,history,moderate", "mod"].as_slice(), &["ann"]].map(|words| {
            let token = desk.token(words);
            let mut client = Client::connect(server.addr, &format!("room=lobby&token={token}"));
            client.expect("joined");
            client
        });
    assert_eq!(ann.publish("lobby", &json!("buy my watches")), 1);
    ann.expect("message");
    let remove = json!({ "type": "remove", "id": 1, "room": "lobby", "seq": 1 });
    assert_eq!(ann.ask(&remove)["code"], "forbidden");
    assert_eq!(moderator.ask(&remove)["seq"], 2);
    let removed = ann.expect("removed");
    assert_eq!((&removed["removes"], &removed["from"]), (&json!(1), &json!("mod")), "{removed}");
    let mut ban = json!(
        { "type": "ban", "id": 2, "room": "lobby", "user": "ann", "for_ms": 60_000 }
    );
    assert_eq!(moderator.ask(&ban)["type"], "ack");
    assert_eq!(ann.expect("left")["reason"], "banned");
    let join = json!({ "type": "join", "id": 3, "room": "lobby" });
    assert_eq!(ann.ask(&join)["code"], "banned");
    ban["for_ms"] = json!(0);
    assert_eq!(moderator.ask(&ban)["type"], "ack");
    let joined = ann.ask(&join);
    let (first, second) = (&joined["history"][0], &joined["history"][1]);
    assert_eq!((&first["removed"], &first["data"]), (&json!(true), &Value::Null), "{joined}");
    assert_eq!(second["removes"], 1, "{joined}");
    moderator.send(&json!({ "type": "kick", "room": "lobby", "user": "ann" }));
    assert_eq!(ann.expect("left")["reason"], "kicked");
    server.shut();
}
