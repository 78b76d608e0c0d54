//! A real browser: Debian's Chromium, driven over the WebDriver protocol (W3C) by a few calls of our own. The clients that
//! there are for Rust bring a licence that asks for more than a notice, or change how serde_json orders what the program
//! under test reads; and the protocol is JSON over HTTP.
//!
//! A person's ways are used where there is a choice: what is pressed is pressed, what is typed goes key by key.
#![allow(dead_code)]

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The longest that the browser may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// By which an element is named in the protocol (WebDriver §12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const SPACE: &str = " ";
pub const DOWN: &str = "\u{e015}";
pub const UP: &str = "\u{e013}";

pub struct Browser {
    at: SocketAddr,
    session: String,
    driver: Child,
    /// The browser's own process, which does not end with its driver.
    process: Option<Pid>,
    profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A test that failed leaves no browser behind.
        let _ = self.driver.start_kill();
        if let Some(process) = self.process {
            let _ = kill_process(process, Signal::KILL);
        }
    }
}

/// What a browser is started with.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Whether pages may run scripts.
    pub scripts: bool,
    /// The time zone of the machine that it runs on.
    pub zone: &'static str,
}

/// The message for whoever has no browser.
fn missing(program: &str, error: &std::io::Error) -> String {
    format!(
        "{program} cannot be started ({error}). The pages are tested in a real browser; install it, for instance: \
         sudo apt-get install chromium chromium-driver"
    )
}

impl Browser {
    /// Starts a browser with a profile of its own.
    pub async fn open(kind: Kind) -> Browser {
        let profile = tempfile::tempdir().unwrap();
        let mut driver = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .env("TZ", kind.zone)
            .env("LANGUAGE", "en_US")
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}", missing("chromedriver", &error)));
        let mut told = BufReader::new(driver.stdout.take().unwrap()).lines();
        let started = async {
            while let Some(line) = told.next_line().await.unwrap() {
                if let Some((_, port)) = line.split_once("successfully on port ") {
                    return port.trim_end_matches('.').parse::<u16>().unwrap();
                }
            }
            panic!("chromedriver ended before it listened");
        };
        let port = tokio::time::timeout(PATIENCE, started).await.unwrap();
        // Whatever else it says is read, so that it never waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = told.next_line().await {} });
        let mut browser = Browser {
            at: SocketAddr::from(([127, 0, 0, 1], port)),
            session: String::new(),
            driver,
            process: None,
            profile,
        };
        browser.begin(kind).await;
        browser
    }

    async fn begin(&mut self, kind: Kind) {
        let folder = self.profile.path().join("profile");
        let folder = format!("--user-data-dir={}", folder.display());
        let mut arguments = vec![
            "--headless=new",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--lang=en-US",
            // As on a telephone: they lie above the page and take no room.
            "--hide-scrollbars",
            &folder,
        ];
        if rustix::process::getuid().is_root() {
            // Chromium's sandbox does not start as root, as in a container.
            arguments.push("--no-sandbox");
        }
        // 1 is yes, 2 is no.
        let scripts = if kind.scripts { 1 } else { 2 };
        let asked = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {
                "binary": binary(),
                "args": arguments,
                "prefs": { "profile.managed_default_content_settings.javascript": scripts },
            },
        }}});
        let made = self.ask("POST", "/session", Some(asked)).await;
        let made = made.unwrap_or_else(|error| panic!("Chromium does not start: {error}"));
        self.session = made["sessionId"].as_str().unwrap().to_owned();
        let process = made["capabilities"]["goog:processID"].as_i64();
        self.process = process.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    }

    /// Ends the browser and its driver.
    pub async fn close(mut self) {
        let _ = self.call("DELETE", "", None).await;
        self.process = None;
        let _ = self.driver.kill().await;
    }

    /// A call of the protocol, below the session.
    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let whole = format!("/session/{}{path}", self.session);
        let answered = self.ask(method, &whole, body).await;
        answered.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
        let talk = async {
            let stream = TcpStream::connect(self.at).await.unwrap();
            let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            let body = body.map_or_else(String::new, |body| body.to_string());
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header("host", self.at.to_string())
                .header("content-type", "application/json")
                .body(Body::from(body))
                .unwrap();
            let answer = sender.send_request(request).await.unwrap();
            let status = answer.status();
            let bytes = answer.into_body().collect().await.unwrap().to_bytes();
            let mut told: Value = serde_json::from_slice(&bytes).unwrap();
            match status.is_success() {
                true => Ok(told["value"].take()),
                false => Err(told["value"]["message"].to_string()),
            }
        };
        let answered = tokio::time::timeout(PATIENCE, talk).await;
        answered.unwrap_or_else(|_| Err(format!("no answer in {PATIENCE:?}")))
    }

    pub async fn go(&self, url: &str) {
        let body = json!({ "url": url });
        self.call("POST", "/url", Some(body)).await;
    }

    pub async fn title(&self) -> String {
        let title = self.call("GET", "/title", None).await;
        title.as_str().unwrap().to_owned()
    }

    async fn find(&self, css: &str) -> String {
        let body = json!({ "using": "css selector", "value": css });
        let found = self.call("POST", "/element", Some(body)).await;
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Presses what this selector finds, as with a mouse or a finger.
    pub async fn press(&self, css: &str) {
        let id = self.find(css).await;
        self.call("POST", &format!("/element/{id}/click"), Some(json!({})))
            .await;
    }

    /// Presses what leads to another page, and waits for it.
    pub async fn follow(&self, css: &str) {
        self.turns(self.press(css)).await;
    }

    /// Does what leads to another page. It is there when what stood on the one before can be found no more; each answer
    /// of the browser's is waited for, and it ends by itself.
    pub async fn turns(&self, act: impl Future<Output = ()>) {
        let before = self.find("html").await;
        act.await;
        let path = format!("/session/{}/element/{before}/name", self.session);
        let state = "return document.readyState";
        let turning = async {
            while self.ask("GET", &path, None).await.is_ok() {}
            while self.run(state).await != "complete" {}
        };
        let turned = tokio::time::timeout(PATIENCE, turning).await;
        turned.unwrap_or_else(|_| panic!("no other page came within {PATIENCE:?}"));
    }

    /// Types into a field.
    pub async fn enter(&self, css: &str, text: &str) {
        let id = self.find(css).await;
        let body = json!({ "text": text });
        self.call("POST", &format!("/element/{id}/value"), Some(body))
            .await;
    }

    /// Chooses an option of a list by its value.
    pub async fn choose(&self, list: &str, value: &str) {
        self.press(&format!("{list} option[value='{value}']")).await;
    }

    /// What an element shows.
    pub async fn text(&self, css: &str) -> String {
        let id = self.find(css).await;
        let text = self.call("GET", &format!("/element/{id}/text"), None).await;
        text.as_str().unwrap().to_owned()
    }

    /// What an element is set to: its DOM property.
    pub async fn is(&self, css: &str, property: &str) -> Value {
        let id = self.find(css).await;
        self.call("GET", &format!("/element/{id}/property/{property}"), None)
            .await
    }

    /// Keys on the keyboard, one after the other, wherever the focus is.
    pub async fn keys(&self, keys: &str) {
        let mut actions = Vec::new();
        for key in keys.chars() {
            actions.push(json!({ "type": "keyDown", "value": key.to_string() }));
            actions.push(json!({ "type": "keyUp", "value": key.to_string() }));
        }
        let body = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] });
        self.call("POST", "/actions", Some(body)).await;
    }

    /// The `id` of what has the focus; of what has none, what it is.
    pub async fn focused(&self) -> String {
        let active = self.call("GET", "/element/active", None).await;
        let id = active[ELEMENT].as_str().unwrap();
        let read = |what: &str| {
            let path = format!("/element/{id}/{what}");
            async move { self.call("GET", &path, None).await }
        };
        let own = read("property/id").await;
        match own.as_str().filter(|own| !own.is_empty()) {
            Some(own) => own.to_owned(),
            None => read("name").await.as_str().unwrap().to_owned(),
        }
    }

    /// Tabs on until this element has the focus, seeing each time that the focus is shown.
    #[track_caller]
    pub fn tab_to<'a>(&'a self, id: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let mut passed = Vec::new();
            while passed.len() < 80 {
                self.keys(TAB).await;
                let at = self.focused().await;
                if at == id {
                    let script = "return getComputedStyle(document.activeElement).outlineStyle";
                    let shown = self.run(script).await;
                    assert_ne!(shown, "none", "{caller}: the focus on {id} cannot be seen");
                    return;
                }
                passed.push(at);
            }
            panic!("{caller}: Tab never comes to {id}, but to {passed:?}");
        }
    }

    /// What a script of the test's gives back.
    pub async fn run(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.call("POST", "/execute/sync", Some(body)).await
    }

    /// The same of one that calls its last argument back.
    pub async fn run_async(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.call("POST", "/execute/async", Some(body)).await
    }

    /// Chromium's own protocol.
    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.call("POST", "/goog/cdp/execute", Some(body)).await
    }

    /// A screen of this width, as a telephone has it or a desk; a window cannot be made so narrow.
    pub async fn width(&self, width: u32) {
        let screen =
            json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", screen)
            .await;
    }

    /// The whole page as a picture, in target/screenshots.
    pub async fn picture(&self, name: &str) {
        let folder = target("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let asked = json!({ "format": "png", "captureBeyondViewport": true });
        let made = self.devtools("Page.captureScreenshot", asked).await;
        let bytes = STANDARD.decode(made["data"].as_str().unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }
}

/// A file below `target/`, where `scripts/test` puts the programs of others.
pub fn target(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target")
        .join(name)
}

/// Debian's name for it, or the one under which others have it.
fn binary() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    for name in ["chromium", "chromium-browser", "google-chrome"] {
        let found = std::env::split_paths(&path).map(|folder| folder.join(name));
        if let Some(found) = found.into_iter().find(|file| file.is_file()) {
            return found;
        }
    }
    let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
    panic!("{}", missing("chromium", &gone));
}
