//! Integers as groups of 7 bits, least significant first.

use super::MAX_PREFIX;

/// An integer beyond 64 bits. Nobody computes with such a one; it is only handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BigInteger {
    negative: bool,
    /// Groups of 7 bits, least significant first, without zeros at the high end.
    groups: Vec<u8>,
}

impl BigInteger {
    pub(super) fn groups(&self) -> &[u8] {
        &self.groups
    }

    pub fn is_negative(&self) -> bool {
        self.negative
    }
}

impl std::fmt::Display for BigInteger {
    /// Hexadecimal, as decimal would need division.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bit =
            |at: usize| self.groups.get(at / 7).is_some_and(|group| group >> (at % 7) & 1 == 1);
        let nibble = |at: usize| (0..4).filter(|i| bit(at * 4 + i)).map(|i| 1 << i).sum::<u32>();
        let digits: String = (0..(self.groups.len() * 7).div_ceil(4))
            .rev()
            .filter_map(|at| char::from_digit(nibble(at), 16))
            .collect();
        let sign = if self.negative { "-" } else { "" };
        write!(f, "{sign}0x{}", digits.trim_start_matches('0'))
    }
}

/// A number that was read.
#[derive(Debug, PartialEq)]
pub(super) enum Integer {
    Small(i64),
    Big(BigInteger),
}

/// The integer of a prefix.
pub(super) fn from_groups(groups: &[u8], negative: bool) -> Integer {
    let used = groups.iter().rposition(|group| *group != 0).map_or(0, |at| at + 1);
    let groups = &groups[..used];
    let small = magnitude(groups).and_then(|magnitude| {
        let number = i128::from(magnitude);
        i64::try_from(if negative { -number } else { number }).ok()
    });
    match small {
        Some(number) => Integer::Small(number),
        None => Integer::Big(BigInteger { negative, groups: groups.to_vec() }),
    }
}

/// The number of a prefix, if 64 bits hold it.
pub(super) fn magnitude(groups: &[u8]) -> Option<u64> {
    let mut sum = 0u64;
    for (at, group) in groups.iter().enumerate().filter(|(_, group)| **group != 0) {
        let shift = u32::try_from(at * 7).ok().filter(|shift| *shift < u64::BITS)?;
        let part = u64::from(*group) << shift;
        if part >> shift != u64::from(*group) {
            return None;
        }
        sum |= part;
    }
    Some(sum)
}

/// Appends a number as a prefix, which has at least one byte.
pub(super) fn write_prefix(mut number: u64, out: &mut Vec<u8>) {
    debug_assert!(MAX_PREFIX * 7 >= u64::BITS as usize);
    loop {
        out.push((number & 0x7f) as u8);
        number >>= 7;
        if number == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_four_bits_are_small_and_more_is_big() {
        let groups =
            |number: u128| (0..19).map(|at| (number >> (7 * at) & 0x7f) as u8).collect::<Vec<u8>>();
        let read = |number, negative| from_groups(&groups(number), negative);
        assert_eq!(read(u128::from(i64::MAX.unsigned_abs()), false), Integer::Small(i64::MAX));
        assert_eq!(read(1 << 63, true), Integer::Small(i64::MIN));
        for (number, negative, shown) in [
            (1u128 << 63, false, "0x8000000000000000"),
            ((1 << 63) + 1, true, "-0x8000000000000001"),
            (1 << 70, false, "0x400000000000000000"),
        ] {
            let Integer::Big(big) = read(number, negative) else { panic!("{number} is big") };
            assert_eq!(big.to_string(), shown);
        }
        assert_eq!(from_groups(&[], true), Integer::Small(0));
        assert_eq!(from_groups(&[5, 0, 0], false), Integer::Small(5));
    }
}
