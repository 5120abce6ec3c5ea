//! Requests that end early, or come in pieces.

use super::{Besieged, answers, good, settings};

/// With half of the connection closed, and with all of it gone.
#[test]
fn a_request_torn_at_any_byte_is_no_login() {
    let besieged = Besieged::new();
    let request = good(&besieged.client(), "torn");
    for cut in 0..request.len() {
        let mut half_closed = besieged.send(&request[..cut]);
        half_closed.finish_writing().unwrap();
        let answers = answers(half_closed);
        assert!(answers.len() <= 1 && answers.iter().all(|answer| answer.status == 400), "cut at {cut}: {answers:?}");
        drop(besieged.send(&request[..cut]));
    }
    besieged.assert_unharmed();
}

#[test]
fn a_request_in_two_pieces_is_answered_wherever_it_is_parted() {
    let besieged = Besieged::new();
    let request = good(&besieged.client(), "parted");
    let mut connection = besieged.connect();
    for cut in 1..request.len() {
        connection.write(&request[..cut]).unwrap();
        connection.write(&request[cut..]).unwrap();
        assert_eq!(connection.read_response().unwrap().status, 200, "parted at {cut}");
    }
    drop(connection);
    besieged.assert_unharmed_but_for(1, 0);
}

/// A blank line behind a body, which old clients send, and the beginning of the next request hold nothing back.
#[test]
fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
    let besieged = Besieged::start(&settings().set("server.request_timeout_ms", 60_000));
    let request = good(&besieged.client(), "eager");
    for next in ["\r\n", "P", "POST /v1/score HTTP/1.1\r\nhost:"] {
        let mut connection = besieged.send(&[&request, next.as_bytes()].concat());
        assert_eq!(connection.read_response().unwrap().status, 200, "{next:?}");
    }
    besieged.assert_unharmed_but_for(1, 0);
}
