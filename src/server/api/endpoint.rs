//! Which call a path names, and by which methods it is made.

use crate::telemetry::Route;

/// A call of the main listener, with what its path holds; percent-encoded still.
#[derive(Debug)]
pub(super) enum Endpoint<'a> {
    Score,
    Outcome(&'a str),
    Feedback(&'a str),
    Import,
}

impl<'a> Endpoint<'a> {
    pub(super) fn find(path: &'a str) -> Option<Self> {
        match path {
            "/v1/score" => return Some(Self::Score),
            "/v1/import" => return Some(Self::Import),
            _ => {}
        }
        match path.strip_prefix("/v1/decisions/")?.split_once('/')? {
            ("", _) => None,
            (id, "outcome") => Some(Self::Outcome(id)),
            (id, "feedback") => Some(Self::Feedback(id)),
            _ => None,
        }
    }

    /// The methods, as the header `Allow` names them.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Self::Score | Self::Outcome(_) | Self::Feedback(_) | Self::Import => "POST",
        }
    }

    /// How metrics call it.
    pub(super) fn label(&self) -> Route {
        match self {
            Self::Score => Route::Score,
            Self::Outcome(_) => Route::Outcome,
            Self::Feedback(_) => Route::Feedback,
            Self::Import => Route::Import,
        }
    }
}
