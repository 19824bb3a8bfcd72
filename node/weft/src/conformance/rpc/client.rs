//! The smallest HTTP client that can ask our own server: one connection a request.

use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a response may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Largest response, in bytes.
const RESPONSE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Asks one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    address: SocketAddr,
}

impl Client {
    pub(super) const fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Sends a request as it is and decodes the response.
    ///
    /// # Errors
    /// What the connection or the decoder says.
    pub(super) fn send(self, request: &str) -> io::Result<Value> {
        let mut stream = TcpStream::connect_timeout(&self.address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        let head = format!(
            "POST / HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            request.len()
        );
        stream.write_all(&[head.as_bytes(), request.as_bytes()].concat())?;
        let mut answer = Vec::new();
        stream.take(RESPONSE_BYTES_MAX).read_to_end(&mut answer)?;
        let malformed = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.ok_or_else(|| malformed("the response has no head"))?;
        serde_json::from_slice(&answer[end + 4..]).map_err(|error| {
            let status = String::from_utf8_lossy(&answer[..end]).lines().next().map(str::to_owned);
            malformed(&format!("{}: {error}", status.unwrap_or_default()))
        })
    }
}
