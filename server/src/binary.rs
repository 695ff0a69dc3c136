//! Binary messages for machines that want them, as texts. This file does not know who sends what.
//!
//! The hub speaks text, and an event of a binary message carries none of it. A machine that wants
//! binary messages (a game, an echo) sets [`Settings::binary`](crate::Settings::binary), and is given
//! them as texts: [`MARK`], then a character of U+0000 to U+00FF for each byte. A text that it sends
//! in this form leaves as a binary message. A text that begins with the mark itself has one more of
//! it in front, both ways.

/// A character that Unicode keeps for a program's own use, so that no text has a reason to begin
/// with it.
pub const MARK: char = '\u{FDD0}';

/// What becomes of the binary messages that come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binary {
    /// Their bytes are let go of, and the machine is told that there was one.
    #[default]
    Announced,
    /// The machine is given them as texts.
    AsText,
}

/// A message that leaves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    Text(&'a str),
    Binary(Vec<u8>),
}

/// A binary message, as a text.
pub fn text_of_bytes(bytes: &[u8]) -> String {
    std::iter::once(MARK).chain(bytes.iter().copied().map(char::from)).collect()
}

/// A text message, where binary ones are texts too.
pub fn text_of_text(text: &str) -> String {
    if text.starts_with(MARK) { format!("{MARK}{text}") } else { text.to_owned() }
}

/// What a machine's text says that has such a form.
pub(crate) fn message(text: &str) -> Message<'_> {
    let Some(rest) = text.strip_prefix(MARK) else { return Message::Text(text) };
    // What is no byte, the mark in front, or another character of a machine that knows of no marks,
    // makes a text of it.
    let bytes: Option<_> = rest.chars().map(|character| u8::try_from(character).ok()).collect();
    bytes.map_or(Message::Text(rest), Message::Binary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_comes_leaves_as_it_was() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [&b""[..], b"a", &[0xFF, 0], &all] {
            assert_eq!(message(&text_of_bytes(bytes)), Message::Binary(bytes.to_vec()));
        }
        for text in ["", "hi", "\u{FDD0}", "\u{FDD0}hi", "\u{FDD0}\u{FDD0}", "a\u{FDD0}"] {
            assert_eq!(message(&text_of_text(text)), Message::Text(text));
        }
    }
}
