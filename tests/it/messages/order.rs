//! Several connectors of a kind: who is tried, when, and who is left alone.

use super::http_fake::{HttpFake, Says};
use super::{block_on, messenger, phone, send};
use crate::support::{PATIENCE, POLL_INTERVAL};
use askance::mfa::message::{Messenger, SendError, Usage};

/// Connectors to these, in this order; the first one with keys of its own.
fn messenger_to(fakes: &[&HttpFake], of_first: &str) -> Messenger {
    let stanza = |(at, fake): (usize, &&HttpFake)| {
        let own = if at == 0 { of_first } else { "" };
        format!(
            "[[mfa.connectors]]\nname = 'n{at}'\nkind = 'sms'\ntype = 'http'\nurl = '{}'\nallow = ['127.0.0.1']\n\
             timeout_ms = 30000\n{own}\n",
            fake.url()
        )
    };
    messenger(&fakes.iter().enumerate().map(stanza).collect::<String>())
}

fn generic(messenger: &Messenger) -> Result<(), SendError> {
    block_on(send(messenger, &phone(), Usage::Generic))
}

#[test]
fn the_next_one_is_tried_until_one_takes_it() {
    let wait = |wait_s: u32| Says::answer(429, &format!("Retry-After: {wait_s}\r\n"), "");
    let told = |wait_s| Err(SendError::RateLimited { wait_s });
    for (first, second, then, calls) in [
        (Says::status(200), Says::status(200), Ok(()), [1, 0]),
        (Says::status(500), Says::status(200), Ok(()), [1, 1]),
        (Says::status(400), Says::status(200), Ok(()), [1, 1]),
        (Says::torn(), Says::status(200), Ok(()), [1, 1]),
        (wait(30), Says::status(200), Ok(()), [1, 1]),
        (wait(30), Says::status(500), told(30), [1, 1]),
        (Says::status(500), wait(30), told(30), [1, 1]),
        (wait(30), wait(20), told(20), [1, 1]),
        (Says::status(500), Says::status(400), Err(SendError::General), [1, 1]),
    ] {
        let fakes = [HttpFake::start(first.clone()), HttpFake::start(second.clone())];
        let messenger = messenger_to(&[&fakes[0], &fakes[1]], "");
        assert_eq!(generic(&messenger), then, "{first:?} {second:?}");
        assert_eq!(fakes.each_ref().map(|fake| fake.heard().len()), calls, "{first:?} {second:?}");
    }
    assert_eq!(generic(&messenger("")), Err(SendError::NotConfigured));
}

#[test]
fn who_fails_in_a_row_is_left_alone() {
    let fakes = [HttpFake::start(Says::status(500)), HttpFake::start(Says::status(200))];
    let messenger = messenger_to(&[&fakes[0], &fakes[1]], "failures_max = 3\nrest_s = 3600");
    for _ in 0..2 {
        assert_eq!(generic(&messenger), Ok(()));
    }
    // Somebody is there: what came before was not in a row with what comes.
    fakes[0].says(Says::status(400));
    assert_eq!(generic(&messenger), Ok(()));
    fakes[0].says(Says::status(500));
    for _ in 0..10 {
        assert_eq!(generic(&messenger), Ok(()), "the other one takes it");
    }
    assert_eq!(fakes.each_ref().map(|fake| fake.heard().len()), [6, 13]);
}

/// Whoever can choose the number must not be able to stop messages to others.
#[test]
fn messages_that_are_refused_do_not_stop_others() {
    let fake = HttpFake::start(Says::status(400));
    let messenger = messenger_to(&[&fake], "failures_max = 1\nrest_s = 3600");
    for says in [Says::status(400), Says::status(404), Says::status(429)] {
        fake.says(says);
        assert!(generic(&messenger).is_err());
    }
    assert_eq!(fake.heard().len(), 3);
    fake.says(Says::status(200));
    assert_eq!(generic(&messenger), Ok(()));
}

#[test]
fn who_has_enough_calls_is_passed_by() {
    let fakes = [HttpFake::start(Says::nothing()), HttpFake::start(Says::status(200))];
    let messenger = messenger_to(&[&fakes[0], &fakes[1]], "in_flight_max = 1");
    let to = phone();
    block_on(async {
        let hanging = send(&messenger, &to, Usage::Generic);
        let others = async {
            let asked = async {
                while fakes[0].heard().is_empty() {
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
            };
            tokio::time::timeout(PATIENCE, asked).await.expect("the first one is asked");
            for _ in 0..3 {
                assert_eq!(send(&messenger, &to, Usage::Generic).await, Ok(()));
            }
        };
        tokio::select! {
            _ended = hanging => panic!("nothing was answered"),
            () = others => {}
        }
    });
    assert_eq!(fakes.each_ref().map(|fake| fake.heard().len()), [1, 3]);
}
