//! A hand on the keyboard and on the mouse.

use serde_json::{Value, json};

use crate::harness::Browser;

/// Presses a key, as `KeyboardEvent.key` calls it.
pub(super) fn press(page: &mut Browser, key: &str) {
    let (text, code) = match key {
        "Enter" => ("\r", 13),
        "Escape" => ("", 27),
        "ArrowLeft" => ("", 37),
        other => (other, 0),
    };
    let event = |kind: &str| json!({ "type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code });
    page.call("Input.dispatchKeyEvent", &event("keyDown"));
    page.call("Input.dispatchKeyEvent", &event("keyUp"));
}

/// Types a text.
pub(super) fn type_text(page: &mut Browser, text: &str) {
    page.call("Input.insertText", &json!({ "text": text }));
}

/// Drags over the first chart, between two parts of its width.
pub(super) fn drag_over_chart(page: &mut Browser, from: f64, to: f64) {
    let place = page.evaluate(
        "(() => {
            const { x, y, width, height } = document.querySelector('.u-over').getBoundingClientRect();
            return [x, y + height / 2, width];
        })()",
    );
    let number = |at: usize| place[at].as_f64().unwrap();
    let mut mouse = |kind: &str, part: f64, buttons: u8| {
        let event = json!({
            "type": kind, "x": number(0) + part * number(2), "y": number(1),
            "button": "left", "buttons": buttons, "clickCount": 1,
        });
        page.call("Input.dispatchMouseEvent", &event);
    };
    mouse("mouseMoved", from, 0);
    mouse("mousePressed", from, 1);
    mouse("mouseMoved", f64::midpoint(from, to), 1);
    mouse("mouseMoved", to, 1);
    mouse("mouseReleased", to, 0);
}

/// The theme of the person's system.
pub(super) fn set_theme(page: &mut Browser, theme: &str) {
    let feature = json!({ "name": "prefers-color-scheme", "value": theme });
    page.call(
        "Emulation.setEmulatedMedia",
        &json!({ "features": [feature] }),
    );
}

/// The names in the table's order, of groups too.
pub(super) fn names(page: &mut Browser) -> Vec<String> {
    let names = "[...document.querySelectorAll('#rows .name')].map((it) => it.textContent)";
    let names = page.evaluate(names);
    let names = names.as_array().into_iter().flatten();
    names
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect()
}

/// What of the view stands in the page's address.
pub(super) fn link(page: &mut Browser) -> String {
    let link = page.evaluate("location.search");
    link.as_str().unwrap().to_owned()
}
