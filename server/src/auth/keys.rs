//! Keys from files: a PEM, a JWKS, or a secret; which of them, the file's beginning says. This file
//! does not know tokens.

use std::fs;
use std::path::Path;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};

/// The shortest secret: as long as what HS256 makes of it (RFC 7518 §3.2).
const LEAST_SECRET: usize = 32;

/// One key that verifies, with the one algorithm that it is for.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

/// The keys of a file.
pub(super) fn verifying(path: &Path) -> Result<Vec<Key>, String> {
    let text = read(path)?;
    let found = match Form::of(&text) {
        Form::Pem => pem(&text),
        Form::Jwks => jwks(&text),
        Form::Secret => secret(&text).map(|secret| {
            let key = DecodingKey::from_secret(secret.as_bytes());
            vec![Key { id: None, algorithm: Algorithm::HS256, decoding: key }]
        }),
    };
    found.map_err(|why| format!("{}: {why}", path.display()))
}

/// The key of a file with which tokens are made.
pub(super) fn signing(path: &Path) -> Result<(Algorithm, EncodingKey), String> {
    let text = read(path)?;
    let found = match Form::of(&text) {
        Form::Secret => secret(&text)
            .map(|secret| (Algorithm::HS256, EncodingKey::from_secret(secret.as_bytes()))),
        Form::Jwks => {
            Err("a JWKS verifies; to make a token takes a secret or a private key".into())
        }
        Form::Pem => {
            let ec = EncodingKey::from_ec_pem(text.as_bytes()).map(|key| (Algorithm::ES256, key));
            let ed = || EncodingKey::from_ed_pem(text.as_bytes());
            let found = ec.or_else(|_| ed().map(|key| (Algorithm::EdDSA, key)));
            found.map_err(|_| "must be a private key for ES256 or EdDSA, as PKCS #8".into())
        }
    };
    found.map_err(|why: String| format!("{}: {why}", path.display()))
}

enum Form {
    Pem,
    Jwks,
    Secret,
}

impl Form {
    fn of(text: &str) -> Self {
        let text = text.trim_start();
        if text.starts_with("-----BEGIN") {
            Self::Pem
        } else if text.starts_with('{') {
            Self::Jwks
        } else {
            Self::Secret
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// What stands in the file, without the line break that editors put at the end.
fn secret(text: &str) -> Result<&str, String> {
    let secret = text.trim_end_matches(['\r', '\n']);
    match secret.len() {
        LEAST_SECRET.. => Ok(secret),
        len => Err(format!("a secret of {len} bytes is short: must be at least {LEAST_SECRET}")),
    }
}

fn pem(text: &str) -> Result<Vec<Key>, String> {
    let ec = DecodingKey::from_ec_pem(text.as_bytes()).map(|key| (Algorithm::ES256, key));
    let ed = || DecodingKey::from_ed_pem(text.as_bytes()).map(|key| (Algorithm::EdDSA, key));
    let found = ec.or_else(|_| ed()).ok().filter(|(_, key)| is_of_its_curve(key));
    let (algorithm, key) =
        found.ok_or("must be a public key for ES256 (P-256) or EdDSA (Ed25519)")?;
    Ok(vec![Key { id: None, algorithm, decoding: key }])
}

/// The keys of a set that are of use here; others may be for somebody else.
fn jwks(text: &str) -> Result<Vec<Key>, String> {
    let set: JwkSet = serde_json::from_str(text).map_err(|error| format!("no JWKS: {error}"))?;
    let keys: Vec<Key> = set.keys.iter().filter_map(jwk).collect();
    if keys.is_empty() {
        return Err("there is no key for HS256, ES256 or EdDSA in this set".to_owned());
    }
    Ok(keys)
}

fn jwk(jwk: &Jwk) -> Option<Key> {
    let key = DecodingKey::from_jwk(jwk).ok()?;
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        AlgorithmParameters::OctetKey(_) if is_long(&key) => Algorithm::HS256,
        _ => return None,
    };
    Some(Key { id: jwk.common.key_id.clone(), algorithm, decoding: key })
}

/// Whether a public key is a point of P-256, not compressed, or one of Ed25519.
fn is_of_its_curve(key: &DecodingKey) -> bool {
    key.try_get_as_bytes().is_ok_and(|bytes| matches!(bytes.len(), 65 | 32))
}

fn is_long(key: &DecodingKey) -> bool {
    key.family() == AlgorithmFamily::Hmac
        && key.try_get_as_bytes().is_ok_and(|bytes| bytes.len() >= LEAST_SECRET)
}
