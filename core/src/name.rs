//! Names of people and rooms. This file does not know which names are taken.

use alloc::string::String;
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// The longest name, in characters.
pub(crate) const MAX_CHARS: usize = 32;

/// The name of a person or a room: 1 to 32 characters, without white space at its ends, without
/// control characters, and without the characters that turn the direction of writing or are not
/// seen.
///
/// ```
/// use roundtable::{Name, NameError};
///
/// let name: Name = "  ann ".parse().unwrap();
/// assert_eq!(name.as_str(), "ann");
/// assert_eq!("".parse::<Name>(), Err(NameError::Empty));
/// assert_eq!("a\u{202e}b".parse::<Name>(), Err(NameError::Forbidden('\u{202e}')));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(Arc<str>);

impl Name {
    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(found) = text.chars().find(|&found| is_forbidden(found)) {
            return Err(NameError::Forbidden(found));
        }
        let chars = text.chars().count();
        if chars > MAX_CHARS {
            return Err(NameError::TooLong(chars));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing is left without the white space.
    Empty,
    /// It has this many characters.
    TooLong(usize),
    /// It has this character, which a name may not have.
    Forbidden(char),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a name needs at least one visible character"),
            Self::TooLong(chars) => {
                write!(f, "a name has at most {MAX_CHARS} characters, this one has {chars}")
            }
            Self::Forbidden(found) => {
                write!(f, "a name may not have the character U+{:04X}", u32::from(*found))
            }
        }
    }
}

impl core::error::Error for NameError {}

/// Control characters, line and paragraph separators, and what is invisible or turns the direction
/// of writing (Unicode's `Bidi_Control` and `Default_Ignorable_Code_Point`, as far as they are not
/// part of a visible character).
fn is_forbidden(found: char) -> bool {
    found.is_control()
        || matches!(found,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180E}'
            | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_back_is_a_name_too() {
        let name: Name = serde_json::from_str("\"ann\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"ann\"");
        assert!(serde_json::from_str::<Name>("\"\"").is_err());
        assert!(serde_json::from_str::<Name>("\"a\\u202eb\"").is_err());
    }
}
