//! Envoy by gRPC: `ext_authz` of Envoy, Istio, Contour and the Gateway API.
//!
//! A call is one message there and one back, each behind five bytes of frame. What cannot be read is refused as an answer, and
//! not by a status of gRPC: those are failures to Envoy, which an operator may have told to let them pass.
//!
//! **Source:** the gRPC protocol over HTTP/2 (`PROTOCOL-HTTP2.md` of its project); Envoy 1.40 as it was seen.

mod message;

use super::door::Door;
use super::request::{HookRequest, Original};
use super::{Doors, Origin};
use crate::memory::Memory;
use crate::server::api::Service;
use crate::server::{Answer, body};
use crate::telemetry::Route;
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use hyper::http::request::Parts;
use hyper::{HeaderMap as Trailers, Method, Request, Response, StatusCode};
use message::{CheckRequest, CheckResponse, Denied, Header, HeaderOption, HttpRequest, HttpResponse, HttpStatus};
use message::{Passed, RpcStatus};
use prost::Message;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

const PATH: &str = "/envoy.service.auth.v3.Authorization/Check";
/// A flag, whether the message is compressed, and its length.
const FRAME_BYTES: usize = 5;
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// **Source:** the status codes of gRPC.
const OK: i32 = 0;
const PERMISSION_DENIED: i32 = 7;
const UNIMPLEMENTED: &str = "12";

/// An answer with its trailers.
type GrpcAnswer = Response<http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>>;

impl<M: Memory> Service<M> {
    /// Answers one request of a gRPC listener.
    pub(in crate::server) fn handle_grpc(
        self: Arc<Self>,
        request: Request<Incoming>,
        origin: Origin,
    ) -> Pin<Box<impl Future<Output = GrpcAnswer>>> {
        let (head, mut incoming) = request.into_parts();
        Box::pin(async move {
            let answer = match refusal(&head) {
                Some(refused) => refused,
                None => {
                    let message = body::read(&mut incoming, self.body_bytes_max, self.hooks.deadline()).await;
                    let asked = message.ok().and_then(|message| HttpRequest::unframed(&message));
                    framed(&self.check(asked, origin.peer).await)
                }
            };
            self.meters.requested(Route::Hook, answer.status().as_u16());
            answer
        })
    }

    /// What Envoy is told; a request that is none is refused.
    async fn check(&self, asked: Option<HttpRequest>, peer: IpAddr) -> CheckResponse {
        let Some((asked, head)) = asked.and_then(|asked| asked.head().map(|head| (asked, head))) else {
            return CheckResponse::refused(StatusCode::FORBIDDEN);
        };
        let request = self.hooks.doors.read_grpc(&asked, &head, peer);
        CheckResponse::of(self.pass(Door::Envoy, &request, peer).await).await
    }
}

impl Doors {
    /// What a peer says who is no proxy of ours is not listened to.
    fn read_grpc<'r>(&self, asked: &'r HttpRequest, head: &'r Parts, peer: IpAddr) -> HookRequest<'r> {
        let is_trusted = self.client_ip.trusted_proxies.contains(peer);
        let original = if is_trusted { asked.original() } else { Original::default() };
        HookRequest::new(head, peer, &self.client_ip, &self.client_ip_header, original)
    }
}

impl HttpRequest {
    /// Of a body, which holds exactly one message.
    fn unframed(body: &[u8]) -> Option<Self> {
        let (frame, message) = body.split_first_chunk::<FRAME_BYTES>()?;
        let [0, length @ ..] = frame else { return None };
        let is_whole = usize::try_from(u32::from_be_bytes(*length)).is_ok_and(|length| length == message.len());
        let request = CheckRequest::decode(message).ok().filter(|_| is_whole)?;
        request.attributes?.request?.http
    }

    fn original(&self) -> Original<'_> {
        let told = |text: &'_ str| !text.is_empty();
        Original {
            method: Some(&*self.method).filter(|text| told(text)),
            scheme: Some(&*self.scheme).filter(|text| told(text)),
            host: Some(&*self.host).filter(|text| told(text)),
            path_and_query: Some(&*self.path).filter(|text| told(text)),
        }
    }

    /// Its method and headers, without HTTP/2's own; `None` where one is none. Names were dropped by Envoy as its operator likes.
    fn head(&self) -> Option<Parts> {
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in self.headers.iter().filter(|(name, _)| !name.starts_with(':')) {
            headers.append(HeaderName::try_from(&**name).ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?);
        }
        let mut head = Request::new(()).into_parts().0;
        head.method = Method::from_bytes(self.method.as_bytes()).ok()?;
        head.headers = headers;
        Some(head)
    }
}

impl CheckResponse {
    fn refused(status: StatusCode) -> Self {
        let status = Some(HttpStatus { code: status.as_u16().into() });
        let denied = Denied { status, headers: Vec::new(), body: String::new() };
        Self { status: Some(RpcStatus { code: PERMISSION_DENIED }), http_response: Some(HttpResponse::Denied(denied)) }
    }

    /// What the doors by HTTP answer. Of an allow everything goes on to the site but the cookie, which goes back.
    async fn of(answer: Answer) -> Self {
        let (head, body) = answer.into_parts();
        let (cookies, headers): (Vec<_>, Vec<_>) = head
            .headers
            .iter()
            .filter(|(name, _)| **name != CONTENT_LENGTH)
            .partition(|(name, _)| **name == SET_COOKIE);
        if head.status == StatusCode::OK {
            let passed = Passed {
                headers: headers.into_iter().filter_map(|header| option(header, None)).collect(),
                response_headers_to_add: cookies.into_iter().filter_map(|cookie| option(cookie, Some(true))).collect(),
            };
            let status = Some(RpcStatus { code: OK });
            return Self { status, http_response: Some(HttpResponse::Ok(passed)) };
        }
        let mut refused = Self::refused(head.status);
        if let Some(HttpResponse::Denied(denied)) = &mut refused.http_response {
            denied.headers = headers.into_iter().filter_map(|header| option(header, None)).collect();
            // It is all here, and nothing that could fail.
            let Ok(body) = body.collect().await;
            denied.body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        }
        refused
    }
}

fn option((name, value): (&HeaderName, &HeaderValue), append: Option<bool>) -> Option<HeaderOption> {
    let value = std::str::from_utf8(value.as_bytes()).ok()?.to_owned();
    Some(HeaderOption { header: Some(Header { key: name.as_str().to_owned(), value }), append })
}

/// The answer to what is no call of ours.
fn refusal(head: &Parts) -> Option<GrpcAnswer> {
    let is_grpc = head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let status = match head.uri.path() {
        _ if !is_grpc || head.method != Method::POST => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        PATH => return None,
        _ => StatusCode::OK,
    };
    let mut answer = Response::new(Full::default().boxed_unsync());
    *answer.status_mut() = status;
    if status == StatusCode::OK {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        answer.headers_mut().insert(GRPC_STATUS, HeaderValue::from_static(UNIMPLEMENTED));
    }
    Some(answer)
}

fn framed(message: &CheckResponse) -> GrpcAnswer {
    let length = message.encoded_len();
    let mut body = BytesMut::with_capacity(FRAME_BYTES + length);
    body.put_u8(0);
    body.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // It grows as it must.
    message.encode(&mut body).unwrap_or_default();
    let mut trailers = Trailers::with_capacity(1);
    trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
    let body = Full::new(body.freeze()).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut answer = Response::new(body.boxed_unsync());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    answer
}
