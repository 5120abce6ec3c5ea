//! What a page shows, before it is anything that a browser understands. The flows make these; `render` writes them.

use crate::event::Factor;

/// One page.
#[derive(Debug, Clone)]
pub struct View<'a> {
    /// What is shown.
    pub screen: Screen<'a>,
    /// What went wrong with what was sent before, or went well.
    pub notice: Option<Notice>,
    /// Who is asked, as the site knows them; `None` where a page is for nobody yet.
    pub user: Option<&'a str>,
    /// What is about to be done, in the words of the configuration, where one thing is to be confirmed.
    pub action: Option<&'a str>,
    /// Goes with every form, as `token`: it shows that a form came from a page of ours in the same browser.
    pub form_token: &'a str,
    /// Where to go back to with nothing proved, where that is known.
    pub leave: Option<&'a str>,
}

/// The parts of the way. Each form posts to the address of its page, with `token`, and with `do` and the members that stand at each.
#[derive(Debug, Clone)]
pub enum Screen<'a> {
    /// Several factors to choose from. `do=ask`, `factor`, `id`, each a button.
    Choose(&'a [Choice<'a>]),
    /// A code of an app, of a backup set, or one that was sent. `do=answer`, `factor`, `challenge` where there is one, `code`.
    EnterCode(EnterCode<'a>),
    /// A passkey. `do=answer`, `factor=webauthn`, `challenge`, `credential`: the browser's answer in JSON.
    Passkey(Passkey<'a>),
    /// The first proof of a user who has no factor: a code to the address of the account. `do=ask`, `factor=email`.
    ProveEmail {
        /// What may be shown of the address.
        masked: &'a str,
    },
    /// What can be set up. `do=enroll`, `factor`, each a button; `do=skip` where that is allowed.
    Enroll {
        /// In the order in which they are offered.
        factors: &'a [Factor],
        /// The user may put it off.
        is_skippable: bool,
        /// MFA is on already, and this is one more.
        is_another: bool,
    },
    /// An authenticator app. `do=bind`, `enrolment`, `code`.
    EnrollApp {
        /// Names the enrolment.
        enrolment: &'a str,
        /// For who types it, in base32.
        secret: &'a str,
        /// For who follows it: `otpauth://`.
        uri: &'a str,
        /// For who photographs it: our own SVG, which goes into the page as it is.
        qr_svg: Option<&'a str>,
    },
    /// A number or an address to send codes to. `do=enroll`, `factor`, and `phone_number` or `email`.
    EnrollRecipient {
        /// `Sms` or `Email`.
        factor: Factor,
        /// What was typed before, where it was refused.
        given: Option<&'a str>,
    },
    /// The code that was sent there. `do=bind`, `factor`, `enrolment`, `code`; to send again, `do=enroll`, `factor` and what was typed.
    EnrollCode {
        /// Names the enrolment.
        enrolment: &'a str,
        /// `Sms` or `Email`.
        factor: Factor,
        /// What may be shown of number or address.
        masked: &'a str,
        /// What was typed, to send again.
        given: &'a str,
        /// Seconds until it can be sent again.
        resend_after_s: u32,
    },
    /// A passkey to be made. `do=bind`, `factor=webauthn`, `enrolment`, `credential`.
    EnrollPasskey {
        /// Names the enrolment.
        enrolment: &'a str,
        /// `publicKey` for `navigator.credentials.create`, in JSON.
        options: &'a str,
    },
    /// A set of backup codes is to be made. `do=codes`; `do=skip` where that is allowed.
    MakeCodes {
        /// The user may go without.
        is_skippable: bool,
    },
    /// Backup codes, which are shown this once. `do=leave`.
    Codes(&'a [String]),
    /// It is done. `do=leave` where it is known where to go back to.
    Done,
    /// The way ends here.
    Dead(Dead),
}

/// A factor to choose.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// What it is.
    pub factor: Factor,
    /// Which of the user's; empty where any of the kind will do.
    pub id: &'a str,
    /// What the user calls it.
    pub label: Option<&'a str>,
    /// What may be shown of number or address.
    pub masked: Option<&'a str>,
}

/// A code is asked for.
#[derive(Debug, Clone, Copy)]
pub struct EnterCode<'a> {
    /// `Totp`, `BackupCode`, `Sms` or `Email`.
    pub factor: Factor,
    /// Names the challenge; of an app and of backup codes, none yet.
    pub challenge: Option<&'a str>,
    /// What may be shown of number or address.
    pub masked: Option<&'a str>,
    /// Which of the user's it was sent to; empty where any of the kind will do. Goes with `do=ask`, `factor`, `challenge`, to send again.
    pub id: &'a str,
    /// Seconds until it can be sent again.
    pub resend_after_s: u32,
    /// There are other ways: a link to the address of the page, with nothing chosen.
    pub has_others: bool,
}

/// A passkey is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Passkey<'a> {
    /// Names the challenge.
    pub challenge: &'a str,
    /// `publicKey` for `navigator.credentials.get`, in JSON.
    pub options: &'a str,
    /// There are other ways.
    pub has_others: bool,
}

/// What is said above a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A code was sent.
    Sent,
    /// The code is wrong, or was used.
    WrongCode,
    /// The code came too late, or a newer one was sent: another one is to be asked for.
    CodeGone,
    /// The code was wrong too often: another one is to be asked for.
    TriedTooOften,
    /// The passkey's answer is not right, or there was none.
    PasskeyFailed,
    /// Too many messages: seconds until the next one.
    TooManyMessages(u32),
    /// This way sleeps after too many wrong answers: seconds that it sleeps on.
    Asleep(u32),
    /// The message could not be sent.
    NotSent,
    /// It is no phone number that codes can be sent to.
    WrongNumber,
    /// It is no address that codes can be sent to.
    WrongAddress,
    /// There is an authenticator app already.
    AppInUse,
    /// What was chosen is not offered any longer.
    NotOffered,
    /// We could not do it just now: it is to be tried again.
    TryAgain,
}

/// Why the way ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dead {
    /// The link is too old, or was used: the site is to be opened again.
    LinkGone,
    /// The link is not one of ours, or was changed.
    LinkWrong,
    /// The page was opened in another browser, or from another network.
    OtherBrowser,
    /// The form did not come from a page of ours.
    FormRefused,
    /// The user has nothing that could prove who they are here, and nothing to begin with: help has to come from people.
    NoWay,
    /// All ways sleep after too many wrong answers: seconds until the first one wakes.
    Asleep(u32),
    /// Too many requests, or memory does not answer.
    Unavailable,
    /// There are no challenge pages here: asking is off.
    Off,
    /// There is no such page.
    NotFound,
}
