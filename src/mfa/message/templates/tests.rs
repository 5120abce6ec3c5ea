use super::*;
use crate::context::phone::Phones;
use crate::mfa::codes::Code;
use crate::mfa::recipient::Recipient;

fn own(text: &str) -> Result<TemplateSettings, String> {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

fn template(kind: &str, usage: &str, locale: &str, text: &str) -> TemplateSettings {
    let subject = if kind == "email" { "subject = 'A code'\n" } else { "" };
    let text = format!("kind = '{kind}'\nusage = '{usage}'\nlocale = '{locale}'\n{subject}text = '{text}'");
    own(&text).unwrap_or_else(|why| unreachable!("{text}: {why}"))
}

fn locale(text: &str) -> Locale {
    Locale::new(text).expect("it is a language")
}

fn write(templates: &Templates, to: &Recipient, usage: Usage, locale: Option<&str>) -> Written {
    let code = Code::draw(|| Some(7)).expect("the draw is taken");
    templates.write(&Message { to, usage, locale, code: &code, minutes: 10, ip: None })
}

fn recipients() -> [Recipient; 2] {
    let phone = Recipient::phone(&Phones::new(), "+819012345678", None).expect("it is a number");
    [phone, Recipient::email("bob@example.org").expect("it is an address")]
}

#[test]
fn every_usage_has_a_text_of_ours_in_three_languages() {
    let templates = Templates::new(&[], &Locale::default());
    for to in &recipients() {
        assert_eq!(templates.refuse_missing(to.channel()), Ok(()));
        let mut all: Vec<String> = Vec::new();
        for language in ["en", "de", "ja"] {
            for usage in Usage::ALL {
                let Written { subject, text } = write(&templates, to, usage, Some(language));
                assert!(text.contains("000007") && text.contains("10") && !text.contains("{{"), "{text}");
                assert_eq!(subject.is_empty(), to.channel() == Channel::Sms, "{subject}");
                let is_narrow = text.chars().all(|letter| u32::from(letter) < 0x100);
                let letters_max = if is_narrow { 160 } else { 70 };
                assert!(to.channel() == Channel::Email || text.chars().count() <= letters_max, "one part: {text}");
                all.push(text);
            }
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 9);
    }
}

#[test]
fn the_language_counts_first_then_the_usage_then_our_own_language() {
    let own = [
        template("sms", "MfaVerification", "pt", "pt sign {{code}}"),
        template("sms", "Generic", "pt-BR", "br {{code}}"),
        template("sms", "MfaVerification", "en", "own {{code}} {{minutes}}"),
        template("sms", "BindMFA", "fr", "fr bind {{code}}"),
    ];
    let ([to, _], templates) = (recipients(), Templates::new(&own, &locale("fr")));
    for (usage, language, text) in [
        (Usage::MfaVerification, Some("pt-BR"), "br 000007"),
        (Usage::MfaVerification, Some("pt_br"), "br 000007"),
        (Usage::MfaVerification, Some("pt-PT"), "pt sign 000007"),
        (Usage::MfaVerification, Some("en-GB"), "own 000007 10"),
        (Usage::BindMfa, Some("pt"), "fr bind 000007"),
        (Usage::BindMfa, None, "fr bind 000007"),
        (Usage::BindMfa, Some("no language at all, and far too long for one"), "fr bind 000007"),
        (Usage::MfaVerification, Some("fr"), ""),
    ] {
        assert_eq!(write(&templates, &to, usage, language).text, text, "{usage:?} {language:?}");
    }
}

#[test]
fn a_missing_text_is_named() {
    let bind = template("sms", "BindMfa", "fr", "{{code}}");
    let (generic, mail) =
        (template("sms", "Generic", "fr", "{{code}}"), template("email", "Generic", "fr", "{{code}}"));
    for (own, kind, missing) in [
        (vec![], Channel::Sms, Some("MfaVerification")),
        (vec![bind.clone()], Channel::Sms, Some("MfaVerification")),
        (vec![bind, generic.clone()], Channel::Sms, None),
        (vec![generic], Channel::Email, Some("MfaVerification")),
        (vec![mail], Channel::Email, None),
    ] {
        let refused = Templates::new(&own, &locale("fr")).refuse_missing(kind);
        match (&refused, missing) {
            (Ok(()), None) => {}
            (Err(why), Some(usage)) if why.contains(usage) && why.contains("`fr`") && why.contains("mfa.templates") => {
            }
            _ => unreachable!("{refused:?}"),
        }
    }
}

#[test]
fn a_text_holds_the_code_and_nothing_that_is_not_known() {
    let sms = "kind = 'sms'\nusage = 'Generic'\nlocale = 'en'\n";
    let mail = "kind = 'email'\nusage = 'Generic'\nlocale = 'en'\ntext = '{{code}}'\n";
    for (text, refused) in [
        (format!("{sms}text = 'a {{{{code}}}}'"), None),
        (format!("{sms}text = 'a'"), Some("must hold {{code}}")),
        (format!("{sms}text = '{{{{code}}}} {{{{name}}}}'"), Some("nothing stands for")),
        (format!("{sms}text = '{{{{code}}}} {{{{ code }}}}'"), Some("nothing stands for")),
        (format!("{sms}text = \"{{{{code}}}}\\u0007\""), Some("control characters")),
        (format!("{sms}text = '{{{{code}}}}{}'", "x".repeat(1_000)), Some("1 to 1000 bytes")),
        (format!("{sms}subject = 's'\ntext = '{{{{code}}}}'"), Some("subject is for mail only")),
        (format!("{mail}subject = 's'"), None),
        (mail.to_owned(), Some("a mail needs subject")),
        (format!("{mail}subject = \"s\\nBcc: eve@example.org\""), Some("subject must be one line")),
        (sms.replace("'Generic'", "'SignIn'") + "text = '{{code}}'", Some("unknown variant `SignIn`")),
        (sms.replace("'en'", "'a b'") + "text = '{{code}}'", Some("is no language")),
        (format!("{sms}text = '{{{{code}}}}'\ntxt = ''"), Some("unknown field `txt`")),
    ] {
        match (own(&text), refused) {
            (Ok(_), None) => {}
            (Err(why), Some(part)) if why.contains(part) => {}
            (other, _) => unreachable!("{text}: {other:?}"),
        }
    }
}
