//! A JSON-RPC client over plain HTTP, small enough to trust.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// One server.
#[derive(Clone, Copy, Debug)]
pub struct Rpc {
    address: SocketAddr,
}

impl Rpc {
    /// A client for the server at `address`. Connects with each call.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Calls a method and returns the whole response object.
    ///
    /// # Errors
    /// When the server cannot be reached or does not answer with JSON.
    pub fn response(&self, method: &str, params: &Value) -> std::io::Result<Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.post(&body.to_string())
    }

    /// Calls a method and returns its result.
    ///
    /// # Panics
    /// When the server cannot be reached or answers with an error.
    #[must_use]
    pub fn call(&self, method: &str, params: Value) -> Value {
        let mut response = self
            .response(method, &params)
            .unwrap_or_else(|error| panic!("{method} at {}: {error}", self.address));
        assert!(response.get("error").is_none(), "{method} {params}: {response}");
        response["result"].take()
    }

    /// The error of a call that must fail: (code, message).
    ///
    /// # Panics
    /// When the call succeeds or the server cannot be reached.
    #[must_use]
    pub fn error(&self, method: &str, params: Value) -> (i64, String) {
        let response = self.response(method, &params).expect("the server answers");
        let error = &response["error"];
        assert!(error.is_object(), "{method} {params} must fail: {response}");
        let code = error["code"].as_i64().expect("an error has a code");
        (code, error["message"].as_str().unwrap_or_default().to_owned())
    }

    /// Height of the newest block, if the server answers.
    #[must_use]
    pub fn height(&self) -> Option<u64> {
        let response = self.response("eth_blockNumber", &json!([])).ok()?;
        quantity(&response["result"])
    }

    /// Waits until the newest block has at least this height.
    ///
    /// # Panics
    /// After `patience`.
    pub fn wait_for_height(&self, height: u64, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.height().is_none_or(|reached| reached < height) {
            let reached = self.height();
            assert!(Instant::now() < deadline, "{}: {reached:?}, expected {height}", self.address);
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// The address of the server.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Posts any bytes; returns the status and the body.
    ///
    /// # Errors
    /// When the server cannot be reached or closes the connection without an answer.
    pub fn post_raw(&self, body: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_nodelay(true)?;
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.address,
            body.len(),
        );
        // A server that refuses by the headers alone may close before all is sent.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let start = answer.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4);
        let status = std::str::from_utf8(answer.get(9..12).unwrap_or_default());
        match status.ok().and_then(|status| status.parse().ok()) {
            Some(status) => Ok((status, answer.split_off(start))),
            None => Err(read.err().unwrap_or_else(|| std::io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn post(&self, body: &str) -> std::io::Result<Value> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.set_nodelay(true)?;
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len(),
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let start = answer.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4);
        serde_json::from_slice(&answer[start..]).map_err(std::io::Error::other)
    }
}

/// A JSON-RPC quantity.
#[must_use]
pub fn quantity(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}
