//! Debian's Dovecot, which asks by its `auth_policy`, and logins by IMAP. It starts its parts as users of their own, so the test runs as root.

use super::peers::{free_address, is_tested};
use super::support::settings;
use crate::support::{ApiClient, Askance, PATIENCE, eventually, json_of, time_from_now};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Ended with all its parts when dropped.
struct Dovecot {
    child: Child,
    address: SocketAddr,
    directory: TempDir,
}

impl Dovecot {
    fn start(hooks: SocketAddr, key: &str) -> Self {
        let directory = TempDir::new().unwrap();
        // Its parts have users of their own, who have to come in.
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(directory.path(), open).unwrap();
        let (child, address) = eventually("a port that nobody took first", || {
            let address = free_address()?;
            let path = directory.path().join("dovecot.conf");
            std::fs::write(&path, configuration(&directory.path().display().to_string(), address, hooks, key)).unwrap();
            let mut child = Command::new("dovecot")
                .args(["-F", "-c", path.to_str().unwrap()])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let is_up = eventually("Dovecot listens", || {
                if child.try_wait().unwrap().is_some() {
                    return Some(false);
                }
                TcpStream::connect(address).is_ok().then_some(true)
            });
            is_up.then_some((child, address))
        });
        Self { child, address, directory }
    }

    /// The server's answer to a login.
    fn log_in(&self, user: &str) -> String {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.starts_with("* OK"), "{line}");
        reader.get_mut().write_all(format!("a LOGIN {user} secret\r\n").as_bytes()).unwrap();
        loop {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "the connection ended");
            if let Some(answer) = line.strip_prefix("a ") {
                return answer.trim_end().to_owned();
            }
        }
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // It ends its parts only where it is asked to end.
        Command::new("kill").arg(self.child.id().to_string()).status().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            eprintln!("--- log of Dovecot ---\n{log}\n---");
        }
    }
}

fn configuration(directory: &str, address: SocketAddr, hooks: SocketAddr, key: &str) -> String {
    let port = address.port();
    format!(
        "base_dir = {directory}/run
state_dir = {directory}/run
log_path = {directory}/log
listen = 127.0.0.1
protocols = imap
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{directory}/mail/%u
auth_policy_server_url = http://{hooks}/v1/hook/dovecot
auth_policy_server_api_header = X-API-Key: {key}
auth_policy_server_timeout_msecs = 10000
auth_policy_hash_nonce = x
auth_policy_check_before_auth = no
auth_policy_check_after_auth = yes
auth_policy_report_after_auth = yes
auth_policy_reject_on_fail = yes
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={directory}/home/%u
}}
first_valid_uid = 1
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"
    )
}

#[test]
fn a_login_by_imap_is_let_in_or_refused_and_what_became_of_it_is_told() {
    if !is_tested("dovecot") {
        return;
    }
    let (mail, operator) = (ApiClient::new("mail", &["score"]), ApiClient::new("operator", &["history"]));
    let server = Askance::start(&settings().client(&mail).client(&operator));
    let operator = server.main().with_key(&operator.key);
    let past = json!({
        "user": {"id": "alice"}, "ip": "127.0.0.1", "time": time_from_now(-3_600), "result": "success", "mfa_passed": true,
    });
    assert_eq!(json_of(&operator.import(&[past]))["recorded"], 1);
    let dovecot = Dovecot::start(server.hooks().address(), &mail.key);

    let refused = dovecot.log_in("stranger");
    assert!(refused.starts_with("NO [ALERT] This login is unusual."), "{refused}");
    let let_in = dovecot.log_in("Alice");
    assert!(let_in.starts_with("OK"), "{let_in}");
    let decisions = |user: &str| json_of(&operator.get(&format!("/v1/decisions?user={user}")))["decisions"].clone();
    eventually("the outcome is told", || (decisions("alice")[0]["outcome"] == "success").then_some(()));
    assert_eq!(decisions("alice").as_array().map(Vec::len), Some(1), "asked once or more, decided once");
    assert_eq!(decisions("stranger")[0]["outcome"], json!(null), "what was refused was not completed");
}
