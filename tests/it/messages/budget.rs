//! What is counted of messages that are carried, and of those that are not.

use super::http_fake::{HttpFake, Says};
use super::{block_on, code, messenger, phone};
use askance::clock::Timestamp;
use askance::memory;
use askance::memory::volatile::Volatile;
use askance::mfa::MfaError;
use askance::mfa::budgets::{Budgets, EmailBudget, Purpose, Sending, SmsBudget};
use askance::mfa::codes;
use askance::mfa::delivery::Delivery;
use askance::mfa::message::{Message, Usage};
use askance::mfa::recipient::Recipient;

#[test]
fn what_a_provider_does_not_take_is_not_counted_and_what_is_refused_does_not_reach_it() {
    let fake = HttpFake::start(Says::status(400));
    let messenger = messenger(&format!(
        "[[mfa.connectors]]\nname = 'm'\nkind = 'sms'\ntype = 'http'\nurl = '{}'\nallow = ['127.0.0.1']\n\
         timeout_ms = 30000\nfailures_max = 1000",
        fake.url()
    ));
    let budgets = Budgets::new(&[1; 32], codes::Settings::default(), SmsBudget::default(), EmailBudget::default());
    let (delivery, memory) = (Delivery { budgets, messenger }, Volatile::new(&memory::Settings::default()));
    let (to, code, now) = (phone(), code(), Timestamp::from_unix_s(1_700_000_000));
    let send = |to: &Recipient| {
        let sending = Sending { recipient: to, purpose: Purpose::Verification, source: None };
        let message = Message { to, usage: Usage::Generic, locale: None, code: &code, minutes: 10, ip: None };
        block_on(async {
            let admitted = delivery.admit(&memory, &sending, now).await?;
            delivery.send(&memory, admitted, &message, now).await
        })
    };
    for status in [400, 500, 503].repeat(5) {
        fake.says(Says::status(status));
        assert_eq!(send(&to), Err(MfaError::ConnectorFailed), "{status}");
    }
    fake.says(Says::answer(429, "Retry-After: 9\r\n", ""));
    assert_eq!(send(&to), Err(MfaError::ConnectorRateLimited { wait_s: 9 }));
    fake.says(Says::status(200));
    for _ in 0..10 {
        assert_eq!(send(&to), Ok(()));
    }
    assert_eq!(send(&to), Err(MfaError::MessagesRateLimited { wait_s: 600 }));
    assert_eq!(fake.heard().len(), 15 + 1 + 10);
    let mail = Recipient::email(super::ADDRESS).unwrap();
    assert_eq!(send(&mail), Err(MfaError::ConnectorMissing));
}
