//! Who is in a room: lists and differences folded into one picture. This file knows no connection.

use std::collections::BTreeSet;

use super::frame::{Presence, Present};

/// Who is in a room; nobody knows, in one that is too large for a list.
#[derive(Debug, Default)]
pub(super) struct Members(Option<BTreeSet<String>>);

/// Who came and who went, by what was known before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moves {
    pub(super) came: Vec<String>,
    pub(super) went: Vec<String>,
}

impl Members {
    /// Takes a `presence`, or the `members` of a `joined`. A list takes the place of everything;
    /// the same difference twice changes nothing.
    pub(super) fn fold(&mut self, news: Presence) -> Moves {
        let Presence { count: _, list, join, leave } = news;
        let names = |list: Vec<Present>| list.into_iter().map(|present| present.user);
        let before = self.0.take();
        self.0 = match list {
            Some(list) => Some(names(list).collect()),
            None if join.is_none() && leave.is_none() => None,
            None => before.clone().map(|mut known| {
                for user in leave.into_iter().flatten() {
                    known.remove(&user);
                }
                known.extend(names(join.unwrap_or_default()));
                known
            }),
        };
        // What was not known before is no news of anybody.
        let (Some(before), Some(after)) = (&before, &self.0) else { return Moves::default() };
        Moves {
            came: after.difference(before).cloned().collect(),
            went: before.difference(after).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(text: &str) -> Presence {
        serde_json::from_str(text).expect("a presence")
    }

    fn moves(came: &[&str], went: &[&str]) -> Moves {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Moves { came: owned(came), went: owned(went) }
    }

    #[test]
    fn lists_and_differences_are_folded() {
        let mut members = Members::default();
        let steps = [
            (r#"{"v":1,"join":[{"user":"x","n":1}],"leave":[]}"#, moves(&[], &[])),
            (r#"{"v":1,"count":1,"list":[{"user":"ann","n":1}]}"#, moves(&[], &[])),
            (r#"{"v":2,"join":[{"user":"bob","n":2}],"leave":["eve"]}"#, moves(&["bob"], &[])),
            (r#"{"v":2,"join":[{"user":"bob","n":2}],"leave":["eve"]}"#, moves(&[], &[])),
            (r#"{"v":3,"join":[{"user":"bob","n":1}],"leave":["ann"]}"#, moves(&[], &["ann"])),
            (r#"{"v":4,"count":2,"list":[{"user":"eve","n":1}]}"#, moves(&["eve"], &["bob"])),
            (r#"{"v":5,"count":900}"#, moves(&[], &[])),
            (r#"{"v":6,"join":[{"user":"bob","n":1}],"leave":["eve"]}"#, moves(&[], &[])),
            (r#"{"v":7,"count":1,"list":[{"user":"bob","n":1}]}"#, moves(&[], &[])),
        ];
        for (text, expected) in steps {
            assert_eq!(members.fold(presence(text)), expected, "{text}");
        }
    }
}
