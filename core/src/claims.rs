//! What a verified token says. This file does not know tokens: drivers verify them, the hub goes by
//! what they say.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::{MAX_CHARS, Name, NameError};

/// What a token that the driver has verified says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who it is (`sub`). Many sessions may share it.
    pub user: Name,
    /// By what it can be revoked without revoking the user (`jti`).
    pub token_id: Option<String>,
    /// When it ends (`exp`), by the wall clock, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// What it allows (`rooms`).
    pub grants: Vec<Grant>,
}

impl Claims {
    /// Whether one of the grants allows `action` in `room`.
    pub fn may(&self, action: Action, room: &str) -> bool {
        self.grants.iter().any(|grant| grant.can.has(action) && grant.pattern.matches(room))
    }
}

/// What is allowed in some rooms.
///
/// ```
/// use roundtable::{Action, Grant};
///
/// let grant: Grant =
///     serde_json::from_str(r#"{"pattern":"team-*","can":["join","history"]}"#).unwrap();
/// assert!(grant.pattern.matches("team-7"));
/// assert!(grant.can.has(Action::Join) && !grant.can.has(Action::Publish));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// In which rooms.
    pub pattern: Pattern,
    /// What may be done there.
    pub can: Permissions,
}

impl Grant {
    /// Everything but to moderate, in every room: what somebody may do whom no token limits.
    pub fn member() -> Self {
        Self { pattern: Pattern(String::from("*")), can: Permissions::MEMBER }
    }
}

/// What can be allowed, in the order in which it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// To become a member.
    Join,
    /// To append entries.
    Publish,
    /// To send what is not kept.
    Signal,
    /// To be given what was said before.
    History,
    /// To be told who is there.
    Presence,
    /// To send others away, and to take entries out.
    Moderate,
}

impl Action {
    /// Each of them.
    pub const ALL: [Self; 6] =
        [Self::Join, Self::Publish, Self::Signal, Self::History, Self::Presence, Self::Moderate];
}

/// A set of actions.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Action>", into = "Vec<Action>")]
pub struct Permissions(u8);

impl Permissions {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything but to moderate.
    pub const MEMBER: Self = Self((1 << Action::Moderate as u8) - 1);
    /// Everything.
    pub const ALL: Self = Self((1 << Action::ALL.len()) - 1);

    /// Whether `action` is in the set.
    pub const fn has(self, action: Action) -> bool {
        self.0 & (1 << action as u8) != 0
    }

    /// The actions of the set.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.into_iter().filter(move |action| self.has(*action))
    }
}

impl FromIterator<Action> for Permissions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        Self(actions.into_iter().fold(0, |set, action| set | (1 << action as u8)))
    }
}

impl From<Vec<Action>> for Permissions {
    fn from(actions: Vec<Action>) -> Self {
        actions.into_iter().collect()
    }
}

impl From<Permissions> for Vec<Action> {
    fn from(set: Permissions) -> Self {
        set.iter().collect()
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The names of some rooms: one name, or with a `*` at its end all names that begin so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

impl Pattern {
    /// Whether `room` is one of them.
    pub fn matches(&self, room: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => room.starts_with(start),
            None => room == self.0,
        }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let start = text.strip_suffix('*').unwrap_or(text);
        if start.contains('*') {
            return Err(PatternError::Star);
        }
        // The start of a name may end in white space, a name may not.
        let chars = start.chars().count();
        if chars > MAX_CHARS {
            return Err(PatternError::Name(NameError::TooLong(chars)));
        }
        if start.len() == text.len() {
            let name: Name = text.parse().map_err(PatternError::Name)?;
            return Ok(Self(name.as_str().into()));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// A `*` stands before the end.
    Star,
    /// It is no name of a room.
    Name(NameError),
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Star => write!(f, "a `*` may stand only at the end of a pattern"),
            Self::Name(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn grant(pattern: &str, can: &[Action]) -> Grant {
        Grant { pattern: pattern.parse().unwrap(), can: can.iter().copied().collect() }
    }

    #[test]
    fn a_pattern_is_a_name_or_the_start_of_names() {
        for (pattern, room, matches) in [
            ("lobby", "lobby", true),
            ("lobby", "lobby 2", false),
            (" lobby ", "lobby", true),
            ("team-*", "team-7", true),
            ("team-*", "team-", true),
            ("team-*", "team", false),
            ("team *", "team 7", true),
            ("*", "anything", true),
        ] {
            let parsed: Pattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(room), matches, "{pattern} and {room}");
        }
        let wrong = |text: &str| text.parse::<Pattern>().unwrap_err().to_string();
        assert_eq!(wrong("a*b"), "a `*` may stand only at the end of a pattern");
        assert_eq!(wrong("**"), "a `*` may stand only at the end of a pattern");
        assert_eq!(wrong(""), "a name needs at least one visible character");
        assert_eq!(wrong(&"x".repeat(33)), "a name has at most 32 characters, this one has 33");
        assert_eq!(
            wrong(&("x".repeat(33) + "*")),
            "a name has at most 32 characters, this one has 33"
        );
        assert!(("x".repeat(32) + "*").parse::<Pattern>().is_ok());
    }

    #[test]
    fn one_grant_is_enough_and_each_action_counts_alone() {
        let claims = Claims {
            user: "ann".parse().unwrap(),
            token_id: None,
            expires_ms: None,
            grants: [
                grant("team-*", &[Action::Join, Action::History]),
                grant("team-7", &[Action::Publish]),
            ]
            .into(),
        };
        let may = |room| Action::ALL.map(|action| claims.may(action, room));
        assert_eq!(may("team-7"), [true, true, false, true, false, false]);
        assert_eq!(may("team-8"), [true, false, false, true, false, false]);
        assert_eq!(may("lobby"), [false; 6]);
    }

    #[test]
    fn members_do_all_but_moderate() {
        let can = Grant::member().can;
        assert!(Grant::member().pattern.matches("any"));
        assert_eq!(
            Action::ALL.map(|action| can.has(action)),
            [true, true, true, true, true, false]
        );
        assert_eq!(can.iter().count(), 5);
        assert_eq!(Permissions::ALL.iter().count(), 6);
        assert_eq!(Permissions::NONE.iter().count(), 0);
        assert_eq!(
            alloc::format!("{:?}", [Action::Join].into_iter().collect::<Permissions>()),
            "{Join}"
        );
    }

    #[test]
    fn claims_are_written_and_read_back() {
        let text = r#"{"user":"ann","token_id":"t1","expires_ms":5,"grants":[{"pattern":"a*","can":["join","moderate"]}]}"#;
        let claims: Claims = serde_json::from_str(text).unwrap();
        assert!(claims.may(Action::Moderate, "abc") && !claims.may(Action::Publish, "abc"));
        assert_eq!(serde_json::to_string(&claims).unwrap(), text);
        let twice: Grant =
            serde_json::from_str(r#"{"pattern":"a","can":["join","join"]}"#).unwrap();
        assert!(twice.can.has(Action::Join), "said twice is said");
        assert!(serde_json::from_str::<Grant>(r#"{"pattern":"a*b","can":[]}"#).is_err());
        assert!(serde_json::from_str::<Grant>(r#"{"pattern":"a","can":["fly"]}"#).is_err());
    }
}
