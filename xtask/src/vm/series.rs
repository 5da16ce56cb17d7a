//! The kernel series of the matrix, and which package is the newest of each. Pure.

/// One column of the matrix.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Series {
    /// As it is asked for.
    pub(crate) name: &'static str,
    /// What the versions of its packages begin with.
    prefix: &'static str,
    /// The emulated processor. QEMU 7.2's cmpxchg16b spoils the flags: with `cx16` kernels die at random, but for the
    /// newest, which do without it where it matters, and keep nothing with a cgroup where it is not there.
    pub(crate) processor: &'static str,
}

/// From the oldest that the agent is made for to the newest there is.
pub(crate) const ALL: [Series; 5] = [
    series("5.10", "5.10.", WITHOUT_CX16),
    series("6.1", "6.1.", WITHOUT_CX16),
    series("6.12", "6.12.", WITHOUT_CX16),
    series("6.18", "6.18.", WITHOUT_CX16),
    series("7.x", "7.", "max"),
];

/// A processor with all that QEMU can emulate, and without what it cannot.
pub(crate) const WITHOUT_CX16: &str = "max,-cx16";

const fn series(name: &'static str, prefix: &'static str, processor: &'static str) -> Series {
    Series {
        name,
        prefix,
        processor,
    }
}

/// A package with a kernel image in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// The kernel's release, as `uname -r` tells it.
    pub(crate) release: String,
    /// From Linux 6.19 on a package `linux-binary` has the image, and `linux-image` needs it.
    is_binary: bool,
}

impl Package {
    /// The package of this name, if it is a cloud kernel for such processors.
    pub(crate) fn named(name: &str, architecture: &str) -> Option<Self> {
        let image = name.strip_prefix("linux-image-");
        let release = image.or_else(|| name.strip_prefix("linux-binary-"))?;
        // Backports to a release older than the series, and names without a version.
        let is_one = release.ends_with(&format!("-cloud-{architecture}"))
            && !release.contains(".deb")
            && release.starts_with(|char: char| char.is_ascii_digit())
            && release.matches('.').count() > 1;
        is_one.then(|| Self {
            name: name.to_owned(),
            release: release.to_owned(),
            is_binary: image.is_none(),
        })
    }

    /// What orders the versions of one series.
    fn rank(&self) -> (Vec<u32>, bool) {
        let numbers = self.release.split(|char: char| !char.is_ascii_digit());
        let numbers = numbers.filter_map(|number| number.parse().ok()).collect();
        (numbers, self.is_binary)
    }
}

/// The newest package of `series`.
pub(crate) fn newest(series: &Series, packages: &[Package]) -> Option<Package> {
    let of_series = |package: &&Package| package.release.starts_with(series.prefix);
    let of_series = packages.iter().filter(of_series);
    of_series.max_by_key(|package| package.rank()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of Debian's lists on 2026-11-23.
    const NAMES: [&str; 12] = [
        "linux-image-5.10.0-30-cloud-amd64",
        "linux-image-5.10.0-46-cloud-amd64",
        "linux-image-5.10.0-46-cloud-amd64-unsigned",
        "linux-image-6.1-cloud-amd64",
        "linux-image-6.1.0-0.deb11.52-cloud-amd64",
        "linux-image-6.1.0-50-cloud-amd64",
        "linux-image-6.18.9+deb13-cloud-amd64",
        "linux-image-6.18.15+deb13-cloud-amd64",
        "linux-image-7.3.4+deb13-cloud-amd64",
        "linux-binary-7.3.4+deb13-cloud-amd64",
        "linux-binary-7.2.12+deb13-cloud-amd64",
        "linux-binary-unsigned-7.3.4+deb13-cloud-amd64",
    ];

    fn newest_of(name: &str) -> Option<String> {
        let named = |name| Package::named(name, "amd64");
        let packages: Vec<_> = NAMES.into_iter().filter_map(named).collect();
        let series = ALL.iter().find(|series| series.name == name).unwrap();
        newest(series, &packages).map(|package| package.name)
    }

    #[test]
    fn the_newest_of_a_series_is_found_by_number() {
        for (series, package) in [
            ("5.10", "linux-image-5.10.0-46-cloud-amd64"),
            ("6.1", "linux-image-6.1.0-50-cloud-amd64"),
            ("6.18", "linux-image-6.18.15+deb13-cloud-amd64"),
            ("7.x", "linux-binary-7.3.4+deb13-cloud-amd64"),
        ] {
            assert_eq!(newest_of(series).as_deref(), Some(package));
        }
        assert_eq!(newest_of("6.12"), None);
    }
}
