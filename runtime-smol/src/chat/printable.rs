//! What others wrote must not steer the terminal. This file does not know what they wrote.

use std::fmt::Write as _;

/// Whether a terminal would do anything but show it: control characters, line and paragraph
/// separators, and what turns the direction of writing (Unicode's `Bidi_Control`).
fn steers(found: char) -> bool {
    found.is_control()
        || matches!(found, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(found, '\u{2066}'..='\u{2069}')
}

/// `text` with everything that would steer a terminal as an escape that one can see.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for found in text.chars() {
        match found {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            found if steers(found) => {
                write!(out, "\\u{{{:x}}}", u32::from(found)).expect("a string takes everything");
            }
            found => out.push(found),
        }
    }
    out
}

/// A frame as one line that says the same: a line break in JSON is white space wherever it stands.
pub(super) fn one_line(frame: &str) -> String {
    frame.replace(['\n', '\r'], " ")
}

/// A frame as one line that says the same and does not steer a terminal. What steers one and is
/// neither white space nor in a string is no JSON.
pub(super) fn one_line_for_a_terminal(frame: &str) -> String {
    let mut out = String::with_capacity(frame.len());
    for found in frame.chars() {
        match found {
            '\n' | '\r' | '\t' => out.push(' '),
            // All of them are in the basic plane, where an escape is one unit.
            found if steers(found) => {
                write!(out, "\\u{:04x}", u32::from(found)).expect("a string takes everything");
            }
            found => out.push(found),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_as_an_escape() {
        for (text, expected) in [
            ("zażółć \u{1f37a} 你好", "zażółć \u{1f37a} 你好"),
            ("a\u{1b}[2Jb", r"a\u{1b}[2Jb"),
            ("\u{1b}]0;title\u{7}", r"\u{1b}]0;title\u{7}"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("\u{7f}\u{0}\u{8}", r"\u{7f}\u{0}\u{8}"),
            ("a\r\nb\tc", r"a\u{d}\nb\tc"),
            ("\u{202e}txt\u{2066}", r"\u{202e}txt\u{2066}"),
            ("\u{2028}", r"\u{2028}"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }

    #[test]
    fn nothing_that_steers_is_left() {
        let everything: String = ('\0'..=char::MAX).collect();
        assert!(!printable(&everything).contains(steers));
        assert!(!one_line_for_a_terminal(&everything).contains(steers));
    }

    #[test]
    fn a_frame_in_one_line_says_the_same() {
        let frame = "{\"data\":[1,\r\n\t\"\u{9b}31m\u{202e}\u{7f}\"]}";
        let value: Value = serde_json::from_str(frame).expect("JSON");
        for line in [one_line(frame), one_line_for_a_terminal(frame)] {
            assert_eq!(line.lines().count(), 1);
            assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON"), value);
        }
    }
}
