//! What a form of a page says.

use crate::event::Factor;

/// One form, as it was posted.
#[derive(Debug, Default)]
pub(super) struct Form {
    /// That it is a form of ours, in the browser in which the page is open.
    pub(super) token: String,
    /// What is to be done.
    pub(super) verb: String,
    pub(super) factor: Option<Factor>,
    pub(super) id: String,
    pub(super) challenge: String,
    pub(super) enrolment: String,
    pub(super) code: String,
    pub(super) credential: String,
    pub(super) phone_number: String,
    pub(super) email: String,
}

/// Longer than any code that is typed, with the spaces that people put into it.
const CODE_BYTES_MAX: usize = 64;

impl Form {
    /// `None` where it is none of ours: members that no form of ours has, or one twice.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let mut form = Self::default();
        let mut factor = String::new();
        for (name, value) in form_urlencoded::parse(body) {
            let place = match &*name {
                "token" => &mut form.token,
                "do" => &mut form.verb,
                "factor" => &mut factor,
                "id" => &mut form.id,
                "challenge" => &mut form.challenge,
                "enrolment" => &mut form.enrolment,
                "code" => &mut form.code,
                "credential" => &mut form.credential,
                "phone_number" => &mut form.phone_number,
                "email" => &mut form.email,
                _ => return None,
            };
            if !place.is_empty() {
                return None;
            }
            *place = value.into_owned();
        }
        if !factor.is_empty() {
            form.factor = Some(Factor::ALL.into_iter().find(|known| known.as_str() == factor)?);
        }
        // People group digits, and write codes in capitals.
        form.code.retain(|c| !c.is_whitespace() && c != '-');
        (form.code.len() <= CODE_BYTES_MAX).then_some(form)
    }
}

/// Whether this is the type of what forms post.
pub(super) fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_one_of_ours_or_none() {
        let good = Form::parse(b"token=t&do=answer&factor=totp&code=123+456&challenge=").expect("it is one");
        assert_eq!((good.verb.as_str(), good.factor, good.code.as_str()), ("answer", Some(Factor::Totp), "123456"));
        let long = format!("code={}", "1".repeat(65));
        for bad in ["do=a&do=b", "factor=face", "unknown=1", &long] {
            assert!(Form::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        for (given, expected) in [
            ("application/x-www-form-urlencoded", true),
            ("Application/X-WWW-Form-Urlencoded; charset=utf-8", true),
            ("multipart/form-data", false),
            ("text/plain", false),
        ] {
            assert_eq!(is_form(given), expected, "{given}");
        }
    }
}
