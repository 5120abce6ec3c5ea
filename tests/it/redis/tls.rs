//! TLS and a password on the way to a real Redis.

use super::processes::Keys;
use super::replica::{Replica, Setup, open, run, setup};
use crate::support::redis::RedisServer;
use crate::support::{Askance, json_of, plain_login};
use crate::tls::authority::Authority;
use askance::memory::redis::RedisUrl;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

const PASSWORD: &str = "of these tests";

struct Lab {
    directory: TempDir,
    server: RedisServer,
    tls_port: u16,
}

impl Lab {
    /// Its server is called `localhost`, and nothing else.
    fn new(issue: impl Fn(&Authority) -> crate::tls::authority::Pair) -> Self {
        let directory = TempDir::new().unwrap();
        let authority = Authority::new(directory.path(), "authority");
        let pair = issue(&authority);
        let (server, tls_port) = RedisServer::start_tls(&pair.cert, &pair.key, &authority.cert);
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("requirepass").arg(PASSWORD).exec(&mut server.connect()).unwrap();
        Self { directory, server, tls_port }
    }

    fn named_localhost() -> Self {
        Self::new(|authority| authority.issue("redis", "DNS:localhost"))
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn setup(&self) -> Setup {
        Setup {
            url: RedisUrl::parse(&format!("rediss://localhost:{}", self.tls_port)).expect("a URL"),
            password: Some(PASSWORD.to_owned()),
            authorities: Some(std::fs::read(self.path("authority.crt")).unwrap()),
            ..setup(&self.server.url())
        }
    }
}

fn refusal(setup: &Setup) -> String {
    open(setup).map(drop).expect_err("not to be talked to").to_string()
}

#[test]
fn replicas_share_what_they_know_over_tls() {
    let lab = Lab::named_localhost();
    let open = || -> Replica { open(&lab.setup()).expect("the server is who it says") };
    let (one, other) = (open(), open());
    run(async {
        let judged = one.log_in("alice", 1).await;
        assert!(judged.is_shared, "{judged:?}");
        assert_eq!(other.log_in("alice", 2).await.known, Some(1));
        let waits = one.challenge("alice", 3).await;
        assert!(other.succeed(waits.id).await.is_ok(), "with what must be durable, on connections of its own");
    });
}

#[test]
fn a_server_that_is_not_who_it_should_be_is_not_talked_to() {
    let lab = Lab::named_localhost();
    let foreign = Authority::new(lab.directory.path(), "foreign");
    let foreign = Some(std::fs::read(&foreign.cert).unwrap());
    let url = |text: String| RedisUrl::parse(&text).expect("a URL");
    let by_address = url(format!("rediss://127.0.0.1:{}", lab.tls_port));
    let in_clear = url(format!("redis://127.0.0.1:{}", lab.tls_port));
    for (what, setup) in [
        ("signed by somebody else", Setup { authorities: foreign, ..lab.setup() }),
        ("by nobody whom the system knows", Setup { authorities: None, ..lab.setup() }),
        ("of another name", Setup { url: by_address, ..lab.setup() }),
        ("asked in clear", Setup { url: in_clear, ..lab.setup() }),
        ("without a password", Setup { password: None, ..lab.setup() }),
        ("with another password", Setup { password: Some("other".to_owned()), ..lab.setup() }),
        ("with authorities that are none", Setup { authorities: Some(b"what".to_vec()), ..lab.setup() }),
    ] {
        let refused = refusal(&setup);
        assert!(refused.contains(&lab.tls_port.to_string()) && !refused.contains(PASSWORD), "{what}: {refused}");
    }
    assert!(open(&lab.setup()).is_ok(), "it serves those who ask it rightly");
    let expired = Lab::new(|authority| authority.issue_expired("redis", "DNS:localhost"));
    refusal(&expired.setup());
}

#[test]
fn a_process_takes_authority_and_password_from_files() {
    let (lab, keys) = (Lab::named_localhost(), Keys::new());
    let password = lab.path("password");
    let write = |mode: u32| {
        std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        std::fs::set_permissions(&password, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let text = |path: &Path| path.to_str().expect("a UTF-8 path").to_owned();
    let settings = keys
        .settings(&lab.server)
        .set("memory.timeout_ms", 5_000)
        .set("memory.url", format!("rediss://localhost:{}", lab.tls_port))
        .set("memory.redis.ca_file", text(&lab.path("authority.crt")))
        .set("memory.redis.password_file", text(&password));
    write(0o644);
    let refusal = Askance::try_start(&settings, TempDir::new().unwrap()).expect_err("others may read it");
    assert!(refusal.log.contains("memory.redis.password_file"), "{}", refusal.log);
    write(0o600);
    let askance = Askance::start(&settings);
    let answer = json_of(&askance.main().score(&plain_login("alice")));
    assert_eq!(answer.get("degraded"), None, "{answer}");
    assert!(!askance.log().contains(PASSWORD));
}
