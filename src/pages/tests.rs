//! Every screen in every language, with the worst that may stand in it.

use super::*;
use crate::event::Factor;
use std::collections::BTreeSet;

/// What somebody might call themselves: as long as may be, and in nobody's interest.
const NASTY: &str = "<script>alert('1')</script>\" onload=\"x\u{202e}\u{5d0}\u{5d1} & co {{wait}}";
const TOKEN: &str = "t0ken\"<>";

fn pages(settings: &str) -> Pages {
    let settings: Settings = toml::from_str(settings).expect("good settings");
    Pages::load(&settings).unwrap_or_else(|error| panic!("{error}"))
}

/// Every screen, with `text` wherever somebody else says what stands there, and whether it has a form.
fn with_screens(text: &str, mut look: impl FnMut(&str, Screen<'_>)) {
    let codes: Vec<String> = (0..10).map(|at| format!("{at:010x}")).collect();
    let choices = Factor::ALL.map(|factor| Choice { factor, id: text, label: Some(text), masked: Some(text) });
    look("choose", Screen::Choose(&choices));
    let bare = Factor::ALL.map(|factor| Choice { factor, id: "", label: None, masked: None });
    look("choose-bare", Screen::Choose(&bare));
    for factor in [Factor::Totp, Factor::BackupCode, Factor::Sms, Factor::Email] {
        for (resend_after_s, has_others) in [(60, true), (0, false)] {
            let masked = Some(text).filter(|_| has_others);
            let asked = EnterCode { factor, challenge: masked, masked, id: text, resend_after_s, has_others };
            look("code", Screen::EnterCode(asked));
        }
    }
    for has_others in [true, false] {
        look("passkey", Screen::Passkey(Passkey { challenge: text, options: text, has_others }));
    }
    look("prove-email", Screen::ProveEmail { masked: text });
    for (is_skippable, is_another) in [(true, true), (false, false)] {
        look("enroll", Screen::Enroll { factors: &Factor::ALL, is_skippable, is_another });
        look("make-codes", Screen::MakeCodes { is_skippable });
    }
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"/>";
    for qr_svg in [Some(svg), None] {
        look("app", Screen::EnrollApp { enrolment: text, secret: text, uri: text, qr_svg });
    }
    for factor in [Factor::Sms, Factor::Email] {
        for given in [Some(text), None] {
            look("recipient", Screen::EnrollRecipient { factor, given });
        }
        let sent = Screen::EnrollCode { enrolment: text, factor, masked: text, given: text, resend_after_s: 60 };
        look("enroll-code", sent);
    }
    look("create", Screen::EnrollPasskey { enrolment: text, options: text });
    look("codes", Screen::Codes(&codes));
    look("done", Screen::Done);
    for why in DEAD {
        look("dead", Screen::Dead(why));
    }
}

const DEAD: [Dead; 9] = [
    Dead::LinkGone,
    Dead::LinkWrong,
    Dead::OtherBrowser,
    Dead::FormRefused,
    Dead::NoWay,
    Dead::Asleep(3_600),
    Dead::Unavailable,
    Dead::Off,
    Dead::NotFound,
];
const NOTICES: [Notice; 13] = [
    Notice::Sent,
    Notice::WrongCode,
    Notice::CodeGone,
    Notice::TriedTooOften,
    Notice::PasskeyFailed,
    Notice::TooManyMessages(120),
    Notice::Asleep(3_600),
    Notice::NotSent,
    Notice::WrongNumber,
    Notice::WrongAddress,
    Notice::AppInUse,
    Notice::NotOffered,
    Notice::TryAgain,
];

fn view<'a>(screen: Screen<'a>, text: &'a str, notice: Option<Notice>) -> View<'a> {
    View {
        screen,
        notice,
        user: Some(text),
        action: Some(text),
        form_token: TOKEN,
        leave: Some("https://app.example.org/a?b=1&c=2"),
    }
}

fn rendered(pages: &Pages, view: &View<'_>, language: Language) -> String {
    String::from_utf8(pages.render(view, language).to_vec()).expect("it is UTF-8")
}

#[test]
fn every_screen_is_a_sound_document_in_every_language() {
    let pages = pages("help_url = 'mailto:help@example.org'");
    for tag in ["en", "de", "ja"] {
        let language = pages.language(Some(tag));
        let mut titles = BTreeSet::new();
        with_screens(NASTY, |name, screen| {
            let html = rendered(&pages, &view(screen, NASTY, Some(Notice::WrongCode)), language);
            is_sound(&html, tag, name);
            let title = html.split("<h1>").nth(1).and_then(|rest| rest.split("</h1>").next());
            titles.insert(title.unwrap_or_default().to_owned());
        });
        // Three kinds of code and two of recipients; two ways of being offered something; nine ends.
        assert_eq!(titles.len(), 24, "{tag}: screens with the same heading: {titles:?}");
    }
}

fn is_sound(html: &str, tag: &str, name: &str) {
    let count = |part: &str| html.matches(part).count();
    assert!(html.starts_with(&format!("<!DOCTYPE html><html lang=\"{tag}\"")), "{name}: {html:.80}");
    assert_eq!((count("<h1>"), count("<main>"), count("<title>")), (1, 1, 1), "{name} {tag}");
    assert_eq!(
        count("name=\"token\" value=\"t0ken&quot;&lt;&gt;\""),
        count("<form "),
        "{name} {tag}: a form without the token"
    );
    assert_eq!(count("name=\"do\""), count("<form "), "{name} {tag}: a form that does not say what it does");
    assert_eq!(count("<script>alert"), 0, "{name} {tag}: it is not escaped: {html}");
    for forbidden in [" style=", "<style", " onload=\"", " onclick", "javascript:"] {
        assert_eq!(count(forbidden), 0, "{name} {tag}: {forbidden} in {html}");
    }
    assert_eq!(count("<script"), count("<script src=\"/askance/assets/passkey.js?"), "{name} {tag}: a script within");
    // Gaps are all filled; what looks like one in the user's name is theirs.
    assert_eq!(count("{{"), count("{{wait}}"), "{name} {tag}: {html}");
    for id in ["code", "recipient"] {
        assert_eq!(
            count(&format!(" id=\"{id}\"")),
            count(&format!(" for=\"{id}\"")),
            "{name} {tag}: a field without label"
        );
    }
    assert!(count("autofocus") <= 1, "{name} {tag}: one place has the focus");
}

#[test]
fn forms_say_what_they_are_to_do() {
    let pages = pages("");
    let english = pages.language(None);
    let check = |screen: Screen<'_>, expected: &[&[(&str, &str)]]| {
        let html = rendered(&pages, &view(screen.clone(), "alice", None), english);
        let forms: Vec<Vec<(String, String)>> = html.split("<form ").skip(1).map(members).collect();
        let expected: Vec<Vec<(String, String)>> = expected.iter().map(|form| owned(form)).collect();
        assert_eq!(forms, expected, "{screen:?}");
    };
    let choice = |factor, id| Choice { factor, id, label: None, masked: None };
    check(
        Screen::Choose(&[choice(Factor::Totp, ""), choice(Factor::Sms, "f2")]),
        &[&[("do", "ask"), ("factor", "totp"), ("id", "")], &[("do", "ask"), ("factor", "sms"), ("id", "f2")]],
    );
    let asked = EnterCode {
        factor: Factor::Sms,
        challenge: Some("c1"),
        masked: None,
        id: "f2",
        resend_after_s: 0,
        has_others: true,
    };
    check(
        Screen::EnterCode(asked),
        &[
            &[("do", "answer"), ("factor", "sms"), ("challenge", "c1")],
            &[("do", "ask"), ("factor", "sms"), ("id", "f2"), ("challenge", "c1")],
        ],
    );
    let asked = EnterCode { factor: Factor::Totp, challenge: None, ..asked };
    check(Screen::EnterCode(asked), &[&[("do", "answer"), ("factor", "totp")]]);
    let asked = Passkey { challenge: "c1", options: "{}", has_others: true };
    check(Screen::Passkey(asked), &[&[("do", "answer"), ("factor", "webauthn"), ("challenge", "c1")]]);
    check(Screen::ProveEmail { masked: "a" }, &[&[("do", "ask"), ("factor", "email")]]);
    check(
        Screen::Enroll { factors: &[Factor::Totp], is_skippable: true, is_another: false },
        &[&[("do", "enroll"), ("factor", "totp")], &[("do", "skip")]],
    );
    check(
        Screen::EnrollApp { enrolment: "e1", secret: "ABCD", uri: "otpauth://a", qr_svg: None },
        &[&[("do", "bind"), ("factor", "totp"), ("enrolment", "e1")]],
    );
    check(Screen::EnrollRecipient { factor: Factor::Sms, given: None }, &[&[("do", "enroll"), ("factor", "sms")]]);
    check(
        Screen::EnrollCode { enrolment: "e1", factor: Factor::Email, masked: "a", given: "a@b", resend_after_s: 0 },
        &[
            &[("do", "bind"), ("factor", "email"), ("enrolment", "e1")],
            &[("do", "enroll"), ("factor", "email"), ("email", "a@b")],
        ],
    );
    check(
        Screen::EnrollPasskey { enrolment: "e1", options: "{}" },
        &[&[("do", "bind"), ("factor", "webauthn"), ("enrolment", "e1")]],
    );
    check(Screen::MakeCodes { is_skippable: true }, &[&[("do", "codes")], &[("do", "skip")]]);
    check(Screen::Codes(&["0a1b2c3d4e".to_owned()]), &[&[("do", "leave")]]);
    check(Screen::Done, &[&[("do", "leave")]]);
}

fn owned(form: &[(&str, &str)]) -> Vec<(String, String)> {
    form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The hidden members of a form that have a value, but for the token.
fn members(form: &str) -> Vec<(String, String)> {
    let form = form.split("</form>").next().unwrap_or_default();
    let hidden = form.split("<input type=\"hidden\" name=\"").skip(1);
    let pairs = hidden.filter_map(|rest| rest.split_once("\" value=\""));
    let pairs = pairs.filter_map(|(name, rest)| Some((name.to_owned(), rest.split('"').next()?.to_owned())));
    pairs.filter(|(name, _)| name != "token" && !name.contains('"')).collect()
}

#[test]
fn every_notice_is_said_and_tied_to_the_field() {
    let pages = pages("");
    for tag in ["en", "de", "ja"] {
        let language = pages.language(Some(tag));
        let mut said = BTreeSet::new();
        for notice in NOTICES {
            let asked = EnterCode {
                factor: Factor::Totp,
                challenge: None,
                masked: None,
                id: "",
                resend_after_s: 0,
                has_others: false,
            };
            let html = rendered(&pages, &view(Screen::EnterCode(asked), "alice", Some(notice)), language);
            let role = if notice == Notice::Sent { "status" } else { "alert" };
            let begin = html.split(&format!("role=\"{role}\">")).nth(1).unwrap_or_else(|| panic!("{notice:?}: {html}"));
            said.insert(begin.split("</p>").next().unwrap_or_default().to_owned());
            assert!(html.contains("aria-describedby=\"notice\""), "{notice:?}");
            assert_eq!(
                html.contains("aria-invalid"),
                matches!(notice, Notice::WrongCode | Notice::WrongNumber | Notice::WrongAddress)
            );
        }
        assert_eq!(said.len(), NOTICES.len(), "{tag}: two notices say the same: {said:?}");
        assert!(!said.iter().any(|text| text.contains("{{")), "{said:?}");
    }
}

#[test]
fn every_setting_shows() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("it is ours");
        path.display().to_string()
    };
    let (logo, texts) =
        (file("logo.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), file("ar.toml", "done_title = \"تم\""));
    let pages = pages(&format!(
        "name = 'A & B'\naccent_color = '#ffd400'\nhelp_url = 'tel:+441632960961'\nhelp_text = 'Desk <4>'\nlocale = 'ja'\n\
         logo_file = '{logo}'\ntexts.ar = '{texts}'"
    ));
    assert_eq!(pages.tag(pages.language(None)).as_str(), "ja");
    assert_eq!(pages.tag(pages.language(Some("fr"))).as_str(), "ja");
    let arabic = rendered(&pages, &view(Screen::Done, "alice", None), pages.language(Some("ar-EG")));
    assert!(arabic.contains("lang=\"ar\" dir=\"rtl\"") && arabic.contains("<h1>تم</h1>"), "{arabic}");
    let english = pages.language(Some("en"));
    for (screen, says) in
        [(Screen::Dead(Dead::NoWay), true), (Screen::Dead(Dead::LinkGone), false), (Screen::Done, false)]
    {
        let html = rendered(&pages, &view(screen, "alice", None), english);
        assert_eq!(html.contains("Desk &lt;4&gt;"), says, "{html}");
        assert!(html.contains("alt=\"A &amp; B\"") && html.contains("href=\"tel:+441632960961\""), "{html}");
    }
    let style = String::from_utf8(pages.asset("style.css").expect("there is one").bytes.to_vec()).expect("it is text");
    assert!(style.starts_with(":root{--accent:#ffd400;--on-accent:#000000;--link:#"), "{style:.80}");
    for (settings, said) in [
        ("locale = 'fr'", "pages.locale"),
        ("logo_file = '/nonexistent.svg'", "pages.logo_file: /nonexistent.svg"),
        ("texts.fr = '/nonexistent.toml'", "pages.texts.fr: /nonexistent.toml"),
    ] {
        let settings: Settings = toml::from_str(settings).expect("it parses");
        let error = Pages::load(&settings).expect_err(said);
        assert!(error.starts_with(said), "{error}");
    }
}

#[test]
fn files_are_named_by_what_they_hold() {
    let (blue, red) = (pages(""), pages("accent_color = '#c00000'"));
    for (name, kind) in [
        ("style.css", "text/css; charset=utf-8"),
        ("passkey.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let asset = blue.asset(name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(asset.content_type, kind);
        let screen = Screen::Passkey(Passkey { challenge: "c", options: "{}", has_others: false });
        let html = rendered(&blue, &view(screen, "alice", None), blue.language(None));
        assert!(html.contains(&format!("\"/askance/assets/{name}?{}\"", asset.hash)), "{html}");
    }
    let hash = |pages: &Pages, name: &str| pages.asset(name).map(|asset| asset.hash.clone());
    assert_ne!(hash(&blue, "style.css"), hash(&red, "style.css"));
    assert_eq!(hash(&blue, "passkey.js"), hash(&red, "passkey.js"));
    for name in ["logo", "", "../config.toml", "style.css?", "STYLE.CSS"] {
        assert!(blue.asset(name).is_none(), "{name}");
    }
    let style = frame::style(Color::DEFAULT);
    for (scheme, ground) in [("--card: #ffffff", Color::WHITE), ("--card: #1c2026", Color::DARK_GROUND)] {
        assert!(
            style.contains(scheme) && scheme.ends_with(&ground.to_string()),
            "links are made for another ground: {scheme}"
        );
    }
}

#[test]
fn a_page_weighs_little_with_all_that_it_loads() {
    let pages = pages("name = 'An example with quite a long name'\nhelp_url = 'https://www.example.org/help'");
    let weight = |name: &str| pages.asset(name).map_or(0, |asset| asset.bytes.len());
    let files = weight("style.css") + weight("passkey.js") + weight("icon.svg");
    assert!(weight("passkey.js") <= 3_000, "{}", weight("passkey.js"));
    // As long as may be, and each letter is six in HTML.
    let text = "\"".repeat(256);
    let picture = format!("<svg>{}</svg>", "x".repeat(24_000));
    for tag in ["en", "de", "ja"] {
        let language = pages.language(Some(tag));
        let mut heaviest = 0;
        let mut weigh = |name: &str, screen: Screen<'_>| {
            let page = pages.render(&view(screen, "alice", Some(Notice::Asleep(60))), language).len();
            assert!(page + files < 40_000, "{name} {tag}: {page} + {files}");
            heaviest = heaviest.max(page);
        };
        with_screens(&text, &mut weigh);
        weigh("app", Screen::EnrollApp { enrolment: &text, secret: "ABCD", uri: "otpauth://", qr_svg: Some(&picture) });
        assert!(heaviest > 24_000, "{heaviest}");
    }
}
