//! The operator's picture: an SVG that does nothing and fetches nothing, or a PNG. It is served as a file of its own and shown as an image,
//! where browsers run no scripts; somebody may open it by its address all the same.

use std::path::Path;

/// A picture that may be shown.
#[derive(Debug)]
pub(super) struct Logo {
    pub(super) content_type: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// So that a page stays light.
const BYTES_MAX: usize = 32_768;
/// **Source:** PNG (W3C, third edition), section 5.2.
const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

impl Logo {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// It does not read, is too large, or is none that may be shown; says why.
    pub(super) fn load(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        if bytes.len() > BYTES_MAX {
            return Err(format!("has {} bytes, allowed are {BYTES_MAX}", bytes.len()));
        }
        let is_png = bytes.starts_with(PNG_SIGNATURE) && bytes.get(12..16) == Some(b"IHDR");
        if is_png {
            return Ok(Self { content_type: "image/png", bytes });
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| "is neither a PNG nor an SVG in UTF-8".to_owned())?;
        refuse_svg(text)?;
        Ok(Self { content_type: "image/svg+xml", bytes })
    }
}

/// Elements by which an SVG does something, or shows what is not in it.
const ELEMENTS: [&str; 11] =
    ["script", "foreignobject", "iframe", "object", "embed", "handler", "listener", "audio", "video", "animate", "set"];
/// What stands in no calm picture, wherever it is: scripts, styles from elsewhere, and what hides either of them from whoever searches.
const WORDS: [&str; 7] = ["<!doctype", "<!entity", "<?xml-stylesheet", "javascript:", "@import", "&#", "\\"];

/// # Errors
///
/// It does something, or fetches something; or it may, since it is written in a way that nobody needs. Says what.
fn refuse_svg(text: &str) -> Result<(), String> {
    let small = text.to_lowercase();
    let mut elements =
        small.split('<').skip(1).filter(|tag| tag.starts_with(|first: char| first.is_ascii_alphabetic()));
    let mut named = elements.by_ref().map(element).peekable();
    if named.peek() != Some(&"svg") {
        return Err("is neither a PNG nor an SVG: its first element is not svg".to_owned());
    }
    if let Some(element) = named.find(|name| ELEMENTS.contains(name)) {
        return Err(format!("holds an element that a picture must not have: {element}"));
    }
    if let Some(word) = WORDS.iter().find(|word| small.contains(**word)) {
        return Err(format!("holds what a picture must not have: {word}"));
    }
    for (at, _) in small.match_indices("on") {
        if is_handler(&small, at) {
            return Err("holds an event handler (on…=)".to_owned());
        }
    }
    let references = ["href", "src", "url("];
    for reference in references {
        let mut behind = small.match_indices(reference).filter_map(|(at, _)| small.get(at + reference.len()..));
        if let Some(foreign) = behind.find(|behind| !is_own(reference, behind)) {
            let foreign: String = foreign.chars().take(40).collect();
            return Err(format!("refers to what is not in it: {reference}{foreign}"));
        }
    }
    Ok(())
}

/// The name of an element without its prefix.
fn element(tag: &str) -> &str {
    let name = tag.split(|end: char| end.is_whitespace() || matches!(end, '>' | '/')).next().unwrap_or_default();
    name.rsplit(':').next().unwrap_or_default()
}

/// Whether an attribute such as `onload=` begins here.
fn is_handler(text: &str, at: usize) -> bool {
    let begins = text
        .get(..at)
        .is_some_and(|before| before.ends_with(|last: char| last.is_whitespace() || matches!(last, '"' | '\'' | '/')));
    let rest = text.get(at + 2..).unwrap_or_default();
    let behind = rest.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    begins && behind.len() < rest.len() && behind.trim_start().starts_with('=')
}

/// Whether what stands behind is a part of the picture, or a bitmap in it; of `src` and `href`, also whether it is no attribute at all.
fn is_own(reference: &str, behind: &str) -> bool {
    let value = match reference {
        "url(" => Some(behind),
        _ => behind.trim_start().strip_prefix('='),
    };
    let Some(value) = value else { return true };
    let value = value.trim_start_matches(|quote: char| quote.is_whitespace() || matches!(quote, '"' | '\''));
    let is_bitmap = ["png", "jpeg", "gif", "webp"].iter().any(|kind| {
        value
            .strip_prefix("data:image/")
            .and_then(|rest| rest.strip_prefix(kind))
            .is_some_and(|rest| rest.starts_with(";base64,"))
    });
    value.starts_with('#') || is_bitmap
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(bytes: &[u8]) -> Result<Logo, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("it is ours");
        Logo::load(file.path())
    }

    fn svg(inside: &str) -> Result<Logo, String> {
        loaded(format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 9 9\">{inside}</svg>").as_bytes())
    }

    #[test]
    fn pictures_are_shown() {
        for inside in [
            "<path d=\"M0 0h9v9z\"/>",
            "<title>Onward = on and on</title><g id=\"a\"/><use href=\"#a\"/>",
            "<defs><linearGradient id='g'/></defs><rect fill=\"url(#g)\" mask='url( \"#g\" )'/>",
            "<image xlink:href=\"data:image/png;base64,AAAA\"/>",
            "<style>.a{fill:#123456}</style><!-- href, src -->",
        ] {
            let logo = svg(inside).unwrap_or_else(|error| panic!("{inside}: {error}"));
            assert_eq!(logo.content_type, "image/svg+xml");
        }
        assert!(loaded(b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- by hand -->\n<svg/>").is_ok());
        let png = loaded(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR and so on").expect("a PNG");
        assert_eq!(png.content_type, "image/png");
    }

    #[test]
    fn what_does_or_fetches_something_is_refused() {
        for (inside, said) in [
            ("<script>alert(1)</script>", "script"),
            ("<svg:ScRiPt href=\"#a\"/>", "script"),
            ("<foreignObject/>", "foreignobject"),
            ("<a href=\"javascript:alert(1)\"/>", "javascript:"),
            ("<a href=\"&#106;avascript:alert(1)\"/>", "&#"),
            ("<rect onclick=\"alert(1)\"/>", "on…="),
            ("<rect a='b'onload = 'alert(1)'/>", "on…="),
            ("<image href=\"https://example.org/a.png\"/>", "https://example.org"),
            ("<image href = '//example.org/a.png'/>", "//example.org"),
            ("<image href=\"data:image/svg+xml;base64,AAAA\"/>", "data:image/svg"),
            ("<use xlink:href='other.svg#a'/>", "other.svg"),
            ("<rect fill=\"url(https://example.org/a)\"/>", "https://example.org"),
            ("<style>@import 'https://example.org/a.css'</style>", "@import"),
            ("<style>a{fill:u\\72l(x)}</style>", "\\"),
            ("<set attributeName=\"href\"/>", "set"),
        ] {
            let error = svg(inside).expect_err(inside);
            assert!(error.contains(said), "{inside}: {error}");
        }
        for (bytes, said) in [
            (&b"<!DOCTYPE svg [<!ENTITY a 'b'>]><svg/>"[..], "<!doctype"),
            (b"<html><svg/></html>", "svg"),
            (b"", "svg"),
            (b"\x89PNG\r\n\x1a\nshort", "neither"),
            (b"GIF89a", "svg"),
            (b"\xff\xfe<\0s\0", "neither"),
            (&vec![b' '; BYTES_MAX + 1], "32768"),
        ] {
            let error = loaded(bytes).expect_err(said);
            assert!(error.contains(said), "{error}");
        }
        assert!(Logo::load(Path::new("/nonexistent")).is_err());
    }
}
