//! Numbers as people write them on a command line: `1k`, `5.5k`, `200us`.

use std::time::Duration;

/// A number that is not negative, with `k` for thousands and `M` for millions.
pub(crate) fn amount(text: &str) -> Option<f64> {
    let (digits, factor) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1e3),
        b'm' | b'M' => (&text[..text.len() - 1], 1e6),
        _ => (text, 1.0),
    };
    Some(plain(digits)? * factor)
}

/// A time with its unit: `us` or `µs`, `ms`, `s`, `m`, `h`; fractions are allowed.
pub(crate) fn time(text: &str) -> Option<Duration> {
    let unit = text.find(|char: char| !(char.is_ascii_digit() || char == '.'))?;
    let factor = match &text[unit..] {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(plain(&text[..unit])? * factor).ok()
}

/// Digits with at most one point among them; no sign, no exponent, no `inf`.
pub(crate) fn plain(text: &str) -> Option<f64> {
    let is_digit = |char: char| char.is_ascii_digit() || char == '.';
    (text.chars().all(is_digit) && text.starts_with(|char: char| char.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_suffixes() {
        let near = |text, value: f64| amount(text).is_some_and(|it| (it - value).abs() < 1e-6);
        assert!(near("7", 7.0) && near("1k", 1e3) && near("5.5k", 5500.0) && near("1M", 1e6));
        for text in [
            "", "k", "-1", "1e9", "inf", "nan", "1kk", "1.2.3", ".", "1 k", "+1",
        ] {
            assert_eq!(amount(text), None, "{text}");
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(time("1.5ms"), Some(Duration::from_micros(1500)));
        assert_eq!(time("200us"), Some(Duration::from_micros(200)));
        assert_eq!(time("2m"), Some(Duration::from_mins(2)));
        for text in [
            "5",
            "ms",
            "5 ms",
            "-5ms",
            "5d",
            "",
            "1e3s",
            "99999999999999999999999h",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
