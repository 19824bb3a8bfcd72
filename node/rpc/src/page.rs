//! The record page: a few static files in the binary, served to browsers on a devnet.
//!
//! It stands before the guard: what it serves is public and the same for everybody, and what the page asks for afterwards
//! passes the guard like any other call.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use jsonrpsee::core::BoxError;
use jsonrpsee::server::{HttpBody, ws};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// A file of the page: path, type, content.
type File = (&'static str, &'static str, &'static str);

macro_rules! files {
    ($($path:literal $kind:literal $file:literal,)*) => {
        &[$(($path, $kind, include_str!(concat!("../../ui/", $file))),)*]
    };
}

const FILES: &[File] = files![
    "/" "text/html; charset=utf-8" "index.html",
    "/ui/style.css" "text/css; charset=utf-8" "style.css",
    "/ui/app.js" "text/javascript; charset=utf-8" "app.js",
    "/ui/rpc.js" "text/javascript; charset=utf-8" "rpc.js",
    "/ui/format.js" "text/javascript; charset=utf-8" "format.js",
    "/ui/model.js" "text/javascript; charset=utf-8" "model.js",
    "/ui/dom.js" "text/javascript; charset=utf-8" "dom.js",
    "/ui/gantt.js" "text/javascript; charset=utf-8" "gantt.js",
    "/ui/graph.js" "text/javascript; charset=utf-8" "graph.js",
    "/ui/home.js" "text/javascript; charset=utf-8" "home.js",
    "/ui/block.js" "text/javascript; charset=utf-8" "block.js",
    "/ui/detail.js" "text/javascript; charset=utf-8" "detail.js",
    "/ui/export.js" "text/javascript; charset=utf-8" "export.js",
    "/ui/icon.svg" "image/svg+xml" "icon.svg",
];

/// Nothing from elsewhere, no inline script, no frame around it. A WebSocket of the same origin is `'self'` too.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Puts the page before a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageLayer;

/// Answers requests for the page's files, and lets everything else through.
#[derive(Clone, Debug)]
pub(crate) struct Page<S> {
    inner: S,
}

impl<S> Layer<S> for PageLayer {
    type Service = Page<S>;

    fn layer(&self, inner: S) -> Page<S> {
        Page { inner }
    }
}

impl<S, B> Service<Request<B>> for Page<S>
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(response) = answer(&request) {
            return Box::pin(async { Ok(response) });
        }
        Box::pin(self.inner.call(request))
    }
}

fn answer<B>(request: &Request<B>) -> Option<Response<HttpBody>> {
    if ws::is_upgrade_request(request) || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let path = request.uri().path();
    let (_, kind, content) = FILES.iter().find(|(name, ..)| *name == path)?;
    let body = if request.method() == Method::HEAD { "" } else { *content };
    let mut response = Response::new(HttpBody::from(body));
    let fields: [(HeaderName, &'static str); 6] = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        // The binary may be another one tomorrow, on the same port.
        (CACHE_CONTROL, "no-cache"),
    ];
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_only_files_that_are_served_and_nothing_foreign() {
        let served = |name: &str| FILES.iter().any(|(path, ..)| *path == name);
        for (path, _, content) in FILES {
            for (before, quote, folder) in
                [("src=\"", '"', ""), ("href=\"", '"', ""), ("from '.", '\'', "/ui")]
            {
                for rest in content.split(before).skip(1) {
                    let name = format!("{folder}{}", rest.split(quote).next().unwrap());
                    let inside = name.starts_with('#') || name.contains('$');
                    assert!(inside || served(&name), "{path} names {name}");
                }
            }
            assert!(!content.contains("https://") && !content.contains("innerHTML"), "{path}");
        }
    }

    #[test]
    fn other_paths_and_methods_pass() {
        let request = |method: Method, path: &str| {
            Request::builder().method(method).uri(path).body(()).unwrap()
        };
        let page = answer(&request(Method::GET, "/")).unwrap();
        assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(
            page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src")
        );
        assert!(answer(&request(Method::GET, "/?source=wallet")).is_some());
        assert!(answer(&request(Method::GET, "/other")).is_none());
        assert!(answer(&request(Method::POST, "/")).is_none());
    }
}
