//! Tokens: a JWT in, what it says out, or why it is refused. This file does not know who asks, and
//! not what a claim allows; it reads the wall clock, as a token's times are times of day.

pub mod command;
mod crypto;
mod keys;
mod revoked;
mod tokens;

use std::fmt;
use std::path::Path;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use roundtable::{Claims, Grant, Name, NameError};
use serde::Deserialize;

use keys::Key;

pub use tokens::{Guarded, Sources, Tokens};

/// The longest token that is looked at, in bytes: one fits into a request's head.
pub const MAX_TOKEN_BYTES: usize = 6 * 1024;

/// How far the clocks of those who make tokens may be off, in seconds.
const LEEWAY_SECONDS: u64 = 5;

/// What verifies tokens. One serves all connections.
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<Key>,
    audience: Option<String>,
    issuer: Option<String>,
}

/// What a token must say beside being signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// For whom it is (`aud`). Without one, a token that is for anybody in particular is refused
    /// (RFC 7519 §4.1.3).
    pub audience: Option<String>,
    /// Who made it (`iss`).
    pub issuer: Option<String>,
}

/// Why a token is refused, for the operator's log. A peer is told no more than whether it may come
/// back with a fresh one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is longer than [`MAX_TOKEN_BYTES`].
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It is no JWT, or one of a kind that is not taken, like an encrypted one.
    Malformed,
    /// It is signed with an algorithm for which there is no key, or with none.
    Algorithm,
    /// There is no key of its `kid`.
    UnknownKey,
    /// It was not signed with our key, or changed afterwards.
    Signature,
    /// Its time is over (`exp`).
    Expired,
    /// Its time has not come (`nbf`).
    NotYetValid,
    /// It is for somebody else (`aud`).
    Audience,
    /// Somebody else made it (`iss`).
    Issuer,
    /// It, or all tokens of its user, are taken back.
    Revoked,
    /// A claim is missing, or is not of its form.
    Claim {
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(f, "{bytes} bytes, at most {MAX_TOKEN_BYTES}"),
            Self::Malformed => f.write_str("not a signed JWT"),
            Self::Algorithm => f.write_str("no key for its `alg`"),
            Self::UnknownKey => f.write_str("no key of its `kid`"),
            Self::Signature => f.write_str("not signed with a key of ours"),
            Self::Expired => f.write_str("expired (`exp`)"),
            Self::NotYetValid => f.write_str("not valid yet (`nbf`)"),
            Self::Audience => f.write_str("for somebody else (`aud`)"),
            Self::Issuer => f.write_str("from somebody else (`iss`)"),
            Self::Revoked => f.write_str("revoked"),
            Self::Claim { why } => f.write_str(why),
        }
    }
}

impl std::error::Error for Refusal {}

/// The claims that are read; `nbf`, `aud` and `iss` are the library's to check.
#[derive(Deserialize)]
struct Body {
    sub: String,
    exp: u64,
    jti: Option<String>,
    rooms: Option<Vec<Grant>>,
}

impl Verifier {
    /// A verifier with the keys of a file: a public key as PEM, a JWKS, or a secret of at least 32
    /// bytes. A reload is another verifier.
    ///
    /// # Errors
    ///
    /// One line that names the file and says what is wrong with it.
    pub fn read(path: &Path, expected: Expected) -> Result<Self, String> {
        crypto::install();
        let Expected { audience, issuer } = expected;
        Ok(Self { keys: keys::verifying(path)?, audience, issuer })
    }

    /// What a token says, if it is to be believed.
    ///
    /// # Errors
    ///
    /// Why not, for the operator.
    pub fn verify(&self, token: &str) -> Result<Claims, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::TooLong { bytes: token.len() });
        }
        let header = decode_header(token).map_err(|error| match error.kind() {
            // What cannot be named in a head is no algorithm that there is a key for.
            ErrorKind::Json(error) if error.is_data() => Refusal::Algorithm,
            kind => refusal(kind),
        })?;
        // What must be understood (RFC 7515 §4.1.11) is not.
        if header.crit.is_some() {
            return Err(Refusal::Malformed);
        }
        let mut candidates = self.keys.iter().filter(|key| key.algorithm == header.alg).peekable();
        candidates.peek().ok_or(Refusal::Algorithm)?;
        let is_meant = |key: &&Key| match (&key.id, &header.kid) {
            (Some(id), Some(wanted)) => id == wanted,
            _ => true,
        };
        let mut refused = Refusal::UnknownKey;
        for key in candidates.filter(is_meant) {
            match decode::<Body>(token, &key.decoding, &self.validation(key)) {
                Ok(data) => return claims(data.claims),
                Err(error) => refused = refusal(error.kind()),
            }
            if refused != Refusal::Signature {
                break;
            }
        }
        Err(refused)
    }

    fn validation(&self, key: &Key) -> Validation {
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        let mut required = vec!["exp", "sub"];
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        validation
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({} keys)", self.keys.len())
    }
}

fn claims(body: Body) -> Result<Claims, Refusal> {
    let user: Name = body
        .sub
        .parse()
        .map_err(|error: NameError| Refusal::Claim { why: format!("`sub`: {error}") })?;
    Ok(Claims {
        user,
        token_id: body.jti,
        expires_ms: Some(body.exp.saturating_mul(1000)),
        grants: body.rooms.unwrap_or_else(|| vec![Grant::member()]),
    })
}

fn refusal(kind: &ErrorKind) -> Refusal {
    match kind {
        ErrorKind::InvalidSignature => Refusal::Signature,
        ErrorKind::ExpiredSignature => Refusal::Expired,
        ErrorKind::ImmatureSignature => Refusal::NotYetValid,
        ErrorKind::InvalidAudience => Refusal::Audience,
        ErrorKind::InvalidIssuer => Refusal::Issuer,
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::MissingAlgorithm
        | ErrorKind::UnsupportedAlgorithm => Refusal::Algorithm,
        ErrorKind::MissingRequiredClaim(name) if name == "aud" => Refusal::Audience,
        ErrorKind::MissingRequiredClaim(name) if name == "iss" => Refusal::Issuer,
        ErrorKind::MissingRequiredClaim(name) => {
            Refusal::Claim { why: format!("`{name}` is missing") }
        }
        ErrorKind::InvalidClaimFormat(name) => {
            Refusal::Claim { why: format!("`{name}` is not of its form") }
        }
        ErrorKind::Json(error) if error.is_data() => Refusal::Claim { why: error.to_string() },
        _ => Refusal::Malformed,
    }
}
