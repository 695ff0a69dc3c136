//! What a server does about tokens: at the front door, when its files change, and for a machine that
//! hears of a token too late.

mod knock;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Command as Words;
use roundtable::{
    AdminAction, Claims, Command, ConnId, Event, Greeting, Machine, Timestamp, Verdict,
};
use roundtable_server::auth::{Expected, Guarded, Sources, Tokens, command};
use roundtable_server::{Door, Knock, Readiness, Settings, peer};

use knock::{HERE, handshake, knock, knock_at, parts};

const SECRET: &str = "a secret that is long enough for it";
const OTHER: &str = "another secret, also long enough for it";

/// A server's files, and what it makes of them.
struct Desk {
    folder: tempfile::TempDir,
    tokens: Arc<Tokens>,
}

impl Desk {
    /// The key file holds `SECRET`, and nothing is revoked.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key"), SECRET).unwrap();
        fs::write(folder.path().join("revoked"), "").unwrap();
        let tokens = Tokens::read(sources(folder.path())).unwrap();
        Self { folder, tokens }
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.path().join(file), text).unwrap();
    }

    fn door(&self) -> Door {
        Door::new(&Settings::default(), Some(Arc::clone(&self.tokens)))
    }

    /// Knocks with this target and these header lines.
    #[track_caller]
    fn knock(&self, target: &str, headers: &[&str]) -> Knock {
        knock_at(&self.door(), Readiness::Serving, &handshake(target, headers))
    }

    #[track_caller]
    fn is_welcome(&self, token: &str) -> bool {
        matches!(self.tokens.verify(None, token), Verdict::Valid(_))
    }
}

fn sources(folder: &Path) -> Sources {
    Sources {
        keys: folder.join("key"),
        expected: Expected { audience: Some("chat".to_owned()), issuer: None },
        revoked: Some(folder.join("revoked")),
    }
}

/// A token of the subcommand, made `before` now.
fn made(secret: &str, before: Duration, words: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let key: PathBuf = folder.path().join("key");
    fs::write(&key, secret).unwrap();
    let program = Words::new("test").subcommand(command::command());
    let first = ["token", "--key", key.to_str().unwrap()];
    let all = first.iter().chain(words).map(Into::into);
    let (_, words) = Settings::read(program, all, []).unwrap().subcommand.unwrap();
    command::make(&words, SystemTime::now() - before).unwrap()
}

fn good(words: &[&str]) -> String {
    made(SECRET, Duration::ZERO, &[&["--audience", "chat"], words].concat())
}

fn authorization(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

#[track_caller]
fn claims(knock: Knock) -> Claims {
    let Knock::Upgrade { claims, .. } = knock else { panic!("no upgrade: {knock:?}") };
    *claims.expect("claims")
}

#[test]
fn a_token_is_taken_from_the_header_and_from_the_query() {
    let (desk, token) = (Desk::new(), good(&["ann"]));
    assert_eq!(claims(desk.knock("/ws", &[&authorization(&token)])).user.as_str(), "ann");
    assert_eq!(claims(desk.knock(&format!("/ws?token={token}"), &[])).user.as_str(), "ann");
    let lower = format!("authorization: bearer  {token}");
    assert_eq!(claims(desk.knock("/ws?token=", &[&lower])).user.as_str(), "ann");
}

#[test]
fn who_sends_no_token_may_still_send_one_in_a_frame() {
    let desk = Desk::new();
    for header in ["X-Nothing: 1", "Authorization: Basic YTpi"] {
        let knock = desk.knock("/ws?name=ann", &[header]);
        assert!(matches!(knock, Knock::Upgrade { claims: None, .. }), "{knock:?}");
    }
}

#[test]
fn every_bad_token_gets_the_same_answer() {
    let desk = Desk::new();
    let (unsigned, _) =
        good(&["ann"]).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    desk.write("revoked", "user eve\n");
    desk.tokens.reload();
    let day = Duration::from_hours(24);
    let chat = ["--audience", "chat", "ann"];
    let bad = [
        made(OTHER, Duration::ZERO, &chat),
        made(SECRET, day, &chat),
        made(SECRET, Duration::ZERO, &["--audience", "shop", "ann"]),
        made(SECRET, Duration::ZERO, &["ann"]),
        good(&["eve"]),
        format!("{unsigned}."),
        "nonsense".to_owned(),
    ];
    let answers: Vec<Knock> = bad
        .iter()
        .flat_map(|token| {
            [
                desk.knock("/ws", &[&authorization(token)]),
                desk.knock(&format!("/ws?token={token}"), &[]),
            ]
        })
        .collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let (status, headers, body) = parts(answers[0].clone());
    assert_eq!((status, &*body), (401, "this token is not accepted\n"));
    let challenge = "WWW-Authenticate: Bearer error=\"invalid_token\"".to_owned();
    assert!(headers.contains(&challenge), "{headers:?}");
}

#[test]
fn two_tokens_are_one_too_many() {
    let (desk, token) = (Desk::new(), good(&["ann"]));
    for (target, headers) in [
        (format!("/ws?token={token}"), vec![authorization(&token)]),
        (format!("/ws?token={token}&token={token}"), vec![]),
        ("/ws".to_owned(), vec![authorization(&token), authorization(&token)]),
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        assert_eq!(parts(desk.knock(&target, &headers)).0, 400, "{target}");
    }
}

#[test]
fn a_megabyte_of_token_is_a_head_that_is_too_large() {
    let (desk, token) = (Desk::new(), "x".repeat(1 << 20));
    let too_large = |request: &[u8]| parts(desk.door().knock(Readiness::Serving, HERE, request)).0;
    assert_eq!(too_large(&handshake(&format!("/ws?token={token}"), &[])), 431);
    assert_eq!(too_large(&handshake("/ws", &[&authorization(&token)])), 431);
}

#[test]
fn a_server_without_keys_says_that_it_takes_no_tokens() {
    let token = good(&["ann"]);
    assert_eq!(parts(knock(&handshake(&format!("/ws?token={token}"), &[]))).0, 400);
    // That header may be for a proxy.
    let knock = knock(&handshake("/ws", &[&authorization(&token)]));
    assert!(matches!(knock, Knock::Upgrade { claims: None, .. }), "{knock:?}");
}

#[test]
fn files_that_are_wrong_keep_a_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |key: &str, revoked: &str| {
        fs::write(folder.path().join("key"), key).unwrap();
        fs::write(folder.path().join("revoked"), revoked).unwrap();
        Tokens::read(sources(folder.path())).unwrap_err()
    };
    let short = refused("short", "");
    assert!(short.contains("/key: a secret of 5 bytes"), "{short}");
    for line in ["ann", "user", "user \u{202e}", "token", "tokens 7"] {
        let why = refused(SECRET, &format!("# gone\n\nuser eve\n{line}\n"));
        assert!(why.contains("/revoked: line 4: "), "{why}");
    }
}

#[test]
fn keys_are_read_again_and_a_broken_file_changes_nothing() {
    let (desk, token) = (Desk::new(), good(&["ann"]));
    desk.write("key", "short");
    assert_eq!(desk.tokens.reload(), []);
    assert!(desk.is_welcome(&token));
    desk.write("key", OTHER);
    assert_eq!(desk.tokens.reload(), []);
    assert!(!desk.is_welcome(&token));
    assert!(desk.is_welcome(&made(OTHER, Duration::ZERO, &["--audience", "chat", "ann"])));
}

#[test]
fn what_is_newly_revoked_is_told_once_and_refused_from_then_on() {
    let desk = Desk::new();
    let (ann, bob) = (good(&["ann"]), good(&["--id", "7f 3a", "bob"]));
    let (other, eve) = (good(&["--id", "8", "bob"]), good(&["eve"]));
    desk.write("revoked", "# left\n user ann \n\ntoken 7f 3a\n");
    let user = AdminAction::RevokeUser { user: "ann".parse().unwrap() };
    let token = AdminAction::RevokeToken { token_id: "7f 3a".to_owned() };
    assert_eq!(desk.tokens.reload(), [user, token]);
    let welcome = |tokens: [&String; 4]| tokens.map(|token| desk.is_welcome(token));
    assert_eq!(welcome([&ann, &bob, &other, &eve]), [false, false, true, true]);
    assert_eq!(desk.tokens.reload(), []);

    // A broken file takes nothing back, and broken keys keep no revocation from being heard.
    desk.write("revoked", "nonsense");
    assert_eq!(desk.tokens.reload(), []);
    assert!(!desk.is_welcome(&ann));
    desk.write("key", "short");
    desk.write("revoked", "user eve\n");
    let user = AdminAction::RevokeUser { user: "eve".parse().unwrap() };
    assert_eq!(desk.tokens.reload(), [user]);
    assert_eq!(welcome([&ann, &bob, &other, &eve]), [true, true, true, false]);
}

/// Writes down what it is handed.
#[derive(Default)]
struct Ear(Vec<Event>);

impl Machine for &mut Ear {
    fn handle(&mut self, _: Timestamp, event: Event, _: &mut Vec<Command>) {
        self.0.push(event);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }
}

#[test]
fn a_token_that_was_verified_just_before_its_end_is_revoked_again() {
    let desk = Desk::new();
    let conn = ConnId::new(1);
    let [ann, eve] = ["ann", "eve"].map(|user| {
        let Verdict::Valid(claims) = desk.tokens.verify(None, &good(&[user])) else {
            panic!("{user}")
        };
        claims
    });
    desk.write("revoked", "user eve\n");
    desk.tokens.reload();
    let connect = |claims: &Claims| Event::Connect {
        conn,
        peer: peer(&Settings::default(), HERE, Some(Box::new(claims.clone()))),
        greeting: Greeting::default(),
    };
    let verified = |claims| Event::Verified { conn, verdict: Verdict::Valid(claims) };
    let admin = Event::Admin { action: AdminAction::RevokeUser { user: "eve".parse().unwrap() } };
    let mut ear = Ear::default();
    let mut guarded = Guarded::new(&mut ear, Some(Arc::clone(&desk.tokens)));
    let events = [connect(&ann), connect(&eve), verified(ann), verified(eve), Event::Tick];
    for event in events.clone() {
        guarded.handle(Timestamp::ZERO, event, &mut Vec::new());
    }
    let [one, two, three, four, five] = events;
    assert_eq!(ear.0, [one, two, admin.clone(), three, four, admin, five]);
}
