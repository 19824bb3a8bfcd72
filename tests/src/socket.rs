//! A WebSocket (RFC 6455) that sends and reads text, small enough to trust.

use serde_json::{Value, json};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One connection.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    next_id: u64,
}

impl Socket {
    /// Opens a connection; an error carries the status line of a server that refuses.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET / HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let status = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
        if !status.contains("101") {
            return Err(Error::other(status));
        }
        Ok(Self { stream, next_id: 0 })
    }

    /// Sends a text of up to 64 KiB.
    ///
    /// # Errors
    /// When the connection is closed, or does not take the text within five seconds.
    pub fn send(&mut self, text: &str) -> Result<()> {
        let length = u16::try_from(text.len()).map_err(Error::other)?;
        // Final text frame with a mask of zeros, which changes nothing.
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        self.stream.write_all(&frame)
    }

    /// The next text.
    ///
    /// # Errors
    /// When the connection is closed or silent for 20 seconds.
    pub fn receive(&mut self) -> Result<Value> {
        loop {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head)?;
            let size_bytes = match head[1] {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            let mut size = [0; 8];
            self.stream.read_exact(&mut size[8 - size_bytes..])?;
            let length =
                if size_bytes == 0 { u64::from(head[1]) } else { u64::from_be_bytes(size) };
            let mut payload = vec![0; usize::try_from(length).map_err(Error::other)?];
            self.stream.read_exact(&mut payload)?;
            match head[0] & 0x0f {
                1 => return serde_json::from_slice(&payload).map_err(Error::other),
                8 => return Err(ErrorKind::ConnectionAborted.into()),
                // A ping: the same bytes go back.
                9 => self.stream.write_all(&[0x8a, 0x80, 0, 0, 0, 0])?,
                _ => {}
            }
        }
    }

    /// Sends a call without waiting for its answer; returns its id.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn ask(&mut self, method: &str, params: &Value) -> Result<u64> {
        self.next_id += 1;
        let id = self.next_id;
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.send(&call.to_string()).map(|()| id)
    }

    /// Calls a method; notifications that come before its answer are dropped.
    ///
    /// # Errors
    /// As [`Self::send`] and [`Self::receive`].
    pub fn call(&mut self, method: &str, params: &Value) -> Result<Value> {
        let id = self.ask(method, params)?;
        loop {
            let message = self.receive()?;
            if message["id"] == id {
                return Ok(message);
            }
        }
    }
}
