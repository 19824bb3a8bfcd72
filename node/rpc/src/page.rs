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
use std::fmt::Write;
use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
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
    "/ui/file.js" "text/javascript; charset=utf-8" "file.js",
    "/ui/names.js" "text/javascript; charset=utf-8" "names.js",
    "/ui/icon.svg" "image/svg+xml" "icon.svg",
];

/// Nothing from elsewhere, no inline script, no frame around it. A WebSocket of the same origin is `'self'` too.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Where the page for a file is, without a record in it: the page fills it for its own export.
const STANDALONE: &str = "/ui/standalone.html";

/// In a file the page may run what it contains, and ask nobody for anything.
const STANDALONE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// Start of the element that holds the record.
const RECORD: &str = "<script type=\"application/json\" id=\"record\">";

/// The page with nothing outside of it. Its modules are `data:` addresses that an import map names.
static TEMPLATE: LazyLock<String> = LazyLock::new(|| {
    let of = |name: &str| FILES.iter().find(|(path, ..)| *path == name).map_or("", |file| file.2);
    let modules = FILES.iter().filter_map(|(path, _, content)| {
        let name = path.strip_prefix("/ui/").filter(|name| name.ends_with(".js"))?;
        let address = data_url("text/javascript", &content.replace("from './", "from 'weft/"));
        Some(format!("\"weft/{name}\":\"{address}\""))
    });
    let modules = modules.collect::<Vec<_>>().join(",");
    let icon = data_url("image/svg+xml", of("/ui/icon.svg"));
    of("/")
        .replace("<meta charset=\"utf-8\">", &format!(
            "<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"{STANDALONE_POLICY}\">"
        ))
        .replace("/ui/icon.svg", &icon)
        .replace(
            "<link rel=\"stylesheet\" href=\"/ui/style.css\">",
            &format!("<style>{}</style>", of("/ui/style.css")),
        )
        .replace(
            "<script type=\"module\" src=\"/ui/app.js\"></script>",
            &format!(
                "{RECORD}null</script>\n<script type=\"importmap\">{{\"imports\":{{{modules}}}}}</script>\n\
                 <script type=\"module\">import 'weft/app.js';</script>"
            ),
        )
});

/// A `data:` address of a text, which may stand between quotes and inside of a script element.
fn data_url(kind: &str, text: &str) -> String {
    let mut url = format!("data:{kind};charset=utf-8,");
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'('
            | b')'
            | b'='
            | b','
            | b';' => {
                url.push(char::from(byte));
            }
            _ => {
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
    url
}

/// The record page as one file that needs no node: the record, as `weft_getRecordFile` answers, is inside.
#[must_use]
pub fn standalone_page(record: &serde_json::Value) -> String {
    // In JSON this sign is only in strings, where it may be written so: nothing in it can end the element.
    let record = record.to_string().replace('<', "\\u003c");
    TEMPLATE.replacen(&format!("{RECORD}null"), &format!("{RECORD}{record}"), 1)
}

/// The record inside of such a page, as JSON.
#[must_use]
pub fn record_of_page(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once(RECORD)?;
    rest.split_once("</script>").map(|(record, _)| record)
}

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
    let (kind, content): (&'static str, &'static str) = match path {
        STANDALONE => ("text/html; charset=utf-8", TEMPLATE.as_str()),
        _ => FILES.iter().find(|(name, ..)| *name == path).map(|(_, kind, text)| (*kind, *text))?,
    };
    let body = if request.method() == Method::HEAD { "" } else { content };
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
    fn a_page_for_a_file_has_everything_inside_and_gives_its_record_back() {
        let record = serde_json::json!({ "source": "</script><script>alert(1)</script>" });
        let page = standalone_page(&record);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(record_of_page(&page).unwrap()).unwrap(),
            record
        );
        assert!(!page.contains("alert(1)</script>"), "the record cannot end its element");
        for outside in ["src=\"/", "href=\"/", "from './", "from%20%27.%2F"] {
            assert!(!page.contains(outside), "{outside}");
        }
        let modules = FILES.iter().filter(|(path, ..)| path.ends_with(".js"));
        for (path, ..) in modules {
            let name = path.trim_start_matches("/ui/");
            assert!(page.contains(&format!("\"weft/{name}\":\"data:text/javascript")), "{name}");
        }
        assert!(page.contains("Content-Security-Policy\" content=\"default-src 'none'"));
        assert_eq!(record_of_page("<html>"), None);
        let request = Request::builder().uri(STANDALONE).body(()).unwrap();
        assert!(answer(&request).is_some(), "the page takes it from here for its own export");
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
