//! Functions and errors of a contract's ABI in JSON.

use super::functions::selector_of;
use super::registry::NameError;
use alloy_primitives::Selector;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Functions and errors that one contract may have.
const ENTRIES_MAX: usize = 1024;
/// Longest signature, in bytes.
const SIGNATURE_BYTES_MAX: usize = 512;
/// Deepest nesting of tuples.
const DEPTH_MAX: u32 = 8;

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    inputs: Vec<Input>,
}

/// One parameter of a function.
#[derive(Clone, Debug, Deserialize)]
pub struct Input {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    components: Vec<Input>,
}

/// Signatures by selector.
pub(super) fn signatures(abi: serde_json::Value) -> Result<BTreeMap<Selector, String>, NameError> {
    let entries: Vec<Entry> =
        serde_json::from_value(abi).map_err(|e| NameError::Abi { reason: e.to_string() })?;
    if entries.len() > ENTRIES_MAX {
        return Err(NameError::Large { what: "entries of the abi", limit: ENTRIES_MAX });
    }
    let mut signatures = BTreeMap::new();
    for entry in entries {
        if entry.kind != "function" && entry.kind != "error" {
            continue;
        }
        let mut text = entry.name;
        text.push('(');
        for (index, input) in entry.inputs.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(&canonical_type(input)?);
        }
        text.push(')');
        if text.len() > SIGNATURE_BYTES_MAX {
            return Err(NameError::Large {
                what: "bytes of a signature",
                limit: SIGNATURE_BYTES_MAX,
            });
        }
        signatures.insert(selector_of(&text), text);
    }
    Ok(signatures)
}

/// The type as it stands in a signature: a tuple by its components.
///
/// # Errors
/// [`NameError`] for tuples in tuples without end.
pub fn canonical_type(input: &Input) -> Result<String, NameError> {
    nested_type(input, 0)
}

fn nested_type(input: &Input, depth: u32) -> Result<String, NameError> {
    if depth > DEPTH_MAX {
        return Err(NameError::Large { what: "tuples in each other", limit: DEPTH_MAX as usize });
    }
    let Some(array) = input.kind.strip_prefix("tuple") else { return Ok(input.kind.clone()) };
    let parts: Result<Vec<String>, NameError> =
        input.components.iter().map(|part| nested_type(part, depth + 1)).collect();
    Ok(format!("({}){array}", parts?.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tuples_are_spelled_out() {
        let abi = json!([
            { "type": "function", "name": "aggregate3", "inputs": [{ "type": "tuple[]", "components": [
                { "type": "address" }, { "type": "bool" }, { "type": "bytes" } ] }] },
            { "type": "event", "name": "Ignored", "inputs": [] },
            { "type": "error", "name": "Broke", "inputs": [{ "type": "uint256" }] },
        ]);
        let found = signatures(abi).unwrap();
        let texts: Vec<&String> = found.values().collect();
        assert!(texts.contains(&&"aggregate3((address,bool,bytes)[])".to_owned()), "{texts:?}");
        assert!(texts.contains(&&"Broke(uint256)".to_owned()), "{texts:?}");
        assert_eq!(texts.len(), 2);
    }

    #[test]
    fn what_is_no_abi_is_refused() {
        assert!(matches!(signatures(json!({ "abi": [] })), Err(NameError::Abi { .. })));
        let many = vec![json!({ "type": "event" }); ENTRIES_MAX + 1];
        assert!(matches!(signatures(json!(many)), Err(NameError::Large { .. })));
    }
}
