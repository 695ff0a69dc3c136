//! The operator's face of the front door: numbers and health, for whoever may see them. This file does
//! not know where the numbers come from.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use httparse::{Request, Status};

use super::{
    Answer, MAX_HEADERS, Readiness, bearer, has_bare_newline, path_and_query, refuse_smuggling,
    the_only, unavailable,
};
use crate::admin::{AdminToken, Question, Told};
use crate::metrics::Edge;
use crate::settings::Settings;
use crate::{answer, metrics};

/// What answers operators. One serves all of their connections.
#[derive(Clone, Debug)]
pub struct AdminDoor {
    head_bytes: usize,
    token: Option<AdminToken>,
}

/// What an operator's request head comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The head is not complete.
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

    /// Looks at all that has come so far.
    pub fn knock(&self, readiness: Readiness, head: &[u8]) -> Asked {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = Request::new(&mut headers);
        let window = &head[..head.len().min(self.head_bytes)];
        match request.parse(window) {
            Ok(Status::Complete(consumed)) if !has_bare_newline(&window[..consumed]) => {
                self.open(readiness, &request).unwrap_or_else(Asked::Answer)
            }
            Ok(Status::Partial) if head.len() < self.head_bytes => Asked::More,
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
                let headers = [
                    ("Content-Type", metrics::CONTENT_TYPE),
                    ("X-Content-Type-Options", "nosniff"),
                    ("Cache-Control", "no-store"),
                    ("Connection", "close"),
                ];
                answer::whole(200, &headers, metrics::write(report, edge).as_bytes())
            }
            Told::Recording(Ok(name)) => answer::plain(200, &format!("{name}\n"), &[]),
            Told::Recording(Err(why)) => answer::plain(409, &format!("{why}\n"), &[]),
        }
    }

    /// The answer when the owner is gone, or does not tell in time.
    pub fn silence_answer() -> Vec<u8> {
        unavailable("the server is busy, or stops\n")
    }

    fn open(&self, readiness: Readiness, request: &Request<'_, '_>) -> Result<Asked, Answer> {
        refuse_smuggling(request)?;
        self.check_who(request)?;
        if request.method != Some("GET") {
            return Err(answer::plain(405, "only GET is answered here\n", &[("Allow", "GET")]));
        }
        match (path_and_query(request).0, readiness) {
            ("/metrics", _) => Ok(Asked::Owner(Question::Metrics)),
            ("/healthz", _) | ("/readyz", Readiness::Serving) => {
                Err(answer::plain(200, "ok\n", &[]))
            }
            ("/readyz", Readiness::Draining) => Err(unavailable("draining\n")),
            _ => Err(answer::plain(404, "nothing is here\n", &[])),
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
