//! Whom a proxy says that it speaks for: `Forwarded` (RFC 7239) and `X-Forwarded-For`. This file does
//! not know what else stands in a request.
//!
//! Each proxy on the way adds at the right whom it was talking to. So the list is read from the right,
//! as long as who wrote it is believed: what a client has put there itself is never reached.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::settings::Networks;
use crate::whence::Whence;

/// The two headers name two clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disagreement;

/// The client that the lines of the two headers name, if `from` is a proxy that is believed. Without
/// a word, and for all others, that is `from`.
///
/// Most proxies write one of the headers and pass the other one on as the client wrote it. So a
/// client is believed in neither: where both are there, they must name the same.
pub(crate) fn client<'a>(
    trusted: &Networks,
    from: Whence,
    forwarded: impl Iterator<Item = &'a str>,
    x_forwarded_for: impl Iterator<Item = &'a str>,
) -> Result<Whence, Disagreement> {
    if !trusted.contains(from.ip()) {
        return Ok(from);
    }
    let by_forwarded = walk(trusted, from, members(forwarded).map(element));
    let by_x = walk(trusted, from, members(x_forwarded_for).map(node));
    match (by_forwarded, by_x) {
        (None, None) => Ok(from),
        (Some(ip), None) | (None, Some(ip)) => Ok(Whence::Named(ip)),
        (Some(one), Some(other)) if one == other => Ok(Whence::Named(one)),
        (Some(_), Some(_)) => Err(Disagreement),
    }
}

/// Follows addresses, the nearest first, to the first one that is not believed. Who cannot be read
/// ends that, and the one before it counts: it is the last of which anything is known. Nothing comes
/// back if there are none to follow.
fn walk(
    trusted: &Networks,
    from: Whence,
    nodes: impl Iterator<Item = Option<IpAddr>>,
) -> Option<IpAddr> {
    let mut nodes = nodes.peekable();
    nodes.peek()?;
    let mut client = from.ip();
    for node in nodes {
        let Some(ip) = node else { break };
        client = ip;
        if !trusted.contains(ip) {
            break;
        }
    }
    Some(client)
}

/// The members of a list in one or several lines, from the right; empty ones are none (RFC 9110
/// §5.6.1).
fn members<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    let lines: Vec<&str> = lines.collect();
    let members = lines.into_iter().rev().flat_map(|line| parts(line, ','));
    members.filter(|member| !member.is_empty())
}

/// The parts of `text` between marks that are not in quotes, from the right: a client may leave quotes
/// open, and what a proxy has added behind them is to be read all the same.
fn parts(text: &str, mark: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut is_quoted = false;
        let at = text.char_indices().rev().find(|(at, found)| {
            if *found == '"' && !is_escaped(&text[..*at]) {
                is_quoted = !is_quoted;
            }
            *found == mark && !is_quoted
        });
        let (before, part) = match at {
            Some((at, _)) => (Some(&text[..at]), &text[at + mark.len_utf8()..]),
            None => (None, text),
        };
        rest = before;
        Some(part.trim_matches([' ', '\t']))
    })
}

/// Whether what stands behind `before` is escaped (RFC 9110 §5.6.4).
fn is_escaped(before: &str) -> bool {
    let escapes = before.len() - before.trim_end_matches('\\').len();
    escapes % 2 == 1
}

/// Whom an element of `Forwarded` names: the value of its only `for` (RFC 7239 §4).
fn element(text: &str) -> Option<IpAddr> {
    let mut values = parts(text, ';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.eq_ignore_ascii_case("for").then_some(value)
    });
    let value = values.next().filter(|_| values.next().is_none())?;
    match value.strip_prefix('"') {
        Some(quoted) => node(quoted.strip_suffix('"')?),
        None => node(value),
    }
}

/// An address, with or without a port, an IPv6 one also in brackets (RFC 7239 §6). `unknown`, and a
/// name that stands for an address, say nothing.
fn node(text: &str) -> Option<IpAddr> {
    // The port may have such a name, too.
    let text = text.rsplit_once(":_").map_or(text, |(node, _)| node);
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let ip: Option<IpAddr> = text.parse().ok();
    ip.or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))
        .or_else(|| bracketed().map(|ip: Ipv6Addr| ip.into()))
        .map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests;
