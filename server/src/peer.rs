//! What a server knows of a client before it has said a word. This file does not know what becomes of
//! it.

use roundtable::{Claims, Entropy, Peer};

/// A new client, with a secret of its own, and what the token says that came with its request.
///
/// # Panics
///
/// If the system has no randomness to give.
pub fn peer(claims: Option<Box<Claims>>) -> Peer {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).expect("the system gives randomness");
    Peer { entropy: Entropy::new(u128::from_be_bytes(bits)), claims }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_clients_share_a_secret() {
        let (one, other) = (peer(None).entropy.bits(), peer(None).entropy.bits());
        assert_ne!(one, other);
        assert!(one >> 64 != 0 && one & u128::from(u64::MAX) != 0);
    }
}
