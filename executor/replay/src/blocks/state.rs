//! The state below a block, and the hashes of its ancestors.

use super::error::{BlockError, Source};
use super::json::{Hex, excerpt};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use weft_evm::MemoryState;

/// An account in `prestate.json`.
#[derive(Debug, Default, Deserialize)]
struct Listed {
    balance: U256,
    #[serde(default)]
    nonce: U64,
    #[serde(default)]
    code: Bytes,
    #[serde(default)]
    storage: BTreeMap<U256, U256>,
}

/// Reads `prestate.json`. An account that is listed exists, even if it is empty; whether that can be is for the caller to say.
pub(super) fn read_state(source: &Source, path: &Path) -> Result<MemoryState, BlockError> {
    let bytes = std::fs::read(path).map_err(|error| BlockError::read(path, &error))?;
    let listed: BTreeMap<Address, Listed> =
        serde_json::from_slice(&bytes).map_err(|error| explain(source, &bytes, &error))?;
    let mut state = MemoryState::default();
    for (address, account) in listed {
        if !account.code.is_empty() {
            state.set_code(address, account.code);
        }
        // After the code, which gives an account a nonce.
        state.set_nonce(address, account.nonce.to());
        state.set_balance(address, account.balance);
        for (slot, value) in account.storage {
            state.set_storage(address, slot, value);
        }
    }
    Ok(state)
}

/// Reads `blockhashes.json`; no hash is known when the file is absent.
pub(super) fn read_hashes(source: &Source, path: &Path) -> Result<Vec<(u64, B256)>, BlockError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(BlockError::read(path, &error)),
    };
    let hashes: BTreeMap<String, Value> =
        serde_json::from_slice(&bytes).map_err(|error| source.not_json(&error))?;
    let read = |(number, hash): (String, Value)| {
        let parsed = hash.as_str().and_then(B256::parse);
        let hash = parsed.ok_or_else(|| source.malformed(&number, B256::KIND, excerpt(&hash)))?;
        let Ok(parsed) = number.parse::<u64>() else {
            return Err(source.malformed("key", "the number of a block", number));
        };
        Ok((parsed, hash))
    };
    hashes.into_iter().map(read).collect()
}

/// Finds the account and the field that made a pre-state unreadable. The parser knows the line and column only, and files of
/// this kind have one line.
fn explain(source: &Source, bytes: &[u8], error: &serde_json::Error) -> BlockError {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return source.not_json(error) };
    let Value::Object(accounts) = &value else {
        return source.malformed("content", "an object", excerpt(&value));
    };
    for (address, account) in accounts {
        if Address::parse(address).is_none() {
            return source.malformed("key", Address::KIND, address);
        }
        let Err(error) = Listed::deserialize(account) else { continue };
        let Value::Object(fields) = account else {
            return source.malformed(address, "an object", excerpt(account));
        };
        if !fields.contains_key("balance") {
            return source.missing(format!("{address}.balance"));
        }
        for (field, value) in fields {
            let mut alone = serde_json::Map::from_iter([("balance".to_owned(), "0x0".into())]);
            alone.insert(field.clone(), value.clone());
            if let Err(error) = Listed::deserialize(&Value::Object(alone)) {
                let (field, expected) = (format!("{address}.{field}"), format!("hex ({error})"));
                return source.malformed(field, expected, excerpt(value));
            }
        }
        return source.malformed(address, format!("an account ({error})"), excerpt(account));
    }
    source.not_json(error)
}
