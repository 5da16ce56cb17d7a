//! The table of the page's files.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::Write as _,
    sync::LazyLock,
};

use flate2::{Compression, write::GzEncoder};
use hyper::{body::Bytes, header::HeaderValue};

/// A file as it is written.
pub(super) struct Asset {
    pub(super) path: &'static str,
    pub(super) content_type: &'static str,
    pub(super) text: &'static str,
}

/// What is made of it once, when the page is first asked for.
pub(super) struct Served {
    /// Weak: it stands for the file whichever way it is sent.
    pub(super) tag: Option<HeaderValue>,
    /// By gzip.
    pub(super) packed: Bytes,
}

/// The page itself.
pub(super) static PAGE: Asset = Asset {
    path: "/",
    content_type: "text/html; charset=utf-8",
    text: include_str!("index.html"),
};

/// All files but the page itself. uPlot is not ours: `vendor/README.md`.
static PARTS: [Asset; 22] = [
    style("/assets/style.css", include_str!("style.css")),
    style("/assets/uplot.css", include_str!("vendor/uPlot.min.css")),
    script("/assets/uplot.js", include_str!("vendor/uPlot.iife.min.js")),
    script("/assets/bar.js", include_str!("script/bar.js")),
    script("/assets/charts.js", include_str!("script/charts.js")),
    script("/assets/entry.js", include_str!("script/entry.js")),
    script("/assets/events.js", include_str!("script/events.js")),
    script("/assets/filter.js", include_str!("script/filter.js")),
    script("/assets/format.js", include_str!("script/format.js")),
    script("/assets/heatmap.js", include_str!("script/heatmap.js")),
    script("/assets/keys.js", include_str!("script/keys.js")),
    script("/assets/link.js", include_str!("script/link.js")),
    script("/assets/main.js", include_str!("script/main.js")),
    script("/assets/own.js", include_str!("script/own.js")),
    script("/assets/panels.js", include_str!("script/panels.js")),
    script("/assets/recording.js", include_str!("script/recording.js")),
    script("/assets/store.js", include_str!("script/store.js")),
    script("/assets/stream.js", include_str!("script/stream.js")),
    script("/assets/table.js", include_str!("script/table.js")),
    script("/assets/time.js", include_str!("script/time.js")),
    script("/assets/totals.js", include_str!("script/totals.js")),
    Asset {
        path: "/assets/icon.svg",
        content_type: "image/svg+xml",
        text: include_str!("icon.svg"),
    },
];

/// All of them, with what is made of each.
pub(super) fn all() -> impl Iterator<Item = (&'static Asset, &'static Served)> {
    static SERVED: LazyLock<Vec<Served>> =
        LazyLock::new(|| files().map(|asset| Served::of(asset.text)).collect());
    files().zip(&*SERVED)
}

fn files() -> impl Iterator<Item = &'static Asset> {
    std::iter::once(&PAGE).chain(&PARTS)
}

const fn script(path: &'static str, text: &'static str) -> Asset {
    Asset {
        path,
        content_type: "text/javascript; charset=utf-8",
        text,
    }
}

const fn style(path: &'static str, text: &'static str) -> Asset {
    Asset {
        path,
        content_type: "text/css; charset=utf-8",
        text,
    }
}

impl Served {
    fn of(text: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let tag = format!("W/\"{:016x}\"", hasher.finish());
        Self {
            tag: HeaderValue::from_str(&tag).ok(),
            packed: packed(text.as_bytes()),
        }
    }
}

/// Writing to memory cannot fail; should it ever, the file is sent as it is.
fn packed(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.map_or_else(|_| Bytes::new(), Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the page may weigh, packed.
    const BUDGET: usize = 60_000;

    #[test]
    fn all_of_the_page_packed_weighs_less_than_its_budget() {
        let sizes: Vec<_> = all()
            .map(|(it, served)| (served.packed.len(), it.path))
            .collect();
        let total: usize = sizes.iter().map(|it| it.0).sum();
        for (size, path) in &sizes {
            println!("{size:>7} {path}");
        }
        println!("{total:>7} of {BUDGET} bytes");
        assert!(total <= BUDGET, "{sizes:?}");
        assert!(sizes.iter().all(|it| it.0 > 0), "{sizes:?}");
    }

    #[test]
    fn the_page_names_each_of_its_parts_and_no_others() {
        let named = PAGE
            .text
            .split('"')
            .filter_map(|it| it.strip_prefix("assets/"));
        let mut named: Vec<_> = named.map(|it| format!("/assets/{it}")).collect();
        let mut there: Vec<_> = PARTS.iter().map(|it| it.path.to_owned()).collect();
        named.sort_unstable();
        there.sort_unstable();
        assert_eq!(named, there);
    }
}
