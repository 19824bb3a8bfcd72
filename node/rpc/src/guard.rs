//! What a request must pass before it is read as JSON-RPC: the `Host` header, the `Origin` of a
//! WebSocket, and the HTTP method.

use crate::RpcConfig;
use http::header::{ALLOW, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use jsonrpsee::core::BoxError;
use jsonrpsee::server::{HttpBody, ws};
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::{Layer, Service};

const USAGE: &str = "this is a weft JSON-RPC server: send POST with content-type application/json, \
for example {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_blockNumber\",\"params\":[]}, or open a WebSocket\n";

/// How a request came in; a marker in the extensions of every call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Http,
    WebSocket,
}

/// The rules of one listener.
#[derive(Debug)]
struct Rules {
    /// `None`: every host name.
    hosts: Option<Vec<String>>,
    origins: Vec<String>,
}

/// Puts [`Guard`] before a service.
#[derive(Clone, Debug)]
pub(crate) struct GuardLayer {
    rules: Arc<Rules>,
}

/// Refuses what must not reach the methods.
#[derive(Clone, Debug)]
pub(crate) struct Guard<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl GuardLayer {
    pub(crate) fn new(config: &RpcConfig) -> Self {
        let checked = config.listen.ip().is_loopback() || !config.hosts.is_empty();
        let hosts =
            checked.then(|| config.hosts.iter().map(|host| host.to_ascii_lowercase()).collect());
        Self { rules: Arc::new(Rules { hosts, origins: config.cors.clone() }) }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, rules: Arc::clone(&self.rules) }
    }
}

impl<S, B> Service<Request<B>> for Guard<S>
where
    S: Service<Request<B>, Response = Response<HttpBody>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<HttpBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<HttpBody>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(refusal) = self.rules.refusal(&request) {
            return Box::pin(async { Ok(refusal) });
        }
        let upgrade = ws::is_upgrade_request(&request);
        let transport = if upgrade { Transport::WebSocket } else { Transport::Http };
        request.extensions_mut().insert(transport);
        Box::pin(self.inner.call(request))
    }
}

impl Rules {
    fn refusal<B>(&self, request: &Request<B>) -> Option<Response<HttpBody>> {
        if let Some(hosts) = &self.hosts
            && let Some(authority) = authority(request)
            && !host_allowed(host_of(&authority), hosts)
        {
            let text = format!(
                "host {authority:?} is not allowed here; use localhost or an IP address, or add the name to the allowed hosts\n"
            );
            return Some(refuse(StatusCode::FORBIDDEN, text));
        }
        if ws::is_upgrade_request(request) {
            let origin = request.headers().get(ORIGIN)?;
            let allowed = |entry: &String| entry == "*" || entry.as_bytes() == origin.as_bytes();
            if self.origins.iter().any(allowed) {
                return None;
            }
            let text = format!("origin {origin:?} may not open a WebSocket here\n");
            return Some(refuse(StatusCode::FORBIDDEN, text));
        }
        if request.method() != Method::POST {
            let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, USAGE.to_owned());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return Some(response);
        }
        None
    }
}

/// The host that the caller thinks it talks to; HTTP/2 has it in the URI.
fn authority<B>(request: &Request<B>) -> Option<String> {
    match request.headers().get(HOST) {
        Some(host) => Some(String::from_utf8_lossy(host.as_bytes()).into_owned()),
        None => request.uri().authority().map(ToString::to_string),
    }
}

/// The name without the port; an IPv6 address without its brackets.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    authority.split(':').next().unwrap_or(authority)
}

/// Addresses are always good: only a name can be rebound to another address.
fn host_allowed(host: &str, allowed: &[String]) -> bool {
    let host = host.to_ascii_lowercase();
    host.parse::<IpAddr>().is_ok()
        || host == "localhost"
        || host.ends_with(".localhost")
        || allowed.contains(&host)
}

fn refuse(status: StatusCode, text: String) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_can_be_refused_and_ports_do_not_matter() {
        let extra = vec!["node.example".to_owned()];
        for good in
            ["localhost:8545", "LOCALHOST", "127.0.0.1:1", "[::1]:8545", "10.0.0.7", "a.localhost"]
        {
            assert!(host_allowed(host_of(good), &[]), "{good}");
        }
        assert!(host_allowed(host_of("node.example:80"), &extra));
        for bad in ["evil.example", "localhost.evil.example:8545", "", "127.0.0.1.evil.example"] {
            assert!(!host_allowed(host_of(bad), &extra), "{bad}");
        }
    }
}
