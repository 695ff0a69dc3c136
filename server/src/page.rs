//! The chat page and its parts, as they stand in `assets/`, and how they are served.

use crate::answer;

/// Nothing from elsewhere is loaded, no script stands in the page, nobody may frame it. The page
/// talks to where it came from, and nowhere else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// One part of the page.
pub(crate) struct Asset {
    path: &'static str,
    kind: &'static str,
    body: &'static [u8],
}

macro_rules! asset {
    ($path:literal, $file:literal, $kind:literal) => {
        Asset {
            path: $path,
            kind: $kind,
            body: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/", $file)),
        }
    };
}

const ASSETS: &[Asset] = &[
    asset!("/", "index.html", "text/html; charset=utf-8"),
    asset!("/style.css", "style.css", "text/css; charset=utf-8"),
    asset!("/app.js", "app.js", "text/javascript; charset=utf-8"),
    asset!("/line.js", "line.js", "text/javascript; charset=utf-8"),
    asset!("/moderation.js", "moderation.js", "text/javascript; charset=utf-8"),
    asset!("/people.js", "people.js", "text/javascript; charset=utf-8"),
    asset!("/presence.js", "presence.js", "text/javascript; charset=utf-8"),
    asset!("/roundtable.js", "roundtable.js", "text/javascript; charset=utf-8"),
    asset!("/sayings.js", "sayings.js", "text/javascript; charset=utf-8"),
    asset!("/session.js", "session.js", "text/javascript; charset=utf-8"),
    asset!("/timeline.js", "timeline.js", "text/javascript; charset=utf-8"),
    asset!("/favicon.svg", "favicon.svg", "image/svg+xml"),
];

pub(crate) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

/// The asset, or word that the browser has it already: `known` is what stands in `If-None-Match`
/// (RFC 9110 §13.1.2, by weak comparison).
pub(crate) fn answer<'a>(asset: &Asset, known: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let tag = tag(asset.body);
    let is_tag = |found: &str| found == "*" || found.strip_prefix("W/").unwrap_or(found) == tag;
    let is_known = known.flat_map(|list| list.split(',')).any(|found| is_tag(found.trim()));
    let headers = [
        ("Content-Type", asset.kind),
        ("Content-Security-Policy", POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cache-Control", "no-cache"),
        ("ETag", &tag),
        // Pages from elsewhere may use the client; whether they may connect is the door's to say.
        ("Access-Control-Allow-Origin", "*"),
        ("Connection", "close"),
    ];
    if is_known {
        answer::whole(304, &headers, &[])
    } else {
        answer::whole(200, &headers, asset.body)
    }
}

/// A name for the content: FNV-1a, which is enough to tell two releases apart.
fn tag(body: &[u8]) -> String {
    let hash = body.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    });
    format!("\"{hash:016x}\"")
}
