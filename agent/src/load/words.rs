//! Numbers as people read them.

/// A whole number, with its digits in threes: `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate: whole from 100 on.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is not negative and far below 2⁵³"
)]
pub(super) fn rate(rate: f64) -> String {
    if rate < 100.0 {
        return format!("{rate:.1}/s");
    }
    format!("{}/s", grouped(rate.round() as u64))
}

/// A latency, in the unit that suits it.
pub(super) fn latency(us: f64) -> String {
    match us {
        ..1e3 => format!("{us:.0} µs"),
        1e3..1e4 => format!("{:.2} ms", us / 1e3),
        1e4..1e5 => format!("{:.1} ms", us / 1e3),
        1e5..1e6 => format!("{:.0} ms", us / 1e3),
        _ => format!("{:.2} s", us / 1e6),
    }
}

/// A part of 1 in percent; what is not quite nothing or all does not look so.
pub(super) fn percent(part: f64) -> String {
    let percent = part * 100.0;
    if percent > 0.0 && percent < 0.1 {
        return format!("{percent:.3} %");
    }
    if percent > 99.9 && percent < 100.0 {
        return format!("{percent:.2} %");
    }
    format!("{percent:.1} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_plain() {
        assert_eq!(
            ["0", "999", "1,000", "1,234,567"],
            [0, 999, 1_000, 1_234_567].map(grouped).map(String::leak)
        );
        assert_eq!(
            (rate(0.5), rate(4_999.8)),
            ("0.5/s".to_owned(), "5,000/s".to_owned())
        );
        let latencies = [7.0, 1_234.0, 12_340.0, 123_400.0, 1_234_000.0].map(latency);
        assert_eq!(
            latencies,
            ["7 µs", "1.23 ms", "12.3 ms", "123 ms", "1.23 s"]
        );
        assert_eq!(
            [0.0, 0.000_5, 0.5, 0.999_5, 1.0].map(percent),
            ["0.0 %", "0.050 %", "50.0 %", "99.95 %", "100.0 %"]
        );
    }
}
