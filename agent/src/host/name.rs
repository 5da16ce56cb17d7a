//! The host's name, as it goes to every point.

use std::fs;

/// A name and how far it can be trusted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostName {
    /// The name; never empty.
    pub name: String,
    /// Where it was taken from.
    pub origin: HostNameOrigin,
}

/// Where a host's name was taken from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HostNameOrigin {
    /// The configuration.
    Config,
    /// The environment variable of this name.
    Environment(&'static str),
    /// The kernel.
    Kernel,
    /// The kernel, but it is the id of the container in which the agent runs: another with each new container.
    /// `CGFLUX_HOST` should be set.
    OwnContainer,
}

/// Environment variables that may have the name, best first. Kubernetes' manifests set the second from the node's
/// name by convention.
const VARIABLES: [&str; 2] = ["CGFLUX_HOST", "NODE_NAME"];

/// The host's name: `config`, else `CGFLUX_HOST`, else `NODE_NAME`, else what the kernel says.
pub fn host_name(config: Option<&str>) -> HostName {
    // In a container, one of these has the container's id, also where cgroup namespaces hide the path: Docker, Podman
    // and CRI-O mount `/etc/hostname` from a folder with the id in its path.
    let about_us = ["/proc/self/cgroup", "/proc/self/mountinfo"]
        .map(|path| fs::read_to_string(path).unwrap_or_default());
    let kernel = nix::unistd::gethostname().unwrap_or_default();
    let variables = VARIABLES.map(|name| (name, std::env::var(name).ok()));
    choose(
        config,
        &variables,
        &kernel.to_string_lossy(),
        &about_us.concat(),
    )
}

fn choose(
    config: Option<&str>,
    variables: &[(&'static str, Option<String>)],
    kernel: &str,
    about_us: &str,
) -> HostName {
    let given = |name: &str| !name.trim().is_empty();
    let found = |name: &str, origin| HostName {
        name: name.trim().to_owned(),
        origin,
    };
    if let Some(name) = config.filter(|name| given(name)) {
        return found(name, HostNameOrigin::Config);
    }
    for (variable, name) in variables {
        if let Some(name) = name.as_deref().filter(|name| given(name)) {
            return found(name, HostNameOrigin::Environment(variable));
        }
    }
    if is_short_id(kernel) && about_us.contains(kernel) {
        return found(kernel, HostNameOrigin::OwnContainer);
    }
    let name = if given(kernel) { kernel } else { "localhost" };
    found(name, HostNameOrigin::Kernel)
}

/// Whether a name has the form that container runtimes give a container that has none of its own.
fn is_short_id(name: &str) -> bool {
    name.len() == 12
        && name
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_outright_comes_first() {
        let set = |host: Option<&str>, node: Option<&str>| {
            [
                ("CGFLUX_HOST", host.map(str::to_owned)),
                ("NODE_NAME", node.map(str::to_owned)),
            ]
        };
        let name = |config, variables: &[_]| choose(config, variables, "vm", "").name;

        assert_eq!(name(Some("db1"), &set(Some("a"), Some("b"))), "db1");
        assert_eq!(name(Some(" "), &set(Some("a"), Some("b"))), "a");
        assert_eq!(name(None, &set(Some(""), Some("b"))), "b");
        assert_eq!(name(None, &set(None, None)), "vm");
        assert_eq!(choose(None, &[], "", "").name, "localhost");
    }

    /// A line of `/proc/self/mountinfo` in a container of Docker 20.10 with its own cgroup namespace, kernel 6.18.
    #[test]
    fn the_id_of_the_agents_own_container_is_told_from_a_name() {
        let mountinfo = "1953 1935 254:0 /docker/containers/\
             9ed139e89eeebda23ce294619080e04e7c299a678d47742f16ee6139920a5ad3/hostname /etc/hostname rw - ext4";
        let origin = |kernel| choose(None, &[], kernel, mountinfo).origin;
        assert_eq!(origin("9ed139e89eee"), HostNameOrigin::OwnContainer);
        assert_eq!(origin("9ed139e89eef"), HostNameOrigin::Kernel);
        assert_eq!(origin("etc"), HostNameOrigin::Kernel);
    }
}
