//! Integers in LEB128: seven bits a byte, the lowest first; the eighth says that more follow.

/// Appends a number: a byte for one below 128, ten for the largest.
pub fn write(bytes: &mut impl Extend<u8>, mut value: u64) {
    while value > 0x7f {
        bytes.extend([low_bits(value) | 0x80]);
        value >>= 7;
    }
    bytes.extend([low_bits(value)]);
}

/// Takes a number off the front. `None` where the bytes end in its midst or go on beyond 64 bits.
pub fn read(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = bytes.next()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn low_bits(value: u64) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read_and_nothing_after_it(values in proptest::collection::vec(any::<u64>(), 0..4)) {
            let mut bytes = Vec::new();
            for value in &values {
                write(&mut bytes, *value);
            }
            let mut bytes = bytes.into_iter();
            for value in values {
                prop_assert_eq!(read(&mut bytes), Some(value));
            }
            prop_assert_eq!(read(&mut bytes), None);
        }
    }

    #[test]
    fn seven_bits_take_a_byte_and_the_largest_number_ten() {
        for (value, length) in [(0, 1), (127, 1), (128, 2), (u64::MAX, 10)] {
            let mut bytes = Vec::new();
            write(&mut bytes, value);
            assert_eq!(bytes.len(), length, "{value}");
        }
    }

    #[test]
    fn what_goes_on_beyond_sixty_four_bits_is_no_number() {
        assert_eq!(read(&mut [0xff; 11].into_iter()), None);
    }
}
