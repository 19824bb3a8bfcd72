//! Clients that send exactly the bytes that a test names.

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

/// Status line, headers and body of an HTTP response.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Sends one HTTP request; `headers` come on top of the length.
pub(crate) async fn http(
    address: SocketAddr,
    method: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let answer = exchange(address, method, headers, body).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("no HTTP response");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// Posts to a server that may not want the connection.
pub(crate) async fn try_http(address: SocketAddr, body: &[u8]) -> Option<String> {
    let answer = exchange(address, "POST", &[JSON], body).await;
    (!answer.is_empty()).then_some(answer)
}

/// What comes back on a connection of its own; nothing when the server closes it.
async fn exchange(
    address: SocketAddr,
    method: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> String {
    let mut request = format!("{method} / HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request += &format!("host: {address}\r\n");
    }
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("content-length: {}\r\n\r\n", body.len());
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that refuses at once, or by the headers alone, may close before all is sent.
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("no answer");
    String::from_utf8(answer).unwrap()
}

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// Posts a text and reads the answer as JSON.
pub(crate) async fn post(address: SocketAddr, body: &str) -> Value {
    let response = http(address, "POST", &[JSON], body.as_bytes()).await;
    serde_json::from_str(&response.body).unwrap_or_else(|_| panic!("not JSON: {}", response.body))
}

pub(crate) async fn call(address: SocketAddr, method: &str, params: Value) -> Value {
    post(address, &request(1, method, params)).await
}

pub(crate) fn request(id: u64, method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

/// A WebSocket (RFC 6455) that sends short text frames.
pub(crate) struct Socket {
    stream: TcpStream,
    next_id: u64,
    /// Notifications that came while an answer was awaited.
    events: Vec<Value>,
}

impl Socket {
    /// Opens a connection; the refusal's status line when the server does not want it.
    pub(crate) async fn open(address: SocketAddr, origin: Option<&str>) -> Result<Self, String> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let origin = origin.map_or_else(String::new, |origin| format!("origin: {origin}\r\n"));
        let request = format!(
            "GET / HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n{origin}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
        }
        let status = String::from_utf8(head).unwrap().lines().next().unwrap().to_owned();
        if !status.contains("101") {
            return Err(status);
        }
        Ok(Self { stream, next_id: 0, events: Vec::new() })
    }

    pub(crate) async fn send(&mut self, text: &str) {
        let length = u16::try_from(text.len()).unwrap();
        // Final text frame with a mask, as clients must; a mask of zeros changes nothing.
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        self.stream.write_all(&frame).await.unwrap();
    }

    /// The next text message; pings are passed over.
    async fn receive(&mut self) -> Value {
        loop {
            let opcode = self.stream.read_u8().await.unwrap() & 0x0f;
            let length = match self.stream.read_u8().await.unwrap() {
                126 => u64::from(self.stream.read_u16().await.unwrap()),
                127 => self.stream.read_u64().await.unwrap(),
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut payload).await.unwrap();
            if opcode == 1 {
                return serde_json::from_slice(&payload).unwrap();
            }
        }
    }

    /// The next message.
    pub(crate) async fn answer(&mut self) -> Value {
        timeout(PATIENCE, self.receive()).await.expect("no answer")
    }

    /// Whether a ping comes within a second.
    pub(crate) async fn is_pinged(&mut self) -> bool {
        const PING: u8 = 0x89;
        let first = timeout(Duration::from_secs(1), self.stream.read_u8()).await;
        first.is_ok_and(|byte| byte.is_ok_and(|byte| byte == PING))
    }

    /// Whether the server closes the connection within a time, with or without a last word.
    pub(crate) async fn is_closed_within(&mut self, patience: Duration) -> bool {
        let mut rest = vec![0; 64 * 1024];
        let drained =
            async { while self.stream.read(&mut rest).await.is_ok_and(|count| count > 0) {} };
        timeout(patience, drained).await.is_ok()
    }

    /// Calls a method; notifications that come meanwhile are kept.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        self.send(&request(self.next_id, method, params)).await;
        loop {
            let message = timeout(PATIENCE, self.receive()).await.expect("no answer");
            if message.get("id").is_some() {
                return message;
            }
            self.events.push(message);
        }
    }

    /// The `params` of the next notification.
    pub(crate) async fn event(&mut self) -> Value {
        let mut message = match self.events.is_empty() {
            true => timeout(PATIENCE, self.receive()).await.expect("no event"),
            false => self.events.remove(0),
        };
        assert!(message["method"].as_str().unwrap().ends_with("_subscription"), "{message}");
        message["params"].take()
    }
}
