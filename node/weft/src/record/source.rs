//! Where a record comes from: a node, or a file.

use super::file::{RecordFile, read};
use crate::failure::{ExitStatus, Failure};
use crate::load::client::{Client, RpcFailure};
use alloy_primitives::B256;
use serde_json::{Value, json};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What a person names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The newest block.
    Latest,
    /// A block by its number.
    Number(u64),
    /// A block or a transaction.
    Hash(B256),
    /// A file.
    File(PathBuf),
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        if let Ok(number) = text.trim_start_matches('#').parse() {
            return Ok(Self::Number(number));
        }
        if let Some(digits) = text.strip_prefix("0x") {
            if let Ok(hash) = text.parse() {
                return Ok(Self::Hash(hash));
            }
            if let Ok(number) = u64::from_str_radix(digits, 16) {
                return Ok(Self::Number(number));
            }
        }
        if std::path::Path::new(text).is_file() {
            return Ok(Self::File(text.into()));
        }
        Err("there is no such file, and it is not latest, a block number or a hash".to_owned())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Number(number) => write!(f, "block {number}"),
            Self::Hash(hash) => write!(f, "{hash}"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The record of a block as it came, and taken apart.
pub(super) enum Found {
    /// Of the block that was named.
    Block(Value, RecordFile),
    /// Of the block of the transaction that was named, and the transaction's place in it.
    Transaction(Value, RecordFile, u32),
}

/// Gets what is named.
///
/// # Errors
/// [`Failure`] with what to do.
pub(super) async fn fetch(subject: &Subject, rpc: &str) -> Result<Found, Failure> {
    if let Subject::File(path) = subject {
        let (value, record) = read(path)?;
        return Ok(Found::Block(value, record));
    }
    let mut node = Node::connect(rpc).await?;
    let tag = match subject {
        Subject::Latest => json!("latest"),
        Subject::Number(number) => json!(format!("{number:#x}")),
        Subject::Hash(hash) => {
            let record = node.call("weft_getTransactionRecord", &json!([hash])).await?;
            if let (Some(block), Some(index)) = (record["block"].as_u64(), record["index"].as_u64())
            {
                let (value, record) = node.file(&json!(format!("{block:#x}")), subject).await?;
                return Ok(Found::Transaction(value, record, index as u32));
            }
            json!({ "blockHash": hash })
        }
        Subject::File(_) => unreachable!("answered above"),
    };
    let (value, record) = node.file(&tag, subject).await?;
    Ok(Found::Block(value, record))
}

/// A node that is asked for records.
pub(super) struct Node {
    client: Client,
    url: String,
}

impl Node {
    pub(super) async fn connect(url: &str) -> Result<Self, Failure> {
        let client = Client::connect(url).await.map_err(|error| failure(url, &error))?;
        Ok(Self { client, url: url.to_owned() })
    }

    pub(super) async fn call(&mut self, method: &str, params: &Value) -> Result<Value, Failure> {
        self.client.call(method, params).await.map_err(|error| failure(&self.url, &error))
    }

    /// Number of the newest block.
    pub(super) async fn head(&mut self) -> Result<u64, Failure> {
        self.client.height().await.map_err(|error| failure(&self.url, &error))
    }

    async fn file(&mut self, tag: &Value, asked: &Subject) -> Result<(Value, RecordFile), Failure> {
        let value = self.call("weft_getRecordFile", &json!([tag])).await?;
        if value.is_null() {
            return Err(self.nothing(tag, asked).await?);
        }
        let record = RecordFile::parse(&value).map_err(|error| {
            Failure::new(ExitStatus::Unexpected, "the node's record is not of this version's form")
                .fact("node", &self.url)
                .fact("cause", error)
                .fix("use the weft of the same version as the node")
        })?;
        Ok((value, record))
    }

    /// Why there is no record.
    async fn nothing(&mut self, tag: &Value, asked: &Subject) -> Result<Failure, Failure> {
        let (method, params) = match tag {
            Value::Object(tag) => ("eth_getBlockByHash", json!([tag["blockHash"], false])),
            tag => ("eth_getBlockByNumber", json!([tag, false])),
        };
        let block = self.call(method, &params).await?;
        let head = self.head().await?;
        if block.is_null() {
            let what = match asked {
                Subject::Hash(_) => format!("{asked} is no block and no transaction of this chain"),
                _ => format!("{asked} is not there yet"),
            };
            return Ok(Failure::new(ExitStatus::Config, what)
                .fact("node", &self.url)
                .fact("newest", format!("block {head}"))
                .fix("weft record show latest; a transaction has a record when it is in a block"));
        }
        let info = self.call("weft_chainInfo", &json!([])).await?;
        let number = block["number"].as_str().unwrap_or("0x0").trim_start_matches("0x");
        let number = u64::from_str_radix(number, 16).unwrap_or_default();
        let failure =
            Failure::new(ExitStatus::Config, format!("there is no record of block {number}"))
                .fact("node", &self.url);
        Ok(if info["recordLevel"] == "off" {
            failure
                .fact("cause", "this node keeps no records: [record] level is \"off\"")
                .fix("set [record] level = \"counts\" or \"full\" in config.toml and restart; every block whose state is kept has a record then")
        } else if number == 0 {
            failure.fact("cause", "genesis has no transactions").fix("weft record show latest")
        } else {
            failure
                .fact(
                    "cause",
                    "this node did not execute the block itself (it got its state otherwise)",
                )
                .fix("ask a node that executed it, or take a later block: weft record show latest")
        })
    }
}

/// JSON-RPC's code for a method that the server does not have.
const NO_METHOD: i64 = -32601;
/// The code for what is no longer kept.
const PRUNED: i64 = 4444;
/// The code of a block that does not exist.
const NO_BLOCK: i64 = -32001;

fn failure(url: &str, error: &RpcFailure) -> Failure {
    let RpcFailure::Method { method, reason } = error else {
        return Failure::new(ExitStatus::Unreachable, format!("no node answers at {url}"))
            .fact("cause", error)
            .fix("weft devnet starts one; --rpc URL names another; a FILE needs none");
    };
    let said: Value = serde_json::from_str(reason).unwrap_or_default();
    let message = said["message"].as_str().unwrap_or(reason);
    match said["code"].as_i64() {
        Some(NO_METHOD) => {
            Failure::new(ExitStatus::Config, format!("the server at {url} keeps no records"))
                .fact("cause", format!("{method}: {message}"))
                .fix("--rpc URL of a weft node of this version")
        }
        Some(PRUNED) => {
            Failure::new(ExitStatus::Config, "the record of this block is no longer kept")
                .fact("node", url)
                .fact("cause", message)
                .fix("weft record export keeps one for good; [state] history in config.toml says for how many blocks one can be derived, records how many are stored")
        }
        Some(NO_BLOCK) => Failure::new(ExitStatus::Config, "this block is not there")
            .fact("node", url)
            .fact("cause", message)
            .fix("weft record show latest"),
        _ => Failure::new(ExitStatus::Unexpected, format!("the node refused {method}"))
            .fact("node", url)
            .fact("cause", message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_latest_a_number_a_hash_or_a_file() {
        assert_eq!("latest".parse(), Ok(Subject::Latest));
        assert_eq!("#12".parse(), Ok(Subject::Number(12)));
        assert_eq!("0x1f".parse(), Ok(Subject::Number(31)));
        let hash = B256::repeat_byte(7);
        assert_eq!(hash.to_string().parse(), Ok(Subject::Hash(hash)));
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        assert_eq!(path.to_str().unwrap().parse(), Ok(Subject::File(path)));
        assert!("block.json.absent".parse::<Subject>().unwrap_err().contains("no such file"));
    }

    #[test]
    fn what_a_server_says_becomes_what_to_do() {
        let said = |code: i64| RpcFailure::Method {
            method: "weft_getRecordFile".to_owned(),
            reason: json!({ "code": code, "message": "so it is" }).to_string(),
        };
        let text = |code: i64| failure("http://a:1", &said(code)).to_string();
        assert!(text(NO_METHOD).contains("keeps no records"));
        assert!(
            text(PRUNED).contains("no longer kept") && text(PRUNED).contains("[state] history")
        );
        assert!(text(NO_BLOCK).contains("not there"));
        assert!(text(-32000).contains("so it is"));
        let gone =
            RpcFailure::Connection { server: "a:1".to_owned(), reason: "refused".to_owned() };
        let failure = failure("http://a:1", &gone);
        assert_eq!(failure.status as u8, 9);
        assert!(failure.to_string().contains("weft devnet starts one"));
    }
}
