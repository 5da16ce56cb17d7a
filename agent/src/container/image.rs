//! Image references.

/// The repository of an image reference: without tag and digest, and nothing for a bare image id.
///
/// A colon belongs to a registry's port unless it stands after the last slash
/// (github.com/distribution/reference, `reference.go`, grammar).
pub fn image_repository(image: &str) -> Option<&str> {
    let (name, _digest) = image.split_once('@').unwrap_or((image, ""));
    let path = name.rfind('/').map_or(0, |slash| slash + 1);
    let repository = name[path..]
        .find(':')
        .map_or(name, |colon| &name[..path + colon]);
    let is_id = repository == "sha256"
        || (repository.len() == 64 && repository.bytes().all(|byte| byte.is_ascii_hexdigit()));
    (!is_id && !repository.is_empty()).then_some(repository)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_tag_keeps_the_repository_only() {
        for (image, repository) in [
            ("redis", Some("redis")),
            ("redis:7.2-alpine", Some("redis")),
            ("registry:5000/team/app", Some("registry:5000/team/app")),
            (
                "registry:5000/team/app:1.2@sha256:0a1b",
                Some("registry:5000/team/app"),
            ),
            ("ghcr.io/a/b@sha256:0a1b", Some("ghcr.io/a/b")),
            ("sha256:0a1b", None),
            (&"0a".repeat(32), None),
            ("", None),
            (":tag", None),
        ] {
            assert_eq!(image_repository(image), repository, "image={image}");
        }
    }
}
