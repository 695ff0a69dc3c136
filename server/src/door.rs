//! The HTTP front door: request heads in, answers out. This file does not know sockets or time; it
//! is asked again with the whole head whenever more of it has come.
//!
//! Every answer but the upgrade closes the connection, so that nothing behind a request is ever
//! taken for another one.

mod admin;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use httparse::{Error, Request, Status};
use roundtable::protocol::SUBPROTOCOL;
use roundtable::{Claims, Framing, Greeting, Name, Refusal, RoomChoice, Verdict};
use tungstenite::handshake::derive_accept_key;

use crate::answer;
use crate::auth::Tokens;
use crate::forwarded;
use crate::page;
use crate::settings::{Networks, Origins, Settings};
use crate::whence::Whence;

pub use admin::{AdminDoor, Asked};

/// The most headers that a request may have.
const MAX_HEADERS: usize = 64;

/// What answers requests. One serves all connections.
#[derive(Clone, Debug)]
pub struct Door {
    origins: Origins,
    /// The proxies that are believed.
    trusted: Networks,
    /// The schemes under which the server's own pages can have come.
    schemes: &'static [&'static str],
    head_bytes: usize,
    tokens: Option<Arc<Tokens>>,
}

/// Whether new connections are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// They are.
    Serving,
    /// The server stops: upgrades get 503.
    Draining,
}

/// What a request head comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Knock {
    /// The head is not complete.
    More,
    /// Write this and close.
    Answer(Vec<u8>),
    /// Write `response`; from then on it is a WebSocket.
    Upgrade {
        /// The response that completes the handshake.
        response: Vec<u8>,
        /// What the client asked for.
        greeting: Greeting,
        /// What its token said, if it sent one.
        claims: Option<Box<Claims>>,
        /// Where it is: what was known before, or what a proxy says that is believed.
        whence: Whence,
        /// How long the head was; what came behind it are frames.
        consumed: usize,
    },
}

/// A request that is granted.
struct Opened {
    response: Vec<u8>,
    greeting: Greeting,
    claims: Option<Box<Claims>>,
    whence: Whence,
}

/// The answer to a request that is not granted.
type Answer = Vec<u8>;

impl Door {
    /// A door as the settings want it, that verifies tokens by `tokens` and takes none without.
    pub fn new(settings: &Settings, tokens: Option<Arc<Tokens>>) -> Self {
        let (origins, head_bytes) = (settings.allow_origin.clone(), settings.wire.head_bytes);
        // Without TLS of our own, the scheme is that of whoever may speak it in front of us.
        let schemes: &[&str] =
            if settings.tls().is_some() { &["https"] } else { &["http", "https"] };
        Self { origins, trusted: settings.trust_proxy.clone(), schemes, head_bytes, tokens }
    }

    /// Looks at all that has come so far from `whence`.
    pub fn knock(&self, readiness: Readiness, whence: Whence, head: &[u8]) -> Knock {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = Request::new(&mut headers);
        let window = &head[..head.len().min(self.head_bytes)];
        match request.parse(window) {
            Ok(Status::Complete(consumed)) if has_bare_newline(&window[..consumed]) => {
                Knock::Answer(answer::plain(400, "lines end with CR and LF\n", &[]))
            }
            Ok(Status::Complete(consumed)) => self.open(readiness, whence, &request, consumed),
            Ok(Status::Partial) if head.len() < self.head_bytes => Knock::More,
            Ok(Status::Partial) | Err(Error::TooManyHeaders) => {
                Knock::Answer(answer::plain(431, "the request head is too large\n", &[]))
            }
            Err(Error::Version) => Knock::Answer(answer::plain(505, "this is HTTP/1.1\n", &[])),
            Err(_) => Knock::Answer(answer::plain(400, "this is not a request\n", &[])),
        }
    }

    /// The answer to a head that did not come in time.
    pub fn timeout_answer() -> Vec<u8> {
        answer::plain(408, "the request took too long\n", &[])
    }

    /// The answer to a connection for which there is no room.
    pub fn full_answer() -> Vec<u8> {
        unavailable("the server is full\n")
    }

    /// The answer to an upgrade that the hub refuses, in place of the one that grants it. Times are
    /// told in whole seconds (RFC 9110 §10.2.3).
    pub fn refusal_answer(refusal: Refusal, retry_after: Duration) -> Vec<u8> {
        let (status, words) = match refusal {
            Refusal::TooManyConnections => (429, "too many connections from your address\n"),
            Refusal::TooFast => (429, "too many new connections from your address\n"),
            Refusal::TooManyAddresses => (503, "the server is full\n"),
            Refusal::TooManyUnverified => (503, "the server is full for who shows no token\n"),
        };
        let seconds = retry_after.as_nanos().div_ceil(1_000_000_000).max(1).to_string();
        answer::plain(status, words, &[("Retry-After", &seconds)])
    }

    fn open(
        &self,
        readiness: Readiness,
        whence: Whence,
        request: &Request<'_, '_>,
        consumed: usize,
    ) -> Knock {
        let (path, query) = path_and_query(request);
        let opened = refuse_smuggling(request).and_then(|()| match path {
            "/ws" => self.upgrade(readiness, whence, request, query),
            _ => Err(plain_request(readiness, request, path)),
        });
        match opened {
            Ok(Opened { response, greeting, claims, whence }) => {
                Knock::Upgrade { response, greeting, claims, whence, consumed }
            }
            // RFC 9110 §9.3.2.
            Err(answer) if request.method == Some("HEAD") => {
                Knock::Answer(answer::without_body(answer))
            }
            Err(answer) => Knock::Answer(answer),
        }
    }

    /// Checks the handshake (RFC 6455 §4.2.1), and answers it.
    fn upgrade(
        &self,
        readiness: Readiness,
        whence: Whence,
        request: &Request<'_, '_>,
        query: &str,
    ) -> Result<Opened, Answer> {
        if request.method != Some("GET") {
            return Err(answer::plain(405, "only GET is answered here\n", &[("Allow", "GET")]));
        }
        let is_upgrade = has_token(request, "Upgrade", "websocket")
            && has_token(request, "Connection", "upgrade")
            && request.version == Some(1);
        if !is_upgrade || the_only(request, "Sec-WebSocket-Version")? != Some("13") {
            return Err(upgrade_required());
        }
        let key = the_only(request, "Sec-WebSocket-Key")?.filter(|key| is_key(key));
        let key = key.ok_or_else(|| answer::plain(400, "no valid Sec-WebSocket-Key\n", &[]))?;
        self.check_origin(request)?;
        if readiness == Readiness::Draining {
            return Err(unavailable("the server stops\n"));
        }
        // A browser fails the connection when the name that it gets is not to the letter its own.
        let offers = tokens(request, "Sec-WebSocket-Protocol").any(|offer| offer == SUBPROTOCOL);
        let mut greeting = greeting(query)?;
        if offers {
            greeting.framing = Framing::Strict;
        }
        let whence = self.client(whence, request)?;
        // Last, since it costs the most.
        let claims = self.claims(request, query)?;
        let accept = derive_accept_key(key.as_bytes());
        let response = answer::switching(&accept, offers.then_some(SUBPROTOCOL));
        Ok(Opened { response, greeting, claims, whence })
    }

    /// Where the client is, if who sends the request may say so.
    fn client(&self, whence: Whence, request: &Request<'_, '_>) -> Result<Whence, Answer> {
        let [one, other] = ["Forwarded", "X-Forwarded-For"].map(|name| header(request, name));
        forwarded::client(&self.trusted, whence, one, other).map_err(|forwarded::Disagreement| {
            answer::plain(400, "Forwarded and X-Forwarded-For name two clients\n", &[])
        })
    }

    /// What the token of a request says. Who sends none may still send one in a frame: whether one is
    /// needed is the hub's to know.
    fn claims(
        &self,
        request: &Request<'_, '_>,
        query: &str,
    ) -> Result<Option<Box<Claims>>, Answer> {
        let by_query = form_urlencoded::parse(query.as_bytes())
            .filter(|(field, value)| field == "token" && !value.is_empty())
            .map(|(_, token)| token);
        let Some(tokens) = &self.tokens else {
            // What else stands in `Authorization` may be for a proxy; a token in the URL is for us,
            // and its sender must not believe that it was looked at.
            return match by_query.count() {
                0 => Ok(None),
                _ => Err(answer::plain(400, "this server takes no tokens\n", &[])),
            };
        };
        let by_header = the_only(request, "Authorization")?.and_then(bearer);
        let mut given = by_header.map(Cow::Borrowed).into_iter().chain(by_query);
        let Some(token) = given.next() else { return Ok(None) };
        // RFC 6750 §2.
        if given.next().is_some() {
            return Err(answer::plain(400, "one token is enough\n", &[]));
        }
        match tokens.verify(None, &token) {
            Verdict::Valid(claims) => Ok(Some(claims)),
            Verdict::Expired | Verdict::Invalid => Err(unauthorized()),
        }
    }

    /// A page may connect if it comes from here, or from an origin that is allowed. What is no
    /// browser sends no origin (RFC 6455 §10.2).
    fn check_origin(&self, request: &Request<'_, '_>) -> Result<(), Answer> {
        let host = the_only(request, "Host")?;
        let Some(origin) = the_only(request, "Origin")? else { return Ok(()) };
        if self.origins.contains(origin)
            || host.is_some_and(|host| is_served_by(origin, self.schemes, host))
        {
            return Ok(());
        }
        Err(answer::plain(403, "pages of this origin may not connect\n", &[]))
    }
}

/// Whether a page of `origin` came by one of these schemes from what the request calls `host`.
fn is_served_by(origin: &str, schemes: &[&str], host: &str) -> bool {
    origin.split_once("://").is_some_and(|(scheme, authority)| {
        let is_ours = schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known));
        is_ours && !host.is_empty() && authority.eq_ignore_ascii_case(host)
    })
}

/// The two parts of the request's target, which a proxy may send with a scheme and a host before
/// them (RFC 9112 §3.2.2).
fn path_and_query<'a>(request: &Request<'_, 'a>) -> (&'a str, &'a str) {
    let target = request.path.unwrap_or_default();
    let after_scheme = target.strip_prefix("http://").or_else(|| target.strip_prefix("https://"));
    let target = after_scheme.map_or(target, |rest| rest.find('/').map_or("/", |at| &rest[at..]));
    target.split_once('?').unwrap_or((target, ""))
}

/// What is no WebSocket: the page and its parts, and the state of health.
fn plain_request(readiness: Readiness, request: &Request<'_, '_>, path: &str) -> Vec<u8> {
    let method = request.method.unwrap_or_default();
    if !matches!(method, "GET" | "HEAD") {
        return answer::plain(405, "only GET and HEAD are answered\n", &[("Allow", "GET, HEAD")]);
    }
    match (path, readiness) {
        ("/healthz", _) | ("/readyz", Readiness::Serving) => answer::plain(200, "ok\n", &[]),
        ("/readyz", Readiness::Draining) => unavailable("draining\n"),
        _ => match page::find(path) {
            Some(asset) => page::answer(asset, header(request, "If-None-Match")),
            None => answer::plain(404, "nothing is here\n", &[]),
        },
    }
}

/// RFC 9110 §15.5.22, and RFC 6455 §4.4 for the version.
fn upgrade_required() -> Vec<u8> {
    let headers = [
        ("Connection", "Upgrade, close"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
    ];
    answer::plain(426, "this is a WebSocket, of version 13 over HTTP/1.1\n", &headers)
}

/// One answer for all that may be wrong with a token: who guesses learns nothing (RFC 6750 §3.1).
fn unauthorized() -> Vec<u8> {
    let headers = [("WWW-Authenticate", "Bearer error=\"invalid_token\"")];
    answer::plain(401, "this token is not accepted\n", &headers)
}

/// The token in an `Authorization` that holds one (RFC 6750 §2.1). Other schemes are for the proxies
/// in front.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    Some(trim(token)).filter(|_| scheme.eq_ignore_ascii_case("Bearer"))
}

fn unavailable(words: &str) -> Vec<u8> {
    answer::plain(503, words, &[("Retry-After", "5")])
}

/// A request that announces a body could hide another request behind it (RFC 9112 §11.2). Methods
/// that may have one are refused anyway, and the connection ends with the answer.
fn refuse_smuggling(request: &Request<'_, '_>) -> Result<(), Answer> {
    let has_body = header(request, "Transfer-Encoding").next().is_some()
        || header(request, "Content-Length").any(|length| length != "0");
    if has_body && matches!(request.method, Some("GET" | "HEAD")) {
        return Err(answer::plain(400, "a request here has no body\n", &[]));
    }
    // RFC 9112 §3.2.
    match the_only(request, "Host")? {
        Some(host) if !is_host(host) => Err(answer::plain(400, "no valid Host\n", &[])),
        None if request.version == Some(1) => Err(answer::plain(400, "no Host\n", &[])),
        _ => Ok(()),
    }
}

/// Whether this may be a host and a port, without what could hide another host from whoever reads
/// it: a user, a path, a fragment.
fn is_host(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%:[]".contains(&byte))
}

/// Proxies do not agree on whether LF alone ends a line, so a head with one may have been two
/// requests to the proxy in front (RFC 9112 §2.2).
fn has_bare_newline(head: &[u8]) -> bool {
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    lines.any(|line| !line.ends_with(b"\r\n"))
}

/// What the URL's query asks for.
fn greeting(query: &str) -> Result<Greeting, Answer> {
    let mut greeting = Greeting::default();
    for (field, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*field {
            "room" if value.is_empty() => greeting.room = RoomChoice::None,
            "room" => greeting.room = RoomChoice::Named(name("room", &value)?),
            "name" if value.is_empty() => greeting.name = None,
            "name" => greeting.name = Some(name("name", &value)?),
            _ => {}
        }
    }
    Ok(greeting)
}

fn name(field: &str, value: &str) -> Result<Name, Answer> {
    value.parse().map_err(|error| answer::plain(400, &format!("{field}: {error}\n"), &[]))
}

/// The values of a header, which may stand there several times.
fn header<'a>(request: &Request<'_, 'a>, name: &str) -> impl Iterator<Item = &'a str> {
    let found = request.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    found.map(|header| trim(std::str::from_utf8(header.value).unwrap_or("\u{FFFD}")))
}

/// The value of a header that may stand there once.
fn the_only<'a>(request: &Request<'_, 'a>, name: &str) -> Result<Option<&'a str>, Answer> {
    let mut values = header(request, name);
    let value = values.next();
    if values.next().is_some() {
        return Err(answer::plain(400, &format!("{name} stands there twice\n"), &[]));
    }
    Ok(value)
}

/// The members of a header whose values are lists (RFC 9110 §5.6.1).
fn tokens<'a>(request: &Request<'_, 'a>, name: &str) -> impl Iterator<Item = &'a str> {
    header(request, name).flat_map(|value| value.split(',')).map(trim)
}

fn has_token(request: &Request<'_, '_>, name: &str, token: &str) -> bool {
    tokens(request, name).any(|found| found.eq_ignore_ascii_case(token))
}

/// Without the white space that HTTP knows (RFC 9110 §5.6.3); Unicode knows more.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// 16 bytes in base 64 (RFC 6455 §4.1).
fn is_key(key: &str) -> bool {
    let Some(digits) = key.strip_suffix("==") else { return false };
    let is_digit = |digit: u8| digit.is_ascii_alphanumeric() || digit == b'+' || digit == b'/';
    digits.len() == 22 && digits.bytes().all(is_digit)
}
