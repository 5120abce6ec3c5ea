//! Challenge pages: how they look. Pure: a [`View`] goes in, bytes come out; what is to be shown is decided in `server::hooks::page`.
//!
//! A page is one HTML document, whole without scripts but for passkeys, and without a script or a style of its own: those are files beside
//! it ([`Pages::asset`]), so that a strict policy can forbid all else. What was configured is read once, at the start.

mod color;
mod frame;
mod language;
mod logo;
mod screens;
mod settings;
mod texts;
mod view;

pub use color::Color;
pub use language::LanguageTag;
pub use settings::{HelpText, HelpUrl, Name, Settings};
pub use view::{Choice, Dead, EnterCode, Notice, Passkey, Screen, View};

use bytes::Bytes;
use frame::Site;
use logo::Logo;
use std::collections::BTreeMap;
use texts::Texts;

/// Everything that pages are made of. One for the process.
#[derive(Debug)]
pub struct Pages {
    site: Site,
    languages: Vec<(LanguageTag, Texts)>,
    /// The one for browsers that want none of these.
    default: Language,
    assets: BTreeMap<&'static str, Asset>,
}

/// A language that there is. A copy is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Language(usize);

/// A file beside the pages. A copy shares the bytes.
#[derive(Debug, Clone)]
pub struct Asset {
    /// The media type.
    pub content_type: &'static str,
    /// The file.
    pub bytes: Bytes,
    /// Names these bytes, in hex: the query of their address in a page, and good as an `ETag`.
    pub hash: String,
}

/// The directory of the files beside the pages, as pages name it.
pub const ASSETS_PATH: &str = "/askance/assets/";

impl Pages {
    /// Reads what the settings name, and makes what does not change from page to page.
    ///
    /// # Errors
    ///
    /// A file does not read, or does not serve; the error names setting and cause.
    pub fn load(settings: &Settings) -> Result<Self, String> {
        let languages = Texts::all(&settings.texts)?;
        let default = languages.iter().position(|(tag, _)| *tag == settings.locale).map(Language);
        let tags = || languages.iter().map(|(tag, _)| tag.as_str()).collect::<Vec<_>>().join(", ");
        let default = default
            .ok_or_else(|| format!("pages.locale: there are no texts in {}, only in {}", settings.locale, tags()))?;
        let mut assets = BTreeMap::from([
            ("style.css", Asset::new("text/css; charset=utf-8", frame::style(settings.accent_color).into())),
            ("passkey.js", Asset::new("text/javascript; charset=utf-8", PASSKEY_JS.into())),
            ("icon.svg", Asset::new("image/svg+xml", frame::icon(settings.accent_color).into())),
        ]);
        if let Some(path) = &settings.logo_file {
            let logo = Logo::load(path).map_err(|problem| format!("pages.logo_file: {}: {problem}", path.display()))?;
            assets.insert("logo", Asset::new(logo.content_type, logo.bytes.into()));
        }
        let site = Site::new(settings, &assets);
        Ok(Self { site, languages, default, assets })
    }

    /// The language that a browser wants, by its `Accept-Language`; else that of the configuration.
    #[must_use]
    pub fn language(&self, accept_language: Option<&str>) -> Language {
        let tags: Vec<&LanguageTag> = self.languages.iter().map(|(tag, _)| tag).collect();
        accept_language.and_then(|wanted| language::wanted(wanted, &tags)).map_or(self.default, Language)
    }

    /// What the language is called, such as for a message with a code.
    #[must_use]
    pub fn tag(&self, language: Language) -> &LanguageTag {
        &self.said_in(language).0
    }

    /// The document. It fits no other browser than the one that its token is for.
    #[must_use]
    pub fn render(&self, view: &View<'_>, language: Language) -> Bytes {
        let (tag, texts) = self.said_in(language);
        Bytes::from(frame::document(&self.site, tag, texts, view).into_string())
    }

    /// A file beside the pages: `style.css`, `passkey.js`, `icon.svg`, and `logo` where there is one.
    #[must_use]
    pub fn asset(&self, name: &str) -> Option<&Asset> {
        self.assets.get(name)
    }

    #[expect(
        clippy::expect_used,
        reason = "a language is a place in the list, made here only, and English is always there"
    )]
    fn said_in(&self, language: Language) -> &(LanguageTag, Texts) {
        self.languages.get(language.0).or(self.languages.first()).expect("English is always there")
    }
}

const PASSKEY_JS: &str = include_str!("passkey.js");
/// Of a hash that names a file: nobody makes two that share these by chance.
const HASH_DIGITS: usize = 16;

impl Asset {
    fn new(content_type: &'static str, bytes: Bytes) -> Self {
        let mut hash = blake3::hash(&bytes).to_hex().to_string();
        hash.truncate(HASH_DIGITS);
        Self { content_type, bytes, hash }
    }
}

#[cfg(test)]
mod tests;
