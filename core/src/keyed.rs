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
    fn digits_are_the_lowest_bits() {
        assert_eq!(digits::<3>(0b00001_00010_11111), ['1', '2', 'z']);
    }
}
