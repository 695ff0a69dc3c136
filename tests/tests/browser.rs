//! The pages in a real browser: two windows, two people, a server that goes away and comes back; and an
//! operator, who sees and kicks.
//!
//! Without a browser the test is left out, and says so. `ROUNDTABLE_BROWSER=required` makes that a
//! failure, `ROUNDTABLE_BROWSER=/path/to/chromium` names one.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;
use std::{env, fs, io};

use roundtable::{Auth, Hub, Origin};
use roundtable_server::record::{Options, Recordable, Redaction};
use roundtable_tests::browser::{self, Browser, Window};
use roundtable_tests::conformance::servers::{DRIVERS, on_smol};
use roundtable_tests::conformance::{Client, Desk, Server, settings};
use roundtable_tests::proxy::{Fault, Proxy, seed};
use serde_json::json;

/// Enters the page at `server` under a name.
fn enter<'a>(browser: &'a Browser, server: &Server, name: &str) -> Window<'a> {
    let window = at_the_door(browser, server.addr, name);
    go_in(&window, name);
    window
}

/// The page before its form is sent.
fn at_the_door<'a>(browser: &'a Browser, addr: SocketAddr, name: &str) -> Window<'a> {
    let window = browser.open(&format!("http://{addr}/?name={name}&room=lobby"));
    window.wait_until("document.querySelector('#room').value === 'lobby'");
    window
}

fn go_in(window: &Window<'_>, name: &str) {
    window.enter("#room", "lobby");
    is(window, "online");
    window.wait_until(&format!("document.querySelector('#me').textContent === '{name}'"));
}

fn sees(window: &Window<'_>, text: &str) {
    let text = json!(text);
    window.wait_until(&format!(
        "[...document.querySelectorAll('#log .words')].some((line) => line.textContent === {text})"
    ));
}

/// What was said, in the order in which it is shown.
fn shown(window: &Window<'_>) -> serde_json::Value {
    window.evaluate("[...document.querySelectorAll('#log .words')].map((line) => line.textContent)")
}

/// Waits until these are shown as those who are here.
fn has(window: &Window<'_>, people: &[&str]) {
    let people = json!(people.join(" "));
    window.wait_until(&format!(
        "[...document.querySelectorAll('#people li')].map((one) => one.textContent).join(' ') \
         === {people}"
    ));
}

fn is(window: &Window<'_>, state: &str) {
    window.wait_until(&format!("document.querySelector('#state').dataset.state === '{state}'"));
}

/// A server that soon takes a silent line for lost, and tells others at once.
fn impatient() -> Server {
    let mut settings = settings();
    settings.hub.ping_after = Duration::from_secs(1);
    settings.hub.pong_wait = Duration::from_secs(2);
    settings.hub.presence_linger = Duration::from_millis(20);
    settings.hub.presence_tick = Duration::from_millis(20);
    on_smol(&settings)
}

/// A browser, or word that the test is left out.
fn start() -> Option<Browser> {
    let program = browser::program();
    if program.is_none() {
        let is_required = env::var("ROUNDTABLE_BROWSER").is_ok_and(|value| value == "required");
        assert!(!is_required, "there is no browser: install chromium");
        // Written past the capture of a test that passes.
        let _unheard = writeln!(
            io::stderr(),
            "browser: left out, there is none; install chromium, or name one with \
             ROUNDTABLE_BROWSER=/path/to/it"
        );
    }
    program.map(Browser::start)
}

#[test]
fn names_and_older_messages() {
    let Some(browser) = start() else { return };
    let mut settings = settings();
    settings.hub.recent = 2;
    let server = on_smol(&settings);
    let ann = enter(&browser, &server, "ann");
    for text in ["one", "two", "three", "four"] {
        ann.enter("#text", text);
        sees(&ann, text);
    }
    let other = browser.open(&format!("http://{}/?name=ann&room=lobby", server.addr));
    other.enter("#room", "lobby");
    other.wait_until("document.querySelector('#me').textContent === 'ann-2'");
    sees(&other, "four");
    assert_eq!(shown(&other), json!(["three", "four"]));
    assert_eq!(other.evaluate("document.querySelectorAll('#log .mine').length"), 0);
    other.evaluate("document.querySelector('#older').click()");
    sees(&other, "one");
    assert_eq!(shown(&other), json!(["one", "two", "three", "four"]));
    other.wait_until("document.querySelector('#older').hidden");

    other.enter("#other", "a\u{202e}b");
    other.wait_until("document.querySelector('#other').ariaInvalid === 'true'");
    assert_eq!(other.evaluate("document.querySelectorAll('#rooms li').length"), 1);
    server.shut();
}

#[test]
fn two_windows_chat_and_come_back_after_a_restart() {
    let Some(browser) = start() else { return };
    let mut settings = settings();
    let server = on_smol(&settings);
    settings.listen = server.addr;
    let ann = enter(&browser, &server, "ann");
    let bob = enter(&browser, &server, "bob");

    ann.enter("#text", "Good morning!");
    sees(&bob, "Good morning!");
    bob.enter("#text", "<img src=x onerror='document.title=1'> & <b>bold</b>");
    sees(&ann, "<img src=x onerror='document.title=1'> & <b>bold</b>");
    assert_eq!(ann.evaluate("document.querySelectorAll('#log b, #log img').length"), 0);
    assert_eq!(
        ann.evaluate("document.querySelector('#log .mine .words').textContent"),
        "Good morning!"
    );

    ann.enter("#other", "kitchen");
    ann.wait_until("document.querySelector('#title').textContent === 'kitchen'");
    ann.enter("#text", "Anybody here?");
    sees(&ann, "Anybody here?");
    bob.enter("#text", "Where is ann?");
    ann.wait_until("document.querySelector('#rooms .badge')?.textContent === '1'");
    ann.evaluate("document.querySelector('#rooms button').click()");
    sees(&ann, "Where is ann?");

    server.shut();
    is(&ann, "offline");
    is(&bob, "offline");
    ann.enter("#text", "Said while nobody listened");
    let server = on_smol(&settings);
    is(&ann, "online");
    is(&bob, "online");
    sees(&bob, "Said while nobody listened");
    bob.enter("#text", "And on we go");
    sees(&ann, "And on we go");
    sees(&bob, "And on we go");
    let all = json!([
        "Good morning!",
        "<img src=x onerror='document.title=1'> & <b>bold</b>",
        "Where is ann?",
        "Said while nobody listened",
        "And on we go",
    ]);
    assert_eq!(shown(&ann), all);
    assert_eq!(shown(&bob), all);
    server.shut();
}

#[test]
fn a_line_that_stood_still_is_come_back_from_to_what_was_said() {
    let Some(browser) = start() else { return };
    let server = impatient();
    let network = Proxy::start(server.addr, Fault::None, seed());
    let ann = at_the_door(&browser, network.addr(), "ann");
    go_in(&ann, "ann");
    let bob = enter(&browser, &server, "bob");
    has(&ann, &["ann", "bob"]);
    ann.enter("#text", "Is this on?");
    sees(&bob, "Is this on?");

    network.freeze();
    bob.enter("#text", "Yes, it is");
    ann.enter("#text", "Said into the frozen line");
    has(&bob, &["bob"]);
    bob.enter("#text", "Where is she?");
    sees(&bob, "Where is she?");
    assert_eq!(shown(&ann), json!(["Is this on?"]));

    network.thaw();
    has(&bob, &["ann", "bob"]);
    sees(&bob, "Said into the frozen line");
    ann.enter("#text", "Here I am");
    sees(&bob, "Here I am");
    bob.enter("#text", "There you are");
    let all = json!([
        "Is this on?",
        "Yes, it is",
        "Where is she?",
        "Said into the frozen line",
        "Here I am",
        "There you are",
    ]);
    for window in [&ann, &bob] {
        sees(window, "There you are");
        has(window, &["ann", "bob"]);
        assert_eq!(shown(window), all);
    }
    server.shut();
}

#[test]
fn who_says_nothing_notices_a_line_that_stands_still_for_good() {
    let Some(browser) = start() else { return };
    let server = impatient();
    let network = Proxy::start(server.addr, Fault::None, seed());
    let ann = at_the_door(&browser, network.addr(), "ann");
    ann.hasten(10);
    go_in(&ann, "ann");
    let bob = enter(&browser, &server, "bob");
    bob.enter("#text", "Good evening");
    sees(&ann, "Good evening");

    network.freeze();
    bob.enter("#text", "Anybody here?");
    has(&bob, &["bob"]);
    is(&ann, "offline");
    bob.enter("#text", "Nobody, then");
    sees(&bob, "Nobody, then");
    network.pass_what_is_new();
    has(&bob, &["ann", "bob"]);
    sees(&ann, "Nobody, then");

    // What was on its way on the old lines is nobody's any more.
    network.thaw();
    bob.enter("#text", "There you are");
    let all = json!(["Good evening", "Anybody here?", "Nobody, then", "There you are"]);
    for window in [&ann, &bob] {
        sees(window, "There you are");
        assert_eq!(shown(window), all);
    }
    server.shut();
}

/// A server that operators ask, with a token or without.
fn operated(token: Option<&tempfile::NamedTempFile>) -> Server {
    let mut settings = settings();
    settings.admin_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    settings.admin_token_file = token.map(|file| file.path().to_owned());
    on_smol(&settings)
}

/// The operators' page.
fn operate<'a>(browser: &'a Browser, server: &Server) -> Window<'a> {
    browser.open(&format!("http://{}/", server.admin.expect("operators have a listener")))
}

/// Waits until the rows of a table have these words in their cells.
fn lists(window: &Window<'_>, table: &str, rows: &[&[&str]]) {
    let rows = json!(rows);
    window.wait_until(&format!(
        "JSON.stringify([...document.querySelectorAll('{table} tr')].map((row) => \
         [...row.cells].map((cell) => cell.textContent).slice(0, {}))) === \
         JSON.stringify({rows})",
        rows[0].as_array().map_or(0, Vec::len),
    ));
}

/// Presses a button of a session, to kick: twice, as somebody does who means it.
fn press_kick(window: &Window<'_>, room: &str) {
    let button = format!("document.querySelector('#sessions .kick[data-room=\"{room}\"]')");
    window.wait_until(&format!("{button} !== null"));
    window.evaluate(&format!("{button}.click()"));
    window.wait_until(&format!("{button}.textContent === 'Press again to kick'"));
    window.evaluate(&format!("{button}.click()"));
}

fn has_said(window: &Window<'_>, words: &str) {
    let words = json!(words);
    window.wait_until(&format!("document.querySelector('#said').textContent === {words}"));
}

#[test]
fn an_operator_sees_looks_up_and_kicks() {
    let Some(browser) = start() else { return };
    let server = operated(None);
    let hostile = "<img src=x onerror=t()>";
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    let (mut bob, _) = Client::join(server.addr, "lobby", "bob");
    let mut eve = Client::connect(
        server.addr,
        "room=%3Cb%3Etea%3C%2Fb%3E&name=%3Cimg%20src%3Dx%20onerror%3Dt()%3E",
    );
    eve.expect("joined");
    assert_eq!(ann.ask(&json!({ "type": "join", "id": 1, "room": "tea" }))["type"], "joined");

    let page = operate(&browser, &server);
    is(&page, "live");
    let value = |place: u32| {
        format!("document.querySelectorAll('#charts figure .value')[{place}].textContent")
    };
    page.wait_until(&format!("{} === '3'", value(0)));
    page.wait_until(&format!("{} === '3'", value(1)));
    // A rate takes two looks, and a line two points.
    page.wait_until(&format!("{} === '0'", value(2)));
    page.wait_until("document.querySelector('#charts .line').getAttribute('d').includes('L')");
    assert_ne!(page.evaluate(&value(5)), "–", "memory");
    lists(&page, "#rooms", &[&["lobby", "2", "0"], &["<b>tea</b>", "1", "0"], &["tea", "1", "0"]]);
    lists(&page, "#closes", &[&["Nobody was closed."]]);

    page.enter("#whom", hostile);
    page.wait_until("document.querySelector('#sessions h3') !== null");
    assert_eq!(page.evaluate("document.querySelector('#sessions h3').textContent"), hostile);
    assert_eq!(page.evaluate("document.querySelectorAll('img, td b').length"), 0);
    page.enter("#whom", "nobody");
    has_said(&page, "there is no such session");
    page.enter("#whom", "ann");
    page.wait_until("document.querySelector('#sessions h3')?.textContent === 'ann'");
    lists(&page, "#sessions tbody", &[&["lobby", "live"], &["tea", "live"]]);

    press_kick(&page, "lobby");
    has_said(&page, "Kicked: one session.");
    lists(&page, "#sessions tbody", &[&["tea", "live"]]);
    assert_eq!(ann.expect("left")["reason"], "kicked");
    press_kick(&page, "");
    has_said(&page, "Kicked: one session. there is no such session");
    assert_eq!(ann.closed(), (Some(4504), 4504));
    page.wait_until("document.querySelector('#closes .name') !== null");
    let close = "[...document.querySelector('#closes tr').cells].map((cell) => cell.textContent)";
    assert_eq!(
        page.evaluate(&format!("{close}.slice(1, 4)")),
        json!(["ann", "tea", "4504 kicked"])
    );
    page.wait_until(&format!("{} === '2'", value(0)));

    // Who was closed can be looked up at once, whether it is there or not.
    page.evaluate("document.querySelector('#closes .name').click()");
    has_said(&page, "there is no such session");
    assert_eq!(bob.ask(&json!({ "type": "ping", "id": 1 }))["type"], "pong");
    server.shut();
    is(&page, "silent");
    assert_eq!(page.evaluate("document.querySelector('#desk').className"), "stale");
}

#[test]
fn an_operator_records() {
    let Some(browser) = start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings();
    settings.admin_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let hub = Hub::new(settings.hub.clone(), Origin { seed: 1, wall_clock_ms: 0 }).expect("a hub");
    let options = Options { redaction: Redaction::Secrets, part_bytes: 1 << 20 };
    let machine = Recordable::new(hub, Some(folder.path().to_owned()), options);
    let (_, drive) = DRIVERS[0];
    let server = drive(&settings, Box::new(machine));
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    let page = operate(&browser, &server);
    is(&page, "live");
    page.wait_until("document.querySelector('#recorded').textContent === 'Nothing is recorded.'");
    assert_eq!(page.evaluate("document.querySelector('#stop').disabled"), true);
    page.evaluate("document.querySelector('#start').click()");
    page.wait_until("document.querySelector('#recording-said').textContent === 'Started.'");
    page.wait_until("document.querySelector('#start').disabled");
    ann.publish("lobby", &json!("this is kept"));
    ann.expect("message");
    page.evaluate("document.querySelector('#stop').click()");
    page.wait_until("!document.querySelector('#start').disabled");
    let said = page.evaluate("document.querySelector('#recording-said').textContent");
    let file = fs::read_dir(folder.path()).expect("a folder").next().expect("a recording");
    let file = file.expect("a recording").path();
    assert_eq!(said, format!("Stopped. The recording is {}.", file.display()));
    let recording = fs::read(file).expect("a recording");
    assert!(recording.windows(12).any(|found| found == b"this is kept"));
    server.shut();
}

#[test]
fn an_operator_shows_the_token_once() {
    let Some(browser) = start() else { return };
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "0123456789abcdef").expect("room on the disk");
    let server = operated(Some(&file));
    let page = operate(&browser, &server);
    page.wait_until("!document.querySelector('#entrance').hidden");
    assert_eq!(page.evaluate("document.querySelector('#desk').hidden"), true);
    page.enter("#token", "fedcba9876543210");
    page.wait_until("document.querySelector('#refused').textContent === 'This is not the token.'");
    page.enter("#token", "0123456789abcdef");
    is(&page, "live");
    assert_eq!(page.evaluate("document.querySelector('#entrance').hidden"), true);
    // It is kept nowhere.
    let kept = "[localStorage.length, sessionStorage.length, document.cookie, location.hash]";
    assert_eq!(page.evaluate(kept), json!([0, 0, "", ""]));
    assert_eq!(page.evaluate("document.querySelector('#token').value"), "");
    server.shut();
}

/// Waits for these words below the talk.
fn is_told(window: &Window<'_>, words: &str) {
    let words = json!(words);
    window.wait_until(&format!("document.querySelector('#hint').textContent === {words}"));
}

#[test]
fn who_moderates_removes_sends_out_and_keeps_out() {
    let Some(browser) = start() else { return };
    let desk = Desk::new();
    let mut settings = desk.settings(Auth::Optional);
    settings.hub.presence_tick = Duration::from_millis(20);
    let server = on_smol(&settings);
    let all = "lobby:join,publish,signal,history,presence,moderate";
    let token = desk.token(&["--room", all, "mia"]);
    let mia = browser.open(&format!("http://{}/?room=lobby#token={token}", server.addr));
    mia.wait_until("document.querySelector('#named').hidden");
    assert_eq!(mia.evaluate("location.hash"), "");
    go_in(&mia, "mia");
    let bob = enter(&browser, &server, "bob");
    has(&mia, &["bob", "mia"]);

    bob.enter("#text", "Buy cheap watches");
    bob.enter("#text", "/kick mia");
    is_told(&bob, "You may not do that in this room.");
    bob.enter("#text", "/dance");
    is_told(&bob, "There is no /dance. /help tells what there is.");
    bob.enter("#text", "//kick is a command");
    sees(&mia, "/kick is a command");
    let buttons = "[...document.querySelectorAll('#log .remove')].filter((one) => \
                   getComputedStyle(one).display !== 'none')";
    assert_eq!(bob.evaluate(&format!("{buttons}.length")), 0);
    mia.evaluate(&format!("{buttons}[0].click()"));
    is_told(&mia, "The message was removed.");
    for window in [&mia, &bob] {
        sees(window, "This message was removed");
        assert_eq!(shown(window), json!(["This message was removed", "/kick is a command"]));
    }

    mia.enter("#text", "/kick bob");
    is_told(&mia, "bob was sent out of lobby.");
    is_told(&bob, "A moderator sent you out of lobby.");
    bob.enter("#other", "lobby");
    sees(&bob, "/kick is a command");
    mia.enter("#text", "/ban bob 10m");
    is_told(&bob, "You are banned from lobby for a while.");
    bob.enter("#other", "lobby");
    is_told(&bob, "You are banned from this room for another 10 minutes.");
    mia.enter("#text", "/ban bob 0");
    is_told(&mia, "bob may join lobby again.");
    bob.enter("#other", "lobby");
    has(&mia, &["bob", "mia"]);
    server.shut();
}

#[test]
fn a_token_that_is_not_accepted_is_told() {
    let Some(browser) = start() else { return };
    let server = on_smol(&Desk::new().settings(Auth::Required));
    let ann = browser.open(&format!("http://{}/?room=lobby#token=nonsense", server.addr));
    ann.wait_until("document.querySelector('#named').hidden");
    ann.enter("#room", "lobby");
    ann.wait_until("document.querySelector('#state').textContent === 'Your token is not accepted'");
    server.shut();
}
