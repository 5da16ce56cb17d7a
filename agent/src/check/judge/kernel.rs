//! Judges the kernel, before anything of it was tried.

use super::refusal::FIRST_VERSION;
use crate::{
    check::{
        facts::{Access, Facts},
        report::Item,
    },
    kernel::VMLINUX,
};

pub(super) fn items(facts: &Facts) -> Vec<Item> {
    let items = [
        version(facts),
        type_information(facts),
        bpf(facts),
        jit(facts),
        lockdown(facts),
    ];
    items.map(|item| item.unless_unwanted(facts)).into()
}

fn version(facts: &Facts) -> Item {
    let name = "version";
    let release = &facts.kernel.release;
    match facts.kernel.version() {
        Some(version) if version < FIRST_VERSION => Item::fail(name, format!("Linux {release}"))
            .because("kernel programs need Linux 5.8: its ring buffer and its capability CAP_BPF")
            .fixed_by("boot a newer kernel; until then cgroup files serve"),
        Some(_) => Item::pass(name, format!("Linux {release}")),
        None => Item::note(name, "unknown; 5.8 or later is needed"),
    }
    .detail("release", release)
}

fn type_information(facts: &Facts) -> Item {
    let name = "type information";
    let why = "kernel programs find the fields they read by it; without it cgroup files serve";
    match &facts.kernel.type_information {
        Access::Open => Item::pass(name, VMLINUX),
        Access::Missing if !facts.kernel.sysfs => {
            Item::fail(name, "/sys is not mounted where this process looks")
                .because(why)
                .fixed_by("`mount -t sysfs sysfs /sys`; in a container `-v /sys:/sys:ro`")
        }
        Access::Missing => Item::fail(name, format!("there is no {VMLINUX}"))
            .because(why)
            .fixed_by(
                "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as those of Debian 11, Ubuntu 20.10, RHEL 8.2 and \
                 later are",
            ),
        Access::Forbidden => Item::fail(name, format!("{VMLINUX} may not be read"))
            .because(why)
            .fixed_by(
                "it is open to everybody unless somebody closed it: `chmod 444`, or a security module's rules",
            ),
        Access::Failed(error) => Item::fail(name, format!("{VMLINUX} cannot be read: {error}"))
            .because(why)
            .fixed_by("boot a kernel whose type information is whole"),
    }
}

fn bpf(facts: &Facts) -> Item {
    let name = "bpf system call";
    match facts.kernel.bpf {
        Some(true) => Item::pass(name, "there"),
        Some(false) => Item::fail(name, "not in this kernel")
            .because("without it there are no kernel programs; cgroup files serve")
            .fixed_by("boot a kernel built with CONFIG_BPF_SYSCALL=y"),
        None => Item::note(name, "unknown: /proc/sys is not there to tell"),
    }
}

fn jit(facts: &Facts) -> Item {
    let name = "compiler";
    match facts.kernel.jit {
        Some(true) => Item::pass(name, "programs are compiled"),
        Some(false) => Item::warn(name, "programs are interpreted")
            .because("each context switch then costs several times as much")
            .fixed_by("`sysctl -w net.core.bpf_jit_enable=1`"),
        None => {
            let path = "/proc/sys/net/core/bpf_jit_enable";
            let finding = format!("unknown: only the host's network namespace has {path}");
            Item::note(name, finding)
        }
    }
}

fn lockdown(facts: &Facts) -> Item {
    let name = "lockdown";
    match facts.kernel.lockdown.as_deref() {
        Some("confidentiality") => Item::note(name, "confidentiality").because(
            "counting does not need what it forbids; the paths of new cgroups do, and are looked up in the tree",
        ),
        Some(mode) => Item::pass(name, mode),
        None => Item::note(name, "not in this kernel, or not visible here"),
    }
}
