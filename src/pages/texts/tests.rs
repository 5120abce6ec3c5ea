use super::*;

fn own(tag: &str, text: &str) -> Result<Vec<(LanguageTag, Texts)>, String> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("it is ours");
    let tag = LanguageTag::try_from(tag.to_owned())?;
    Texts::all(&BTreeMap::from([(tag, file.path().to_owned())]))
}

#[test]
fn languages_have_the_same_keys_and_gaps() {
    let english = parsed(OURS[0].1).expect("it is a table");
    for (tag, text) in OURS {
        let table = parsed(text).unwrap_or_else(|error| panic!("{tag}: {error}"));
        assert_eq!(table.keys().collect::<Vec<_>>(), english.keys().collect::<Vec<_>>(), "{tag}");
        for (key, value) in &table {
            let (said, ours) = (value.as_str().unwrap_or_default(), english[key].as_str().unwrap_or_default());
            assert!(!said.trim().is_empty(), "{tag} {key}");
            assert_eq!(names(said), names(ours), "{tag} {key}");
            assert!(names(said).len() <= 1, "{tag} {key}: a text has one gap at most");
        }
    }
}

#[test]
fn an_operator_s_words_stand_over_ours_and_english_fills_the_rest() {
    let all = own("fr", "help = \"Aide\"").expect("it reads");
    let tags: Vec<&str> = all.iter().map(|(tag, _)| tag.as_str()).collect();
    assert_eq!(tags, ["en", "de", "ja", "fr"]);
    let french = &all[3].1;
    assert_eq!((&*french.help, &*french.skip), ("Aide", "Not now"));
    let german = &own("de", "help = \"Hotline\"").expect("it reads")[1].1;
    assert_eq!((&*german.help, &*german.skip), ("Hotline", "Jetzt nicht"));
}

#[test]
fn a_file_that_says_something_else_is_refused_by_key() {
    for (text, said) in [
        ("no_such_text = \"x\"", "no_such_text"),
        ("help = \" \"", "help"),
        ("help = 1", "help"),
        ("user = \"You\"", "user"),
        ("user = \"{{name}}\"", "user"),
        ("help = \"{{user}}\"", "help"),
        ("help = ", "pages.texts.fr"),
        (&format!("help = \"{}\"", "x".repeat(FILE_BYTES_MAX)), "65536"),
    ] {
        let error = own("fr", text).expect_err(text);
        assert!(error.contains(said) && error.starts_with("pages.texts.fr: "), "{error}");
    }
    let none =
        BTreeMap::from([(LanguageTag::try_from("fr".to_owned()).expect("a tag"), PathBuf::from("/nonexistent"))]);
    assert!(Texts::all(&none).expect_err("there is none").contains("/nonexistent"));
}

#[test]
fn waits_are_said_in_words() {
    let all = Texts::all(&BTreeMap::new()).expect("ours are good");
    for (seconds, said) in [
        (0, "in 1 seconds"),
        (59, "in 59 seconds"),
        (60, "in 1 minute"),
        (61, "in 2 minutes"),
        (3_540, "in 59 minutes"),
        (3_541, "in 1 hour"),
        (3_601, "in 2 hours"),
        (u32::MAX, "in 1193047 hours"),
    ] {
        assert_eq!(all[0].1.wait(seconds), said, "{seconds}");
    }
}
