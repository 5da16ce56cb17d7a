//! A real Chromium, told what to do through its debugging pipe. Values in, values out; what is looked at is up to the
//! test.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// One page in a browser of its own, gone when dropped.
pub(crate) struct Browser {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Its debugging session, once attached.
    session: Option<String>,
    sent: u64,
    complaints: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// Opens `url`; `None` where Chromium is not installed.
    pub(crate) fn open(url: &str) -> Option<Self> {
        let found = Command::new("chromium")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        found.ok().filter(std::process::ExitStatus::success)?;
        let profile = tempfile::tempdir().unwrap();
        // Chromium reads requests from descriptor 3 and writes answers to 4, each ended by a zero byte.
        let mut process = Command::new("sh")
            .args([
                "-c",
                r#"exec chromium "$@" 3<&0 4>&1 >/dev/null 2>&1"#,
                "sh",
            ])
            .args([
                "--remote-debugging-pipe",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .args(["--disable-sync", "--no-first-run"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut browser = Self {
            requests: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
            session: None,
            sent: 0,
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", &target);
        browser.session = attached["sessionId"].as_str().map(ToOwned::to_owned);
        browser.call("Runtime.enable", &json!({}));
        browser.call("Log.enable", &json!({}));
        browser.call("Page.navigate", &json!({ "url": url }));
        Some(browser)
    }

    /// The value of a JavaScript expression in the page; a promise is waited for.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let parameters =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", &parameters);
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true; panics with what the page shows when it is not within 20 seconds.
    pub(crate) fn wait_until(&mut self, expression: &str) {
        let held = self.evaluate(&format!(
            "new Promise((resolve) => {{
                const end = Date.now() + 20_000;
                const look = () => {{
                    let held = false;
                    try {{ held = Boolean({expression}); }} catch {{ /* not there yet */ }}
                    if (held || Date.now() > end) resolve(held);
                    else setTimeout(look, 20);
                }};
                look();
            }})"
        ));
        if held != true {
            let page = self.evaluate("document.body.innerText");
            panic!("not within 20 s: {expression}; the page shows: {page}");
        }
    }

    /// Makes the page so many pixels wide.
    pub(crate) fn set_width(&mut self, pixels: u32) {
        let size =
            json!({ "width": pixels, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Chooses a file in a field of the page, as a person would.
    pub(crate) fn choose_file(&mut self, field: &str, file: &Path) {
        let document = self.call("DOM.getDocument", &json!({}));
        let document = &document["root"]["nodeId"];
        let field = json!({ "nodeId": document, "selector": field });
        let field = self.call("DOM.querySelector", &field);
        let chosen = json!({ "nodeId": field["nodeId"], "files": [file] });
        self.call("DOM.setFileInputFiles", &chosen);
    }

    /// What has gone wrong in the page so far: errors and warnings on its console, exceptions, requests that failed,
    /// and what its content security policy forbade.
    pub(crate) fn complaints(&mut self) -> &[String] {
        // Events come before the answer to a later request.
        self.evaluate("0");
        &self.complaints
    }

    /// One request of the debugging protocol, and its result.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.sent += 1;
        let mut request = json!({ "id": self.sent, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        write!(self.requests, "{request}\0").unwrap();
        loop {
            let mut answer = Vec::new();
            self.answers.read_until(0, &mut answer).unwrap();
            assert_eq!(answer.pop(), Some(0), "the browser ended during {method}");
            let mut answer: Value = serde_json::from_slice(&answer).unwrap();
            if answer["id"] == self.sent {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.complaints.extend(complaint(&answer));
        }
    }
}

/// What an event of the debugging protocol complains of, if anything.
/// <https://chromedevtools.github.io/devtools-protocol/tot/Log/>
fn complaint(event: &Value) -> Option<String> {
    let parameters = &event["params"];
    let level = match event["method"].as_str()? {
        "Runtime.exceptionThrown" => "error",
        "Runtime.consoleAPICalled" => parameters["type"].as_str()?,
        "Log.entryAdded" => parameters["entry"]["level"].as_str()?,
        _ => return None,
    };
    // Not the page's: a container that starts is an interface more, at which Chromium gives up what it is asking for.
    let is_machines = parameters["entry"]["text"]
        .as_str()
        .is_some_and(|text| text.ends_with("net::ERR_NETWORK_CHANGED"));
    if is_machines {
        return None;
    }
    matches!(level, "error" | "warning" | "assert").then(|| parameters.to_string())
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It takes its helpers with it, which write into the profile to their end; whoever is left holds the pipe open.
        if write!(self.requests, "{{\"id\":0,\"method\":\"Browser.close\"}}\0").is_ok() {
            self.answers
                .read_to_end(&mut Vec::new())
                .unwrap_or_default();
        }
        self.process.kill().expect("the browser is ours");
        self.process.wait().expect("the browser is ours");
    }
}
