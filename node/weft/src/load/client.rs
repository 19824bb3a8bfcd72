//! One connection to a JSON-RPC server.

use alloy_primitives::{Address, B256, U256};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RpcFailure {
    /// Not `http://host:port`.
    #[error("{url:?} is not an address of the form http://host:port")]
    Url {
        /// What was given.
        url: String,
    },
    /// The connection failed.
    #[error("{server}: {reason}")]
    Connection {
        /// Server.
        server: String,
        /// Why.
        reason: String,
    },
    /// The server answered with an error, or not as the method demands.
    #[error("{method}: {reason}")]
    Method {
        /// Method.
        method: String,
        /// What it said.
        reason: String,
    },
}

/// A connection that is kept open.
pub(crate) struct Client {
    server: String,
    requests: SendRequest<Full<Bytes>>,
}

impl Client {
    pub(crate) async fn connect(url: &str) -> Result<Self, RpcFailure> {
        let server = url
            .strip_prefix("http://")
            .map(|rest| rest.trim_end_matches('/'))
            .filter(|rest| !rest.is_empty() && !rest.contains('/'))
            .ok_or_else(|| RpcFailure::Url { url: url.to_owned() })?;
        let address = if server.contains(':') { server.to_owned() } else { format!("{server}:80") };
        let failed =
            |error: String| RpcFailure::Connection { server: server.to_owned(), reason: error };
        let stream = tokio::net::TcpStream::connect(&address)
            .await
            .map_err(|error| failed(error.to_string()))?;
        stream.set_nodelay(true).map_err(|error| failed(error.to_string()))?;
        let (requests, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| failed(error.to_string()))?;
        tokio::spawn(connection);
        Ok(Self { server: server.to_owned(), requests })
    }

    /// Posts a body and returns the answer.
    pub(super) async fn post(&mut self, body: Bytes) -> Result<Value, RpcFailure> {
        let server = self.server.clone();
        let failed = |reason: String| RpcFailure::Connection { server: server.clone(), reason };
        let request = hyper::Request::post("/")
            .header(HOST, &self.server)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| failed(error.to_string()))?;
        let answer = async {
            self.requests.ready().await.map_err(|error| failed(error.to_string()))?;
            let response = self
                .requests
                .send_request(request)
                .await
                .map_err(|error| failed(error.to_string()))?;
            let bytes =
                response.into_body().collect().await.map_err(|error| failed(error.to_string()))?;
            serde_json::from_slice(&bytes.to_bytes()).map_err(|error| failed(error.to_string()))
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(failed(format!("no answer within {PATIENCE:?}"))),
        }
    }

    /// Calls one method.
    pub(crate) async fn call(&mut self, method: &str, params: &Value) -> Result<Value, RpcFailure> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut answer = self.post(body.to_string().into()).await?;
        match answer.get("error") {
            None => Ok(answer["result"].take()),
            Some(error) => {
                Err(RpcFailure::Method { method: method.to_owned(), reason: error.to_string() })
            }
        }
    }

    /// A method that answers with a quantity.
    pub(super) async fn quantity(
        &mut self,
        method: &str,
        params: &Value,
    ) -> Result<u64, RpcFailure> {
        let answer = self.call(method, params).await?;
        as_u256(&answer)
            .and_then(|number| number.try_into().ok())
            .ok_or_else(|| unexpected(method, &answer))
    }

    /// Number of the newest block.
    pub(crate) async fn height(&mut self) -> Result<u64, RpcFailure> {
        self.quantity("eth_blockNumber", &json!([])).await
    }

    /// Nonces of accounts.
    pub(super) async fn nonces(
        &mut self,
        of: &[Address],
        block: &str,
    ) -> Result<Vec<u64>, RpcFailure> {
        let nonces = self.of_each("eth_getTransactionCount", of, block).await?;
        Ok(nonces.into_iter().map(|nonce| nonce.saturating_to()).collect())
    }

    /// Balances of accounts at the newest block, in wei.
    pub(super) async fn balances(&mut self, of: &[Address]) -> Result<Vec<U256>, RpcFailure> {
        self.of_each("eth_getBalance", of, "latest").await
    }

    async fn of_each(
        &mut self,
        method: &str,
        of: &[Address],
        block: &str,
    ) -> Result<Vec<U256>, RpcFailure> {
        let mut answers = Vec::with_capacity(of.len());
        for chunk in of.chunks(100) {
            let batch: Vec<Value> = (0u64..)
                .zip(chunk)
                .map(|(id, account)| {
                    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": [account, block] })
                })
                .collect();
            let mut found = vec![None; chunk.len()];
            let answer = self.post(Value::Array(batch).to_string().into()).await?;
            for one in answer.as_array().into_iter().flatten() {
                let place =
                    one["id"].as_u64().and_then(|id| found.get_mut(usize::try_from(id).ok()?));
                if let Some(place) = place {
                    *place = as_u256(&one["result"]);
                }
            }
            for one in found {
                answers.push(one.ok_or_else(|| unexpected(method, &answer))?);
            }
        }
        Ok(answers)
    }

    /// Waits for the receipt of a transaction that must succeed.
    pub(super) async fn succeeded(&mut self, hash: B256, mine: bool) -> Result<(), RpcFailure> {
        const METHOD: &str = "eth_getTransactionReceipt";
        for _ in 0..500 {
            if mine {
                self.call("evm_mine", &json!([])).await?;
            }
            let receipt = self.call(METHOD, &json!([hash])).await?;
            match receipt["status"].as_str() {
                Some("0x1") => return Ok(()),
                Some(_) => return Err(unexpected(METHOD, &receipt)),
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        Err(RpcFailure::Method {
            method: METHOD.to_owned(),
            reason: format!("no receipt of {hash} after 10 s"),
        })
    }
}

/// The body of a batch of raw transactions.
pub(super) fn batch_body(raw: &[alloy_primitives::Bytes]) -> Bytes {
    let mut body = String::with_capacity(raw.iter().map(|raw| 2 * raw.len() + 96).sum());
    for (id, raw) in raw.iter().enumerate() {
        body.push(if id == 0 { '[' } else { ',' });
        let _ = write!(
            body,
            r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_sendRawTransaction","params":["{raw}"]}}"#
        );
    }
    body.push(']');
    body.into()
}

fn as_u256(value: &Value) -> Option<U256> {
    U256::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

fn unexpected(method: &str, answer: &Value) -> RpcFailure {
    let mut reason = format!("unexpected answer {answer}");
    reason.truncate(reason.char_indices().nth(300).map_or(reason.len(), |(end, _)| end));
    RpcFailure::Method { method: method.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_json_with_one_call_for_each_transaction() {
        let raw = [
            alloy_primitives::Bytes::from_static(&[1, 2]),
            alloy_primitives::Bytes::from_static(&[3]),
        ];
        let body: Value = serde_json::from_slice(&batch_body(&raw)).unwrap();
        assert_eq!(body[1]["params"][0], "0x03");
        assert_eq!(body.as_array().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_refused() {
        for url in ["localhost:8545", "https://a", "http://", "http://a/b"] {
            assert!(matches!(Client::connect(url).await, Err(RpcFailure::Url { .. })), "{url}");
        }
    }
}
