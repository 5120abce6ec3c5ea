//! Our own texts. Each text message fits one part: 160 letters of GSM 03.38, or 70 of others.

use super::{Channel, Locale, TemplateSettings, Text, Usage};

/// Language, usage, what a text message says, the subject of a mail, and what that says.
const TEXTS: [(&str, Usage, &str, &str, &str); 9] = [
    (
        "en",
        Usage::MfaVerification,
        "{{code}} is your code to sign in, good for {{minutes}} min. Nobody else needs it: give it to no one.",
        "{{code}} is your code to sign in",
        "{{code}} is your code to sign in. It is good for {{minutes}} min.\n\nNobody else needs it: give it to no one. If you are not signing \
         in just now, somebody knows your password: change it.\n",
    ),
    (
        "en",
        Usage::BindMfa,
        "{{code}} is your code to add this number to your account, good for {{minutes}} min. Give it to no one.",
        "{{code}} is your code to add this address",
        "{{code}} is your code to add this address to your account. It is good for {{minutes}} min.\n\nNobody else needs it: give it to no \
         one. If you did not ask for it, do nothing.\n",
    ),
    (
        "en",
        Usage::Generic,
        "{{code}} is your code, good for {{minutes}} min. Give it to no one.",
        "{{code}} is your code",
        "{{code}} is your code. It is good for {{minutes}} min.\n\nNobody else needs it: give it to no one.\n",
    ),
    (
        "de",
        Usage::MfaVerification,
        "{{code}} ist Ihr Code zum Anmelden, gültig {{minutes}} Min. Niemand sonst braucht ihn: Geben Sie ihn nicht weiter.",
        "{{code}} ist Ihr Code zum Anmelden",
        "{{code}} ist Ihr Code zum Anmelden. Er ist {{minutes}} Min. gültig.\n\nNiemand sonst braucht ihn: Geben Sie ihn nicht weiter. Wenn \
         Sie sich gerade nicht anmelden, kennt jemand Ihr Passwort: Ändern Sie es.\n",
    ),
    (
        "de",
        Usage::BindMfa,
        "{{code}} ist Ihr Code, um diese Nummer Ihrem Konto hinzuzufügen, gültig {{minutes}} Min. Geben Sie ihn nicht weiter.",
        "{{code}} ist Ihr Code für diese Adresse",
        "{{code}} ist Ihr Code, um diese Adresse Ihrem Konto hinzuzufügen. Er ist {{minutes}} Min. gültig.\n\nNiemand sonst braucht ihn: \
         Geben Sie ihn nicht weiter. Wenn Sie ihn nicht angefordert haben, tun Sie nichts.\n",
    ),
    (
        "de",
        Usage::Generic,
        "{{code}} ist Ihr Code, gültig {{minutes}} Min. Geben Sie ihn nicht weiter.",
        "{{code}} ist Ihr Code",
        "{{code}} ist Ihr Code. Er ist {{minutes}} Min. gültig.\n\nNiemand sonst braucht ihn: Geben Sie ihn nicht weiter.\n",
    ),
    (
        "ja",
        Usage::MfaVerification,
        "ログイン用の認証コードは {{code}} です（{{minutes}}分間有効）。他人に教えないでください。",
        "ログイン用の認証コード: {{code}}",
        "ログイン用の認証コードは {{code}} です。{{minutes}}分間有効です。\n\nこのコードを他人に教えないでください。ログインした覚えがない場合は、\
         パスワードが他人に知られています。すぐに変更してください。\n",
    ),
    (
        "ja",
        Usage::BindMfa,
        "この電話番号を登録する認証コードは {{code}} です（{{minutes}}分間有効）。他人に教えないでください。",
        "アドレス登録用の認証コード: {{code}}",
        "このアドレスを登録するための認証コードは {{code}} です。{{minutes}}分間有効です。\n\nこのコードを他人に教えないでください。\
         お心当たりがない場合は、何もしないでください。\n",
    ),
    (
        "ja",
        Usage::Generic,
        "認証コードは {{code}} です（{{minutes}}分間有効）。他人に教えないでください。",
        "認証コード: {{code}}",
        "認証コードは {{code}} です。{{minutes}}分間有効です。\n\nこのコードを他人に教えないでください。\n",
    ),
];

pub(super) fn all() -> impl Iterator<Item = TemplateSettings> {
    TEXTS.into_iter().flat_map(|(locale, usage, sms, subject, mail)| {
        let locale = Locale(locale.to_owned());
        let text = |text: &str| Text(text.to_owned());
        [
            TemplateSettings { kind: Channel::Sms, usage, locale: locale.clone(), subject: None, text: text(sms) },
            TemplateSettings { kind: Channel::Email, usage, locale, subject: Some(text(subject)), text: text(mail) },
        ]
    })
}
