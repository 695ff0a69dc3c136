//! Tokens, good ones and all kinds of bad ones. Each refusal is one test of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Command;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use roundtable::{Action, Claims};
use roundtable_server::Settings;
use roundtable_server::auth::{Expected, MAX_TOKEN_BYTES, Refusal, Verifier};
use serde_json::{Value, json};

const SECRET: &str = "a secret that is long enough for it";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name)
}

/// A verifier whose key file holds `text`.
fn holding(text: &str, expected: Expected) -> Result<Verifier, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, text).unwrap();
    Verifier::read(&file, expected)
}

fn with_secret() -> Verifier {
    holding(SECRET, Expected::default()).unwrap()
}

fn with_public(name: &str) -> Verifier {
    Verifier::read(&path(name), Expected::default()).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Claims that are fine, with some of them changed; `null` takes one out.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({ "sub": "ann", "exp": now() + 600, "jti": "t1" });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

#[expect(clippy::needless_pass_by_value, reason = "so that it is written where it is used")]
fn signed(changes: Value) -> String {
    // A verifier that was read has chosen the cryptography.
    with_secret();
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims(&changes), &key).unwrap()
}

/// Base 64 as JWTs have it (RFC 7515 §2).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0, |bits, byte| (bits << 8) | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}

/// A token with any head, and with the signature of another one.
fn with_head(head: &str, token: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", base64(head.as_bytes()))
}

/// What the subcommand prints, read back with the settings' own parser.
fn made(words: &[&str]) -> String {
    let program = Command::new("test").subcommand(roundtable_server::auth::command::command());
    let words = ["token"].iter().chain(words).map(Into::into);
    let invocation = Settings::read(program, words, []).unwrap();
    let (_, words) = invocation.subcommand.unwrap();
    roundtable_server::auth::command::make(&words, SystemTime::now()).unwrap()
}

#[track_caller]
fn refused(verifier: &Verifier, token: &str, why: &Refusal) {
    assert_eq!(verifier.verify(token).as_ref(), Err(why));
}

fn good(claims: &Claims) {
    assert_eq!(claims.user.as_str(), "ann");
    assert!(claims.expires_ms.unwrap() > now() * 1000);
}

#[test]
fn a_token_says_who_it_is_and_what_is_allowed() {
    let rooms = json!([{ "pattern": "team-*", "can": ["join", "history"] }]);
    let claims = with_secret().verify(&signed(json!({ "rooms": rooms }))).unwrap();
    good(&claims);
    assert_eq!(claims.token_id.as_deref(), Some("t1"));
    assert!(claims.may(Action::Join, "team-7"));
    assert!(!claims.may(Action::Join, "lobby"));
    assert!(!claims.may(Action::Publish, "team-7"));
}

#[test]
fn a_token_without_rooms_allows_all_but_to_moderate() {
    let claims = with_secret().verify(&signed(json!({}))).unwrap();
    assert!(claims.may(Action::Publish, "lobby"));
    assert!(!claims.may(Action::Moderate, "lobby"));
}

#[test]
fn a_secret_and_each_kind_of_key_pair_serve() {
    for (private, public) in [("es256.pem", "es256.pub.pem"), ("ed25519.pem", "ed25519.pub.pem")] {
        let token = made(&["--key", path(private).to_str().unwrap(), "ann"]);
        good(&with_public(public).verify(&token).unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, format!("{SECRET}\n")).unwrap();
    let token = made(&["--key", file.to_str().unwrap(), "ann"]);
    good(&with_secret().verify(&token).unwrap());
}

#[test]
fn the_subcommand_takes_every_claim() {
    let key = path("ed25519.pem");
    let key = key.to_str().unwrap();
    let rooms = ["--room", "team-*:join,moderate", "--room", "a:b"];
    let who = ["--audience", "chat", "--issuer", "us", "--id", "t9", "--for", "1h", "ann"];
    let token = made(&[&["--key", key], &rooms[..], &who[..]].concat());
    let expected = Expected { audience: Some("chat".into()), issuer: Some("us".into()) };
    let verifier = Verifier::read(&path("ed25519.pub.pem"), expected).unwrap();
    let claims = verifier.verify(&token).unwrap();
    assert_eq!(claims.token_id.as_deref(), Some("t9"));
    assert!(claims.may(Action::Moderate, "team-1") && !claims.may(Action::Publish, "team-1"));
    assert!(claims.may(Action::Publish, "a:b"));
}

#[test]
fn a_jwks_has_several_keys_and_kid_says_which() {
    let secrets = [SECRET, "another secret, also long enough for it"];
    let keys = secrets.map(|secret| {
        let id = if secret == SECRET { "one" } else { "two" };
        json!({ "kty": "oct", "kid": id, "k": base64(secret.as_bytes()) })
    });
    let verifier = holding(&json!({ "keys": keys }).to_string(), Expected::default()).unwrap();
    for (id, secret) in ["one", "two"].iter().zip(secrets) {
        let mut head = Header::new(Algorithm::HS256);
        let key = EncodingKey::from_secret(secret.as_bytes());
        let sign = |head: &Header| encode(head, &claims(&json!({})), &key).unwrap();
        good(&verifier.verify(&sign(&head)).unwrap());
        head.kid = Some((*id).to_owned());
        good(&verifier.verify(&sign(&head)).unwrap());
        head.kid = Some("three".to_owned());
        refused(&verifier, &sign(&head), &Refusal::UnknownKey);
    }
}

#[test]
fn no_signature_is_no_token() {
    for none in ["none", "None", "NONE", "nOnE"] {
        let head = format!(r#"{{"alg":"{none}","typ":"JWT"}}"#);
        let token = with_head(&head, &signed(json!({})));
        refused(&with_secret(), &token, &Refusal::Algorithm);
        let (unsigned, _) = token.rsplit_once('.').unwrap();
        refused(&with_secret(), &format!("{unsigned}."), &Refusal::Algorithm);
    }
}

#[test]
fn an_emptied_signature_is_refused() {
    let token = signed(json!({}));
    let (unsigned, _) = token.rsplit_once('.').unwrap();
    refused(&with_secret(), &format!("{unsigned}."), &Refusal::Signature);
}

#[test]
fn a_wrong_secret_is_refused() {
    let other = holding("another secret, also long enough for it", Expected::default()).unwrap();
    refused(&other, &signed(json!({})), &Refusal::Signature);
}

#[test]
fn a_wrong_private_key_is_refused() {
    let token = made(&["--key", path("other.pem").to_str().unwrap(), "ann"]);
    refused(&with_public("ed25519.pub.pem"), &token, &Refusal::Signature);
}

#[test]
fn the_public_key_is_no_secret() {
    with_secret();
    for name in ["es256.pub.pem", "ed25519.pub.pem"] {
        let public = fs::read(path(name)).unwrap();
        let key = EncodingKey::from_secret(&public);
        let token = encode(&Header::new(Algorithm::HS256), &claims(&json!({})), &key).unwrap();
        refused(&with_public(name), &token, &Refusal::Algorithm);
    }
}

#[test]
fn an_algorithm_without_a_key_is_refused() {
    for algorithm in ["ES256", "EdDSA", "HS384", "RS256", "PS256", "HS257"] {
        let head = format!(r#"{{"alg":"{algorithm}"}}"#);
        refused(&with_secret(), &with_head(&head, &signed(json!({}))), &Refusal::Algorithm);
    }
}

#[test]
fn a_changed_claim_is_refused() {
    let token = signed(json!({}));
    let parts: Vec<&str> = token.split('.').collect();
    let other = base64(claims(&json!({ "sub": "root" })).to_string().as_bytes());
    let forged = format!("{}.{other}.{}", parts[0], parts[2]);
    refused(&with_secret(), &forged, &Refusal::Signature);
}

#[test]
fn an_expired_token_is_refused() {
    refused(&with_secret(), &signed(json!({ "exp": now() - 60 })), &Refusal::Expired);
}

#[test]
fn a_token_whose_time_has_not_come_is_refused() {
    refused(&with_secret(), &signed(json!({ "nbf": now() + 60 })), &Refusal::NotYetValid);
    good(&with_secret().verify(&signed(json!({ "nbf": now() - 60 }))).unwrap());
}

#[test]
fn a_token_for_somebody_else_is_refused() {
    let expected = || Expected { audience: Some("chat".into()), ..Expected::default() };
    let chat = holding(SECRET, expected()).unwrap();
    refused(&chat, &signed(json!({ "aud": "shop" })), &Refusal::Audience);
    refused(&chat, &signed(json!({})), &Refusal::Audience);
    good(&chat.verify(&signed(json!({ "aud": ["shop", "chat"] }))).unwrap());
    refused(&with_secret(), &signed(json!({ "aud": "chat" })), &Refusal::Audience);
}

#[test]
fn a_token_from_somebody_else_is_refused() {
    let expected = Expected { issuer: Some("us".into()), ..Expected::default() };
    let ours = holding(SECRET, expected).unwrap();
    refused(&ours, &signed(json!({ "iss": "them" })), &Refusal::Issuer);
    refused(&ours, &signed(json!({})), &Refusal::Issuer);
    good(&ours.verify(&signed(json!({ "iss": "us" }))).unwrap());
}

#[test]
fn a_claim_that_is_missing_or_of_a_wrong_form_is_refused() {
    let wrong = [
        json!({ "exp": null }),
        json!({ "exp": "tomorrow" }),
        json!({ "sub": null }),
        json!({ "sub": 7 }),
        json!({ "sub": "" }),
        json!({ "sub": "a\u{202e}b" }),
        json!({ "sub": "x".repeat(33) }),
        json!({ "rooms": "all" }),
        json!({ "rooms": [{ "pattern": "a*b", "can": [] }] }),
        json!({ "rooms": [{ "pattern": "*", "can": ["fly"] }] }),
    ];
    for change in wrong {
        let verdict = with_secret().verify(&signed(change.clone()));
        assert!(matches!(verdict, Err(Refusal::Claim { .. })), "{change}: {verdict:?}");
    }
}

#[test]
fn a_megabyte_is_not_looked_at() {
    let token = signed(json!({ "jti": "x".repeat(1 << 20) }));
    refused(&with_secret(), &token, &Refusal::TooLong { bytes: token.len() });
    let longest = "x".repeat(MAX_TOKEN_BYTES);
    refused(&with_secret(), &longest, &Refusal::Malformed);
}

#[test]
fn what_is_no_token_is_refused() {
    let token = signed(json!({}));
    let more = format!("{token}.more");
    for text in ["", ".", "..", "a.b.c", "{}", "eyJ", &token[..20], &more, "\u{e9}.\u{e9}.\u{e9}"] {
        refused(&with_secret(), text, &Refusal::Malformed);
    }
}

#[test]
fn what_a_head_makes_critical_is_not_understood() {
    let mut head = Header::new(Algorithm::HS256);
    head.crit = Some(vec!["exp".to_owned()]);
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = encode(&head, &claims(&json!({})), &key).unwrap();
    refused(&with_secret(), &token, &Refusal::Malformed);
}

#[test]
fn a_key_file_of_no_use_says_so() {
    let private = fs::read_to_string(path("es256.pem")).unwrap();
    let rsa = json!({ "keys": [{ "kty": "RSA", "n": "AQAB", "e": "AQAB" }] }).to_string();
    let short = json!({ "keys": [{ "kty": "oct", "k": "c2hvcnQ" }] }).to_string();
    let wrong = [
        ("short\n", "a secret of 5 bytes is short"),
        (private.as_str(), "must be a public key"),
        ("{}", "no JWKS"),
        (&rsa, "there is no key"),
        (&short, "there is no key"),
    ];
    for (text, why) in wrong {
        let error = holding(text, Expected::default()).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    assert!(Verifier::read(&path("nowhere"), Expected::default()).is_err());
}

#[test]
fn no_key_is_ever_shown() {
    let shown = format!("{:?}", with_secret());
    assert_eq!(shown, "Verifier(1 keys)");
}
