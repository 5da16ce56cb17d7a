//! The live page of the running agent in a real browser, beside real containers.

mod hands;
mod many;
mod started;
mod used;

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;

use crate::harness::{AgentProcess, Browser, Home, run_folder, skip};

/// The page of an agent in a browser of its own.
struct Opened {
    page: Browser,
    address: String,
    agent: AgentProcess,
    home: Home,
}

/// Starts an agent and opens its page, which is live then; `None` where there is no browser.
#[track_caller]
fn opened() -> Option<Opened> {
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let address = format!("http://{}/", agent.address());
    let Some(mut page) = Browser::open(&address) else {
        return skip("no chromium");
    };
    page.set_width(1200);
    page.wait_until("document.getElementById('state').dataset.state === 'live'");
    Some(Opened {
        page,
        address,
        agent,
        home,
    })
}

/// Keeps a picture of what the page shows for people to look at.
pub(super) fn picture(page: &mut Browser, name: &str) {
    let answer = page.call("Page.captureScreenshot", &json!({ "format": "png" }));
    let content = BASE64.decode(answer["data"].as_str().unwrap()).unwrap();
    let folder = run_folder();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), content).unwrap();
    println!("see {}", folder.join(name).display());
}
