//! In which container this process runs, as the agent would call it.

use std::fs;

use crate::container::{Runtime, identify};

/// Its name, if the cgroup's path tells it: from within a container's own cgroup namespace it does not.
pub(super) fn container() -> Option<String> {
    named(&fs::read_to_string("/proc/self/cgroup").ok()?)
}

/// By `/proc/PID/cgroup`: a line `id:controllers:path` for each hierarchy (cgroups(7)). The first that leads below a root
/// tells; the unified one stands last.
fn named(lines: &str) -> Option<String> {
    let paths = lines.lines().rev();
    let mut found = paths
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .map(identify)
        .filter(|identity| identity.runtime != Runtime::Host);
    let identity = found.next()?;
    let short = |id: String| id.chars().take(12).collect();
    identity.name.or_else(|| identity.id.map(short))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cgroup_tells_who_it_is() {
        let id = "0123456789ab".repeat(5) + "cdef";
        let cases = [
            ("0::/\n".to_owned(), None),
            ("0::/shop/web\n".to_owned(), Some("/shop/web")),
            (
                "3:cpu,cpuacct:/demo-web\n1:name=systemd:/\n0::/\n".to_owned(),
                Some("/demo-web"),
            ),
            (
                "0::/system.slice/cgflux-web.service\n".to_owned(),
                Some("cgflux-web.service"),
            ),
            (
                format!("0::/system.slice/docker-{id}.scope\n"),
                Some("0123456789ab"),
            ),
            ("garbage".to_owned(), None),
        ];
        for (lines, name) in cases {
            assert_eq!(named(&lines).as_deref(), name, "{lines}");
        }
    }
}
