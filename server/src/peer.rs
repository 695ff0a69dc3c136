//! What a server knows of a client before it has said a word. This file does not know what becomes of
//! it.

use std::net::IpAddr;

use roundtable::{AddressKey, Claims, Entropy, Peer};

use crate::settings::Settings;
use crate::whence::Whence;

/// A new client at `whence`, with a secret of its own, and what the token says that came
/// with its request.
///
/// The exemption of loopback is for who says to be nobody else: whom a proxy names is held to the
/// limits, wherever that is.
///
/// # Panics
///
/// If the system has no randomness to give.
pub fn peer(settings: &Settings, whence: Whence, claims: Option<Box<Claims>>) -> Peer {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).expect("the system gives randomness");
    let ip = whence.ip().to_canonical();
    let is_exempt = match whence {
        Whence::Itself(_) => ip.is_loopback() && !settings.limit_loopback,
        Whence::Named(_) => false,
    };
    let address = (!is_exempt).then(|| key(ip));
    Peer { entropy: Entropy::new(u128::from_be_bytes(bits)), claims, address }
}

/// An IPv4 address, or the upper half of an IPv6 one: whoever has one such address has all of its
/// network (RFC 6177). No IPv6 network that is given out begins with 32 zeros, so none is taken for an
/// IPv4 address (RFC 4291 §2.4).
fn key(ip: IpAddr) -> AddressKey {
    AddressKey::new(match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => u64::try_from(ip.to_bits() >> 64).expect("64 bits"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(settings: &Settings, ip: &str) -> Option<u64> {
        let whence = Whence::Itself(ip.parse().unwrap());
        peer(settings, whence, None).address.map(AddressKey::get)
    }

    #[test]
    fn no_two_clients_share_a_secret() {
        let (settings, from) = (Settings::default(), Whence::Itself([192, 0, 2, 1].into()));
        let [one, other] = [(), ()].map(|()| peer(&settings, from, None).entropy.bits());
        assert_ne!(one, other);
        assert!(one >> 64 != 0 && one & u128::from(u64::MAX) != 0);
    }

    #[test]
    fn an_address_is_one_of_ipv4_or_a_network_of_ipv6() {
        let settings = Settings::default();
        let of = |ip| of(&settings, ip);
        assert_eq!(of("192.0.2.1"), Some(0xC000_0201));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.2"), of("192.0.2.1"));
        assert_eq!(of("2001:db8:0:7::1"), Some(0x2001_0DB8_0000_0007));
        assert_eq!(of("2001:db8:0:7:ffff::"), of("2001:db8:0:7::1"));
        assert_ne!(of("2001:db8:0:8::1"), of("2001:db8:0:7::1"));
    }

    #[test]
    fn loopback_is_held_to_nothing_unless_it_is_asked_for() {
        let asked = Settings { limit_loopback: true, ..Settings::default() };
        for (ip, key) in [("127.0.0.1", 0x7F00_0001), ("::ffff:127.0.0.1", 0x7F00_0001), ("::1", 0)]
        {
            assert_eq!(of(&Settings::default(), ip), None);
            assert_eq!(of(&asked, ip), Some(key));
            let named = Whence::Named(ip.parse().unwrap());
            let peer = peer(&Settings::default(), named, None);
            assert_eq!(peer.address.map(AddressKey::get), Some(key), "a proxy names {ip}");
        }
    }
}
