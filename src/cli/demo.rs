//! `askance demo`: a service in memory, and a story of logins told over HTTP.

use super::serve::terminated;
use crate::app::App;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::server::Listen;
use crate::telemetry;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What happens in the story: each user's past, then one login of today a scene.
const STORY: &str = include_str!("demo/story.json");
/// The lists that the story needs: addresses for documentation (RFC 5737) play the bad ones.
const LISTS: [(&str, &str, &str); 2] = [
    ("demo-vpn", "anonymizer", include_str!("demo/vpn.netset")),
    ("demo-abuse", "abuse", include_str!("demo/abuse.netset")),
];
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Scene {
    title: String,
    past: Vec<Past>,
    /// Logins of the last minutes, alike but for the cookie.
    #[serde(default)]
    visits: Vec<Visit>,
    login: Map<String, Value>,
    /// Whose cookie the browser has: that of the answer to this visit, from 0.
    cookie: Option<usize>,
}

#[derive(Deserialize)]
struct Visit {
    seconds_ago: i64,
    cookie: Option<usize>,
}

#[derive(Deserialize)]
struct Past {
    hours_ago: i64,
    login: Map<String, Value>,
}

/// Starts the service, tells the story, and leaves the service running unless `exit`.
pub(super) fn run(exit: bool) -> Result<(), Box<dyn Error>> {
    let directory = PrivateDirectory::create()?;
    let config = Config::parse(&configuration(&directory.0, exit)?).map_err(crate::app::AppError::from)?;
    telemetry::start_log(config.telemetry);
    let app = App::build(config)?;
    let Some(Listen::Tcp(address)) = app.addresses()?.into_iter().next() else {
        return Err("the demo listens on TCP".into());
    };
    let (told, story_told) = tokio::sync::oneshot::channel();
    let story = std::thread::spawn(move || {
        let result = tell(address, exit).map_err(|error| error.to_string());
        let failed = result.is_err();
        told.send(exit || failed).unwrap_or_default();
        result
    });
    app.run(None, async {
        if !story_told.await.unwrap_or(true) {
            terminated().await;
        }
    })?;
    story.join().map_err(|_| "the story broke off")??;
    Ok(())
}

/// The defaults, with the story's lists. With `exit` the ports are free ones, so that a running service is not
/// disturbed.
fn configuration(directory: &Path, exit: bool) -> Result<String, Box<dyn Error>> {
    let mut config = "telemetry.log = 'error'\nmemory.backend = 'volatile'\n".to_owned();
    if exit {
        config.push_str("server.listen = '127.0.0.1:0'\nserver.admin_listen = '127.0.0.1:0'\n");
    }
    for (name, category, text) in LISTS {
        let path = directory.join(name);
        std::fs::write(&path, text)?;
        let path = Value::from(path.to_string_lossy());
        config.push_str(&format!(
            "[[signals.untrusted_ip.lists]]\nname = '{name}'\ncategory = '{category}'\npath = {path}\n"
        ));
    }
    Ok(config)
}

fn tell(address: SocketAddr, exit: bool) -> Result<(), Box<dyn Error>> {
    let scenes: Vec<Scene> = serde_json::from_str(STORY)?;
    let mut out = std::io::stdout();
    for (number, scene) in scenes.iter().enumerate() {
        // Each scene is a user of its own, so that no scene depends on the one before.
        let user = format!("demo-{number}");
        let now = Clock.now();
        let mut past = String::new();
        for login in &scene.past {
            past.push_str(&past_line(login, &user, now)?);
        }
        if !past.is_empty() {
            call(address, "/v1/import", "application/x-ndjson", &past)?;
        }
        let mut cookies = Vec::new();
        for visit in &scene.visits {
            let mut login = with_cookie(with_user(&scene.login, &user), visit.cookie, &cookies);
            let time = Timestamp::from_unix_ms(now.unix_ms() - visit.seconds_ago * 1000).ok_or("a past before 1970")?;
            login["time"] = time.to_string().into();
            let answer = call(address, "/v1/score", "application/json", &login.to_string())?;
            cookies.push(answer["device"]["token"].clone());
        }
        let login = with_cookie(with_user(&scene.login, &user), scene.cookie, &cookies);
        let answer = call(address, "/v1/score", "application/json", &login.to_string())?;
        writeln!(out, "{}", verdict_line(&scene.title, &answer))?;
    }
    if !exit {
        writeln!(out, "\nThe service goes on at http://{address}/v1/score; Ctrl-C ends it.")?;
    }
    Ok(())
}

fn past_line(past: &Past, user: &str, now: Timestamp) -> Result<String, Box<dyn Error>> {
    let time = Timestamp::from_unix_ms(now.unix_ms() - past.hours_ago * 3_600_000).ok_or("a past before 1970")?;
    let mut login = with_user(&past.login, user);
    login["time"] = time.to_string().into();
    login["result"] = "success".into();
    Ok(format!("{login}\n"))
}

fn with_user(login: &Map<String, Value>, id: &str) -> Value {
    let mut login = Value::Object(login.clone());
    login["user"]["id"] = id.into();
    login
}

fn with_cookie(mut login: Value, cookie: Option<usize>, cookies: &[Value]) -> Value {
    if let Some(cookie) = cookie.and_then(|at| cookies.get(at)) {
        login["device_token"] = cookie.clone();
    }
    login
}

fn verdict_line(title: &str, answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let reasons: Vec<String> =
        answer["reasons"].as_array().into_iter().flatten().map(|reason| text(&reason["text"])).collect();
    let confidence = text(&answer["risk_assessment"]["confidence"]);
    let remembered = if answer["remembered_browser"] == "ignored" { "; the remembered browser is ignored" } else { "" };
    let action = text(&answer["action"]);
    format!("{action:<13}{confidence:<8} {title:<50} {}{remembered}", reasons.join("; "))
}

/// One POST on a connection of its own.
fn call(address: SocketAddr, path: &str, content_type: &str, body: &str) -> Result<Value, Box<dyn Error>> {
    let mut stream = TcpStream::connect_timeout(&address, CALL_TIMEOUT)?;
    stream.set_read_timeout(Some(CALL_TIMEOUT))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the service hung up")?;
    if head.starts_with("HTTP/1.1 200") { Ok(serde_json::from_str(body)?) } else { Err(answer.into()) }
}

/// A directory that only this user can enter, removed when dropped.
struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    fn create() -> Result<Self, Box<dyn Error>> {
        use std::os::unix::fs::DirBuilderExt;
        let path = std::env::temp_dir().join(format!("askance-demo-{}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}
