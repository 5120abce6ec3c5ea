//! The bare server that askance is compared with: hyper with no router, no parsing and a fixed answer.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::Ipv4Addr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::Failure;

/// Serves an answer of `answer_bytes` bytes on a free loopback port, which is printed, until the process is killed.
///
/// It is one current-thread runtime with hyper's defaults, as one worker of askance is.
///
/// # Errors
/// When the port cannot be had.
pub(crate) fn serve(answer_bytes: usize) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?);
        std::io::stdout().flush()?;
        let answer = answer(answer_bytes);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(connection(stream, answer.clone()));
        }
    })
}

/// A JSON document of exactly that length, or `{"padding":""}` if it is to be shorter than that.
fn answer(answer_bytes: usize) -> Bytes {
    let frame_len = r#"{"padding":""}"#.len();
    let padding = "x".repeat(answer_bytes.saturating_sub(frame_len));
    Bytes::from(format!(r#"{{"padding":"{padding}"}}"#))
}

/// An error here is a client that went away, which ends the connection and nothing else.
async fn connection(stream: TcpStream, answer: Bytes) {
    let service = service_fn(move |request| respond(request, answer.clone()));
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

/// Reads the whole body, as any server must that scores it, and answers without a look at it.
async fn respond(request: Request<Incoming>, answer: Bytes) -> Result<Response<Full<Bytes>>, Infallible> {
    let complete = request.into_body().collect().await.is_ok();
    let mut response = Response::new(Full::new(answer));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if !complete {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(response)
}
