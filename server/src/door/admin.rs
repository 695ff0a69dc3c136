//! The operator's face of the front door: numbers, health and a page, for whoever may see them, and what
//! they may have done. This file does not know where the numbers come from, nor who does it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use httparse::{Request, Status};
use roundtable::ConnId;

use super::{
    Answer, MAX_HEADERS, Readiness, bearer, has_bare_newline, header, is_served_by, name,
    path_and_query, refuse_smuggling, the_only, unavailable,
};
use crate::admin::{self, AdminToken, Kick, Question, Told, Whose};
use crate::answer;
use crate::metrics::{self, Edge};
use crate::settings::Settings;

/// The longest body of a request.
pub(crate) const MAX_BODY_BYTES: usize = 4096;

/// The media type of what programs are told, and tell.
const JSON: &str = "application/json";

/// What answers operators. One serves all of their connections.
#[derive(Clone, Debug)]
pub struct AdminDoor {
    head_bytes: usize,
    token: Option<AdminToken>,
}

/// What an operator's request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is not complete.
    More,
    /// Write this and close.
    Answer(Vec<u8>),
    /// Ask the owner of the machine, and write what [`AdminDoor::answer`] makes of what is told.
    Owner(Question),
}

impl AdminDoor {
    /// A door that opens to who shows `token`, or to everybody without.
    pub fn new(settings: &Settings, token: Option<AdminToken>) -> Self {
        Self { head_bytes: settings.wire.head_bytes, token }
    }

    /// Looks at all that has come so far: a head, and the body behind it where there is one, of 4 KiB at
    /// the most.
    pub fn knock(&self, readiness: Readiness, came: &[u8]) -> Asked {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = Request::new(&mut headers);
        let window = &came[..came.len().min(self.head_bytes)];
        match request.parse(window) {
            Ok(Status::Complete(consumed)) if !has_bare_newline(&window[..consumed]) => {
                self.open(readiness, &request, &came[consumed..]).unwrap_or_else(Asked::Answer)
            }
            Ok(Status::Partial) if came.len() < self.head_bytes => Asked::More,
            Ok(Status::Partial) => {
                Asked::Answer(answer::plain(431, "the request head is too large\n", &[]))
            }
            _ => Asked::Answer(answer::plain(400, "this is not a request\n", &[])),
        }
    }

    /// What is written when the owner has told, with what was counted beside its loop.
    pub fn answer(told: &Told, edge: &Arc<Edge>) -> Vec<u8> {
        match told {
            Told::Metrics(report) => {
                whole(metrics::CONTENT_TYPE, metrics::write(report, edge).as_bytes())
            }
            Told::State(state) => json(&admin::state(state, metrics::resident_bytes())),
            Told::Sessions(found) if found.is_empty() => {
                answer::plain(404, "there is no such session\n", &[])
            }
            Told::Sessions(found) => json(&admin::sessions(found)),
            Told::Kicked(0) => answer::plain(404, "nobody of that name is there\n", &[]),
            Told::Kicked(sessions) => json(&admin::kicked(*sessions)),
            Told::Recording(Ok(name)) => json(&admin::recording(name)),
            Told::Recording(Err(why)) => answer::plain(409, &format!("{why}\n"), &[]),
        }
    }

    /// The answer when the owner is gone, or does not tell in time.
    pub fn silence_answer() -> Vec<u8> {
        unavailable("the server is busy, or stops\n")
    }

    fn open(
        &self,
        readiness: Readiness,
        request: &Request<'_, '_>,
        behind: &[u8],
    ) -> Result<Asked, Answer> {
        refuse_smuggling(request)?;
        let (path, query) = path_and_query(request);
        let method = request.method.unwrap_or_default();
        // The page tells nothing, and must be there before it can be given a token.
        if self.token.is_none() || (method, path) != ("GET", "/") {
            self.check_who(request)?;
        }
        match (deed(path), method) {
            (Some(deed), "POST") => {
                check_page(request)?;
                match body(request, behind)? {
                    Some(body) => deed(body).map(Asked::Owner),
                    None => Ok(Asked::More),
                }
            }
            (Some(_), _) => {
                Err(answer::plain(405, "only POST is answered here\n", &[("Allow", "POST")]))
            }
            (None, "GET") => look(readiness, path, query),
            (None, _) => {
                Err(answer::plain(405, "only GET is answered here\n", &[("Allow", "GET")]))
            }
        }
    }

    /// Who shows the token may ask under any name. Where there is none, the page of another site must
    /// not, whose name leads here for a moment: it is asked by that name.
    fn check_who(&self, request: &Request<'_, '_>) -> Result<(), Answer> {
        let Some(token) = &self.token else {
            return match the_only(request, "Host")? {
                Some(host) if !is_of_this_machine(host) => {
                    Err(answer::plain(421, "ask by an address, or as localhost\n", &[]))
                }
                _ => Ok(()),
            };
        };
        let shown = the_only(request, "Authorization")?.and_then(bearer);
        match shown {
            Some(shown) if token.is(shown) => Ok(()),
            _ => {
                let headers = [("WWW-Authenticate", "Bearer")];
                Err(answer::plain(401, "operators show a token\n", &headers))
            }
        }
    }
}

/// What is asked for, where it changes nothing.
fn look(readiness: Readiness, path: &str, query: &str) -> Result<Asked, Answer> {
    match (path, readiness) {
        ("/", _) => Err(admin::page_answer()),
        ("/metrics", _) => Ok(Asked::Owner(Question::Metrics)),
        ("/state", _) => Ok(Asked::Owner(Question::State)),
        ("/session", _) => Ok(Asked::Owner(Question::Session(whose(query)?))),
        ("/healthz", _) | ("/readyz", Readiness::Serving) => Err(answer::plain(200, "ok\n", &[])),
        ("/readyz", Readiness::Draining) => Err(unavailable("draining\n")),
        _ => Err(answer::plain(404, "nothing is here\n", &[])),
    }
}

/// What is asked to be done, from the body of a request.
type Deed = fn(&[u8]) -> Result<Question, Answer>;

/// What is asked to be done at a path.
fn deed(path: &str) -> Option<Deed> {
    match path {
        "/kick" => Some(|body| match serde_json::from_slice(body) {
            Ok(Kick { user, room }) => Ok(Question::Kick { room, user }),
            Err(error) => Err(answer::plain(400, &format!("the body: {error}\n"), &[])),
        }),
        "/recording/start" => Some(|_| Ok(Question::StartRecording)),
        "/recording/stop" => Some(|_| Ok(Question::StopRecording)),
        _ => None,
    }
}

/// Whose session a query asks for.
fn whose(query: &str) -> Result<Whose, Answer> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let mut asked = pairs.filter(|(field, _)| matches!(&**field, "user" | "conn"));
    match (asked.next(), asked.next()) {
        (Some((field, user)), None) if field == "user" => Ok(Whose::User(name("user", &user)?)),
        (Some((_, conn)), None) => {
            let number = conn
                .parse()
                .map_err(|_| answer::plain(400, "conn: the number of a connection\n", &[]))?;
            Ok(Whose::Conn(ConnId::new(number)))
        }
        _ => Err(answer::plain(400, "ask by ?user=NAME or by ?conn=NUMBER\n", &[])),
    }
}

/// What changes something is taken from the page that is served here, or from what is no page. The page
/// of another site names its origin; where a browser names none, it asks first before it sends JSON, and
/// gets no leave (Fetch §4.8).
fn check_page(request: &Request<'_, '_>) -> Result<(), Answer> {
    let host = the_only(request, "Host")?.unwrap_or_default();
    let origin = the_only(request, "Origin")?;
    // A proxy in front may speak TLS.
    if origin.is_some_and(|origin| !is_served_by(origin, &["http", "https"], host)) {
        return Err(answer::plain(403, "pages of this origin may not do this\n", &[]));
    }
    let kind = the_only(request, "Content-Type")?.unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim_end();
    if kind.eq_ignore_ascii_case(JSON) {
        return Ok(());
    }
    Err(answer::plain(415, "the body is application/json\n", &[]))
}

/// The body of a request, once it is there.
fn body<'a>(request: &Request<'_, '_>, behind: &'a [u8]) -> Result<Option<&'a [u8]>, Answer> {
    let is_chunked = header(request, "Transfer-Encoding").next().is_some();
    let length = the_only(request, "Content-Length")?.filter(|_| !is_chunked);
    let Some(length) = length else {
        return Err(answer::plain(411, "say by Content-Length how long the body is\n", &[]));
    };
    if length.is_empty() || !length.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(answer::plain(400, "no valid Content-Length\n", &[]));
    }
    match length.parse() {
        Ok(length) if length <= MAX_BODY_BYTES => Ok(behind.get(..length)),
        _ => {
            let words = format!("a body here has at most {MAX_BODY_BYTES} bytes\n");
            Err(answer::plain(413, &words, &[]))
        }
    }
}

fn json(text: &str) -> Answer {
    whole(JSON, text.as_bytes())
}

fn whole(kind: &str, body: &[u8]) -> Answer {
    let headers = [
        ("Content-Type", kind),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
        ("Connection", "close"),
    ];
    answer::whole(200, &headers, body)
}

/// Whether a `Host` is an address or `localhost`, which no name server gives to anybody else.
fn is_of_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let is_v6 = |name: &str| {
        let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<Ipv4Addr>().is_ok() || is_v6(name)
}
