//! The cryptography of tokens: HS256, ES256 and `EdDSA` on `ring`, and nothing else. This file does not
//! know what a token says.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{
    self as ring_signature, EcdsaKeyPair, Ed25519KeyPair, UnparsedPublicKey, VerificationAlgorithm,
};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // They are for making keys public, which nobody here does.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes `jsonwebtoken` use this cryptography, in the whole process.
pub(super) fn install() {
    // A program that embeds a server may have chosen its own before.
    let _chosen_before = PROVIDER.install_default();
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the library's signature")]
fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    let signing = match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => {
            Signing::Hmac(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes()))
        }
        (Algorithm::ES256, AlgorithmFamily::Ec) => {
            let algorithm = &ring_signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            let random = SystemRandom::new();
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.as_bytes(), &random);
            Signing::Ecdsa(pair.map_err(|_| ErrorKind::InvalidEcdsaKey)?)
        }
        (Algorithm::EdDSA, AlgorithmFamily::Ed) => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.as_bytes());
            Signing::Ed(pair.map_err(|_| ErrorKind::InvalidEddsaKey)?)
        }
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    Ok(Box::new(signing))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the library's signature")]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let bytes = key.try_get_as_bytes()?;
    let public = |algorithm: &'static dyn VerificationAlgorithm| {
        UnparsedPublicKey::new(algorithm, bytes.to_vec())
    };
    let verifying = match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => {
            Verifying::Hmac(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, bytes))
        }
        (Algorithm::ES256, AlgorithmFamily::Ec) => {
            Verifying::Public(*algorithm, public(&ring_signature::ECDSA_P256_SHA256_FIXED))
        }
        (Algorithm::EdDSA, AlgorithmFamily::Ed) => {
            Verifying::Public(*algorithm, public(&ring_signature::ED25519))
        }
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    Ok(Box::new(verifying))
}

enum Signing {
    Hmac(ring::hmac::Key),
    Ecdsa(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer<Vec<u8>> for Signing {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        match self {
            Self::Hmac(key) => Ok(ring::hmac::sign(key, message).as_ref().to_vec()),
            Self::Ecdsa(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                Ok(signature.map_err(|_| signature::Error::new())?.as_ref().to_vec())
            }
            Self::Ed(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

impl JwtSigner for Signing {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Hmac(_) => Algorithm::HS256,
            Self::Ecdsa(_) => Algorithm::ES256,
            Self::Ed(_) => Algorithm::EdDSA,
        }
    }
}

enum Verifying {
    Hmac(ring::hmac::Key),
    Public(Algorithm, UnparsedPublicKey<Vec<u8>>),
}

impl Verifier<Vec<u8>> for Verifying {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verdict = match self {
            Self::Hmac(key) => ring::hmac::verify(key, message, signature),
            Self::Public(_, key) => key.verify(message, signature),
        };
        verdict.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Verifying {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Hmac(_) => Algorithm::HS256,
            Self::Public(algorithm, _) => *algorithm,
        }
    }
}
