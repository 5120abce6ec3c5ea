//! `/v1/users/{id}`: what is remembered of a user, the export of it, and its end.

use crate::support::{
    ApiClient, Askance, CHROME, Client, Request, Response, Settings, assert_problem, import, json_of, plain_login,
    risky_login, score, time_from_now, with,
};
use serde_json::{Value, json};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";

fn delete(client: &Client, path: &str) -> Response {
    client.send(Request::new("DELETE", path))
}

fn assert_deleted(client: &Client, path: &str) {
    let answer = delete(client, path);
    assert_eq!((answer.status, answer.body.as_slice()), (204, &b""[..]), "{}", answer.text());
}

fn of_user(client: &Client, user: &str) -> Value {
    let answer = client.get(&format!("/v1/users/{user}"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    json_of(&answer)
}

fn export(client: &Client, user: &str) -> Value {
    json_of(&client.get(&format!("/v1/users/{user}/export")))
}

fn nothing() -> Value {
    json!({"devices": [], "places": [], "open_decisions": []})
}

fn device_leg(answer: &Value) -> &str {
    answer["risk_assessment"]["assessments"]["NewDevice"]["details"]["device"].as_str().unwrap_or("none")
}

fn code(answer: &Value) -> &str {
    answer["risk_assessment"]["assessments"]["NewDevice"]["code"].as_str().unwrap()
}

/// The id under which the user's device is shown that was last seen in this browser.
fn device_id(client: &Client, user: &str, family: &str) -> String {
    let shown = of_user(client, user);
    let device = shown["devices"].as_array().unwrap().iter().find(|device| device["family"] == family);
    device.unwrap_or_else(|| panic!("no {family}: {shown}"))["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_unknown_user_has_empty_lists_and_looking_remembers_nobody() {
    let server = Askance::start(&Settings::new());
    assert_eq!(of_user(&server.main(), "nobody"), nothing());
    let export = export(&server.main(), "nobody");
    assert_eq!((&export["user"], &export["last_login_at"]), (&json!("nobody"), &Value::Null));
    assert_deleted(&server.main(), "/v1/users/nobody");
    assert_deleted(&server.main(), "/v1/users/nobody/devices/0123456789abcdef");
    assert_eq!(code(&score(&server, "nobody", json!({}))), "initial_login");
}

#[test]
fn devices_places_and_open_decisions_are_shown() {
    let server = Askance::start(&Settings::new());
    let (client, long_ago) = (server.main(), time_from_now(-9 * 86_400));
    import(&server, "shown", json!({"time": long_ago, "user_agent": FIREFOX}));
    let there = json!({"ip": "81.2.69.142", "edge": {"asn": 64_500}, "time": time_from_now(-7_200)});
    import(&server, "shown", there);
    import(&server, "shown", json!({"time": time_from_now(-60), "device_id": "d2", "user_agent": null}));
    let challenge = json_of(&client.score(&risky_login("shown")));
    assert_eq!(challenge["action"], "challenge", "{challenge}");

    let shown = of_user(&client, "shown");
    let devices = shown["devices"].as_array().unwrap();
    let seen: Vec<_> = devices.iter().map(|device| (&device["family"], &device["last_seen"])).collect();
    let chrome = json!("Chrome on Windows (pc)");
    let (hour_ago, minute_ago) = (&shown["places"][0]["time"], &shown["devices"][0]["last_seen"]);
    assert_eq!(seen, [(&Value::Null, minute_ago), (&chrome, hour_ago)], "{shown}");
    assert_eq!(devices[0]["first_seen"], devices[0]["last_seen"], "used once: {shown}");
    let first = devices[1]["first_seen"].as_str().unwrap();
    assert!(first <= &*long_ago && first > &*time_from_now(-9 * 86_400 - 600), "{first} {long_ago}");
    let members: Vec<_> = devices[0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["family", "first_seen", "id", "last_seen"]);

    let place = &shown["places"][0];
    assert_eq!((&place["country"], &place["network"]), (&json!("GB"), &json!("AS64500")), "{place}");
    assert_eq!(place["resolution"], "country", "{place}");
    assert!(place["latitude"].is_f64() && place["longitude"].is_f64() && place.get("city").is_none(), "{place}");
    assert_eq!(shown["places"].as_array().unwrap().len(), 1);

    let open = &shown["open_decisions"][0];
    assert_eq!((&open["decision_id"], &open["outcome"]), (&challenge["decision_id"], &Value::Null), "{shown}");
    assert!(open["expires_at"].is_string() && open["demand_mfa"] == true, "{open}");
    let path = format!("/v1/decisions/{}/outcome", challenge["decision_id"].as_str().unwrap());
    assert_eq!(client.post(&path, &json!({"result": "failure"})).status, 204);
    assert_eq!(of_user(&client, "shown")["open_decisions"], json!([]), "nothing is open any more");
}

#[test]
fn an_export_holds_all_that_is_held() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    let paris = json!({"location": {"latitude": 48.85, "longitude": 2.35, "country": "FR"}});
    import(&server, "export", with(paris, json!({"time": time_from_now(-9 * 86_400)})));
    let usual = json!({"ip": "81.2.69.142", "edge": {"asn": 64_500}, "time": time_from_now(-3 * 86_400)});
    import(&server, "export", usual);
    let allowed = json_of(&client.score(&with(plain_login("export"), json!({"device_id": "d1"}))));
    let cookie = json!({"device_token": json_of(&client.score(&plain_login("export")))["device"]["token"]});
    json_of(&client.score(&with(plain_login("export"), cookie)));
    let path = format!("/v1/decisions/{}/feedback", allowed["decision_id"].as_str().unwrap());
    assert_eq!(client.post(&path, &json!({"label": "fraud"})).status, 204);
    json_of(&client.score(&risky_login("export")));

    let export = export(&client, "export");
    let members: Vec<_> = export.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "agents",
        "countries",
        "decisions",
        "devices",
        "exported_at",
        "last_confirmed_place_at",
        "last_factor_at",
        "last_fraud_label_at",
        "last_login_at",
        "last_unmet_demand_at",
        "marks",
        "networks",
        "places",
        "tenant",
        "user",
    ];
    assert_eq!(members, expected, "{export}");
    let today = &time_from_now(0)[..10];
    assert_eq!(export["agents"][0]["family"], "Chrome on Windows (pc)", "{export}");
    assert_eq!(export["agents"][0]["version"], 131, "{export}");
    let network = &export["networks"][1];
    assert!(network["id"].as_str().is_some_and(|id| id.len() == 8) && network["asn"] == 64_500, "{export}");
    assert_eq!(network["last_day"], time_from_now(-3 * 86_400)[..10], "{export}");
    assert_eq!(export["countries"][1]["country"], "GB", "{export}");
    assert_eq!(export["countries"][1]["days"], json!([today, &time_from_now(-3 * 86_400)[..10]]), "{export}");
    let place = &export["places"][0];
    assert_eq!((&place["country"], &place["resolution"]), (&json!("FR"), &json!("city")), "{export}");
    assert_eq!((&place["latitude"], &place["radius_km"]), (&json!(48.85), &json!(50.0)), "{export}");
    let token = |device: &Value| device["token"]["generation"].as_u64();
    let devices = export["devices"].as_array().unwrap();
    assert!(devices.iter().any(|device| token(device).is_some()), "the cookie's device: {export}");
    let marks: Vec<_> =
        export["marks"].as_array().unwrap().iter().flat_map(|mark| mark.as_object().unwrap().keys()).collect();
    assert!(["device", "address", "login_at"].iter().all(|name| marks.contains(&&(*name).to_owned())), "{export}");
    assert!(export["last_fraud_label_at"].is_string() && export["last_unmet_demand_at"].is_null(), "{export}");

    let decisions = export["decisions"].as_array().unwrap();
    let outcomes: Vec<_> = decisions.iter().map(|decision| decision["outcome"].as_str()).collect();
    assert_eq!(outcomes, [None, Some("success"), Some("success"), Some("success")], "newest first: {export}");
    let first = decisions.last().unwrap();
    assert_eq!(first["decision_id"], allowed["decision_id"]);
    assert_eq!((&first["user"], &first["ip"]), (&json!("export"), &json!("81.2.69.142")), "{first}");
    assert_eq!(first["login"]["devices"].as_array().map(Vec::len), Some(1), "{first}");
    assert_eq!(first["login"]["place"]["country"], "GB", "{first}");
    assert_eq!(export["tenant"], "default", "{export}");
}

#[test]
fn an_erased_user_is_gone_everywhere() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    import(&server, "erased", json!({}));
    import(&server, "neighbour", json!({}));
    let cookie = json!({"device_token": json_of(&client.score(&plain_login("erased")))["device"]["token"]});
    let allowed = score(&server, "erased", json!({}));
    let challenge = json_of(&client.score(&risky_login("erased")));
    let lapses = json_of(&client.score(&risky_login("erased")));
    assert_eq!((&allowed["action"], &challenge["action"]), (&json!("allow"), &json!("challenge")));
    let tell = |decision: &Value, what: &str, body: Value| {
        client.post(&format!("/v1/decisions/{}/{what}", decision["decision_id"].as_str().unwrap()), &body)
    };
    assert_eq!(tell(&lapses, "outcome", json!({"result": "abandoned"})).status, 204);
    assert_eq!(tell(&allowed, "feedback", json!({"label": "fraud"})).status, 204);

    assert_deleted(&client, "/v1/users/erased");
    assert_eq!(of_user(&client, "erased"), nothing());
    assert_eq!(export(&client, "erased")["decisions"], json!([]));
    assert_eq!(json_of(&client.get("/v1/decisions?user=erased"))["decisions"], json!([]));
    let success = json!({"result": "success", "factor": "totp"});
    for decision in [&allowed, &challenge, &lapses] {
        assert_problem(&tell(decision, "outcome", success.clone()), 404, "decision.not_found");
        assert_problem(&tell(decision, "feedback", json!({"label": "fraud"})), 404, "decision.not_found");
    }
    let again = json_of(&client.score(&with(plain_login("erased"), cookie)));
    assert_eq!(code(&again), "initial_login", "whatever cookie is sent: {again}");
    let assessments = &again["risk_assessment"]["assessments"];
    assert_eq!(assessments["Reported"]["code"], "not_reported", "neither marks nor demands: {again}");
    assert_eq!(of_user(&client, "erased")["devices"].as_array().map(Vec::len), Some(1), "it learns anew");
    assert_deleted(&client, "/v1/users/erased");
    assert_deleted(&client, "/v1/users/erased");
    assert_eq!(code(&score(&server, "neighbour", json!({}))), "match");
}

#[test]
fn a_forgotten_device_is_new_again_by_id_and_by_cookie() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    import(&server, "device", json!({}));
    import(&server, "device", json!({"device_id": "d2", "user_agent": FIREFOX}));
    assert_eq!(device_leg(&score(&server, "device", json!({}))), "known");
    let waits = score(&server, "device", json!({"ip": "999.1.1.1"}));
    assert_eq!(waits["action"], "challenge", "{waits}");

    let id = device_id(&client, "device", "Chrome on Windows (pc)");
    assert_deleted(&client, &format!("/v1/users/device/devices/{id}"));
    let path = format!("/v1/decisions/{}/outcome", waits["decision_id"].as_str().unwrap());
    assert_eq!(client.post(&path, &json!({"result": "success", "factor": "totp"})).status, 204);
    assert_eq!(of_user(&client, "device")["devices"].as_array().map(Vec::len), Some(1), "nor by a login under way");
    assert_eq!(device_leg(&score(&server, "device", json!({}))), "unknown");
    let other = score(&server, "device", json!({"device_id": "d2", "user_agent": FIREFOX}));
    assert_eq!(device_leg(&other), "known", "the other device stays: {other}");

    let token = |answer: &Value| json!({"device_token": answer["device"]["token"]});
    let cookie = token(&json_of(&client.score(&plain_login("browser"))));
    let known = json_of(&client.score(&with(plain_login("browser"), cookie)));
    assert_eq!(device_leg(&known), "known", "{known}");
    let id = device_id(&client, "browser", "Chrome on Windows (pc)");
    assert_deleted(&client, &format!("/v1/users/browser/devices/{id}"));
    let after = json_of(&client.score(&with(plain_login("browser"), token(&known))));
    assert_eq!((device_leg(&after), &after["device"]["presented"]), ("unknown", &json!("good")), "{after}");
    let learnt = json_of(&client.score(&with(plain_login("browser"), token(&after))));
    assert_eq!(device_leg(&learnt), "known", "and can be learnt again: {learnt}");
}

#[test]
fn tenants_are_apart() {
    let (own, all) = (ApiClient::new("own", &["history", "score"]), ApiClient::new("all", &["history", "score"]));
    let (own, all) = (own.tenants(&["acme"]), all.tenants(&["default", "acme", "Bücher"]));
    let server = Askance::start(&Settings::new().client(&own).client(&all));
    let [own, all] = [own, all].map(|client| server.main().with_key(&client.key));
    for tenant in ["default", "acme", "Bücher"] {
        json_of(&all.score(&with(plain_login("alice"), json!({"tenant": tenant, "device_id": "d1"}))));
    }
    let call = |client: &Client, method: &str, path: &str, tenant: &str| {
        client.send(Request::new(method, path).header("x-askance-tenant", tenant))
    };
    let devices =
        |tenant: &str| json_of(&call(&all, "GET", "/v1/users/alice", tenant))["devices"].as_array().map(Vec::len);
    let acme = json_of(&call(&own, "GET", "/v1/users/alice", "acme"));
    let id = acme["devices"][0]["id"].as_str().unwrap();
    assert_eq!(call(&own, "DELETE", &format!("/v1/users/alice/devices/{id}"), "acme").status, 204);
    assert_eq!(["default", "acme", "Bücher"].map(devices), [Some(1), Some(0), Some(1)]);
    assert_eq!(call(&all, "DELETE", "/v1/users/alice", "Bücher").status, 204);
    assert_eq!(["default", "Bücher"].map(devices), [Some(1), Some(0)]);
    assert_deleted(&all, "/v1/users/alice");
    assert_eq!(devices("default"), Some(0), "no header is the default tenant");

    let one = "/v1/users/alice";
    for (method, path) in [
        ("GET", one),
        ("DELETE", one),
        ("GET", "/v1/users/alice/export"),
        ("DELETE", "/v1/users/alice/devices/0123456789abcdef"),
        ("GET", "/v1/decisions"),
    ] {
        assert_problem(&own.send(Request::new(method, path)), 403, "auth.tenant");
        assert_problem(&call(&own, method, path, "default"), 403, "auth.tenant");
        for bad in ["", &"x".repeat(257)] {
            let document = assert_problem(&call(&all, method, path, bad), 422, "request.invalid");
            assert_eq!(document["field"], "x-askance-tenant", "{document}");
        }
        let twice = Request::new(method, path).header("x-askance-tenant", "acme").header("X-Askance-Tenant", "acme");
        assert_eq!(assert_problem(&all.send(twice), 422, "request.invalid")["field"], "x-askance-tenant");
    }
}

#[test]
fn an_id_is_percent_encoded_and_read_strictly() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    let user = "a/b c?é%+#";
    import(&server, user, json!({}));
    let shown = of_user(&client, "a%2fb%20c%3F%c3%A9%25+%23");
    assert_eq!(shown["devices"].as_array().map(Vec::len), Some(1), "{shown}");
    let long = "x".repeat(256);
    assert_eq!(of_user(&client, &long), nothing());
    for bad in ["%", "%4", "%zz", "%ff", "", &format!("{long}x"), &"%41".repeat(257)] {
        for path in [format!("/v1/users/{bad}"), format!("/v1/users/{bad}/devices/0123456789abcdef")] {
            let document = assert_problem(&delete(&client, &path), 422, "request.invalid");
            assert_eq!(document["field"], "id", "{path}");
        }
    }
    for device in ["", "d1", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeg", "+123456789abcdef"] {
        let answer = delete(&client, &format!("/v1/users/alice/devices/{device}"));
        assert_problem(&answer, 404, "request.not_found");
    }
    for path in ["/v1/users", "/v1/users/a/b", "/v1/users/a/devices", "/v1/users/a/devices/b/c", "/v1/users/a/export/"]
    {
        assert_problem(&client.get(path), 404, "request.not_found");
    }
    let document = assert_problem(&delete(&client, "/v1/users/alice?tenant=acme"), 422, "request.invalid");
    assert_eq!(document["field"], "tenant", "a parameter is no way to name a tenant");
}

#[test]
fn the_scope_is_history_and_methods_are_told() {
    let keys = [
        ApiClient::new("scorer", &["score", "admin", "mfa"]),
        ApiClient::new("desk", &["history"]),
        ApiClient::new("operator", &["admin"]),
    ];
    let server = Askance::start(&keys.iter().fold(Settings::new(), |settings, key| settings.client(key)));
    let [scorer, desk, operator] = &keys;
    let [scorer, desk] = [scorer, desk].map(|key| server.main().with_key(&key.key));
    for (path, label, allow) in [
        ("/v1/users/a", "user", "GET, DELETE"),
        ("/v1/users/a/export", "export", "GET"),
        ("/v1/users/a/devices/0123456789abcdef", "device", "DELETE"),
        ("/v1/decisions", "decisions", "GET"),
    ] {
        for method in ["GET", "DELETE", "POST", "PUT"] {
            let send = |client: &Client| client.send(Request::new(method, path));
            if allow.split(", ").any(|allowed| allowed == method) {
                assert_problem(&send(&scorer), 403, "auth.scope_missing");
                assert_problem(&send(&server.main()), 401, "auth.key_invalid");
                assert!((200..300).contains(&send(&desk).status), "{method} {path}");
            } else {
                let answer = send(&desk);
                assert_problem(&answer, 405, "request.method_not_allowed");
                assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
            }
        }
        let metrics = server.admin().with_key(&operator.key).get("/metrics").text();
        let series =
            format!("askance_requests_total{{route=\"{label}\",status=\"403\"}} {}", allow.split(", ").count());
        assert!(metrics.contains(&series), "{series}");
    }
}

#[test]
fn a_user_agent_that_is_none_is_a_family_that_is_not_known() {
    let server = Askance::start(&Settings::new());
    import(&server, "plain", json!({"user_agent": CHROME, "time": time_from_now(-7_200)}));
    import(&server, "plain", json!({"user_agent": ""}));
    assert_eq!(of_user(&server.main(), "plain")["devices"][0]["family"], Value::Null);
}
