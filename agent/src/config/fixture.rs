//! Configurations for the tests of what depends on them.

use std::{collections::BTreeMap, io};

use super::{File, Predecessor, Resolved, Surroundings, resolve};

/// What the file `cgflux.toml` with this text makes on a host named `node-1`.
pub(crate) fn resolved(text: &str) -> Resolved {
    let around = Surroundings {
        files: vec![File {
            path: "cgflux.toml".into(),
            text: text.to_owned(),
        }],
        environment: BTreeMap::new(),
        flags: Vec::new(),
        predecessor: Predecessor::default(),
        is_root: true,
        host_name: Some("node-1".to_owned()),
        read_secret: &|_| Err(io::ErrorKind::NotFound.into()),
    };
    resolve(&around).unwrap_or_else(|error| panic!("{error}"))
}
