//! Events read back from their `Debug` form: a line of a log that anybody can print. This file does
//! not know what they mean.

use std::time::Duration;

use roundtable::{
    Action, AddressKey, AdminAction, Claims, ConnId, Entropy, Event, Framing, Grant, Greeting,
    Name, Peer, RoomChoice, Timestamp, Verdict,
};

/// Reads a line as `format!("{now:?} {event:?}")` writes it; nothing if it is none.
pub fn parse(line: &str) -> Option<(Timestamp, Event)> {
    let (now, event) = line.split_once(' ')?;
    Some((Timestamp::new(span(now)?), Reader { rest: event }.event()?))
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn event(mut self) -> Option<Event> {
        let event = match self.word() {
            "Connect" => {
                let conn = self.conn()?;
                Event::Connect { conn, peer: self.peer()?, greeting: self.greeting()? }
            }
            "Text" => Event::Text { conn: self.conn()?, text: self.field("text")?.string()? },
            "Binary" => Event::Binary { conn: self.conn()? },
            "Heard" => Event::Heard { conn: self.conn()? },
            "Backlog" => Event::Backlog {
                conn: self.conn()?,
                bytes: self.field("bytes")?.word().parse().ok()?,
            },
            "Verified" => Event::Verified { conn: self.conn()?, verdict: self.verdict()? },
            "Flushed" => Event::Flushed,
            "Disconnect" => Event::Disconnect { conn: self.conn()? },
            "Tick" => Event::Tick,
            "Admin" => Event::Admin { action: self.field("action")?.action()? },
            "Drain" => Event::Drain { within: span(self.field("within")?.word())? },
            _ => return None,
        };
        (self.rest.trim_start_matches([' ', '}', ')']).is_empty()).then_some(event)
    }

    fn action(&mut self) -> Option<AdminAction> {
        Some(match self.word() {
            "Kick" => {
                let room = match self.field("room")?.word() {
                    "None" => None,
                    "Some" => Some(self.name()?),
                    _ => return None,
                };
                AdminAction::Kick { room, user: self.field("user")?.bare_name()? }
            }
            "Ban" => AdminAction::Ban {
                room: self.field("room")?.bare_name()?,
                user: self.field("user")?.bare_name()?,
                span: span(self.field("span")?.word())?,
            },
            "RevokeUser" => AdminAction::RevokeUser { user: self.field("user")?.bare_name()? },
            "RevokeToken" => {
                AdminAction::RevokeToken { token_id: self.field("token_id")?.string()? }
            }
            "Remove" => AdminAction::Remove {
                room: self.field("room")?.bare_name()?,
                seq: self.field("seq")?.word().parse().ok()?,
            },
            _ => return None,
        })
    }

    fn conn(&mut self) -> Option<ConnId> {
        self.field("conn")?.word().strip_prefix('#')?.parse().ok().map(ConnId::new)
    }

    fn peer(&mut self) -> Option<Peer> {
        self.field("peer")?.field("entropy")?;
        let bits = u128::from_str_radix(self.word(), 16).ok()?;
        let claims = match self.field("claims")?.word() {
            "None" => None,
            "Some" => Some(Box::new(self.claims()?)),
            _ => return None,
        };
        let address = match self.field("address")?.word() {
            "None" => None,
            "Some" => {
                let (digits, rest) = self.rest.strip_prefix("(@")?.split_once(')')?;
                self.rest = rest;
                Some(AddressKey::new(u64::from_str_radix(digits, 16).ok()?))
            }
            _ => return None,
        };
        Some(Peer { entropy: Entropy::new(bits), claims, address })
    }

    fn verdict(&mut self) -> Option<Verdict> {
        Some(match self.field("verdict")?.word() {
            "Valid" => Verdict::Valid(Box::new(self.claims()?)),
            "Expired" => Verdict::Expired,
            "Invalid" => Verdict::Invalid,
            _ => return None,
        })
    }

    fn claims(&mut self) -> Option<Claims> {
        let user = self.field("user")?.bare_name()?;
        let token_id = if self.field("token_id")?.word() == "None" {
            None
        } else {
            self.rest = self.rest.strip_prefix('(')?;
            Some(self.string()?)
        };
        let expires_ms = match self.field("expires_ms")?.word() {
            "None" => None,
            _ => Some(self.rest.strip_prefix('(')?.split(')').next()?.parse().ok()?),
        };
        let (_, rest) = self.rest.split_once("grants: [")?;
        let (list, rest) = rest.split_once("}]")?;
        self.rest = rest;
        let mut grants = Vec::new();
        for grant in list.split("Grant { ").skip(1) {
            let (_, pattern) = grant.split_once("Pattern(\"")?;
            let (pattern, can) = pattern.split_once("\"), can: {")?;
            let can = can.split('}').next()?;
            let named =
                |word: &str| Action::ALL.into_iter().find(|action| format!("{action:?}") == word);
            let can = can.split(", ").filter(|word| !word.is_empty()).map(named);
            grants.push(Grant { pattern: pattern.parse().ok()?, can: can.collect::<Option<_>>()? });
        }
        Some(Claims { user, token_id, expires_ms, grants })
    }

    fn greeting(&mut self) -> Option<Greeting> {
        self.field("greeting")?;
        let name = match self.field("name")?.word() {
            "None" => None,
            "Some" => Some(self.name()?),
            _ => return None,
        };
        let room = match self.field("room")?.word() {
            "Default" => RoomChoice::Default,
            "None" => RoomChoice::None,
            "Named" => RoomChoice::Named(self.name()?),
            _ => return None,
        };
        let framing = match self.field("framing")?.word() {
            "Lenient" => Framing::Lenient,
            "Strict" => Framing::Strict,
            _ => return None,
        };
        Some(Greeting { name, room, framing })
    }

    /// Goes on behind the name of a field.
    fn field(&mut self, name: &str) -> Option<&mut Self> {
        let at = self.rest.find(name)?;
        let between = &self.rest[..at];
        let only_signs =
            between.chars().all(|sign| " {,()}".contains(sign) || sign.is_alphabetic());
        self.rest = self.rest[at + name.len()..].strip_prefix(": ")?;
        only_signs.then_some(self)
    }

    /// The next word, up to a sign.
    fn word(&mut self) -> &'a str {
        let end = self.rest.find([' ', ',', '(', ')', '}']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn bare_name(&mut self) -> Option<Name> {
        self.string()?.parse().ok()
    }

    fn name(&mut self) -> Option<Name> {
        self.rest = self.rest.strip_prefix('(')?;
        let name = self.bare_name()?;
        self.rest = self.rest.strip_prefix(')')?;
        Some(name)
    }

    /// A string as Rust writes it.
    fn string(&mut self) -> Option<String> {
        let mut text = String::new();
        self.rest = self.rest.strip_prefix('"')?;
        loop {
            let plain = self.rest.find(['"', '\\'])?;
            text.push_str(&self.rest[..plain]);
            let sign = self.rest.as_bytes()[plain];
            self.rest = &self.rest[plain + 1..];
            if sign == b'"' {
                return Some(text);
            }
            let escaped = self.rest.chars().next()?;
            self.rest = &self.rest[escaped.len_utf8()..];
            text.push(match escaped {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                '0' => '\0',
                '"' | '\'' | '\\' => escaped,
                'u' => {
                    let (digits, rest) = self.rest.strip_prefix('{')?.split_once('}')?;
                    self.rest = rest;
                    char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
                }
                _ => return None,
            });
        }
    }
}

/// A span as Rust writes it: a decimal number and its unit.
fn span(text: &str) -> Option<Duration> {
    let unit = text.find(|sign: char| sign.is_alphabetic() || sign == 'µ')?;
    let (number, unit) = text.split_at(unit);
    let nanos_in_one: u64 = match unit {
        "s" => 1_000_000_000,
        "ms" => 1_000_000,
        "µs" => 1_000,
        "ns" => 1,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut nanos = u128::from(whole.parse::<u64>().ok()?) * u128::from(nanos_in_one);
    let mut place = nanos_in_one;
    for digit in fraction.bytes() {
        place /= 10;
        nanos +=
            u128::from(place) * u128::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
    }
    let secs = u64::try_from(nanos / 1_000_000_000).ok()?;
    let rest = u32::try_from(nanos % 1_000_000_000).ok()?;
    Some(Duration::new(secs, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::generator::claims;

    fn events() -> impl Strategy<Value = Event> {
        let conn = || any::<u64>().prop_map(ConnId::new);
        let name = "[a-z\"\\\\ ]{0,5}x".prop_map(|name| name.parse::<Name>().expect("a name"));
        let room = prop_oneof![
            Just(RoomChoice::Default),
            Just(RoomChoice::None),
            name.clone().prop_map(RoomChoice::Named)
        ];
        let framing = prop_oneof![Just(Framing::Lenient), Just(Framing::Strict)];
        let greeting = (prop::option::of(name.clone()), room, framing)
            .prop_map(|(name, room, framing)| Greeting { name, room, framing });
        prop_oneof![
            (conn(), any::<u128>(), greeting).prop_map(|(conn, bits, greeting)| {
                let claims = u16::try_from(bits % 4).ok().and_then(|of| claims(of, 0, 7));
                let address = (bits % 3 > 0).then(|| AddressKey::new((bits >> 70) as u64));
                let peer = Peer { entropy: Entropy::new(bits), claims, address };
                Event::Connect { conn, peer, greeting }
            }),
            (conn(), any::<String>()).prop_map(|(conn, text)| Event::Text { conn, text }),
            conn().prop_map(|conn| Event::Binary { conn }),
            conn().prop_map(|conn| Event::Heard { conn }),
            (conn(), any::<usize>()).prop_map(|(conn, bytes)| Event::Backlog { conn, bytes }),
            Just(Event::Flushed),
            conn().prop_map(|conn| Event::Verified { conn, verdict: Verdict::Invalid }),
            (conn(), 1_u16..4).prop_map(|(conn, of)| {
                let verdict = Verdict::Valid(claims(of, 0, 7).expect("a token"));
                Event::Verified { conn, verdict }
            }),
            conn().prop_map(|conn| Event::Disconnect { conn }),
            Just(Event::Tick),
            (prop::option::of(name.clone()), name.clone())
                .prop_map(|(room, user)| Event::Admin { action: AdminAction::Kick { room, user } }),
            (name.clone(), name.clone(), any::<u32>()).prop_map(|(room, user, ms)| {
                let span = Duration::from_millis(ms.into());
                Event::Admin { action: AdminAction::Ban { room, user, span } }
            }),
            (name, any::<u64>())
                .prop_map(|(room, seq)| Event::Admin { action: AdminAction::Remove { room, seq } }),
            any::<u32>().prop_map(|ns| Event::Drain { within: Duration::from_nanos(ns.into()) }),
        ]
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(nanos in any::<u64>(), event in events()) {
            let now = Timestamp::new(Duration::from_nanos(nanos));
            prop_assert_eq!(parse(&format!("{now:?} {event:?}")), Some((now, event)));
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for line in ["", "1s", "1s Sleep", "1x Tick", "1s Text { conn: #1 }", "1s Tick { conn"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
