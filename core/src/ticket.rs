//! The secret by which a client comes back to its session. This file does not know what a session
//! is.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::keyed::{digits, value};

/// 128 bits that nobody can guess: a driver gives each connection its own, from the system.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub struct Entropy([u8; 16]);

impl Entropy {
    /// These bits.
    pub const fn new(bits: u128) -> Self {
        Self(bits.to_be_bytes())
    }

    /// The bits.
    pub const fn bits(self) -> u128 {
        u128::from_be_bytes(self.0)
    }
}

impl PartialEq for Entropy {
    /// Takes as long wherever the difference is: time tells nothing about a secret.
    fn eq(&self, other: &Self) -> bool {
        let difference =
            self.0.iter().zip(other.0).fold(0, |sum, (one, other)| sum | (one ^ other));
        difference == 0
    }
}

impl Eq for Entropy {}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.bits())
    }
}

/// What `welcome` gives a client, and `hello` gives back: where the hub keeps the session, and its
/// secret.
///
/// ```
/// use roundtable::{Entropy, Ticket};
///
/// let ticket = Ticket { place: 7, secret: Entropy::new(5) };
/// let text = ticket.to_string();
/// assert_eq!(text, "s_000000700000000000000000000000005");
/// assert_eq!(text.parse(), Ok(ticket));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Where the session is kept.
    pub place: u32,
    /// What only its client knows.
    pub secret: Entropy,
}

const PREFIX: &str = "s_";

/// 32 bits take seven digits; 128 bits take two times thirteen, of which each holds 64.
const LENGTHS: [usize; 3] = [7, 13, 13];

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.secret.bits();
        f.write_str(PREFIX)?;
        digits::<7>(self.place.into()).iter().try_for_each(|digit| write!(f, "{digit}"))?;
        #[expect(clippy::cast_possible_truncation, reason = "each half is written")]
        let halves = [(bits >> 64) as u64, bits as u64];
        halves
            .iter()
            .flat_map(|half| digits::<13>(*half))
            .try_for_each(|digit| write!(f, "{digit}"))
    }
}

impl FromStr for Ticket {
    type Err = NoTicket;

    fn from_str(text: &str) -> Result<Self, NoTicket> {
        let mut rest = text.strip_prefix(PREFIX).ok_or(NoTicket)?;
        let mut parts = [0; 3];
        for (part, length) in parts.iter_mut().zip(LENGTHS) {
            let (digits, behind) = rest.split_at_checked(length).ok_or(NoTicket)?;
            *part = value(digits).ok_or(NoTicket)?;
            rest = behind;
        }
        let [place, high, low] = parts;
        let place = u32::try_from(place).map_err(|_| NoTicket)?;
        let ticket = Self { place, secret: Entropy::new(u128::from(high) << 64 | u128::from(low)) };
        if rest.is_empty() { Ok(ticket) } else { Err(NoTicket) }
    }
}

/// A text that no `welcome` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTicket;

impl fmt::Display for NoTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the `session` of a `welcome`")
    }
}

impl core::error::Error for NoTicket {}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_ticket_is_refused() {
        let good = Ticket { place: u32::MAX, secret: Entropy::new(u128::MAX) }.to_string();
        assert_eq!(good.len(), 35);
        assert!(good.parse::<Ticket>().is_ok());
        let long = format!("{good}0");
        let past = good.replacen("s_3", "s_4", 1);
        for wrong in ["", "s_", &good[2..], &good[..34], &long, &past, &good.replace('z', "u")] {
            assert_eq!(wrong.parse::<Ticket>(), Err(NoTicket), "{wrong}");
        }
        assert_eq!(NoTicket.to_string(), "not the `session` of a `welcome`");
        assert!("s_000000é00000000000000000000000005".parse::<Ticket>().is_err());
    }

    #[test]
    fn each_bit_of_a_secret_counts() {
        for bit in 0..128 {
            assert_ne!(Entropy::new(0), Entropy::new(1 << bit));
        }
        assert_eq!(Entropy::new(9), Entropy::new(9));
        // Two differences of the same bits do not make up for each other.
        assert_ne!(Entropy::new(0), Entropy::new(0x0101));
    }

    proptest! {
        #[test]
        fn a_ticket_is_read_as_it_is_written(place: u32, bits: u128) {
            let ticket = Ticket { place, secret: Entropy::new(bits) };
            prop_assert_eq!(ticket.to_string().parse(), Ok(ticket));
        }
    }
}
