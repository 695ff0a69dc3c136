//! Chance without randomness: every drawn value is a keyed hash of what it is for. This file does
//! not know what the values are used for, and draws nothing from a stream.

/// What a value is drawn for. Two purposes never share a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The epoch of a room's log.
    Epoch = 1,
    /// The made-up part of a name.
    Name,
    /// The silence before a ping.
    Ping,
    /// When a client that was drained should come back.
    Return,
}

/// The value for (`seed`, `purpose`, `id`, `count`).
pub(crate) fn draw(seed: u64, purpose: Purpose, id: u64, count: u64) -> u64 {
    let keyed = mix(seed ^ mix(purpose as u64));
    mix(mix(keyed ^ id).wrapping_add(count))
}

/// A value that no other `count` has: for one seed and purpose this is a permutation of `count`.
pub(crate) fn permute(seed: u64, purpose: Purpose, count: u64) -> u64 {
    mix(mix(seed ^ mix(purpose as u64)).wrapping_add(count))
}

/// The finalizer of splitmix64 (Steele, Lea, Flood 2014): a bijection of 64 bits.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// Digits that cannot be misread (Crockford's base 32), in lower case.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The lowest `5 * N` bits of `value` as `N` digits.
pub(crate) fn digits<const N: usize>(value: u64) -> [char; N] {
    #[expect(clippy::cast_possible_truncation, reason = "the digit is in the lowest bits")]
    core::array::from_fn(|place| {
        let shift = 5 * (N - 1 - place);
        char::from(DIGITS[usize::from((value >> shift) as u8 & 31)])
    })
}

/// The value of digits that [`digits`] wrote; nothing if one is none, or they hold more than 64 bits.
pub(crate) fn value(text: &str) -> Option<u64> {
    text.bytes().try_fold(0_u64, |value, byte| {
        let digit = DIGITS.iter().position(|digit| *digit == byte)?;
        let shifted = value.checked_mul(32)?;
        Some(shifted | digit as u64)
    })
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_permutation_gives_no_value_twice() {
        let values: BTreeSet<u64> =
            (0..10_000).map(|count| permute(7, Purpose::Epoch, count)).collect();
        assert_eq!(values.len(), 10_000);
    }

    #[test]
    fn each_part_of_the_key_counts() {
        let all = [
            draw(1, Purpose::Ping, 1, 1),
            draw(2, Purpose::Ping, 1, 1),
            draw(1, Purpose::Name, 1, 1),
            draw(1, Purpose::Ping, 2, 1),
            draw(1, Purpose::Ping, 1, 2),
        ];
        assert_eq!(BTreeSet::from(all).len(), all.len());
    }

    #[test]
    fn the_mixer_is_splitmix64() {
        // The first values of splitmix64 from the seeds 0 and 1.
        assert_eq!(mix(0), 0xE220_A839_7B1D_CDAF);
        assert_eq!(mix(1), 0x910A_2DEC_8902_5CC1);
    }

    #[test]
    fn values_stay_what_they_are() {
        // Recordings hold what was drawn: another value would make them another day.
        let purposes = [Purpose::Epoch, Purpose::Name, Purpose::Ping, Purpose::Return];
        let drawn = purposes.map(|purpose| draw(7, purpose, 3, 2));
        assert_eq!(
            drawn,
            [
                0x9886_5C40_6804_6190,
                0x2979_BE3D_30BB_41A6,
                0x46DE_6B03_A751_A590,
                0xCE5F_F124_BC42_DA3B
            ]
        );
        let permuted = purposes.map(|purpose| permute(7, purpose, 2));
        assert_eq!(
            permuted,
            [
                0xD8CE_878C_44A4_1D2E,
                0x318C_9A75_F0C8_8B61,
                0x4E26_5A35_1BF7_D53C,
                0xE228_5900_72F1_FB78
            ]
        );
    }

    #[test]
    fn digits_are_the_lowest_bits() {
        assert_eq!(digits::<3>(0b00001_00010_11111), ['1', '2', 'z']);
        assert_eq!(value("12z"), Some(0b00001_00010_11111));
        assert_eq!(value("12u"), None);
        assert_eq!(value("fzzzzzzzzzzzz"), Some(u64::MAX));
        assert_eq!(value("g000000000000"), None);
    }
}
