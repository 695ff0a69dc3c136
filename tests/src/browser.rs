//! A real browser, driven over the Chrome `DevTools` Protocol. This file does not know the page that
//! it shows.

#![expect(clippy::missing_panics_doc, reason = "a browser that does not answer fails the test")]

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::{env, fs, thread};

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::Message;
use serde_json::{Value, json};
use smol::future::FutureExt;
use smol::stream::StreamExt;
use smol::{Async, Timer};

use crate::conformance::BACKSTOP;

/// The names under which Chromium is installed.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Nothing but the page: no first run, no updates, no look outside.
const FLAGS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--window-size=1200,800",
];

/// A browser that runs, without a window.
pub struct Browser {
    process: Child,
    /// Closed when no process of it is left.
    gone: Receiver<Infallible>,
    profile: PathBuf,
    wire: RefCell<Wire>,
}

/// One window, with storage of its own.
pub struct Window<'a> {
    browser: &'a Browser,
    session: String,
}

struct Wire {
    socket: WebSocketStream<Async<TcpStream>>,
    calls: u64,
    /// What the browser told of itself while an answer was awaited.
    events: Vec<Value>,
}

/// The browser's program: `ROUNDTABLE_BROWSER` names it, or it is one of those in the path.
pub fn program() -> Option<PathBuf> {
    let named = env::var_os("ROUNDTABLE_BROWSER").filter(|name| name != "required");
    if let Some(named) = named {
        return Some(named.into());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let candidates = PROGRAMS.iter().flat_map(|name| folders.iter().map(move |at| at.join(name)));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

impl Browser {
    /// Starts `program` with an empty profile.
    pub fn start(program: PathBuf) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let count = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("roundtable-browser-{}-{count}", std::process::id());
        let profile = env::temp_dir().join(name);
        fs::create_dir_all(&profile).expect("a folder for the profile");
        let mut process = Command::new(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.display()))
            // What it leaves lying about goes with the profile.
            .env("TMPDIR", &profile)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the browser starts");
        let mut said = BufReader::new(process.stderr.take().expect("a pipe")).lines();
        let url = said
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("DevTools listening on ").map(str::to_owned))
            .expect("the browser says where it listens");
        // Its pipe must not fill up; it ends with the last of the browser's processes.
        let (tell, gone) = mpsc::channel();
        thread::spawn(move || {
            said.for_each(drop);
            drop(tell);
        });
        let authority = url.trim_start_matches("ws://").split('/').next().expect("an authority");
        let address: SocketAddr = authority.parse().expect("an address and a port");
        let socket = wait(async {
            let stream = Async::<TcpStream>::connect(address).await.expect("the browser listens");
            async_tungstenite::client_async(&url, stream).await.expect("the browser upgrades").0
        });
        let wire = RefCell::new(Wire { socket, calls: 0, events: Vec::new() });
        Self { process, gone, profile, wire }
    }

    /// Opens `url` in a window whose storage no other window sees.
    pub fn open(&self, url: &str) -> Window<'_> {
        let context = self.call(None, "Target.createBrowserContext", &json!({}));
        let context = &context["browserContextId"];
        let blank = json!({ "url": "about:blank", "browserContextId": context, "newWindow": true });
        let target = self.call(None, "Target.createTarget", &blank);
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call(None, "Target.attachToTarget", &attach);
        let session = session["sessionId"].as_str().expect("a session").to_owned();
        self.call(Some(&session), "Page.enable", &json!({}));
        self.wire.borrow_mut().events.clear();
        self.call(Some(&session), "Page.navigate", &json!({ "url": url }));
        wait(self.wire.borrow_mut().event(&session, "Page.loadEventFired"));
        Window { browser: self, session }
    }

    fn call(&self, session: Option<&str>, method: &str, parameters: &Value) -> Value {
        let mut wire = self.wire.borrow_mut();
        wire.calls += 1;
        let id = wire.calls;
        let mut call = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = session {
            call["sessionId"] = session.into();
        }
        let answer = wait(wire.answer(&call, id));
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].clone()
    }
}

impl Wire {
    async fn answer(&mut self, call: &Value, id: u64) -> Value {
        let call = Message::text(call.to_string());
        self.socket.send(call).await.expect("the browser listens");
        loop {
            let frame = self.next().await;
            if frame["id"] == id {
                return frame;
            }
            self.events.push(frame);
        }
    }

    /// Waits until a window has told of `method`, if it has not before.
    async fn event(&mut self, session: &str, method: &str) {
        let is_it = |frame: &Value| frame["method"] == method && frame["sessionId"] == session;
        while !self.events.iter().any(is_it) {
            let frame = self.next().await;
            self.events.push(frame);
        }
    }

    async fn next(&mut self) -> Value {
        loop {
            let message = self.socket.next().await.expect("the browser is there");
            if let Ok(Message::Text(text)) = message {
                return serde_json::from_str(&text).expect("the browser speaks JSON");
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Whatever is left of it is only a profile in the system's temporary folder.
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
        // Its children write into the profile until they notice.
        let _closed = self.gone.recv_timeout(BACKSTOP);
        let _removed = fs::remove_dir_all(&self.profile);
    }
}

impl Window<'_> {
    /// The value of an expression in the page; a promise is awaited.
    pub fn evaluate(&self, expression: &str) -> Value {
        let parameters =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let result = self.browser.call(Some(&self.session), "Runtime.evaluate", &parameters);
        let thrown = &result["exceptionDetails"];
        assert!(thrown.is_null(), "{expression}: {thrown}");
        result["result"]["value"].clone()
    }

    /// Waits until a condition of the page holds: it is looked at again whenever the page changes.
    pub fn wait_until(&self, condition: &str) {
        self.evaluate(&format!(
            "new Promise((done) => {{
                const look = () => {{ if ({condition}) {{ watch.disconnect(); done(true); }} }};
                const watch = new MutationObserver(look);
                watch.observe(document, {{
                    subtree: true, childList: true, characterData: true, attributes: true,
                }});
                addEventListener('load', look);
                look();
            }})"
        ));
    }

    /// Has the timers that the page sets from now on ring earlier: a minute is over in `60 / times`
    /// seconds.
    pub fn hasten(&self, times: u32) {
        self.evaluate(&format!(
            "{{
                const set = setTimeout;
                window.setTimeout = (act, ms = 0) => set(act, ms / {times});
            }}"
        ));
    }

    /// Writes `text` into the field `selector`, as a person would, and presses Enter.
    pub fn enter(&self, selector: &str, text: &str) {
        self.evaluate(&format!("document.querySelector({selector:?}).focus()"));
        self.evaluate(&format!("document.querySelector({selector:?}).value = ''"));
        let session = Some(&*self.session);
        self.browser.call(session, "Input.insertText", &json!({ "text": text }));
        for kind in ["keyDown", "keyUp"] {
            let key = json!({
                "type": kind, "key": "Enter", "code": "Enter", "text": "\r",
                "windowsVirtualKeyCode": 13,
            });
            self.browser.call(session, "Input.dispatchKeyEvent", &key);
        }
    }
}

fn wait<T>(done: impl Future<Output = T>) -> T {
    smol::block_on(done.or(async {
        Timer::after(BACKSTOP).await;
        panic!("the browser did nothing for {BACKSTOP:?}");
    }))
}
