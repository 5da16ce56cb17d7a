//! What is to be said of where the numbers come from.

/// Where they come from, and how that goes.
#[derive(Clone, Debug, Default)]
pub(super) struct Status {
    /// In words, as `live from http://127.0.0.1:8190`.
    pub(super) origin: String,
    /// Why there is nothing new; `None` where all goes well.
    pub(super) trouble: Option<String>,
    /// Of a recording.
    pub(super) place: Option<Place>,
    /// What is written, in words.
    pub(super) recording: Option<String>,
    /// What is to be said until the next key.
    pub(super) message: Option<String>,
}

/// Where in a recording we are, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    pub(super) is_playing: bool,
    /// Milliseconds shown in a second, by a thousand.
    pub(super) speed: Speed,
}

/// How fast a recording is played: powers of two of how it was.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Speed(i32);

impl Speed {
    /// 64 times as fast, and an eighth.
    const RANGE: std::ops::RangeInclusive<i32> = -3..=6;

    pub(super) fn step(self, is_faster: bool) -> Self {
        let step = if is_faster { 1 } else { -1 };
        Self((self.0 + step).clamp(*Self::RANGE.start(), *Self::RANGE.end()))
    }

    pub(super) fn factor(self) -> f64 {
        2_f64.powi(self.0)
    }
}

impl std::fmt::Display for Speed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 < 0 {
            write!(f, "1/{}", 1 << -self.0)
        } else {
            write!(f, "{}", 1 << self.0)
        }
    }
}

impl std::str::FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::RANGE.map(Self);
        all.find(|speed| speed.to_string() == text)
            .ok_or_else(|| "is none of 1/8, 1/4, 1/2, 1, 2, 4, 8, 16, 32, 64".to_owned())
    }
}
