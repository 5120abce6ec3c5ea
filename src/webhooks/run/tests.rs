//! What a receiver gets, whatever it answers; with a clock that goes as the test says.

use super::super::queue::LANE_MAX;
use super::super::{Event, EventKind, Secret};
use super::*;
use crate::memory::Settings;
use crate::memory::volatile::Volatile;
use crate::outbound::{Authorities, Networks, Target};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};

const NOW_S: u32 = 1_790_000_000;
const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ";

fn at(second: u32) -> Timestamp {
    Timestamp::from_unix_s(NOW_S + second)
}

/// What it got: the head in lower case, and the body.
type Got = (String, String);

/// Gives one answer after the other, the last one for good, each on a connection of its own.
fn receiver(answers: &'static [&'static str]) -> (u16, Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    let (sender, got) = sync_channel(1_024);
    std::thread::spawn(move || {
        for (at, stream) in (0..).zip(listener.incoming().map_while(Result::ok)) {
            let answer = answers[answers.len().min(at + 1) - 1];
            let request = read(&stream);
            let said = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
            if sender.send(request).is_err() || (&stream).write_all(said.as_bytes()).is_err() {
                return;
            }
        }
    });
    (port, got)
}

fn read(mut stream: &TcpStream) -> Got {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).expect("it is written to");
        text.extend_from_slice(&buffer[..count]);
        let all = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = all.split_once("\r\n\r\n") else { continue };
        if body.len() >= header(head, "content-length").parse().expect("a length") {
            return (head.to_owned(), body.to_owned());
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let found = head.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)));
    found.map(|(_, value)| value).unwrap_or_else(|| panic!("no {name} in {head}"))
}

fn secrets(texts: &[&str]) -> Secrets {
    Secrets(texts.iter().map(|text| Secret::parse(text).expect("a secret")).collect())
}

fn webhook(port: u16, allowed: &[&str], kinds: &[EventKind]) -> Webhook {
    let url = format!("http://127.0.0.1:{port}/events?a=b");
    let allowed = Networks::try_from(allowed.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    let target = Target::try_from(url.clone()).expect("of this machine");
    let destination = Destination::new(target, allowed.expect("a network"), Authorities::System, Clock);
    Webhook {
        destination: destination.expect("without TLS"),
        tag: Webhook::tag_of(&url),
        kinds: Kinds::try_from(kinds.to_vec()).expect("some"),
        secrets: secrets(&[NEW, OLD]),
        // A machine that is slow is no receiver that is.
        deadline: Duration::from_secs(60),
        give_up_ms: 86_400_000,
    }
}

/// A teller of these, without its thread, over memory of its own.
fn teller(memory: &Arc<Volatile>, webhooks: Vec<Webhook>) -> Teller<Arc<Volatile>> {
    Teller {
        memory: Arc::clone(memory),
        queue: Queue::new(Sealer::new(&[[7; 32]])),
        webhooks: webhooks.into_iter().map(|webhook| (webhook.tag, Arc::new(webhook))).collect(),
        meters: crate::telemetry::Meters::new().webhooks,
        clock: Clock,
        queued: Notify::new(),
        turn: None,
    }
}

fn memory() -> Arc<Volatile> {
    Arc::new(Volatile::new(&Settings::default()))
}

fn told(kind: EventKind) -> Told {
    let event = Event { kind, time: at(0), tenant: "default", user: Some("alice"), decision: None, factor: None };
    Told::new(event).expect("there is randomness")
}

impl Teller<Arc<Volatile>> {
    async fn queue(&self, kind: EventKind) {
        let mut items: Vec<Item> = self.item(&told(kind)).into_iter().collect();
        assert_eq!(self.queue.add(&*self.memory, &mut items, at(0)).await.ok(), Some(0));
    }

    async fn waiting(&self) -> usize {
        let mut waiting = 0;
        for lane in 0..LANES {
            let (_, items) = self.queue.lane(&*self.memory, lane, at(0)).await.expect("memory is well");
            waiting += items.iter().map(|item| item.to.len()).sum::<usize>();
        }
        waiting
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test)
}

#[test]
fn an_event_that_is_not_taken_comes_again_signed_anew_until_it_is() {
    let (port, got) = receiver(&["503 Away", "500 Odd\r\nretry-after: 120", "204 Thanks"]);
    run(async {
        let teller = teller(&memory(), vec![webhook(port, &["127.0.0.0/8"], &EventKind::ALL)]);
        teller.queue(EventKind::FactorBound).await;
        let first = teller.round(at(0)).await.expect("memory is well").expect("it comes again");
        assert!((2_500..=5_000).contains(&(first - at(0).unix_ms())), "{first}");
        assert_eq!(teller.round(at(2)).await.ok(), Some(Some(first)), "not before that");
        let second = teller.round(at(6)).await.expect("memory is well").expect("it comes again");
        assert_eq!(second - at(6).unix_ms(), 120_000, "as it was asked to");
        assert_eq!(teller.round(at(130)).await.ok(), Some(None));
        assert_eq!(teller.waiting().await, 0);
    });
    let got: Vec<Got> = got.try_iter().collect();
    let head = |name: &str| got.iter().map(|(head, _)| header(head, name)).collect::<Vec<_>>();
    let times: Vec<String> = [0, 6, 130].iter().map(|second| (NOW_S + second).to_string()).collect();
    assert_eq!(head("webhook-timestamp"), times);
    let ids = head("webhook-id");
    assert!(ids.len() == 3 && ids[0].starts_with("msg_") && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    for (head, body) in &got {
        assert!(head.starts_with("POST /events?a=b HTTP/1.1\r\n"), "{head}");
        assert_eq!(header(head, "content-type"), "application/json");
        let time_s = header(head, "webhook-timestamp").parse().expect("a time");
        let expected = secrets(&[NEW, OLD]).sign(header(head, "webhook-id"), time_s, body.as_bytes());
        assert_eq!(header(head, "webhook-signature"), expected);
        assert_eq!(expected.split(' ').count(), 2, "by either secret, while one is replaced");
        assert!(body.starts_with(r#"{"type":"factor.bound","timestamp":"2026-09-21T14:13:20Z","data":{"#), "{body}");
    }
}

#[test]
fn a_redirect_is_no_delivery_and_leads_nowhere() {
    let (port, elsewhere) = receiver(&["200 Here"]);
    let answer: &'static str = Box::leak(format!("307 There\r\nlocation: http://127.0.0.1:{port}/").into_boxed_str());
    let (port, got) = receiver(Box::leak(Box::new([answer])));
    run(async {
        let teller = teller(&memory(), vec![webhook(port, &["127.0.0.1"], &EventKind::ALL)]);
        teller.queue(EventKind::MfaFailed).await;
        assert!(teller.round(at(0)).await.is_ok_and(|next| next.is_some()));
        assert_eq!(teller.waiting().await, 1, "it waits on");
    });
    assert_eq!((got.try_iter().count(), elsewhere.try_iter().count()), (1, 0));
}

/// The name of this machine leads to an address that nobody listed.
#[test]
fn an_address_that_is_not_public_is_not_called_unless_it_is_listed() {
    for (allowed, expected) in [(&[][..], 0), (&["10.0.0.0/8"], 0), (&["127.0.0.1"], 1)] {
        let (port, got) = receiver(&["200 Thanks"]);
        run(async {
            let teller = teller(&memory(), vec![webhook(port, allowed, &EventKind::ALL)]);
            teller.queue(EventKind::MfaLocked).await;
            assert!(teller.round(at(0)).await.is_ok());
            assert_eq!(teller.waiting().await, 1 - expected, "{allowed:?}");
        });
        assert_eq!(got.try_iter().count(), expected, "{allowed:?}");
    }
}

#[test]
fn an_event_is_given_up_when_its_time_is_over_or_nobody_is_there_for_good() {
    let (port, got) = receiver(&["500 Never"]);
    let (gone, asked) = receiver(&["410 Gone"]);
    run(async {
        let all = [webhook(port, &["127.0.0.1"], &EventKind::ALL), webhook(gone, &["127.0.0.1"], &EventKind::ALL)];
        let teller = teller(&memory(), all.into());
        teller.queue(EventKind::DeviceNew).await;
        let mut second = 0;
        while let Some(next_ms) = teller.round(at(second)).await.expect("memory is well") {
            second = u32::try_from((next_ms - at(0).unix_ms()) / 1_000).expect("it is later") + 1;
            assert!(second <= 86_401, "{second}");
        }
        assert!(second > 80_000, "it was tried until then: {second} s");
        assert_eq!(teller.waiting().await, 0);
    });
    let (tries, asked) = (got.try_iter().count(), asked.try_iter().count());
    assert!((30..=70).contains(&tries), "ten tries to an hour, and each of them more than half an hour then: {tries}");
    assert_eq!(asked, 1, "whoever is gone is not asked again");
}

#[test]
fn each_is_told_of_what_it_wants_to_know_and_one_that_is_gone_from_the_configuration_of_nothing() {
    let (one, got_one) = receiver(&["200 Thanks"]);
    let (other, got_other) = receiver(&["200 Thanks"]);
    run(async {
        let memory = memory();
        let both = || {
            let kinds = [EventKind::FeedbackFraud, EventKind::DecisionDenied];
            vec![webhook(one, &["127.0.0.1"], &kinds), webhook(other, &["127.0.0.1"], &kinds[..1])]
        };
        let before = teller(&memory, both());
        for kind in [EventKind::FeedbackFraud, EventKind::DecisionDenied, EventKind::DeviceNew] {
            before.queue(kind).await;
        }
        assert_eq!(before.waiting().await, 3, "nobody wants to know of the device");
        let after = teller(&memory, both().into_iter().take(1).collect());
        assert_eq!(after.round(at(0)).await.ok(), Some(None));
        assert_eq!(after.waiting().await, 0);
    });
    assert_eq!((got_one.try_iter().count(), got_other.try_iter().count()), (2, 0));
}

#[test]
fn the_queue_is_bounded_and_loses_nothing_before_it_is_full() {
    run(async {
        let (memory, [one, other]) = (memory(), [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port")));
        let port = |listener: &TcpListener| listener.local_addr().expect("it is bound").port();
        let all = [&one, &other].map(|listener| webhook(port(listener), &["127.0.0.1"], &EventKind::ALL));
        let teller = teller(&memory, all.into());
        let room = LANES * LANE_MAX;
        let mut items: Vec<Item> = (0..room + 10).filter_map(|_| teller.item(&told(EventKind::MfaFailed))).collect();
        let last = items.last().cloned();
        assert_eq!(teller.queue.add(&*memory, &mut items, at(0)).await.ok(), Some(10));
        assert_eq!((items.len(), teller.waiting().await), (0, 2 * room));
        let mut again: Vec<Item> = last.into_iter().collect();
        assert_eq!(teller.queue.add(&*memory, &mut again, at(0)).await.ok(), Some(1), "it is full");
    });
}

#[test]
fn a_queue_that_was_sealed_under_another_key_is_begun_anew() {
    run(async {
        let memory = memory();
        let (port, got) = receiver(&["200 Thanks"]);
        let all = || vec![webhook(port, &["127.0.0.1"], &EventKind::ALL)];
        let old = teller(&memory, all());
        old.queue(EventKind::FactorBound).await;
        let replacing = Teller { queue: Queue::new(Sealer::new(&[[8; 32], [7; 32]])), ..teller(&memory, all()) };
        assert_eq!(replacing.round(at(0)).await.ok(), Some(None));
        assert_eq!(got.try_iter().count(), 1, "while both keys are there");
        old.queue(EventKind::FactorBound).await;
        let foreign = Teller { queue: Queue::new(Sealer::new(&[[9; 32]])), ..teller(&memory, all()) };
        assert_eq!(foreign.round(at(0)).await.ok(), Some(None));
        for _ in 0..LANES {
            foreign.queue(EventKind::FactorRemoved).await;
        }
        assert_eq!(foreign.waiting().await, LANES, "it takes what comes");
        assert_eq!(got.try_iter().count(), 0);
    });
}

#[test]
fn it_is_the_turn_of_one_replica_until_it_ends_or_is_given_up() {
    run(async {
        let (memory, one, other) = (memory(), Turn::default(), Turn::default());
        let takes = async |turn: &Turn, second| turn.take(&*memory, at(second)).await.expect("memory is well");
        assert!(takes(&one, 0).await && !takes(&other, 1).await);
        assert!(takes(&one, 9).await && takes(&one, 11).await, "it says again that it is there");
        assert!(!takes(&other, 40).await, "it does, from the 11th second on");
        assert!(takes(&other, 42).await && !takes(&one, 43).await, "it died, and the other goes on");
        one.give_up(&*memory, at(44)).await;
        assert!(!takes(&one, 44).await, "what is not its own it cannot give up");
        other.give_up(&*memory, at(45)).await;
        assert!(takes(&one, 45).await);
    });
}
