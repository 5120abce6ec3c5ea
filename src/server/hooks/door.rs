//! The doors: what each proxy writes where, and which answers it understands. None of them judges.
//!
//! **Source:** the manuals of the proxies, and what nginx 1.22, Caddy 2.11, Traefik 3.7, HAProxy 2.6 and Envoy 1.40 were seen to send.

mod envoy;
mod forward;
mod nginx;

use super::request::{Original, text};
use hyper::header::HeaderMap;
use hyper::http::request::Parts;

/// One way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// `auth_request` of nginx: understands 2xx, 401 and 403, and turns everything else into its own 500.
    Nginx,
    /// Traefik, Caddy and HAProxy, which hand any answer on.
    Forward,
    /// `ext_authz` of Envoy by HTTP. Only 200 passes.
    Envoy,
}

impl Door {
    /// By the path as it was sent. Behind Envoy's prefix everything is data, whatever it looks like, so nothing is resolved before.
    pub(super) fn find(path: &str) -> Option<Self> {
        match path {
            nginx::PATH => Some(Self::Nginx),
            forward::PATH => Some(Self::Forward),
            _ => envoy::original_path(path).map(|_| Self::Envoy),
        }
    }

    /// How people call it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Forward => "forward",
            Self::Envoy => "envoy",
        }
    }

    /// What the client asked, as far as this proxy tells. What a peer says who is no proxy of ours is not listened to.
    pub(super) fn original(self, head: &Parts, is_trusted: bool) -> Original<'_> {
        match self {
            _ if !is_trusted => Original::default(),
            Self::Nginx => nginx::original(&head.headers),
            Self::Forward => forward::original(&head.headers),
            Self::Envoy => envoy::original(head),
        }
    }

    /// Whether a browser can be sent elsewhere from here.
    pub(super) fn redirects(self) -> bool {
        match self {
            Self::Nginx => false,
            Self::Forward | Self::Envoy => true,
        }
    }
}

/// The headers that Traefik and Caddy write, and that others are told to.
fn forwarded(headers: &HeaderMap) -> Original<'_> {
    Original {
        method: text(headers, "x-forwarded-method"),
        scheme: text(headers, "x-forwarded-proto"),
        host: text(headers, "x-forwarded-host"),
        path_and_query: text(headers, "x-forwarded-uri"),
    }
}
