use super::*;

fn actions() -> Actions {
    #[derive(Deserialize)]
    struct File {
        actions: Actions,
    }
    let text = "[[actions]]
        name = 'transfer'
        text = 'Pay {{amount}} {{currency}} to {{payee}}'
        locales = { de = '{{payee}} {{amount}} {{currency}} zahlen', pt-BR = '{{amount}} {{currency}} {{payee}}' }";
    toml::from_str::<File>(text).expect("they are actions").actions
}

fn text(value: &str) -> Param {
    Param::Text(value.to_owned())
}

fn transfer(amount: &str, payee: &str) -> Result<Action, ActionError> {
    let amount = Param::number(amount).ok_or(ActionError::NoParam("amount".to_owned()))?;
    let params = [("payee", text(payee)), ("amount", amount), ("currency", text("EUR"))];
    Action::new("transfer", params.map(|(name, param)| (name.to_owned(), param)))
}

#[test]
fn what_is_shown_is_what_is_proved() {
    let action = transfer("100.50", "Bob").expect("it is one");
    // `printf '{"name":"transfer","params":{"amount":100.5,"currency":"EUR","payee":"Bob"}}' | openssl dgst -sha256 -binary`
    assert_eq!(action.digest(), "CYCNI4BAusaZptSbVBvcENvQWvd8O5cVm5GxwMhJSJQ");
    for (locale, expected) in [
        (None, "Pay 100.5 EUR to Bob"),
        (Some("de"), "Bob 100.5 EUR zahlen"),
        (Some("de-AT"), "Bob 100.5 EUR zahlen"),
        (Some("DE_at"), "Bob 100.5 EUR zahlen"),
        (Some("pt-br"), "100.5 EUR Bob"),
        (Some("pt"), "Pay 100.5 EUR to Bob"),
        (Some("xx"), "Pay 100.5 EUR to Bob"),
    ] {
        assert_eq!(actions().text(&action, locale).as_deref(), Ok(expected), "{locale:?}");
    }
    for (amount, payee) in [("100.51", "Bob"), ("100.5", "Rob"), ("1005", "Bob")] {
        assert_ne!(transfer(amount, payee).expect("it is one").digest(), action.digest());
    }
    assert_eq!(transfer("1.005e2", "Bob").expect("it is one").digest(), action.digest(), "the same number");
    let as_text = [("amount", text("100.5")), ("payee", text("Bob")), ("currency", text("EUR"))];
    let as_text = Action::new("transfer", as_text.map(|(name, param)| (name.to_owned(), param))).expect("it is one");
    assert_ne!(as_text.digest(), action.digest(), "a text is no number");
}

#[test]
fn a_parameter_changes_nothing_around_it() {
    let shown = |payee: &str| actions().text(&transfer("100", payee)?, None);
    assert_eq!(shown("{{amount}}").as_deref(), Ok("Pay 100 EUR to {{amount}}"), "it is filled once");
    assert_eq!(shown("\u{5d0}\u{5d1}").as_deref(), Ok("Pay 100 EUR to \u{2068}\u{5d0}\u{5d1}\u{2069}"));
    let longest = "a".repeat(256);
    assert!(shown(&longest).is_ok());
    for bad in ["", "\u{202e}boB", "Bob\n100 EUR", "Bob\u{0}", "Bob\u{2069}", " Bob", &format!("{longest}a")] {
        assert_eq!(shown(bad), Err(ActionError::NotPlain("payee".to_owned())), "{bad:?}");
    }
    let amounts = ["1e999", "NaN", "inf", "9007199254740992", "-9007199254740992", "", "1e", "0x10"];
    for bad in amounts {
        assert_eq!(Param::number(bad), None, "{bad}");
    }
    assert_eq!(Param::number("9007199254740991"), Some(Param::Number(EXACT_MAX)));
}

#[test]
fn other_actions_and_parameters_are_refused() {
    let check = |name: &str, params: &[(&str, Param)], expected: Result<&str, ActionError>| {
        let params = params.iter().map(|(name, param)| ((*name).to_owned(), param.clone()));
        let found = Action::new(name, params).and_then(|action| actions().text(&action, None));
        assert_eq!(found.as_deref(), expected.as_deref().map_err(Clone::clone).as_deref(), "{name}");
    };
    let (one, bob, eur) = (Param::Number(1.0), text("Bob"), text("EUR"));
    let all = [("amount", one.clone()), ("payee", bob.clone()), ("currency", eur)];
    check("transfer", &all, Ok("Pay 1 EUR to Bob"));
    check("transfer", &all[..2], Err(ActionError::MissingParam("currency".to_owned())));
    let more = [&all[..], &[("note", bob.clone())]].concat();
    check("transfer", &more, Err(ActionError::UnknownParam("note".to_owned())));
    let twice = [&all[..], &[("amount", Param::Number(2.0))]].concat();
    check("transfer", &twice, Err(ActionError::TwiceParam("amount".to_owned())));
    check("delete", &[], Err(ActionError::Unknown));
    check("Transfer", &all, Err(ActionError::Unknown));
    check(MANAGE_FACTORS, &[], Ok(MANAGE_FACTORS_TEXT));
    check(MANAGE_FACTORS, &all[..1], Err(ActionError::UnknownParam("amount".to_owned())));
}

#[test]
fn actions_that_contradict_themselves_are_refused() {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "what is read is thrown away")]
    struct File {
        actions: Actions,
    }
    for (text, refused) in [
        ("name = 'a'\ntext = 'A'", None),
        ("name = 'askance.factors'\ntext = 'Faktoren ändern'", None),
        ("name = 'a'\ntext = 'A'\n[[actions]]\nname = 'a'\ntext = 'B'", Some("stands twice")),
        ("name = 'a'\ntext = 'A {{x}}'\nlocales = { de = 'A' }", Some("other parameters in \"de\"")),
        ("name = 'a'\ntext = 'A {{x}}'\nlocales = { de = 'A {{x}} {{y}}' }", Some("other parameters")),
        ("name = 'a'\ntext = 'A {{x}}'\nlocales = { 'd e' = 'A {{x}}' }", Some("no language tag")),
        ("name = 'askance.factors'\ntext = 'A {{x}}'", Some("has no parameters")),
        ("name = 'askance.other'\ntext = 'A'", Some("are ours")),
        ("name = 'A'\ntext = 'A'", Some("no name")),
        ("name = ''\ntext = 'A'", Some("no name")),
        ("name = 'a'\ntext = ''", Some("1 to 512")),
        ("name = 'a'\ntext = \"A\\nB\"", Some("1 to 512")),
        ("name = 'a'\ntext = 'A {{x'", Some("braces")),
        ("name = 'a'\ntext = 'A }}'", Some("braces")),
        ("name = 'a'\ntext = 'A {x}'", Some("braces")),
        ("name = 'a'\ntext = 'A {{ x }}'", Some("no name of a parameter")),
        ("name = 'a'\ntext = 'A {{}}'", Some("no name of a parameter")),
        ("name = 'a'", Some("missing field")),
        ("name = 'a'\ntext = 'A'\nother = 1", Some("unknown field")),
    ] {
        let read = toml::from_str::<File>(&format!("[[actions]]\n{text}")).map_err(|error| error.message().to_owned());
        match (read.err(), refused) {
            (None, None) => {}
            (Some(why), Some(part)) if why.contains(part) => {}
            (other, _) => unreachable!("{text}: {other:?}"),
        }
    }
}
