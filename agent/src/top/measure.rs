//! What is told of an entry, as columns of a table and charts have it.

/// One number of an entry. The order is that of the columns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Measure {
    /// CPUs used.
    Cpu,
    /// Tasks that waited for a CPU.
    Wait,
    /// Seconds of tasks that were throttled, per second.
    Throttled,
    /// Bytes of memory that cannot be taken back at once; where that is not told, all that is in use.
    Memory,
    /// The part of its memory limit that this is.
    Share,
    /// Bytes per second from and to disks.
    Disk,
    /// Bytes per second from and to all peers but loopback.
    Net,
}

/// A value of each measure; `None` for what is not known.
pub(super) type Values = [Option<f64>; Measure::ALL.len()];

impl Measure {
    pub(super) const ALL: [Self; 7] = [
        Self::Cpu,
        Self::Wait,
        Self::Throttled,
        Self::Memory,
        Self::Share,
        Self::Disk,
        Self::Net,
    ];

    /// Its place in [`Values`].
    pub(super) const fn at(self) -> usize {
        self as usize
    }

    /// The heading of its column.
    pub(super) fn head(self) -> &'static str {
        match self {
            Self::Cpu => "CPU%",
            Self::Wait => "WAITms",
            Self::Throttled => "THRms",
            Self::Memory => "MEM",
            Self::Share => "LIM%",
            Self::Disk => "DISK/s",
            Self::Net => "NET/s",
        }
    }

    /// What it is, in words.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Cpu => "CPU used, in hundredths of one CPU",
            Self::Wait => "ms a second that its tasks waited for a CPU, all together",
            Self::Throttled => "ms a second that its tasks were held back by its CPU limit",
            Self::Memory => "memory without page cache that was not used lately",
            Self::Share => "that, in hundredths of its memory limit",
            Self::Disk => "bytes a second read and written, on all disks",
            Self::Net => "bytes a second received and sent, but for loopback",
        }
    }

    /// What to call a value that is this large, in five columns or six.
    pub(super) fn told(self, value: Option<f64>) -> String {
        let Some(value) = value else {
            return UNKNOWN.to_owned();
        };
        match self {
            Self::Cpu | Self::Share => decimal(value * 100.0),
            Self::Wait | Self::Throttled => decimal(value * 1000.0),
            Self::Memory | Self::Disk | Self::Net => bytes(value),
        }
    }
}

/// What stands where nothing is known.
pub(super) const UNKNOWN: &str = "–";

/// One decimal where there is room for it; what would be told as 0 and is more is told so.
pub(super) fn decimal(value: f64) -> String {
    if value > 0.0 && value < 0.05 {
        return "<0.1".to_owned();
    }
    if value.abs() >= 99_950.0 {
        return format!("{:.0}k", value / 1000.0);
    }
    let decimals = usize::from(value.abs() < 999.95);
    format!("{value:.decimals$}")
}

/// Three digits or four and the largest fitting unit, of 1024.
pub(super) fn bytes(value: f64) -> String {
    const UNITS: [&str; 6] = ["", "K", "M", "G", "T", "P"];
    let mut value = value;
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    while value >= 1023.5
        && let Some(next) = units.next()
    {
        value /= 1024.0;
        unit = next;
    }
    let decimals = usize::from(!unit.is_empty() && value < 9.95);
    format!("{value:.decimals$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_their_columns_and_nothing_is_not_told_as_zero() {
        for (measure, value, text) in [
            (Measure::Cpu, Some(0.0), "0.0"),
            (Measure::Cpu, Some(0.0001), "<0.1"),
            (Measure::Cpu, Some(0.9996), "100.0"),
            (Measure::Cpu, Some(128.0), "12800"),
            (Measure::Wait, Some(0.0213), "21.3"),
            (Measure::Wait, Some(250.0), "250k"),
            (Measure::Share, Some(0.5), "50.0"),
            (Measure::Memory, Some(0.0), "0"),
            (Measure::Memory, Some(1023.0), "1023"),
            (Measure::Memory, Some(1023.6), "1.0K"),
            (Measure::Net, Some(12.4 * 1_048_576.0), "12M"),
            (Measure::Disk, Some(9.96 * 1024.0), "10K"),
            (Measure::Throttled, None, "–"),
        ] {
            assert_eq!(measure.told(value), text);
        }
    }
}
