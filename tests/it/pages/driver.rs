//! ChromeDriver, and the little of WebDriver that is needed to speak with it. **Source:** W3C WebDriver, level 2.

use crate::support::client::Endpoint;
use crate::support::{Connection, Request};
use serde_json::{Value, json};
use std::fmt;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long a browser may take for one thing. A bound against hanging: a busy machine takes many seconds to start one.
const PATIENCE: Duration = Duration::from_secs(90);

/// One browser, with a profile of its own. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Session {
    driver: Child,
    address: SocketAddr,
    id: String,
    /// The browser's own process, which is not in the group of the driver's.
    browser: Option<u64>,
    _profile: TempDir,
}

/// What WebDriver says instead of a result.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Its word for it, such as `no such element`.
    pub(crate) error: String,
    pub(crate) message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error, self.message)
    }
}

impl Session {
    /// `preferences` are those of a Chromium profile.
    pub(crate) fn start(preferences: &Value, arguments: &[String]) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver: {error}"));
        let mut lines = BufReader::new(driver.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| line.split("started successfully on port ").nth(1)?.trim_end_matches('.').parse().ok());
        let port: u16 = port.expect("chromedriver says where it listens");
        // What it says later is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = TempDir::new().expect("a temporary directory");
        let mut session = Self {
            driver,
            address: ([127, 0, 0, 1], port).into(),
            id: String::new(),
            browser: None,
            _profile: profile,
        };
        session.begin(preferences, arguments);
        session
    }

    fn begin(&mut self, preferences: &Value, arguments: &[String]) {
        let profile = format!("--user-data-dir={}", self._profile.path().display());
        let usual = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-extensions",
            "--disable-default-apps",
            "--no-proxy-server",
            "--hide-scrollbars",
        ];
        let arguments: Vec<&str> =
            usual.into_iter().chain([&*profile]).chain(arguments.iter().map(String::as_str)).collect();
        let options = json!({"args": arguments, "prefs": preferences});
        let wanted = json!({"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}});
        let begun = self.call("POST", "/session", Some(&wanted));
        let begun = begun.unwrap_or_else(|refused| panic!("no session: {refused}"));
        begun["sessionId"].as_str().expect("a session has an id").clone_into(&mut self.id);
        self.browser = begun["capabilities"]["goog:processID"].as_u64();
    }

    /// A command of this session that has to work.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.try_post(path, body).unwrap_or_else(|refused| panic!("POST {path} {body}: {refused}"))
    }

    pub(crate) fn try_post(&self, path: &str, body: &Value) -> Result<Value, Refused> {
        self.call("POST", &format!("/session/{}{path}", self.id), Some(body))
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.try_get(path).unwrap_or_else(|refused| panic!("GET {path}: {refused}"))
    }

    pub(crate) fn try_get(&self, path: &str) -> Result<Value, Refused> {
        self.call("GET", &format!("/session/{}{path}", self.id), None)
    }

    pub(crate) fn delete(&self, path: &str) {
        let done = self.call("DELETE", &format!("/session/{}{path}", self.id), None);
        done.unwrap_or_else(|refused| panic!("DELETE {path}: {refused}"));
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Refused> {
        let endpoint = Endpoint::Tcp(self.address);
        let mut connection = Connection::open(&endpoint).unwrap_or_else(|error| panic!("chromedriver: {error}"));
        connection.set_patience(PATIENCE).expect("it is no zero");
        let request = Request::new(method, path).header("connection", "close");
        let request = body.into_iter().fold(request, Request::json);
        connection.write(&request.bytes(&endpoint)).unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let answer = connection.read_response().unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let told: Value =
            serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{method} {path}: {answer:?}"));
        let mut value = told["value"].clone();
        if answer.status == 200 {
            return Ok(value);
        }
        let error = value["error"].as_str().unwrap_or_default().to_owned();
        Err(Refused { error, message: value["message"].take().to_string() })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The driver takes the browser with it, unless it is gone itself.
        let endpoint = Endpoint::Tcp(self.address);
        let ended = Connection::open(&endpoint).and_then(|mut connection| {
            let request = Request::new("DELETE", &format!("/session/{}", self.id)).header("connection", "close");
            connection.write(&request.bytes(&endpoint))?;
            connection.read_response()
        });
        if let Some(browser) = self.browser.filter(|_| ended.is_err()) {
            Command::new("kill").args(["-KILL", &browser.to_string()]).status().ok();
        }
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}
