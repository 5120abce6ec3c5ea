//! Bounds an expression before anything parses it: the parser calls itself, once a bracket and once an operator, and a text of a few
//! kilobytes overflows its stack, which ends the process.
//!
//! So this knows where texts end, by the grammar and strictly: what the parser would stumble over and read on behind is refused here,
//! or it would be read in another way there.

use super::{DEPTH_MAX, NODES_MAX, Refusal, SOURCE_BYTES_MAX};

/// Words, texts and operators. Each is about a node; some make two of these (`1.5`, `-1`), so that the nodes are counted again
/// when they are there. A chain of so many takes the parser 1.2 MB of stack, unoptimised; what is nested takes more.
const PARTS_MAX: usize = 2 * NODES_MAX;

pub(super) fn scan(source: &str) -> Result<(), Refusal> {
    if !(1..=SOURCE_BYTES_MAX).contains(&source.len()) {
        return Err(Refusal::Long(source.len()));
    }
    let mut rest = source.as_bytes();
    let (mut parts, mut depth) = (0, 0_usize);
    while let Some((&byte, behind)) = rest.split_first() {
        let (is_part, length) = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => (false, 1),
            b'/' if behind.first() == Some(&b'/') => (false, rest.iter().take_while(|byte| **byte != b'\n').count()),
            b'"' | b'\'' => (true, text(rest, byte)?),
            b'(' | b'[' | b'{' => {
                depth += 1;
                (byte != b'(', 1)
            }
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                (false, 1)
            }
            b',' | b'.' | b':' => (false, 1),
            b'&' | b'|' | b'=' | b'!' | b'<' | b'>' => {
                let is_pair = matches!(behind.first(), Some(b'='))
                    || matches!(byte, b'&' | b'|') && behind.first() == Some(&byte);
                (true, if is_pair { 2 } else { 1 })
            }
            b'+' | b'-' | b'*' | b'/' | b'%' | b'?' => (true, 1),
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' => (true, word(rest)?),
            _ => return Err(foreign(source, rest)),
        };
        parts += usize::from(is_part);
        rest = &rest[length..];
        if depth > DEPTH_MAX {
            return Err(Refusal::Deep);
        }
        if parts > PARTS_MAX {
            return Err(Refusal::Large);
        }
    }
    Ok(())
}

/// How many bytes a word or a number has.
fn word(rest: &[u8]) -> Result<usize, Refusal> {
    let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    match rest.get(length) {
        Some(b'"' | b'\'') => Err(Refusal::Syntax("a text has nothing before its quotes, no `r` or `b`".to_owned())),
        Some(_) | None => Ok(length),
    }
}

/// How many bytes a text has, its quotes included.
fn text(rest: &[u8], quote: u8) -> Result<usize, Refusal> {
    let refused = |problem: &str| Err(Refusal::Syntax(problem.to_owned()));
    if rest.starts_with(&[quote; 3]) {
        return refused("a text has one quote at each end, not three");
    }
    let mut at = 1;
    loop {
        match (rest.get(at), rest.get(at + 1)) {
            (Some(b'\\'), Some(b'\\' | b'"' | b'\'' | b'n' | b't')) => at += 2,
            (Some(b'\\'), _) => return refused(r#"in a text only \\, \", \', \n and \t are escapes"#),
            (Some(b'\n' | b'\r') | None, _) => return refused("a text does not end on its line"),
            (Some(byte), _) if *byte == quote => return Ok(at + 1),
            (Some(_), _) => at += 1,
        }
    }
}

fn foreign(source: &str, rest: &[u8]) -> Refusal {
    let character = source.get(source.len() - rest.len()..).and_then(|rest| rest.chars().next());
    Refusal::Syntax(format!("{:?} stands for nothing outside of a text", character.unwrap_or_default()))
}
