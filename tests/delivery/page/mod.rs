//! The live page of the running agent in a real browser, beside real containers.

mod hands;
mod many;
mod started;
mod used;

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;

use crate::harness::{Browser, run_folder};

/// Keeps a picture of what the page shows for people to look at.
fn picture(page: &mut Browser, name: &str) {
    let answer = page.call("Page.captureScreenshot", &json!({ "format": "png" }));
    let content = BASE64.decode(answer["data"].as_str().unwrap()).unwrap();
    let folder = run_folder();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), content).unwrap();
    println!("see {}", folder.join(name).display());
}
