//! Recipes for the refusals of calls about factors: each asks for what only a state of its own refuses.

use super::errors::{broken_off, request};
use crate::factors::lab::{App, Lab, assertion_key, factors, key_file, minted, signing_up, tag_of, token_of};
use crate::support::authenticator::Authenticator;
use crate::support::client::Client;
use crate::support::contract::contract;
use crate::support::contract::document::Operation;
use crate::support::redis::RedisServer;
use crate::support::{ApiClient, Askance, Request, Response, Settings, with};
use askance::event::FactorSet;
use askance::memory::decisions::ClientTag;
use askance::mfa::token::Email;
use askance::mfa::{MfaToken, TokenKind};
use serde_json::{Value, json};
use std::cell::Cell;
use std::path::Path;
use tempfile::TempDir;

/// Servers that ask by themselves.
pub(super) struct FactorLab {
    asking: Lab,
    keyed: Lab,
    /// Has passkeys, and no choice.
    strict: Lab,
    /// Was left alone for two minutes, where codes are good for one: with a token and what it asked for, each.
    late: (Lab, [(String, String); 2]),
    /// Has nobody to carry codes.
    mute: Lab,
    /// Does not wait long.
    hasty: Askance,
    /// Takes no large bodies.
    frugal: Askance,
    /// Has lost its Redis.
    bereft: Askance,
    _files: TempDir,
    users: Cell<u32>,
}

const ORIGIN: &str = "https://login.example.org";
const NUMBER: &str = "+819012349999";

impl FactorLab {
    pub(super) fn new() -> Self {
        let clients = [("idp", &["score", "mfa"][..]), ("boss", &["admin"]), ("desk", &["history"])];
        let keyed = |settings| {
            clients
                .iter()
                .fold(settings, |settings: Settings, (name, scopes)| settings.client(&ApiClient::new(name, scopes)))
        };
        let asks = Settings::new().set("mfa.enabled", true);
        let files = TempDir::new().unwrap();
        Self {
            asking: Lab::new(),
            keyed: Lab::with(keyed),
            strict: Lab::with(|settings| {
                settings
                    .set("mfa.policy", "mandatory")
                    .set("mfa.factors", ["webauthn", "totp"].map(str::to_owned).to_vec())
                    .set("mfa.webauthn.rp_id", "example.org")
                    .set("mfa.webauthn.origins", vec![ORIGIN.to_owned()])
            }),
            late: late(files.path()),
            mute: Lab::with(|settings| settings.set("mfa.connectors", Vec::<toml::Value>::new())),
            hasty: Askance::start(&asks.clone().set("server.request_timeout_ms", 1_000)),
            frugal: Askance::start(&asks.set("server.body_bytes_max", 1_024)),
            bereft: lose_redis(&files),
            _files: files,
            users: Cell::new(0),
        }
    }

    /// The refusal that a code names; `None` where others know how.
    pub(super) fn provoke(&self, operation: &Operation, code: &str) -> Option<Response> {
        let main = self.asking.server.main();
        let good = self.good(operation, &self.new_token());
        let body = good.plain_body().and_then(|body| serde_json::from_slice::<Value>(body).ok());
        let to = |body: &Value| Request::new(&operation.method, good.path()).json(body);
        Some(match code {
            "request.malformed_json" => main.send(to(&json!({})).body("{nope")),
            "request.truncated" => broken_off(&main, &good, operation.listener, true),
            "request.timeout" => broken_off(&self.hasty.main(), &good, operation.listener, false),
            "request.too_large" => self.frugal.main().send(to(&body?).body(" ".repeat(2_048))),
            "request.content_type" => main.send(Request::new(&operation.method, good.path()).content("text/plain", "")),
            "request.invalid" => match body {
                Some(body) => main.send(to(&with(body, json!({"unknown": 1})))),
                None => main.send(Request::new(&operation.method, &format!("{}?tenant=default", good.path()))),
            },
            "request.not_found" if operation.id == "removeFactor" => main.send(good),
            "request.method_not_allowed" => main.send(Request::new("BREW", good.path())),
            "auth.key_invalid" => self.keyed.server.main().send(good),
            "auth.scope_missing" => self.as_client("desk").send(good),
            "auth.tenant" => self.of_another_tenant(operation),
            "auth.not_local" => main.send(good.header("origin", "https://example.org")),
            "memory.unavailable" => self.bereft.main().send(good),
            "mfa_token.expired" => {
                let made = askance::clock::Timestamp::from_unix_s(1_000_000);
                self.asking.server.main().send(self.good(operation, &minted(&MfaToken { made, ..signing_up("late") })))
            }
            "mfa_token.invalid" => main.send(self.good(operation, "none")),
            "mfa_token.other_client" => {
                main.send(self.good(operation, &minted(&MfaToken { client: ClientTag(1), ..signing_up("alien") })))
            }
            _ => return self.of_factors(operation, code),
        })
    }

    fn of_factors(&self, operation: &Operation, code: &str) -> Option<Response> {
        match &*operation.id {
            "beginChallenge" => self.challenge(code),
            "answerChallenge" => self.answer(code),
            "beginEnrolment" => self.enroll(code),
            "endEnrolment" => self.bind(code),
            "skipPrompt" => Some(match code {
                "session.mfa.require_mfa_verification" => {
                    let token = MfaToken { kind: TokenKind::Login, ..signing_up("eager") };
                    self.asking.post("/v1/mfa/skip", &json!({"mfa_token": minted(&token)}))
                }
                "session.mfa.mfa_policy_not_user_controlled" => {
                    let token = MfaToken { kind: TokenKind::Login, ..signing_up("eager") };
                    self.strict.post("/v1/mfa/skip", &json!({"mfa_token": minted(&token)}))
                }
                _ => return None,
            }),
            _ => self.manage(operation, code),
        }
    }

    fn challenge(&self, code: &str) -> Option<Response> {
        let ask = |lab: &Lab, token: &str, factor: &str| {
            lab.post("/v1/mfa/challenge", &json!({"mfa_token": token, "factor": factor}))
        };
        Some(match code {
            "session.mfa.mfa_factor_not_enabled" => ask(&self.asking, &self.new_token(), "totp"),
            "user.missing_mfa" => self.asking.post("/v1/mfa/challenge", &json!({"mfa_token": self.new_token()})),
            "verification_code.locked" => ask(&self.asking, &self.locked_app(), "totp"),
            "request.message_rate_limited" => {
                let token = self.with_email();
                assert_eq!(ask(&self.asking, &token, "email").status, 200);
                ask(&self.asking, &token, "email")
            }
            _ => self.by_provider(code, |lab| ask(lab, &self.with_email(), "email"))?,
        })
    }

    fn answer(&self, code: &str) -> Option<Response> {
        let lab = &self.asking;
        let token = self.with_email();
        let sent = |token: &str| {
            let id = lab.challenge(token, "email");
            let code = lab.provider.code("contract@example.org");
            let wrong = if code == "000000" { "000001" } else { "000000" };
            (id, code, wrong)
        };
        Some(match code {
            "session.mfa.invalid_totp_code" | "session.mfa.invalid_backup_code" => {
                let user = self.user();
                lab.with_app(&user);
                let (token, factor) =
                    (minted(&signing_up(&user)), if code.contains("totp") { "totp" } else { "backup_code" });
                lab.verify(&token, &lab.challenge(&token, factor), "no code")
            }
            "session.mfa.webauthn_verification_failed" => self.other_passkey(),
            "verification_code.expired" => {
                let (lab, [(token, id), _]) = &self.late;
                lab.verify(token, id, &lab.provider.code("contract@example.org"))
            }
            "verification_code.not_found" => lab.verify(&token, &"0".repeat(32), "123456"),
            "verification_code.code_mismatch" => {
                let (id, _, wrong) = sent(&token);
                lab.verify(&token, &id, wrong)
            }
            "verification_code.exceed_max_try" => {
                let (id, right, wrong) = sent(&token);
                (0..10).for_each(|_| drop(lab.verify(&token, &id, wrong)));
                lab.verify(&token, &id, &right)
            }
            "verification_code.locked" => {
                let user = self.user();
                lab.with_app(&user);
                let token = minted(&MfaToken { is_device_known: false, ..signing_up(&user) });
                let id = lab.challenge(&token, "totp");
                (0..20).for_each(|_| drop(lab.verify(&token, &id, "no code")));
                lab.verify(&token, &id, "no code")
            }
            "decision.not_found" => {
                let user = self.user();
                let (_, codes) = lab.with_app(&user);
                let token = minted(&MfaToken { kind: TokenKind::Login, ..signing_up(&user) });
                lab.verify(&token, &lab.challenge(&token, "backup_code"), &codes[0])
            }
            "decision.already_settled" => {
                let user = self.user();
                let (_, codes) = lab.with_app(&user);
                let scored = lab.risky(&user, json!({}));
                let token = token_of(&scored);
                let outcome = format!("/v1/decisions/{}/outcome", scored["decision_id"].as_str().unwrap());
                assert_eq!(lab.post(&outcome, &json!({"result": "failure"})).status, 204);
                lab.verify(&token, &lab.challenge(&token, "backup_code"), &codes[0])
            }
            _ => return None,
        })
    }

    fn enroll(&self, code: &str) -> Option<Response> {
        let begin = |lab: &Lab, token: &str, factor: &str| {
            lab.post("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": factor}))
        };
        let sms = |lab: &Lab, token: &str| {
            lab.post("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": "sms", "phone_number": "+819012345678"}))
        };
        let lab = &self.asking;
        Some(match code {
            "session.mfa.mfa_factor_not_enabled" => begin(lab, &self.new_token(), "webauthn"),
            "session.mfa.require_mfa_verification" => {
                let user = self.user();
                lab.with_app(&user);
                begin(lab, &minted(&signing_up(&user)), "sms")
            }
            "session.mfa.backup_code_can_not_be_alone" => begin(lab, &self.new_token(), "backup_code"),
            "user.totp_already_in_use" => {
                let token = self.new_token();
                lab.bind_app(&token);
                begin(lab, &token, "totp")
            }
            "verification_code.locked" => sms(lab, &self.locked_number().0),
            "request.message_rate_limited" => {
                let token = self.new_token();
                let mail =
                    json!({"mfa_token": token, "factor": "email", "email": format!("{}@example.org", self.user())});
                assert_eq!(lab.post("/v1/mfa/enroll", &mail).status, 200);
                lab.post("/v1/mfa/enroll", &mail)
            }
            _ => self.by_provider(code, |lab| sms(lab, &self.new_token()))?,
        })
    }

    fn bind(&self, code: &str) -> Option<Response> {
        let lab = &self.asking;
        let bind = |lab: &Lab, token: &str, id: &Value, answer: Value| {
            lab.post("/v1/mfa/enroll/verify", &with(json!({"mfa_token": token, "enrolment_id": id}), answer))
        };
        let token = self.new_token();
        let mail = |token: &str| {
            let address = format!("{}@example.org", self.user());
            let begun = lab.good("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": "email", "email": address}));
            let code = lab.provider.code(&address);
            let wrong = if code == "000000" { "000001" } else { "000000" };
            (begun["enrolment_id"].clone(), code, wrong)
        };
        Some(match code {
            "session.mfa.invalid_totp_code" => {
                let begun = lab.good("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": "totp"}));
                bind(lab, &token, &begun["enrolment_id"], json!({"code": "no code"}))
            }
            "session.mfa.webauthn_verification_failed" => {
                let begun = self.strict.good("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": "webauthn"}));
                bind(&self.strict, &token, &begun["enrolment_id"], json!({"credential": {"id": "none"}}))
            }
            "session.mfa.require_mfa_verification" => {
                let user = self.user();
                let late = minted(&signing_up(&user));
                let begun = lab.good("/v1/mfa/enroll", &json!({"mfa_token": late, "factor": "totp"}));
                lab.with_app(&user);
                bind(lab, &late, &begun["enrolment_id"], json!({"code": "no code"}))
            }
            "user.totp_already_in_use" => self.second_app(),
            "verification_code.expired" => {
                let (lab, [_, (token, id)]) = &self.late;
                bind(lab, token, &json!(id), json!({"code": lab.provider.code(NUMBER)}))
            }
            "verification_code.not_found" => bind(lab, &token, &json!("0".repeat(32)), json!({"code": "123456"})),
            "verification_code.code_mismatch" => {
                let (id, _, wrong) = mail(&token);
                bind(lab, &token, &id, json!({"code": wrong}))
            }
            "verification_code.exceed_max_try" => {
                let (id, right, wrong) = mail(&token);
                (0..10).for_each(|_| drop(bind(lab, &token, &id, json!({"code": wrong}))));
                bind(lab, &token, &id, json!({"code": right}))
            }
            "verification_code.locked" => {
                let (token, id) = self.locked_number();
                bind(lab, &token, &id, json!({"code": "123456"}))
            }
            _ => return None,
        })
    }

    fn manage(&self, operation: &Operation, code: &str) -> Option<Response> {
        let to = |path: &str| {
            Request::new(
                &operation.method,
                &operation.path.replace("{id}", path).replace("{factor_id}", "0123456789abcdef"),
            )
        };
        Some(match code {
            "session.mfa.require_mfa_verification" => self.as_client("idp").send(to("alice")),
            "session.mfa.mfa_factor_not_enabled" => self.strict.server.main().send(to("alice")),
            "session.mfa.backup_code_can_not_be_alone" => self.asking.server.main().send(to("nobody")),
            _ => return None,
        })
    }

    /// Of a login that has a token, the outcome that somebody else tells.
    pub(super) fn not_verified(&self) -> Response {
        let user = self.user();
        self.asking.with_app(&user);
        let scored = self.asking.risky(&user, json!({}));
        let outcome = format!("/v1/decisions/{}/outcome", scored["decision_id"].as_str().unwrap());
        self.asking.post(&outcome, &json!({"result": "success", "factor": "totp"}))
    }

    /// Refusals that the provider is the cause of.
    fn by_provider(&self, code: &str, call: impl Fn(&Lab) -> Response) -> Option<Response> {
        let head = match code {
            "connector.not_configured" => return Some(call(&self.mute)),
            "connector.general" => "500 Internal Server Error",
            "connector.rate_limit_exceeded" => "429 Too Many Requests\r\nretry-after: 7",
            _ => return None,
        };
        self.asking.provider.answer(head);
        let answer = call(&self.asking);
        self.asking.provider.answer("200 OK");
        Some(answer)
    }

    /// A request that nothing is wrong with but what a recipe makes of it, with this token.
    fn good(&self, operation: &Operation, token: &str) -> Request {
        let good = request(operation);
        match good.plain_body().and_then(|body| serde_json::from_slice::<Value>(body).ok()) {
            Some(body) => Request::new(&operation.method, good.path()).json(&with(body, json!({"mfa_token": token}))),
            None if operation.id == "listOfferedFactors" => factors(token),
            // An operator needs no token, and what is shown counts.
            None if token == "none" || operation.path.contains("{id}") && !token.is_empty() && !self.is_new(token) => {
                Request::new(&operation.method, good.path()).header("x-askance-mfa-token", token)
            }
            None => Request::new(&operation.method, good.path()),
        }
    }

    /// Whether it is one of [`Self::new_token`], which management has no use for.
    fn is_new(&self, token: &str) -> bool {
        let keys = askance::mfa::sealing::Keys::new([0x5c; 32], None);
        MfaToken::open(&keys, token, ClientTag(0), askance::clock::Clock.now()).is_ok()
    }

    fn of_another_tenant(&self, operation: &Operation) -> Response {
        let token = minted(&MfaToken { client: tag_of("idp"), tenant: "other".to_owned(), ..signing_up("alice") });
        if operation.path.starts_with("/v1/users/") {
            let request = Request::new(&operation.method, request(operation).path());
            return self.as_client("boss").send(request.header("x-askance-tenant", "other"));
        }
        self.as_client("idp").send(self.good(operation, &token))
    }

    fn as_client(&self, name: &str) -> Client {
        self.keyed.server.main().with_key(&ApiClient::new(name, &[]).key)
    }

    /// The answer of a passkey that is not the user's.
    fn other_passkey(&self) -> Response {
        let (lab, user) = (&self.strict, self.user());
        let token = minted(&signing_up(&user));
        let begun = lab.good("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": "webauthn"}));
        let credential = Authenticator::new(ORIGIN).register(&begun["public_key"]);
        let bind = json!({"mfa_token": token, "enrolment_id": begun["enrolment_id"], "credential": credential});
        lab.good("/v1/mfa/enroll/verify", &bind);
        let token = minted(&signing_up(&user));
        let begun = lab.good("/v1/mfa/challenge", &json!({"mfa_token": token, "factor": "webauthn"}));
        let credential = Authenticator::new(ORIGIN).answer(&begun["public_key"]);
        let answer = json!({"mfa_token": token, "challenge_id": begun["challenge_id"], "credential": credential});
        lab.post("/v1/mfa/verify", &answer)
    }

    /// The end of an enrolment that began before another one of the same user bound an app; each after a proof of its own.
    fn second_app(&self) -> Response {
        let (lab, user) = (&self.asking, self.user());
        let token = minted(&signing_up(&user));
        let sms = json!({"mfa_token": token, "factor": "sms", "phone_number": NUMBER});
        let begun = lab.good("/v1/mfa/enroll", &sms);
        let bind =
            json!({"mfa_token": token, "enrolment_id": begun["enrolment_id"], "code": lab.provider.code(NUMBER)});
        let codes = lab.good("/v1/mfa/enroll/verify", &bind)["backup_codes"].clone();
        let begun = [0, 1].map(|at| {
            let (token, code) = (minted(&signing_up(&user)), codes[at].as_str().unwrap());
            assert_eq!(lab.verify(&token, &lab.challenge(&token, "backup_code"), code).status, 200);
            let begun = lab.good("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": "totp"}));
            (token, begun)
        });
        let [first, second] = begun.map(|(token, begun)| {
            let code = App::new(begun["secret"].as_str().unwrap()).code(0);
            json!({"mfa_token": token, "enrolment_id": begun["enrolment_id"], "code": code})
        });
        lab.good("/v1/mfa/enroll/verify", &first);
        lab.post("/v1/mfa/enroll/verify", &second)
    }

    fn user(&self) -> String {
        self.users.set(self.users.get() + 1);
        format!("contract-{}", self.users.get())
    }

    fn new_token(&self) -> String {
        minted(&signing_up(&self.user()))
    }

    /// Of a user without factors, whose address the login told.
    fn with_email(&self) -> String {
        let email = Email { address: "contract@example.org".to_owned(), is_settled: true };
        minted(&MfaToken { email: Some(email), offered: FactorSet::EMPTY, ..signing_up(&self.user()) })
    }

    /// A stranger's, whose side has guessed too often at an app.
    fn locked_app(&self) -> String {
        let (lab, user) = (&self.asking, self.user());
        lab.with_app(&user);
        let token = minted(&MfaToken { is_device_known: false, ..signing_up(&user) });
        let id = lab.challenge(&token, "totp");
        (0..20).for_each(|_| drop(lab.verify(&token, &id, "no code")));
        token
    }

    /// The same at codes that were sent to numbers: a token, and an enrolment that was begun before.
    fn locked_number(&self) -> (String, Value) {
        let (lab, user) = (&self.asking, self.user());
        let begun: Vec<(String, Value)> = ["+819012340001", "+819012340002", "+819012340003"]
            .into_iter()
            .map(|number| {
                let token = minted(&MfaToken { is_device_known: false, ..signing_up(&user) });
                let sms = json!({"mfa_token": token, "factor": "sms", "phone_number": number});
                (token.clone(), lab.good("/v1/mfa/enroll", &sms)["enrolment_id"].clone())
            })
            .collect();
        for (token, id) in &begun[..2] {
            let wrong = json!({"mfa_token": token, "enrolment_id": id, "code": "no code"});
            (0..10).for_each(|_| drop(lab.post("/v1/mfa/enroll/verify", &wrong)));
        }
        begun[2].clone()
    }
}

/// Two minutes ago it asked for an address and for a number.
fn late(files: &Path) -> (Lab, [(String, String); 2]) {
    Lab::after(&files.join("late"), |past| {
        let email = Email { address: "contract@example.org".to_owned(), is_settled: true };
        let asked = MfaToken { email: Some(email), offered: FactorSet::EMPTY, ..signing_up("late-at-the-address") };
        let binding = signing_up("late-at-the-number");
        [(minted(&asked), past.challenge(&asked)), (minted(&binding), past.enrolment(&binding, NUMBER))]
    })
}

/// Shares its memory with a server that is gone.
fn lose_redis(files: &TempDir) -> Askance {
    let mut redis = RedisServer::start();
    let key = key_file(files.path());
    let key = key.to_str().unwrap();
    let settings = Settings::new()
        .set("mfa.enabled", true)
        .set("memory.backend", "redis")
        .set("memory.url", redis.url())
        .set("privacy.pseudonymise_key_file", key)
        .set("device_token.key_files", vec![key.to_owned()])
        .set("mfa.key_files", key)
        .set("mfa.assertion.key_files", vec![assertion_key(files.path()).to_str().unwrap().to_owned()]);
    let server = Askance::start(&settings);
    redis.kill();
    server
}

/// Whether it is one of the calls about factors.
pub(super) fn is_of_factors(operation: &Operation) -> bool {
    let written = &contract().document.value()["paths"][&operation.path][operation.method.to_ascii_lowercase()];
    written["tags"][0] == "factors"
}
