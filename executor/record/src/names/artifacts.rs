//! Contracts that a compiler's output describes, recognised on the chain by their code.

use super::registry::{Contract, NameError};
use super::{abi, layout::Layout};
use alloy_primitives::hex;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A contract in the output of forge or hardhat.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// Deployed code without its metadata.
    code: Vec<u8>,
    /// Where immutable values stand in it, which only the constructor knows.
    holes: Vec<Range<usize>>,
    pub(super) contract: Arc<Contract>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    abi: Value,
    deployed_bytecode: Bytecode,
    #[serde(default)]
    storage_layout: Option<Value>,
}

/// Hardhat has the code itself, forge an object around it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Bytecode {
    Plain(String),
    Object {
        object: String,
        #[serde(rename = "immutableReferences", default)]
        immutable_references: BTreeMap<String, Vec<Hole>>,
    },
}

#[derive(Deserialize)]
struct Hole {
    start: usize,
    length: usize,
}

impl Artifact {
    /// Reads one artifact. `None` for what has no code of its own: interfaces, abstract contracts, code that is not linked.
    ///
    /// # Errors
    /// [`NameError`] when ABI or layout are malformed or beyond the limits.
    pub fn parse(name: &str, json: Value) -> Result<Option<Self>, NameError> {
        let Ok(json) = serde_json::from_value::<Json>(json) else { return Ok(None) };
        let (text, references) = match json.deployed_bytecode {
            Bytecode::Plain(text) => (text, BTreeMap::new()),
            Bytecode::Object { object, immutable_references } => (object, immutable_references),
        };
        let Ok(code) = hex::decode(text) else { return Ok(None) };
        let code = without_metadata(&code).to_vec();
        if code.is_empty() {
            return Ok(None);
        }
        let holes = references.into_values().flatten();
        let holes = holes.map(|hole| hole.start..hole.start.saturating_add(hole.length)).collect();
        let contract = Contract {
            name: Some(name.to_owned()),
            signatures: abi::signatures(json.abi)?,
            layout: json.storage_layout.map(Layout::parse).transpose()?,
        };
        Ok(Some(Self { code, holes, contract: Arc::new(contract) }))
    }

    /// Whether this is the contract with that deployed code.
    #[must_use]
    pub fn matches(&self, code: &[u8]) -> bool {
        let code = without_metadata(code);
        code.len() == self.code.len()
            && code.iter().zip(&self.code).enumerate().all(|(at, (found, expected))| {
                found == expected || self.holes.iter().any(|hole| hole.contains(&at))
            })
    }
}

/// The compiler appends a hash of sources and settings, whose length stands in the last two bytes: equal programs may differ
/// in it.
fn without_metadata(code: &[u8]) -> &[u8] {
    let Some((body, length)) = code.split_last_chunk::<2>() else { return code };
    let length = usize::from(u16::from_be_bytes(*length));
    // The metadata is a CBOR map.
    match body.len().checked_sub(length) {
        Some(end) if length > 0 && body[end] >> 5 == 5 => &body[..end],
        _ => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `a1 61 61 01` is the CBOR map {"a": 1}.
    const CODE: &str = "0x6001600255aaaa00a16161010004";

    fn artifact(deployed: Value) -> Option<Artifact> {
        Artifact::parse("Token", json!({ "abi": [], "deployedBytecode": deployed })).unwrap()
    }

    #[test]
    fn code_is_recognised_whatever_its_metadata_and_immutable_values() {
        let forge = artifact(json!({
            "object": CODE, "immutableReferences": { "7": [{ "start": 5, "length": 2 }] },
        }))
        .unwrap();
        let hardhat = artifact(json!(CODE)).unwrap();
        let same = hex::decode("6001600255aaaa00a16162020004").unwrap();
        let filled = hex::decode("6001600255bbbb00a16161010004").unwrap();
        let other = hex::decode("6001600355aaaa00a16161010004").unwrap();
        assert!(forge.matches(&same) && hardhat.matches(&same));
        assert!(forge.matches(&filled) && !hardhat.matches(&filled));
        assert!(!forge.matches(&other) && !forge.matches(&[]) && !forge.matches(&same[..7]));
    }

    #[test]
    fn what_has_no_code_is_no_artifact() {
        assert!(artifact(json!("0x")).is_none());
        assert!(artifact(json!({ "object": "0x60__$lib$__" })).is_none());
        assert!(Artifact::parse("X", json!({ "compiler": "solc" })).unwrap().is_none());
    }
}
