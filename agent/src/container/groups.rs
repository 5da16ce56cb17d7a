//! What a container belongs to, as people group them: a Compose project and its service, a systemd unit, a slice.

use super::Container;

/// Labels that name the project: Docker Compose, podman-compose, Docker Swarm.
const PROJECT: [&str; 3] = [
    "com.docker.compose.project",
    "io.podman.compose.project",
    "com.docker.stack.namespace",
];

/// Labels that name the service within it.
const SERVICE: [&str; 3] = [
    "com.docker.compose.service",
    "io.podman.compose.service",
    "com.docker.swarm.service.name",
];

impl Container {
    /// The Compose project or Swarm stack, as a label says.
    pub fn project(&self) -> Option<&str> {
        self.first_label(&PROJECT)
    }

    /// The service within the project, as a label says.
    pub fn service(&self) -> Option<&str> {
        self.first_label(&SERVICE)
    }

    /// The innermost systemd service or scope in its path.
    pub fn unit(&self) -> Option<&str> {
        self.innermost(&[".service", ".scope"])
    }

    /// The innermost systemd slice in its path.
    pub fn slice(&self) -> Option<&str> {
        self.innermost(&[".slice"])
    }

    fn first_label(&self, names: &[&str]) -> Option<&str> {
        let values = names.iter().filter_map(|name| self.labels.get(*name));
        let mut values = values.map(String::as_str);
        values.find(|value| !value.is_empty())
    }

    fn innermost(&self, suffixes: &[&str]) -> Option<&str> {
        let is_meant = |component: &&str| suffixes.iter().any(|it| component.ends_with(it));
        self.path.rsplit('/').find(is_meant)
    }
}

#[cfg(test)]
mod tests {
    use crate::encode::fixture::container;

    #[test]
    fn labels_name_project_and_service_and_the_path_unit_and_slice() {
        let mut web = container(7, "web");
        assert_eq!(
            (web.project(), web.service(), web.slice()),
            (None, None, None)
        );
        for (name, value) in [
            ("com.docker.compose.project", ""),
            ("com.docker.stack.namespace", "shop"),
            ("com.docker.compose.service", "front"),
        ] {
            web.labels.insert(name.to_owned(), value.to_owned());
        }
        web.path =
            "/user.slice/user-1000.slice/user@1000.service/app.slice/podman-1.scope/x".to_owned();
        assert_eq!(
            (web.project(), web.service()),
            (Some("shop"), Some("front"))
        );
        assert_eq!(
            (web.unit(), web.slice()),
            (Some("podman-1.scope"), Some("app.slice"))
        );
    }
}
