//! What arrives by gRPC and is no call: refused, and never as a failure that Envoy might be told to let pass.

use super::support::{ELSEWHERE, HOME, settings, start};
use crate::support::{Askance, CHROME};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use std::collections::HashMap;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const GRPC: &str = "application/grpc";

#[derive(Clone, PartialEq, Message)]
struct Asked {
    #[prost(message, optional, tag = "1")]
    attributes: Option<Attributes>,
}

#[derive(Clone, PartialEq, Message)]
struct Attributes {
    #[prost(message, optional, tag = "4")]
    request: Option<Outer>,
}

#[derive(Clone, PartialEq, Message)]
struct Outer {
    #[prost(message, optional, tag = "2")]
    http: Option<Http>,
}

#[derive(Clone, PartialEq, Message)]
struct Http {
    #[prost(string, tag = "2")]
    method: String,
    #[prost(map = "string, string", tag = "3")]
    headers: HashMap<String, String>,
    #[prost(string, tag = "4")]
    path: String,
}

#[derive(Clone, PartialEq, Message)]
struct Told {
    #[prost(message, optional, tag = "1")]
    status: Option<Code>,
    #[prost(message, optional, tag = "2")]
    denied: Option<Denied>,
    #[prost(message, optional, tag = "3")]
    passed: Option<Code>,
}

#[derive(Clone, PartialEq, Message)]
struct Denied {
    #[prost(message, optional, tag = "1")]
    status: Option<Code>,
}

#[derive(Clone, PartialEq, Message)]
struct Code {
    #[prost(int32, tag = "1")]
    code: i32,
}

fn call(method: &str, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let http = Http { method: method.to_owned(), headers, path: path.to_owned() };
    let outer = Outer { http: Some(http) };
    framed(&Asked { attributes: Some(Attributes { request: Some(outer) }) }.encode_to_vec())
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut body = BytesMut::new();
    body.put_u8(0);
    body.put_u32(message.len().try_into().unwrap());
    body.put_slice(message);
    body.to_vec()
}

/// Status, the status of gRPC in headers or trailers, and the message.
fn answered(server: &Askance, path: &str, kind: &str, body: Vec<u8>) -> (u16, Option<String>, Option<Told>) {
    let address = server.grpc().address();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        let request = Request::post(format!("http://{address}{path}")).header("content-type", kind);
        let answer = sender.send_request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap();
        let status = |headers: &hyper::HeaderMap| Some(headers.get("grpc-status")?.to_str().unwrap().to_owned());
        let told = status(&head.headers).or_else(|| status(body.trailers()?));
        let message = body.to_bytes();
        let message = message.get(5..).map(|message| Told::decode(message).unwrap());
        (head.status.as_u16(), told, message)
    })
}

/// The status of the call, and of the answer that the client gets.
fn checked(server: &Askance, body: Vec<u8>) -> (i32, Option<i32>) {
    let (status, told, message) = answered(server, CHECK, GRPC, body);
    assert_eq!((status, told.as_deref()), (200, Some("0")));
    let Told { status, denied, passed } = message.unwrap();
    assert_ne!(denied.is_some(), passed.is_some());
    (status.unwrap_or_default().code, denied.map(|denied| denied.status.unwrap().code))
}

const ALICE: [(&str, &str); 3] = [("x-forwarded-for", HOME), ("remote-user", "alice"), ("user-agent", CHROME)];

#[test]
fn what_is_no_call_is_refused_and_never_a_failure() {
    let server = start(&settings().set("hooks.grpc_listen", "127.0.0.1:0").set("server.body_bytes_max", 4096));
    let good = call("GET", "/inbox", &ALICE);
    assert_eq!(checked(&server, good.clone()), (0, None));
    let elsewhere = [("x-forwarded-for", ELSEWHERE), ALICE[1], ALICE[2]];
    assert_eq!(checked(&server, call("GET", "/inbox", &elsewhere)), (7, Some(401)));
    assert_eq!(checked(&server, call("GET", "/inbox", &ALICE[1..])), (7, Some(401)), "nobody says where");
    let compressed = [&[1], &good[1..]].concat();
    let more = [&good[..], &good].concat();
    let large = call("GET", "/inbox", &[&ALICE[..], &[("x-large", &"x".repeat(4096))]].concat());
    for body in [
        Vec::new(),
        framed(b""),
        framed(b"\xff\xff\xff\xff"),
        good[..good.len() - 1].to_vec(),
        compressed,
        more,
        large,
        call("", "/inbox", &ALICE),
        call("GE T", "/inbox", &ALICE),
        call("GET", "/inbox", &[("no name", "x")]),
        call("GET", "/inbox", &[("name", "a\r\nremote-user: alice")]),
    ] {
        assert_eq!(checked(&server, body.clone()), (7, Some(403)), "{body:?}");
    }
    let (status, told, _) = answered(&server, "/envoy.service.auth.v2.Authorization/Check", GRPC, good.clone());
    assert_eq!((status, told.as_deref()), (200, Some("12")));
    assert_eq!(answered(&server, CHECK, "application/json", good).0, 415);
}

#[test]
fn a_stranger_names_nobody_by_grpc() {
    let settings = settings().set("hooks.grpc_listen", "127.0.0.1:0");
    let server = start(&settings.set("hooks.trusted_proxies", toml::Value::Array(vec!["10.0.0.1".into()])));
    assert_eq!(checked(&server, call("GET", "/inbox", &ALICE)), (7, Some(401)));
}
