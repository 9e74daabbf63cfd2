//! One tab: going somewhere, looking, clicking, typing, waiting.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};

use super::cdp::Connection;

/// How long a condition may take to come true, on a slow machine under load.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Page {
    connection: Connection,
    session: String,
}

impl Page {
    pub(super) fn new(connection: Connection, session: String, width: u32, height: u32) -> Self {
        let mut page = Self { connection, session };
        for domain in ["Page", "Runtime", "Log"] {
            page.command(&format!("{domain}.enable"), json!({}));
        }
        page.command(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
        page.command("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
        page
    }

    pub fn command(&mut self, method: &str, parameters: Value) -> Value {
        self.connection.command(Some(&self.session), method, parameters)
    }

    pub fn open(&mut self, address: &str) {
        let answer = self.command("Page.navigate", json!({ "url": address }));
        assert!(answer["errorText"].is_null(), "{address}: {}", answer["errorText"]);
        self.wait("document.readyState === 'complete'");
    }

    pub fn reload(&mut self) {
        self.command("Page.reload", json!({}));
        self.wait("document.readyState === 'complete'");
    }

    /// The value of a JavaScript expression; promises are awaited, an exception fails the test.
    pub fn value(&mut self, expression: &str) -> Value {
        let answer = self.evaluate(expression);
        let failed = &answer["exceptionDetails"];
        assert!(failed.is_null(), "{expression}: {failed}");
        answer["result"]["value"].clone()
    }

    fn evaluate(&mut self, expression: &str) -> Value {
        self.command(
            "Runtime.evaluate",
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true }),
        )
    }

    /// Waits until the expression is true. While the page is being replaced there is nothing to ask, which is not an error.
    pub fn wait(&mut self, condition: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.evaluate(&format!("Boolean({condition})"));
            if answer["result"]["value"] == true {
                return;
            }
            if Instant::now() > deadline {
                let shown = self.value("document.body ? document.body.innerText.slice(0, 3000) : ''");
                let complaints = self.connection.complaints.join("\n");
                panic!("never came true: {condition}\n{complaints}\nthe page shows:\n{}", shown.as_str().unwrap_or(""));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn wait_for(&mut self, selector: &str) {
        self.wait(&format!("document.querySelector({})", quoted(selector)));
    }

    /// Waits until the element's text, or its value if it is a field, contains `text`.
    pub fn wait_for_text(&mut self, selector: &str, text: &str) {
        let (selector, text) = (quoted(selector), quoted(text));
        self.wait(&format!(
            "[...document.querySelectorAll({selector})].some(e => (e.value ?? e.innerText).includes({text}))"
        ));
    }

    /// What people read there.
    pub fn text(&mut self, selector: &str) -> String {
        self.wait_for(selector);
        let found = self.value(&format!("(e => e.value ?? e.innerText)(document.querySelector({}))", quoted(selector)));
        found.as_str().unwrap_or_default().to_owned()
    }

    /// Clicks the middle of the element as a mouse does: what covers it gets the click instead.
    pub fn click(&mut self, selector: &str) {
        let (x, y) = self.middle(selector);
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            self.command(
                "Input.dispatchMouseEvent",
                json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": i32::from(button == "left") }),
            );
        }
    }

    fn middle(&mut self, selector: &str) -> (f64, f64) {
        self.wait(&format!(
            "(e => e && !e.disabled && e.getClientRects().length > 0)(document.querySelector({}))",
            quoted(selector)
        ));
        let at = self.value(&format!(
            "(e => {{ e.scrollIntoView({{ block: 'center', behavior: 'instant' }}); const r = e.getBoundingClientRect(); \
             return [r.x + r.width / 2, r.y + r.height / 2]; }})(document.querySelector({}))",
            quoted(selector)
        ));
        (at[0].as_f64().unwrap_or(0.0), at[1].as_f64().unwrap_or(0.0))
    }

    /// Puts text where the keyboard is, as an input method does: whole words, any script.
    pub fn type_text(&mut self, text: &str) {
        self.command("Input.insertText", json!({ "text": text }));
    }

    /// Clicks a field, empties it and types.
    pub fn fill(&mut self, selector: &str, text: &str) {
        self.click(selector);
        self.value(&format!("document.querySelector({}).select()", quoted(selector)));
        self.type_text(text);
        self.wait(&format!("document.querySelector({}).value === {}", quoted(selector), quoted(text)));
    }

    /// Presses one key, named as `KeyboardEvent.key` names it, e.g. `F10`, `Enter`, `w`; `Ctrl+Enter` holds a modifier.
    pub fn press(&mut self, chord: &str) {
        let (held, key) = chord.rsplit_once('+').filter(|(_, key)| !key.is_empty()).unwrap_or(("", chord));
        let modifiers = held.split('+').fold(0, |bits, name| {
            bits | match name {
                "Alt" => 1,
                "Ctrl" => 2,
                "Shift" => 8,
                _ => 0,
            }
        });
        let (code, number) = key_code(key);
        let text = match key {
            "Enter" => Some("\r".to_owned()),
            key if key.chars().count() == 1 && modifiers & 3 == 0 => Some(key.to_owned()),
            _ => None,
        };
        let mut event = json!({
            "type": if text.is_some() { "keyDown" } else { "rawKeyDown" },
            "key": key, "code": code, "modifiers": modifiers, "windowsVirtualKeyCode": number,
        });
        if let Some(text) = text {
            event["text"] = json!(text);
        }
        self.command("Input.dispatchKeyEvent", event.clone());
        event["type"] = json!("keyUp");
        self.command("Input.dispatchKeyEvent", event);
    }

    /// A PNG of the whole window, or of a rectangle in CSS pixels (x, y, width, height).
    pub fn screenshot(&mut self, clip: Option<[f64; 4]>) -> Vec<u8> {
        let mut parameters = json!({ "format": "png" });
        if let Some([x, y, width, height]) = clip {
            parameters["clip"] = json!({ "x": x, "y": y, "width": width, "height": height, "scale": 1 });
        }
        let answer = self.command("Page.captureScreenshot", parameters);
        let data = answer["data"].as_str().unwrap_or_default();
        base64::engine::general_purpose::STANDARD.decode(data).expect("base64")
    }

    /// Keeps a picture of the window for people to look at, in the directory `YUNYING_SCREENSHOTS` names, if it does.
    pub fn keep_screenshot(&mut self, name: &str) {
        let Some(dir) = std::env::var_os("YUNYING_SCREENSHOTS") else { return };
        let png = self.screenshot(None);
        std::fs::create_dir_all(&dir).expect("a directory for screenshots");
        std::fs::write(Path::new(&dir).join(format!("{name}.png")), png).expect("a screenshot is written");
    }

    /// Fails if the page complained about anything so far.
    pub fn assert_quiet(&mut self) {
        // Whatever was said before this answer has arrived with it.
        self.value("0");
        assert!(
            self.connection.complaints.is_empty(),
            "the page complained:\n{}",
            self.connection.complaints.join("\n")
        );
    }
}

fn key_code(key: &str) -> (String, u32) {
    let first = key.chars().next().unwrap_or(' ');
    match key {
        "Enter" => ("Enter".into(), 13),
        "Tab" => ("Tab".into(), 9),
        "Escape" => ("Escape".into(), 27),
        " " => ("Space".into(), 32),
        "PageUp" => ("PageUp".into(), 33),
        "PageDown" => ("PageDown".into(), 34),
        "ArrowUp" => ("ArrowUp".into(), 38),
        "ArrowDown" => ("ArrowDown".into(), 40),
        _ if key.len() > 1 && first == 'F' => (key.into(), 111 + key[1..].parse::<u32>().unwrap_or(1)),
        _ if first.is_ascii_alphabetic() => {
            (format!("Key{}", first.to_ascii_uppercase()), first.to_ascii_uppercase().into())
        }
        _ if first.is_ascii_digit() => (format!("Digit{first}"), first.into()),
        _ => (String::new(), 0),
    }
}

/// A JavaScript string literal.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
