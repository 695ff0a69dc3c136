//! The operators' page: one file, put together of its parts in `assets/operator/`. This file does not
//! know what the page shows.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use crate::answer;

const FRAME: &str = include_str!("../../assets/operator/index.html");
const STYLE: &str = include_str!("../../assets/operator/style.css");
const SCRIPT: &str = include_str!("../../assets/operator/page.js");

/// Where the parts stand in the frame, which so is a page by itself, too.
const STYLE_MARK: &str = r#"<link rel="stylesheet" href="style.css">"#;
const SCRIPT_MARK: &str = r#"<script type="module" src="page.js"></script>"#;

/// The answer to who asks for the page. There is nothing in it that is not the same for everybody.
pub(crate) fn answer() -> Vec<u8> {
    static ANSWER: LazyLock<Vec<u8>> = LazyLock::new(write);
    ANSWER.clone()
}

/// This style and this script, and no others; the page talks to where it came from, and to nobody else,
/// and nobody may frame it.
fn write() -> Vec<u8> {
    let page = FRAME
        .replace(STYLE_MARK, &format!("<style>{STYLE}</style>"))
        .replace(SCRIPT_MARK, &format!("<script type=\"module\">{SCRIPT}</script>"));
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        source(SCRIPT),
        source(STYLE),
    );
    let headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", &policy),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
        ("Connection", "close"),
    ];
    answer::whole(200, &headers, page.as_bytes())
}

/// What a policy calls what stands in the page (CSP Level 3 §2.3.1).
fn source(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_file() {
        assert_eq!((FRAME.matches(STYLE_MARK).count(), FRAME.matches(SCRIPT_MARK).count()), (1, 1));
        assert!(!STYLE.contains("</style") && !SCRIPT.contains("</script"));
        let page = String::from_utf8(answer()).unwrap();
        assert!(page.contains(STYLE) && page.contains(SCRIPT));
        assert!(!page.contains("href=\"style") && !page.contains("src=\"page"));
    }
}
