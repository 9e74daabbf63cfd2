//! Starting Chromium and ending it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::cdp::Connection;
use super::page::Page;
use crate::need;

pub struct Browser {
    child: Child,
    profile: tempfile::TempDir,
}

impl Browser {
    /// `None` when there is no Chromium here; said and counted by [`need`].
    pub fn launch() -> Option<Self> {
        let chromium = need::program("chromium")?;
        let profile = tempfile::tempdir().expect("a temporary directory");
        let child = Command::new(chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            // WebGL2 without a graphics card.
            .args(["--enable-unsafe-swiftshader", "--use-angle=swiftshader"])
            .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--lang=zh-CN", "--force-color-profile=srgb"])
            .args(["--remote-debugging-port=0", "--window-size=1600,1000"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium starts");
        Some(Self { child, profile })
    }

    /// The browser's one page, `width` by `height` CSS pixels, one device pixel each.
    pub fn page(&self, width: u32, height: u32) -> Page {
        let (port, path) = devtools(self.profile.path());
        let mut connection = Connection::open(port, &path);
        let target = connection.command(None, "Target.createTarget", json!({ "url": "about:blank" }));
        let attached = connection.command(
            None,
            "Target.attachToTarget",
            json!({ "targetId": target["targetId"], "flatten": true }),
        );
        let session = attached["sessionId"].as_str().expect("a session").to_owned();
        Page::new(connection, session, width, height)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends its helpers when its main process goes.
        if self.child.kill().is_ok() {
            self.child.wait().expect("a killed child ends");
        }
    }
}

/// Chromium writes where it listens into its profile once it does.
fn devtools(profile: &Path) -> (u16, String) {
    let file = profile.join("DevToolsActivePort");
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        if let Some((port, path)) = text.trim().split_once('\n')
            && let Ok(port) = port.parse()
        {
            return (port, path.to_owned());
        }
        assert!(Instant::now() < deadline, "chromium does not listen after a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
}
