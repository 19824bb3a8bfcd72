//! `weft record open`: the page with one block, from a node that serves it or from this process.

use super::OpenArgs;
use super::source::{Found, Node, Subject, fetch};
use crate::failure::{ExitStatus, Failure};
use crate::{node, say};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long a browser may take to send its request or to take the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest request line and headers, in bytes.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;

pub(super) fn run(args: &OpenArgs) -> Result<(), Failure> {
    let found = node::runtime()?.block_on(fetch(&args.subject, &args.server.rpc))?;
    let (value, number, place) = match found {
        Found::Block(value, record) => {
            let number = record.record.number;
            (value, number, format!("#/block/{number}"))
        }
        Found::Transaction(value, record, index) => {
            let number = record.record.number;
            (value, number, format!("#/tx/{number}/{index}"))
        }
    };
    if !matches!(args.subject, Subject::File(_))
        && node::runtime()?.block_on(serves_page(&args.server.rpc))?
    {
        let url = format!("{}/{place}", args.server.rpc.trim_end_matches('/'));
        say(&format!("{url}\n"))?;
        return if args.no_browser { Ok(()) } else { browse(&url) };
    }
    let page = weft_rpc::standalone_page(&value);
    drop(value);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).map_err(|error| {
        let what = format!("port {} cannot be used on 127.0.0.1", args.port);
        Failure::new(ExitStatus::Busy, what)
            .fact("cause", error)
            .fix("another --port, or none: any free one is taken")
    })?;
    let address = listener.local_addr().map_err(|error| {
        Failure::new(ExitStatus::Unexpected, format!("the page is not served: {error}"))
    })?;
    let url = format!("http://{address}/{place}");
    say(&format!("{url}\nblock {number}, until Ctrl-C\n"))?;
    if !args.no_browser {
        browse(&url)?;
    }
    for stream in listener.incoming().flatten() {
        // A browser that goes away in the middle is no concern of the next one.
        let _ = answer(stream, &page);
    }
    Ok(())
}

/// Whether the node has the page on its port, as devnets do.
async fn serves_page(rpc: &str) -> Result<bool, Failure> {
    let mut node = Node::connect(rpc).await?;
    let info = node.call("weft_chainInfo", &serde_json::json!([])).await?;
    Ok(info["devnet"] == true)
}

/// Starts the person's browser, where there is one.
fn browse(url: &str) -> Result<(), Failure> {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(opener);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        Ok(_) => Ok(()),
        Err(_) => say(&format!("no browser was found ({opener}): open the address yourself\n")),
    }
}

/// Answers one request: the page at `/`, and nothing else.
fn answer(mut stream: TcpStream, page: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?.take(REQUEST_BYTES_MAX)).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    // The rest of the request is read so that the browser sees the answer and no reset.
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (status, body) = match (method, path.split('?').next()) {
        ("GET" | "HEAD", Some("/")) => ("200 OK", page),
        _ => ("404 Not Found", "not here\n"),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\
         x-content-type-options: nosniff\r\nx-frame-options: DENY\r\ncache-control: no-store\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    if method != "HEAD" {
        stream.write_all(body.as_bytes())?;
    }
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(request: &str) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || answer(listener.accept().unwrap().0, "<p>page"));
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        server.join().unwrap().unwrap();
        text
    }

    #[test]
    fn the_page_is_at_the_root_and_nothing_is_anywhere_else() {
        let page = ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert!(page.starts_with("HTTP/1.1 200") && page.ends_with("<p>page"), "{page}");
        assert!(ask("GET /etc/passwd HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(ask("POST / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(!ask("HEAD / HTTP/1.1\r\n\r\n").contains("<p>page"));
    }
}
