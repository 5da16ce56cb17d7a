//! Sizes as settings: `"1GiB"`.

use bytesize::ByteSize;

use super::{Value, typed::Typed};

impl Typed for ByteSize {
    fn read(value: &Value) -> Result<Self, String> {
        const EXAMPLES: &str = "write a number and its unit, as in \"512MiB\" or \"1GiB\"";
        let text = match value {
            Value::Text(text) | Value::Untyped(text) => text,
            other => return Err(format!("is {other}, which has no unit; {EXAMPLES}")),
        };
        text.parse()
            .map_err(|_error: String| format!("is {value}, which is no size; {EXAMPLES}"))
    }

    /// In the largest unit that makes it a whole number, so that it reads back as itself.
    fn value(&self) -> Value {
        let bytes = self.as_u64();
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        let whole = units
            .iter()
            .find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
        Value::Text(match whole {
            Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
            None => format!("{bytes}B"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_written_as_it_is_read() {
        for (text, bytes) in [
            ("1GiB", 1 << 30),
            ("1536MiB", 1536 << 20),
            ("4KiB", 4096),
            ("100B", 100),
            ("0B", 0),
        ] {
            let size = ByteSize::read(&Value::Text(text.to_owned()));
            assert_eq!(size, Ok(ByteSize(bytes)), "{text}");
            assert_eq!(ByteSize(bytes).value(), Value::Text(text.to_owned()));
        }
        for text in ["", "much", "1 XB", "-1MiB"] {
            assert!(
                ByteSize::read(&Value::Text(text.to_owned())).is_err(),
                "{text}"
            );
        }
    }
}
