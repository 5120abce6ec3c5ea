use super::*;

const TWILIO: &str = "name = 't'\nkind = 'sms'\ntype = 'twilio'\naccount_sid = 'AC1'\nfrom = '+15005550006'\n";
const AERO: &str =
    "name = 'a'\nkind = 'sms'\ntype = 'smsaero'\naccount = 'a@example.org'\nsign = 'S'\napi_key_env = 'KEY'\n";
const HTTP: &str = "name = 'h'\nkind = 'email'\ntype = 'http'\nurl = 'https://api.example.org/send'\n";
const SMTP: &str =
    "name = 's'\nkind = 'email'\ntype = 'smtp'\nhost = 'mail.example.org'\nfrom = 'Codes <c@example.org>'\n";
const LOG: &str = "name = 'l'\nkind = 'sms'\ntype = 'log'\n";

fn read(text: &str) -> Result<ConnectorSettings, String> {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

#[test]
fn each_type_has_its_own_keys() {
    let token = "auth_token_file = 't'\n";
    for (base, more, refused) in [
        (TWILIO, token, None),
        (TWILIO, "auth_token_env = 'TOKEN'", None),
        (TWILIO, "", Some("`t`: needs auth_token_file (or auth_token_env)")),
        (TWILIO, "auth_token_file = 't'\nauth_token_env = 'T'", Some("are two places for one secret")),
        (
            TWILIO,
            "auth_token_file = 't'\nmessaging_service_sid = 'MG1'",
            Some("needs one of messaging_service_sid and from"),
        ),
        (TWILIO, "auth_token_file = 't'\nhost = 'x'", Some("host is no key of type `twilio`")),
        (TWILIO, "auth_token = 'secret'", Some("unknown field `auth_token`")),
        (TWILIO, "auth_token_file = 't'\nurl = 'http://api.example.org'", Some("must begin with https://")),
        (AERO, "", None),
        (AERO, "from = 'x'", Some("from is no key of type `smsaero`")),
        (HTTP, "", None),
        (HTTP, "authorization_file = 'a'", None),
        (HTTP, "password_file = 'p'", Some("password_file is no key of type `http`")),
        (SMTP, "", None),
        (SMTP, "username = 'u'\npassword_file = 'p'\ntls = 'starttls'\nport = 2525", None),
        (SMTP, "username = 'u'", Some("username needs password_file")),
        (SMTP, "password_env = 'P'", Some("a password needs username")),
        (SMTP, "tls = 'danger_plain'", Some("is for this machine only")),
        (SMTP, "tls = 'none'", Some("unknown variant `none`")),
        (SMTP, "port = 65536", Some("allowed is 1..=65535")),
        (LOG, "danger_log_codes = true", None),
        (LOG, "danger_log_codes = false", Some("needs danger_log_codes = true")),
        (LOG, "", Some("`l`: writes codes to the log: needs danger_log_codes = true")),
        (HTTP, "danger_log_codes = true", Some("danger_log_codes is no key of type `http`")),
    ] {
        match (read(&format!("{base}{more}")), refused) {
            (Ok(_), None) => {}
            (Err(why), Some(part)) if why.contains(part) => {}
            (other, _) => unreachable!("{base}{more}: {other:?}"),
        }
    }
}

#[test]
fn each_type_carries_its_kind() {
    for (text, wrong) in [(TWILIO, "email"), (AERO, "email"), (SMTP, "sms")] {
        let other = text.replace("'sms'", "'email'").replace("kind = 'email'", &format!("kind = '{wrong}'"));
        assert!(read(&other).is_err_and(|why| why.contains(&format!("carries no {wrong}"))), "{other}");
    }
    for kind in ["sms", "email"] {
        assert!(read(&HTTP.replace("'email'", &format!("'{kind}'"))).is_ok());
        assert!(read(&format!("{}danger_log_codes = true", LOG.replace("'sms'", &format!("'{kind}'")))).is_ok());
    }
    assert!(read(&SMTP.replace("mail.example.org", "127.0.0.1")).is_ok());
    assert!(read(&format!("{}tls = 'danger_plain'", SMTP.replace("mail.example.org", "localhost"))).is_ok());
}

#[test]
fn limits_have_defaults_and_ends() {
    let limits = |more: &str| read(&format!("{HTTP}{more}")).map(|settings| settings.limits());
    let default =
        Limits { deadline: Duration::from_secs(3), in_flight_max: 32, failures_max: 5, rest: Duration::from_secs(30) };
    assert_eq!(limits(""), Ok(default));
    let own = "timeout_ms = 100\nin_flight_max = 1\nfailures_max = 2\nrest_s = 3";
    let set = Limits {
        deadline: Duration::from_millis(100),
        in_flight_max: 1,
        failures_max: 2,
        rest: Duration::from_secs(3),
    };
    assert_eq!(limits(own), Ok(set));
    for (key, range) in [
        ("timeout_ms", "100..=30000"),
        ("in_flight_max", "1..=1000"),
        ("failures_max", "1..=1000"),
        ("rest_s", "1..=3600"),
    ] {
        assert!(limits(&format!("{key} = 0")).is_err_and(|why| why.contains(range)), "{key}");
    }
}

#[test]
fn names_are_short_and_nobody_elses() {
    for bad in ["", "a b", "ä", &"a".repeat(65)] {
        assert!(read(&HTTP.replace("'h'", &format!("'{bad}'"))).is_err(), "{bad}");
    }
    let connector = read(HTTP).expect("it is one");
    assert!(Connectors::try_from(vec![connector.clone(), connector.clone()]).is_err_and(|why| why.contains("twice")));
    let all = Connectors::try_from(vec![connector]).expect("it is one");
    assert_eq!(all.only("h").map(|found| found.iter().count()), Some(1));
    assert_eq!(all.only("x"), None);
}

#[test]
fn what_is_written_out_is_what_was_read() -> Result<(), Box<dyn std::error::Error>> {
    for text in [&format!("{TWILIO}auth_token_file = 't'"), AERO, HTTP, SMTP, &format!("{LOG}danger_log_codes = true")]
    {
        let settings = read(text)?;
        let written = toml::to_string(&settings)?;
        assert_eq!(read(&written), Ok(settings), "{written}");
    }
    Ok(())
}
