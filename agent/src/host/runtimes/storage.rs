//! The stores of containers/storage: Podman's and CRI-O's.
//!
//! A store has a folder `<driver>-containers` below its graph root (for good) and its run root (till the next boot).
//! There `containers.json` has names and images, and `<id>/userdata/config.json` the annotations. Podman keeps labels
//! and pods' names only in its database, which is locked for each access; they are left out.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{
    folders_in,
    oci::{self, MAX_CONFIG},
    state_file::StateFiles,
};
use crate::container::{Runtime, RuntimeInfo};

/// What the stores below `roots`, graph and run roots alike, say of `runtime`'s container `id`.
pub(super) fn read(
    files: &mut StateFiles,
    roots: &[PathBuf],
    runtime: Runtime,
    id: &str,
) -> Option<RuntimeInfo> {
    let is_store = |folder: &PathBuf| folder.as_os_str().as_encoded_bytes().ends_with(SUFFIX);
    let stores = roots
        .iter()
        .flat_map(|root| folders_in(root))
        .filter(is_store);
    let mut known: Option<RuntimeInfo> = None;
    for store in stores {
        if !store.join(id).is_dir() {
            continue;
        }
        let info = known.take().unwrap_or_default();
        known = Some(joined(info, in_store(files, &store, id)));
        if known.as_ref().is_some_and(|known| known.name.is_some()) {
            break;
        }
    }
    known.map(|known| RuntimeInfo {
        runtime: Some(runtime),
        ..known
    })
}

const SUFFIX: &[u8] = b"-containers";

/// Largest list of containers read: about 10,000 of them.
const MAX_LIST: u64 = 8 << 20;

/// One of `containers.json`.
#[derive(Debug, Deserialize)]
struct Listed {
    id: String,
    names: Option<Vec<String>>,
    /// JSON once more, by whom the store belongs to.
    metadata: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    #[serde(rename = "image-name")]
    image_name: Option<String>,
}

fn in_store(files: &mut StateFiles, store: &Path, id: &str) -> RuntimeInfo {
    let config = store.join(id).join("userdata/config.json");
    let config: Option<oci::Config> = files.json(&config, MAX_CONFIG);
    let annotated = config.map(|config| config.info()).unwrap_or_default();
    if annotated.name.is_some() {
        return annotated;
    }
    // Containers that do not outlive a boot are listed apart (containers/storage 1.43 and later).
    let listed = ["containers.json", "volatile-containers.json"]
        .iter()
        .find_map(|list| {
            let list: Vec<Listed> = files.json(&store.join(list), MAX_LIST)?;
            list.into_iter().find(|listed| listed.id == id)
        });
    joined(annotated, listed.map(Listed::into_info).unwrap_or_default())
}

impl Listed {
    fn into_info(self) -> RuntimeInfo {
        let metadata = self.metadata.as_deref();
        let metadata = metadata.and_then(|text| serde_json::from_str::<Metadata>(text).ok());
        RuntimeInfo {
            name: self.names.and_then(|names| names.into_iter().next()),
            image: metadata
                .and_then(|metadata| metadata.image_name)
                .filter(|image| !image.is_empty()),
            ..RuntimeInfo::default()
        }
    }
}

/// Both of what two places say; the first one's word counts.
fn joined(first: RuntimeInfo, second: RuntimeInfo) -> RuntimeInfo {
    RuntimeInfo {
        runtime: first.runtime.or(second.runtime),
        id: first.id.or(second.id),
        name: first.name.or(second.name),
        image: first.image.or(second.image),
        namespace: first.namespace.or(second.namespace),
        pod: first.pod.or(second.pod),
        labels: if first.labels.is_empty() {
            second.labels
        } else {
            first.labels
        },
    }
}
