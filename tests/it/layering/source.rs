//! A reader of Rust source that knows just enough: words without comments, strings and tests, and the paths among them.

/// Identifiers, `::`, and single characters of punctuation, in order; comments, literals and test modules left out.
pub(crate) fn words(source: &str) -> Vec<String> {
    without_tests(&tokens(source))
}

fn tokens(source: &str) -> Vec<String> {
    let bytes = source.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source[at..];
        let first = bytes[at];
        at += if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment_len(rest)
        } else if let Some(length) = raw_string_len(rest) {
            length
        } else if first == b'"' || rest.starts_with("b\"") {
            string_len(rest)
        } else if first == b'\'' {
            char_or_lifetime_len(rest)
        } else if first == b'_' || first.is_ascii_alphabetic() {
            let length = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
            found.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            found.push("::".to_owned());
            2
        } else {
            let character = rest.chars().next().expect("the rest is not empty");
            if !character.is_whitespace() {
                found.push(character.to_string());
            }
            character.len_utf8()
        };
    }
    found
}

fn block_comment_len(rest: &str) -> usize {
    let (mut depth, mut at) = (0_u32, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, and the same with `b` before it.
fn raw_string_len(rest: &str) -> Option<usize> {
    let prefix = if rest.starts_with("br") { 2 } else { 1 };
    if !rest.starts_with('r') && prefix == 1 {
        return None;
    }
    let hashes = rest[prefix..].bytes().take_while(|byte| *byte == b'#').count();
    let body = prefix + hashes;
    if rest.as_bytes().get(body) != Some(&b'"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    Some(rest[body + 1..].find(&end).map_or(rest.len(), |found| body + 1 + found + end.len()))
}

fn string_len(rest: &str) -> usize {
    let mut escaped = false;
    let open = rest.find('"').expect("a string begins here") + 1;
    for (offset, byte) in rest.bytes().enumerate().skip(open) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return offset + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal is passed over whole, a lifetime only by its quote.
fn char_or_lifetime_len(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    let second = characters.next().map(|(_, character)| character);
    match (second, characters.next()) {
        (Some('\\'), Some((offset, _))) => rest[offset + 1..].find('\'').map_or(rest.len(), |end| offset + end + 2),
        (Some(_), Some((offset, '\''))) => offset + 1,
        _ => 1,
    }
}

/// Drops what follows each `#[cfg(test)]`: a module with its body, a declaration, or another item.
fn without_tests(tokens: &[String]) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().take(MARK.len()).eq(MARK.iter()) {
            at = end_of_item(tokens, at + MARK.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// An item ends at the first `;` outside of brackets, or with the first block that closes outside of brackets.
fn end_of_item(tokens: &[String], start: usize) -> usize {
    let mut depth = 0_i32;
    for (offset, token) in tokens[start..].iter().enumerate() {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return start + offset + 1;
                }
            }
            ";" if depth == 0 => return start + offset + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// The paths into this crate that `words` name, in full from the crate's root. `file` is the path of the file's own
/// module, such as `["context", "agent"]`.
pub(crate) fn crate_paths(words: &[String], file: &[String]) -> Vec<Vec<String>> {
    let mut module = file.to_vec();
    let mut opened_at: Vec<i32> = Vec::new();
    let mut depth = 0_i32;
    let mut found = Vec::new();
    let children = declared_modules(words);
    for at in 0..words.len() {
        match words[at].as_str() {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if opened_at.last() == Some(&depth) {
                    opened_at.pop();
                    module.pop();
                }
            }
            "mod" if words.get(at + 2).is_some_and(|word| word == "{") => {
                opened_at.push(depth);
                module.push(words[at + 1].clone());
            }
            first if words.get(at + 1).is_some_and(|word| word == "::") && (at == 0 || words[at - 1] != "::") => {
                let Some(root) = root_of(first, &module, file, &children) else { continue };
                expand(words, at + 2, &root, &mut found);
            }
            _ => {}
        }
    }
    found
}

/// Names of `mod name;`: a path may begin with one of them.
fn declared_modules(words: &[String]) -> Vec<String> {
    words.windows(3).filter(|three| three[0] == "mod" && three[2] == ";").map(|three| three[1].clone()).collect()
}

fn root_of(first: &str, module: &[String], file: &[String], children: &[String]) -> Option<Vec<String>> {
    match first {
        "crate" => Some(Vec::new()),
        "self" => Some(module.to_vec()),
        "super" => Some(module[..module.len().saturating_sub(1)].to_vec()),
        name if children.iter().any(|child| child == name) => Some([file, &[name.to_owned()]].concat()),
        _ => None,
    }
}

/// Follows a path, or the tree of a `use`, from `at`; gives the position after it.
fn expand(words: &[String], mut at: usize, root: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = root.to_vec();
    loop {
        match words.get(at).map(String::as_str) {
            Some("super") => {
                path.pop();
            }
            Some("self") => {}
            Some("{") => {
                at += 1;
                while words.get(at).is_some_and(|word| word != "}") {
                    at = expand(words, at, &path, found);
                    // `as NAME`, and the comma.
                    while words.get(at).is_some_and(|word| word != "}" && word != ",") {
                        at += 1;
                    }
                    at += usize::from(words.get(at).is_some_and(|word| word == ","));
                }
                return at + 1;
            }
            Some(name) if name.starts_with(|c: char| c == '_' || c.is_alphabetic()) => path.push(name.to_owned()),
            _ => {
                found.push(path);
                return at + 1;
            }
        }
        at += 1;
        if words.get(at).is_none_or(|word| word != "::") {
            found.push(path);
            return at;
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_paths(source: &str, file: &[&str], expected: &[&str]) {
        let file: Vec<String> = file.iter().map(ToString::to_string).collect();
        let found: Vec<String> = crate_paths(&words(source), &file).iter().map(|path| path.join("::")).collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn comments_literals_and_tests_hold_no_words() {
        let source = r##"
            // crate::a  /* */
            /* crate::b /* nested */ crate::c */
            const A: &str = "crate::d \" crate::e"; const B: &str = r#"crate::f " crate"#; const C: u8 = b'"';
            fn real<'a>(x: &'a str) -> char { '\'' }
            #[cfg(test)]
            mod tests { use crate::g; fn f() { crate::h(); } }
            #[cfg(test)] mod more;
            use crate::kept;
        "##;
        check_paths(source, &[], &["kept"]);
    }

    #[test]
    fn paths_of_every_form_are_found() {
        check_paths("use crate::a::b;", &["x"], &["a::b"]);
        check_paths("use crate::{a, b::{self, C as D}, e::*};", &["x"], &["a", "b", "b::C", "e"]);
        check_paths("fn f() -> crate::a::B { crate::c::d::<u8>(1) }", &["x"], &["a::B", "c::d"]);
        check_paths("use super::a; use super::super::b;", &["x", "y"], &["x::a", "b"]);
        check_paths("use self::a::B;", &["x"], &["x::a::B"]);
        check_paths("pub mod child; use child::A;", &["x"], &["x::child::A"]);
        check_paths("mod inner { use super::a; } use super::b;", &["x"], &["x::a", "b"]);
        check_paths("use std::io; use other::crate_like::x;", &["x"], &[]);
        check_paths("macro_rules! m { () => { $crate::a::b() } }", &["x"], &["a::b"]);
    }
}
