//! A server that asks by itself, a provider of messages that keeps what it is sent, and an app.

use crate::support::{Askance, Request, Response, Settings, json_of, risky_login, secrets, with};
use askance::clock::{Clock, Timestamp};
use askance::event::FactorSet;
use askance::memory::decisions::{ClientTag, DecisionId};
use askance::mfa::sealing::Keys;
use askance::mfa::{MfaToken, TokenKind, totp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use toml::Table;

/// The secret of `mfa.key_files`, so that tests can make tokens.
pub(super) const SECRET: [u8; 32] = [0x5c; 32];

/// A provider of messages: takes what the connector `http` sends, and answers as it is told.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    taken: Arc<Mutex<Vec<Value>>>,
    answer: Arc<Mutex<String>>,
}

impl Provider {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (taken, answer) = (Arc::default(), Arc::new(Mutex::new("200 OK".to_owned())));
        let provider = Self { address, taken: Arc::clone(&taken), answer: Arc::clone(&answer) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (taken, answer): (Arc<Mutex<Vec<Value>>>, Arc<Mutex<String>>) =
                    (Arc::clone(&taken), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &taken, &answer));
            }
        });
        provider
    }

    /// From now on it answers with this status line, and headers behind it.
    pub(crate) fn answer(&self, head: &str) {
        head.clone_into(&mut self.answer.lock().unwrap());
    }

    /// The last message to this recipient.
    pub(crate) fn last(&self, to: &str) -> Value {
        let taken = self.taken.lock().unwrap();
        taken.iter().rev().find(|message| message["to"] == to).cloned().unwrap_or_else(|| panic!("{to} got nothing"))
    }

    /// The last code that this recipient was sent.
    pub(crate) fn code(&self, to: &str) -> String {
        self.last(to)["payload"]["code"].as_str().unwrap().to_owned()
    }

    pub(crate) fn count(&self) -> usize {
        self.taken.lock().unwrap().len()
    }
}

/// One request a connection.
fn serve(stream: TcpStream, taken: &Mutex<Vec<Value>>, answer: &Mutex<String>) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let head = answer.lock().unwrap().clone();
    if head.starts_with('2') {
        let message = serde_json::from_slice(&body).unwrap_or_default();
        secrets::note_members(&message);
        taken.lock().unwrap().push(message);
    }
    let answer = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    // Whoever went away needs no answer.
    let _gone = reader.into_inner().write_all(answer.as_bytes());
}

/// A server that asks by itself.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) server: Askance,
    pub(crate) provider: Provider,
    files: TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(|settings| settings)
    }

    pub(crate) fn with(change: impl FnOnce(Settings) -> Settings) -> Self {
        let (provider, files) = (Provider::start(), TempDir::new().unwrap());
        let settings = change(settings(&provider, files.path()));
        Self::over(&settings, provider, files)
    }

    pub(super) fn over(settings: &Settings, provider: Provider, files: TempDir) -> Self {
        Self { server: Askance::start(settings), provider, files }
    }

    /// With a store that outlives the process.
    pub(crate) fn lasting(state: &Path) -> Self {
        let (provider, files) = (Provider::start(), TempDir::new().unwrap());
        let settings = lasting(&provider, files.path(), state);
        Self::over(&settings, provider, files)
    }

    /// Ends the process without a warning, and starts another one over the same store.
    pub(crate) fn crash(&mut self, state: &Path) {
        self.server.signal("KILL");
        self.server.wait_for_exit();
        self.server = Askance::start(&lasting(&self.provider, self.files.path(), state));
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        self.server.main().post(path, body)
    }

    pub(crate) fn good(&self, path: &str, body: &Value) -> Value {
        json_of(&self.post(path, body))
    }

    /// A login at low confidence, changed as told, and what it answers about asking.
    pub(crate) fn risky(&self, user: &str, change: Value) -> Value {
        let login = with(with(risky_login(user), json!({"user": {"enrolled_factors": null}})), change);
        json_of(&self.server.main().score(&login))
    }

    /// Its token.
    pub(crate) fn token(&self, user: &str) -> String {
        token_of(&self.risky(user, json!({})))
    }

    pub(crate) fn factors(&self, token: &str) -> Value {
        json_of(&self.server.main().send(factors(token)))
    }

    /// Begins a challenge of this factor, and gives its id.
    pub(crate) fn challenge(&self, token: &str, factor: &str) -> String {
        let begun = self.good("/v1/mfa/challenge", &json!({"mfa_token": token, "factor": factor}));
        begun["challenge_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn verify(&self, token: &str, challenge: &str, code: &str) -> Response {
        self.post("/v1/mfa/verify", &json!({"mfa_token": token, "challenge_id": challenge, "code": code}))
    }

    /// Binds an app as a new account does, and gives the app and the backup codes that came with it.
    pub(crate) fn with_app(&self, user: &str) -> (App, Vec<String>) {
        self.bind_app(&minted(&signing_up(user)))
    }

    /// The same with a token that admits it.
    pub(crate) fn bind_app(&self, token: &str) -> (App, Vec<String>) {
        let begun = self.good("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": "totp"}));
        let mut app = App::new(begun["secret"].as_str().unwrap());
        let (id, code) = (begun["enrolment_id"].as_str().unwrap(), app.code(0));
        let bind = json!({"mfa_token": token, "enrolment_id": id, "code": code});
        let bound = self.good("/v1/mfa/enroll/verify", &bind);
        app.bound_with = code;
        let codes = bound["backup_codes"].as_array().into_iter().flatten();
        (app, codes.map(|code| code.as_str().unwrap().to_owned()).collect())
    }
}

pub(super) fn lasting(provider: &Provider, files: &Path, state: &Path) -> Settings {
    let settings = settings(provider, files).set("memory.backend", "embedded");
    settings.set("memory.path", state.to_str().unwrap())
}

/// What a server needs to ask by itself, with files in a directory that outlives it.
pub(crate) fn settings(provider: &Provider, files: &Path) -> Settings {
    let connector = |kind: &str| {
        let url = format!("http://{}/send", provider.address);
        let pairs = [("name", kind), ("kind", kind), ("type", "http"), ("url", url.as_str())];
        let mut entry: Table = pairs.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        entry.insert("allow".to_owned(), vec!["127.0.0.1".to_owned()].into());
        entry
    };
    Settings::new()
        .set("mfa.enabled", true)
        .set("mfa.factors", ["totp", "sms", "email", "backup_code"].map(str::to_owned).to_vec())
        .set("mfa.key_files", key_file(files).to_str().unwrap())
        .push("mfa.connectors", connector("sms"))
        .push("mfa.connectors", connector("email"))
}

pub(crate) fn key_file(files: &Path) -> PathBuf {
    let path = files.join("mfa.key");
    let key = "5c".repeat(32);
    secrets::note("a key of factors", &key);
    std::fs::write(&path, key).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A key that signs assertions.
pub(crate) fn assertion_key(files: &Path) -> PathBuf {
    let path = files.join("assertion.pem");
    std::fs::write(&path, askance::mfa::assertion::SigningKey::generate().unwrap()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// An authenticator app.
#[derive(Debug)]
pub(crate) struct App {
    secret: Vec<u8>,
    /// The code that it was bound with.
    pub(crate) bound_with: String,
}

impl App {
    pub(crate) fn new(secret: &str) -> Self {
        secrets::note("the secret of an app", secret);
        Self { secret: totp::import(secret).unwrap(), bound_with: String::new() }
    }

    /// The code of the step that is so many later than that of now.
    pub(crate) fn code(&self, steps: i64) -> String {
        let at = Timestamp::from_unix_ms(Clock.now().unix_ms() + steps * 30_000).unwrap();
        let code = totp::shown(&self.secret, at);
        secrets::note("a code", &code);
        code
    }
}

pub(crate) fn factors(token: &str) -> Request {
    Request::new("GET", "/v1/mfa/factors").header("x-askance-mfa-token", token)
}

pub(crate) fn token_of(scored: &Value) -> String {
    scored["mfa"]["mfa_token"].as_str().unwrap_or_else(|| panic!("no token: {scored}")).to_owned()
}

/// A token as a server with [`SECRET`] makes it.
pub(crate) fn minted(token: &MfaToken) -> String {
    token.mint(&Keys::new(SECRET, None)).unwrap()
}

/// How tokens name a client.
pub(crate) fn tag_of(client: &str) -> ClientTag {
    let digest: [u8; 32] = Sha256::digest(client.as_bytes()).into();
    ClientTag(u64::from_le_bytes(digest[..8].try_into().unwrap()))
}

/// What stands for a new account.
pub(crate) fn signing_up(user: &str) -> MfaToken {
    let mut decision = [0; 16];
    getrandom::fill(&mut decision).unwrap();
    MfaToken {
        kind: TokenKind::SignUp,
        made: Clock.now(),
        client: ClientTag(0),
        decision: DecisionId::from_bytes(decision),
        tenant: "default".to_owned(),
        user: user.to_owned(),
        offered: FactorSet::ALL,
        is_device_known: true,
        ip: None,
        email: None,
        session: None,
        action: None,
    }
}
