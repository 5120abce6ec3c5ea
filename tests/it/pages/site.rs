//! A site that was never changed: nginx with a login of its own in front of an application, and askance beside it, as the guide has it.
//!
//! Everybody is on this machine, so that what stands for somebody's network is a header: the proxy takes it for the client's address.

use super::browser::Browser;
use crate::factors::lab::{self, App, Provider};
use crate::hooks::peers::{free_address, is_tested};
use crate::hooks::support::HOME;
use crate::support::{Askance, CHROME, Settings, eventually, import, json_of};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// All of it. What was started ends with it.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) askance: Askance,
    /// Where codes arrive.
    pub(crate) provider: Provider,
    port: u16,
    nginx: Child,
    directory: TempDir,
}

/// The header by which a test says from where its browser calls.
const NETWORK: &str = "x-lab-address";

impl Site {
    /// A site where alice has been from home, an hour ago. `None` on a machine without browser or proxy, whose owner said so.
    pub(crate) fn start(change: impl Fn(Settings) -> Settings) -> Option<Self> {
        if !["nginx", "chromium", "chromedriver"].into_iter().all(is_tested) {
            return None;
        }
        let directory = TempDir::new().unwrap();
        let provider = Provider::start();
        let site = eventually("a port that nobody took first", || {
            let address = free_address()?;
            let settings = change(settings(&provider, &directory, address.port()));
            let askance = Askance::start(&settings);
            let nginx = start_nginx(&directory, address, askance.hooks().address());
            is_up(nginx, address).map(|nginx| (askance, nginx, address.port()))
        });
        let (askance, nginx, port) = site;
        import(&askance, "alice", json!({"ip": HOME, "device_id": null}));
        Some(Self { askance, provider, port, nginx, directory })
    }

    /// A browser that has never been here, at this address.
    pub(crate) fn browser(&self, from: &str) -> Browser {
        let browser = Browser::start(CHROME);
        move_to(&browser, from);
        browser
    }

    /// What of its site an address names.
    pub(crate) fn path_of(&self, url: &str) -> String {
        let (_, behind) = url.split_once(&format!(":{}/", self.port)).unwrap_or_else(|| panic!("{url}"));
        format!("/{behind}")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.url_by("localhost", path)
    }

    /// The same site by another name.
    pub(crate) fn url_by(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }

    /// The address at which nginx was asked for something that begins so, the last time.
    pub(crate) fn last_asked(&self, start: &str) -> String {
        let log = self.directory.path().join("asked.log");
        eventually(&format!("somebody asks for {start}"), || {
            let asked = std::fs::read_to_string(&log).unwrap();
            asked.lines().rev().find(|path| path.starts_with(start)).map(str::to_owned)
        })
    }

    /// Binds an app to the account of this user, as their own server does.
    pub(crate) fn with_app(&self, user: &str) -> App {
        let token = lab::minted(&lab::signing_up(user));
        let call = |path: &str, body: Value| json_of(&self.askance.main().post(path, &body));
        let begun = call("/v1/mfa/enroll", json!({"mfa_token": token, "factor": "totp"}));
        let app = App::new(begun["secret"].as_str().unwrap());
        let bind = json!({"mfa_token": token, "enrolment_id": begun["enrolment_id"], "code": app.code(0)});
        call("/v1/mfa/enroll/verify", bind);
        app
    }

    /// Logs in, as the site has it, on the way to `path`.
    pub(crate) fn enter(&self, browser: &Browser, user: &str, path: &str) {
        self.enter_by("localhost", browser, user, path);
    }

    pub(crate) fn enter_by(&self, host: &str, browser: &Browser, user: &str, path: &str) {
        browser.open(&format!("http://{user}:secret@{host}:{}{path}", self.port));
    }
}

/// The browser goes to another network.
pub(crate) fn move_to(browser: &Browser, address: &str) {
    browser.send_headers(&json!({NETWORK: address}));
}

impl Drop for Site {
    fn drop(&mut self) {
        self.nginx.kill().ok();
        self.nginx.wait().ok();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("nginx.log")).unwrap_or_default();
            eprintln!("--- log of nginx ---\n{log}\n---");
        }
    }
}

fn settings(provider: &Provider, directory: &TempDir, port: u16) -> Settings {
    let origin = format!("http://localhost:{port}");
    lab::settings(provider, directory.path())
        .set("mfa.factors", ["webauthn", "totp", "sms", "email", "backup_code"].map(str::to_owned).to_vec())
        .set("mfa.webauthn.rp_id", "localhost")
        .set("mfa.webauthn.origins", vec![origin.clone()])
        .set("hooks.listen", "127.0.0.1:0")
        .set("hooks.deadline_ms", 10_000)
        .set("hooks.email_header", "remote-email")
        .set("hooks.challenge_url", format!("{origin}/askance/challenge"))
        .set("hooks.return_hosts", ["localhost", "127.0.0.1"].map(|host| format!("{host}:{port}")).to_vec())
        .set("pages.name", "Example Post")
}

fn start_nginx(directory: &TempDir, address: SocketAddr, hooks: SocketAddr) -> Child {
    let path = directory.path();
    std::fs::write(path.join("users"), "alice:{PLAIN}secret\nbob:{PLAIN}secret\n").unwrap();
    std::fs::write(path.join("nginx.conf"), configuration(&path.display().to_string(), address, hooks)).unwrap();
    Command::new("nginx")
        .arg("-c")
        .arg(path.join("nginx.conf"))
        .arg("-p")
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(path.join("nginx.log")).unwrap())
        .spawn()
        .unwrap()
}

/// None when it ended, since somebody else has the port.
fn is_up(mut nginx: Child, address: SocketAddr) -> Option<Child> {
    let is_up = eventually("nginx listens", || {
        if nginx.try_wait().unwrap().is_some() {
            return Some(false);
        }
        TcpStream::connect(address).is_ok().then_some(true)
    });
    is_up.then_some(nginx)
}

/// As `examples/proxies/nginx` has it, but for the network of clients. The application is a page of nginx's own.
fn configuration(directory: &str, address: SocketAddr, hooks: SocketAddr) -> String {
    format!(
        "daemon off; master_process off; pid {directory}/nginx.pid; error_log stderr crit;
        events {{ worker_connections 64; }}
        http {{
            log_format asked '$request_uri';
            access_log {directory}/asked.log asked;
            client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
            fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
            map $http_x_lab_address $network {{ default {HOME}; ~. $http_x_lab_address; }}
            upstream askance {{ server {hooks}; keepalive 8; }}
            server {{
                listen {address};
                location / {{
                    auth_basic site;
                    auth_basic_user_file {directory}/users;
                    auth_request /_askance;
                    auth_request_set $askance_location $upstream_http_location;
                    error_page 401 = @prove;
                    error_page 500 = @down;
                    default_type text/html;
                    add_header Cache-Control no-store;
                    try_files /none @app;
                }}
                location @app {{
                    default_type text/html;
                    return 200 '<!doctype html><html lang=en><title>App</title><link rel=icon href=data:,><h1>The app of $remote_user</h1><p>$request_uri</p>';
                }}
                location @prove {{
                    if ($askance_location = \"\") {{ return 401; }}
                    return 302 $askance_location;
                }}
                location @down {{ return 503; }}
                # What nobody has to log in for.
                location = /welcome {{
                    default_type text/html;
                    return 200 '<!doctype html><html lang=en><title>App</title><link rel=icon href=data:,><h1>Welcome</h1>';
                }}
                location = /framing {{
                    default_type text/html;
                    return 200 '<!doctype html><title>Framing</title><iframe src=\"$arg_page\"></iframe>';
                }}
                location /askance/ {{
                    proxy_pass http://askance;
                    proxy_http_version 1.1;
                    proxy_set_header Connection \"\";
                    proxy_set_header Host $http_host;
                    proxy_set_header X-Forwarded-For $network;
                    proxy_set_header X-Forwarded-Proto $scheme;
                    proxy_set_header X-Forwarded-Host $http_host;
                }}
                location = /_askance {{
                    internal;
                    proxy_pass http://askance/v1/hook/nginx;
                    proxy_pass_request_body off;
                    proxy_http_version 1.1;
                    proxy_set_header Connection \"\";
                    proxy_set_header Content-Length \"\";
                    proxy_set_header Remote-User $remote_user;
                    proxy_set_header Remote-Email $remote_user@example.org;
                    proxy_set_header X-Forwarded-For $network;
                    proxy_set_header X-Forwarded-Proto $scheme;
                    proxy_set_header X-Forwarded-Host $http_host;
                    proxy_set_header X-Forwarded-Uri $request_uri;
                    proxy_set_header X-Forwarded-Method $request_method;
                }}
            }}
        }}"
    )
}
