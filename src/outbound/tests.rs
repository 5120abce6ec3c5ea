use super::*;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// Nothing here takes as long; what should never end is given less.
const LONG: Duration = Duration::from_secs(60);

/// A server that says the same to everybody, and keeps what it was told.
struct Fake {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Fake {
    /// With `stays`, connections are kept open behind the answer.
    async fn start(answer: impl Into<Vec<u8>>, stays: bool) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, heard, answer) = (listener.local_addr()?, Arc::new(Mutex::default()), answer.into());
        let kept: Arc<Mutex<Vec<String>>> = Arc::clone(&heard);
        let serving = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let said = read_request(&mut stream).await;
                kept.lock().expect("no holder panics").push(said);
                // Whoever was told enough may be gone.
                stream.write_all(&answer).await.ok();
                if stays {
                    open.push(stream);
                }
            }
        });
        Ok(Self { address, heard, serving })
    }

    fn url(&self) -> String {
        format!("http://{}/in?x=1", self.address)
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no holder panics").clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A head, and the body that it announces.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&said).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read_buf(&mut said).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return text,
        }
    }
}

fn listed(networks: &[&str]) -> Networks {
    let networks: Vec<String> = networks.iter().map(|&text| text.to_owned()).collect();
    networks.try_into().expect("they are networks")
}

async fn post(url: &str, allowed: &[&str], deadline: Duration) -> Result<Reply, CallError> {
    let target = Target::try_from(url.to_owned()).expect("it is a target");
    let destination =
        Destination::new(target, listed(allowed), Authorities::System, Clock).expect("nothing is trusted");
    let secret = Secret::new("Basic c2VjcmV0").expect("it can stand in a header");
    let call = Call {
        content_type: "text/plain",
        headers: vec![(hyper::header::AUTHORIZATION, secret)],
        body: Bytes::from_static(b"hello"),
        deadline,
    };
    destination.post(call).await
}

#[tokio::test]
async fn what_is_said_arrives_once_and_what_comes_back_is_told() -> io::Result<()> {
    let fake = Fake::start("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok", true).await?;
    let reply = post(&fake.url(), &["127.0.0.1"], LONG).await;
    assert_eq!(reply, Ok(Reply { status: 201, body: Bytes::from_static(b"ok"), retry_after_s: None }));
    let heard = fake.heard();
    let [said] = &heard[..] else { return Err(io::Error::other("it was not called once")) };
    assert!(said.starts_with("POST /in?x=1 HTTP/1.1\r\n") && said.ends_with("\r\n\r\nhello"), "{said}");
    for line in [
        &format!("host: {}", fake.address),
        "content-type: text/plain",
        "content-length: 5",
        "authorization: Basic c2VjcmV0",
        "user-agent: askance",
        "connection: close",
    ] {
        assert!(said.lines().any(|found| found == line), "{line}: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn whatever_the_other_end_does_the_call_ends_as_it_should() -> io::Result<()> {
    let long = "x".repeat(REPLY_BYTES_MAX);
    let answer = |length: usize, body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    for (answer, stays, then) in [
        (answer(REPLY_BYTES_MAX, &long), true, Ok(200)),
        (answer(REPLY_BYTES_MAX + 1, &format!("{long}x")), true, Err(CallError::TooLarge)),
        (format!("HTTP/1.1 200 OK\r\n\r\n{long}{long}"), true, Err(CallError::TooLarge)),
        (format!("HTTP/1.1 200 OK\r\nx: {long}"), true, Err(CallError::TooLarge)),
        ("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_owned(), true, Ok(500)),
        ("HTTP/1.1 200 OK\r\n\r\nto the end".to_owned(), false, Ok(200)),
        (answer(10, "torn"), false, Err(CallError::Broken)),
        ("HTTP/1.1 20".to_owned(), false, Err(CallError::Broken)),
        (String::new(), false, Err(CallError::Broken)),
        ("SSH-2.0-OpenSSH\r\n".to_owned(), true, Err(CallError::Broken)),
    ] {
        let fake = Fake::start(answer.clone(), stays).await?;
        let status = post(&fake.url(), &["127.0.0.1"], LONG).await.map(|reply| reply.status);
        assert_eq!(status, then, "{:.60}", answer);
        assert_eq!(fake.heard().len(), 1, "nothing is said twice: {answer:.60}");
    }
    for silent in ["", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nto"] {
        let fake = Fake::start(silent, true).await?;
        let reply = post(&fake.url(), &["127.0.0.1"], Duration::from_millis(300)).await;
        assert_eq!(reply, Err(CallError::TimedOut), "{silent}");
    }
    Ok(())
}

#[tokio::test]
async fn a_redirect_leads_nowhere() -> io::Result<()> {
    let secret = Fake::start("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret", true).await?;
    for status in [301, 302, 303, 307, 308] {
        let head = format!("HTTP/1.1 {status} There\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", secret.url());
        let fake = Fake::start(head, true).await?;
        let reply = post(&fake.url(), &["127.0.0.1"], LONG).await;
        assert_eq!(reply.map(|reply| (reply.status, reply.is_success())), Ok((status, false)));
    }
    assert_eq!(secret.heard().len(), 0);
    Ok(())
}

#[tokio::test]
async fn an_address_that_is_neither_public_nor_listed_is_not_called() -> io::Result<()> {
    let fake = Fake::start("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true).await?;
    let by_name = format!("http://localhost:{}/", fake.address.port());
    let mapped = format!("http://[::ffff:127.0.0.1]:{}/", fake.address.port());
    for (url, allowed) in
        [(&fake.url(), &[][..]), (&fake.url(), &["127.0.0.2"]), (&by_name, &[]), (&mapped, &["10.0.0.0/8"])]
    {
        assert_eq!(post(url, allowed, LONG).await, Err(CallError::NotAllowed), "{url} {allowed:?}");
    }
    assert_eq!(fake.heard().len(), 0);
    for url in [&fake.url(), &by_name] {
        let reply = post(url, &["127.0.0.0/8"], LONG).await;
        assert_eq!(reply.map(|reply| reply.status), Ok(200), "{url}");
    }
    Ok(())
}

#[tokio::test]
async fn a_place_where_nobody_is_is_told_from_a_name_that_leads_nowhere() -> io::Result<()> {
    // Bound and not listening: nobody else gets the port meanwhile.
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let url = format!("http://{}/", socket.local_addr()?);
    assert_eq!(post(&url, &["127.0.0.1"], LONG).await, Err(CallError::Unreachable));
    // No name has a label of 64 letters: nobody needs to be asked.
    let nowhere = format!("https://{}.invalid/", "a".repeat(64));
    let target = Target::try_from(nowhere).expect("it is a target");
    let addresses = dial(target.host(), target.port(), &Networks::default(), false, LONG).await;
    assert_eq!(addresses.map(|_| ()), Err(CallError::Unresolved));
    Ok(())
}

#[test]
fn a_wait_is_seconds_or_a_date_and_a_day_at_most() {
    let now = Timestamp::parse("2015-10-21T07:27:30Z").expect("it is a time");
    for (text, wait) in [
        ("0", Some(0)),
        ("17", Some(17)),
        (" 17 ", Some(17)),
        ("-5", Some(0)),
        ("999999999", Some(86_400)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", Some(30)),
        ("Wed, 21 Oct 2015 07:27:00 GMT", Some(0)),
        ("Fri, 21 Oct 2016 07:28:00 GMT", Some(86_400)),
        ("soon", None),
        ("", None),
    ] {
        assert_eq!(wait_s(text, now), wait, "{text}");
    }
}

#[test]
fn nothing_of_a_call_is_printed() {
    let call = Call {
        content_type: "text/plain",
        headers: vec![(hyper::header::AUTHORIZATION, Secret::new("hush").expect("it can stand in a header"))],
        body: Bytes::from_static(b"hush"),
        deadline: LONG,
    };
    assert!(!format!("{call:?}").contains("hush"));
    let target = Target::try_from("http://127.0.0.1:1/hush".to_owned()).expect("it is a target");
    let destination = Destination::new(target, Networks::default(), Authorities::System, Clock);
    assert_eq!(destination.map(|place| format!("{place:?}")).ok().as_deref(), Some("Destination(127.0.0.1:1)"));
    assert_eq!(Secret::new("a\nb").map(|_| ()), None);
}
