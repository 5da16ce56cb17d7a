//! Buckets of times: powers of two, the same for every histogram that is published.

/// Buckets of a histogram.
pub const BUCKETS: usize = 24;

/// Times below `2^MIN_LOG2` ns share the first bucket.
pub const MIN_LOG2: u32 = 10;

/// The bucket a time of `ns` falls into: bucket `i` holds times below `2^(i + 10)` ns that no lower bucket holds, the
/// last one all longer ones.
#[inline]
pub const fn bucket(ns: u64) -> usize {
    let scaled = ns >> MIN_LOG2;
    if scaled == 0 {
        return 0;
    }
    let bucket = log2(scaled) as usize + 1;
    if bucket < BUCKETS {
        bucket
    } else {
        BUCKETS - 1
    }
}

/// Upper bound of bucket `index` in nanoseconds (exclusive); `None` for the last, which has none.
pub const fn bucket_bound_ns(index: usize) -> Option<u64> {
    if index + 1 < BUCKETS {
        Some(1 << (MIN_LOG2 as usize + index))
    } else {
        None
    }
}

/// Floor of the binary logarithm, by halving: the BPF instruction set has no count of leading zeros.
#[inline]
const fn log2(value: u64) -> u32 {
    let mut rest = value;
    let mut log = 0;
    let mut step = 32;
    while step > 0 {
        if rest >> step != 0 {
            rest >>= step;
            log += step;
        }
        step /= 2;
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_below_its_bound_and_not_below_the_bound_before() {
        for shift in 0..64 {
            for ns in [(1_u64 << shift) - 1, 1 << shift, (1 << shift) + 1] {
                let bucket = bucket(ns);
                if let Some(bound) = bucket_bound_ns(bucket) {
                    assert!(ns < bound, "ns={ns} bucket={bucket} bound={bound}");
                }
                if let Some(below) = bucket.checked_sub(1).and_then(bucket_bound_ns) {
                    assert!(ns >= below, "ns={ns} bucket={bucket} below={below}");
                }
            }
        }
    }

    #[test]
    fn the_longest_time_falls_into_the_last_bucket() {
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(bucket_bound_ns(BUCKETS - 1), None);
    }
}
