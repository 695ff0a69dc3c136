//! What is checked about JSON before it is parsed. This file does not know the protocol.

use memchr::memchr2;
use serde_json::Number;

/// What a look at a text found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// How deep its arrays and objects are nested.
    pub(crate) depth: usize,
    /// What is JSON by its grammar, and cannot be read by everybody.
    pub(crate) unreadable: Option<&'static str>,
}

const LONE_SURROGATE: &str = "half of a surrogate pair stands in a string";
const OUT_OF_RANGE: &str = "a number is out of range";

/// No shorter number without an exponent is out of range.
const LONG_NUMBER: usize = 300;

/// Looks `text` over for what a reader of raw values lets pass: nesting of any depth, strings that
/// are no Unicode (RFC 8259 §8.2) and numbers beyond what a double holds (§6). `data` goes to
/// everybody as the bytes that came, and some readers end the connection at such a string or number.
///
/// What is not JSON gives some result; the parser refuses it afterwards.
pub(crate) fn survey(text: &str) -> Survey {
    let (mut survey, mut depth) = (Survey::default(), 0_usize);
    let mut rest = text.as_bytes();
    while let [byte, behind @ ..] = rest {
        rest = behind;
        match byte {
            b'{' | b'[' => {
                depth += 1;
                survey.depth = survey.depth.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => match skip_string(&mut rest) {
                Halves::Paired => {}
                Halves::Lone => survey.unreadable = Some(LONE_SURROGATE),
            },
            b'-' | b'0'..=b'9' => {
                let start = text.len() - behind.len() - 1;
                let number = number(&text[start..]);
                rest = &text.as_bytes()[start + number.len()..];
                if !is_in_range(number) {
                    survey.unreadable = Some(OUT_OF_RANGE);
                }
            }
            _ => {}
        }
    }
    survey
}

/// Whether each half of a surrogate pair has its other half.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Halves {
    Paired,
    Lone,
}

/// Moves behind a string whose opening quote is behind.
fn skip_string(rest: &mut &[u8]) -> Halves {
    let mut halves = Halves::Paired;
    while let Some(at) = memchr2(b'"', b'\\', rest) {
        let (byte, behind) = (rest[at], &rest[at + 1..]);
        *rest = behind;
        match (byte, behind) {
            (b'"', _) => return halves,
            (_, [b'u', digits @ ..]) => {
                *rest = digits;
                match surrogate(digits) {
                    Some(0xD800..=0xDBFF) => match digits.get(4..) {
                        Some([b'\\', b'u', low @ ..])
                            if matches!(surrogate(low), Some(0xDC00..=0xDFFF)) =>
                        {
                            *rest = low;
                        }
                        _ => halves = Halves::Lone,
                    },
                    Some(_) => halves = Halves::Lone,
                    None => {}
                }
            }
            (_, [_, behind @ ..]) => *rest = behind,
            (_, []) => {}
        }
    }
    *rest = &[];
    halves
}

/// The half of a surrogate pair whose four digits these are.
fn surrogate(digits: &[u8]) -> Option<u32> {
    let digits = digits.get(..4)?;
    // Not each of the digits need be one.
    let unit = digits.iter().try_fold(0, |unit, digit| {
        char::from(*digit).to_digit(16).map(|digit| unit << 4 | digit)
    })?;
    (0xD800..=0xDFFF).contains(&unit).then_some(unit)
}

/// The number at the start of `text`.
fn number(text: &str) -> &str {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let end = text.bytes().position(|byte| !is_part(&byte));
    end.map_or(text, |end| &text[..end])
}

fn is_in_range(number: &str) -> bool {
    let may_be_huge = number.len() > LONG_NUMBER || number.contains(['e', 'E']);
    !may_be_huge || serde_json::from_str::<Number>(number).is_ok()
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn depth(text: &str) -> usize {
        survey(text).depth
    }

    #[test]
    fn depth_counts_brackets_outside_strings() {
        assert_eq!(depth("1"), 0);
        assert_eq!(depth(r#"{"a":[1,{"b":2}],"c":[]}"#), 3);
        assert_eq!(depth(r#"{"a":"[[[\"[["}"#), 1);
        assert_eq!(depth("]]]]["), 1);
        assert_eq!(depth(r#"["\u005b[\\",1e3,[-2]]"#), 2);
    }

    #[test]
    fn what_some_readers_cannot_take_is_found() {
        let (long, longer) = ("9".repeat(308), "9".repeat(310));
        for (text, unreadable) in [
            (r#""\ud83d\ude00 \uD83D\uDE00 \u0041 \\ud800""#, None),
            (r#""\ud800""#, Some(LONE_SURROGATE)),
            (r#""\uDFFF""#, Some(LONE_SURROGATE)),
            (r#""\ud83d\u0041""#, Some(LONE_SURROGATE)),
            (r#""\ud83d\ud83d\ude00""#, Some(LONE_SURROGATE)),
            (r#""\ud83dx\ude00""#, Some(LONE_SURROGATE)),
            (r#"{"a":[1e308,-1E-999,0.1e+5,18446744073709551616]}"#, None),
            ("[1e309]", Some(OUT_OF_RANGE)),
            ("-1E999", Some(OUT_OF_RANGE)),
            (r#"["1e999"]"#, None),
            (&long, None),
            (&longer, Some(OUT_OF_RANGE)),
        ] {
            assert_eq!(survey(text).unreadable, unreadable, "{text}");
            let is_read = serde_json::from_str::<serde_json::Value>(text).is_ok();
            assert_eq!(is_read, unreadable.is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_cut_off_is_looked_over_too() {
        for text in [r#""\"#, r#""\u"#, r#""\ud8"#, r#""\ud83d\ud"#, r#""\u+123"#, "-", "1e"] {
            assert!(survey(text).depth == 0, "{text}");
            assert!(survey(&format!("[{text}")).depth == 1, "{text}");
        }
    }
}
