//! Where a contract keeps its variables.

use super::registry::NameError;
use crate::block::ContractKind;
use alloy_primitives::{U256, uint};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Variables that one layout may have.
const VARIABLES_MAX: usize = 1024;
/// Deepest nesting of mappings, arrays and structures.
const DEPTH_MAX: u32 = 4;
/// Members of a structure that are told apart.
const MEMBERS_MAX: usize = 64;
/// Longest name of a variable, in bytes.
const LABEL_BYTES_MAX: usize = 64;

/// Variables with their slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The variables. Those that share a slot are one variable with both names.
    pub variables: Vec<Variable>,
    /// What contracts of a kind usually look like, rather than what this one says of itself.
    pub guessed: bool,
}

/// One variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub label: String,
    /// Its position.
    pub slot: U256,
    /// What it is.
    pub shape: Shape,
}

/// What a variable is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A value of so many slots; also strings and bytes, whose content follows the hash of the position.
    Plain,
    /// A mapping to something.
    Mapping(Box<Shape>),
    /// A dynamic array of elements of so many slots.
    Array(u32),
    /// A structure: names with offsets in slots.
    Struct(Vec<(String, u32)>),
}

#[derive(Deserialize)]
struct Json {
    storage: Vec<JsonVariable>,
    #[serde(default)]
    types: Option<BTreeMap<String, JsonType>>,
}

#[derive(Deserialize)]
struct JsonVariable {
    label: String,
    slot: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonType {
    encoding: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    base: Option<String>,
    #[serde(default)]
    number_of_bytes: Option<String>,
    #[serde(default)]
    members: Option<Vec<JsonVariable>>,
}

impl Layout {
    /// Reads the compiler's `storageLayout`.
    ///
    /// # Errors
    /// [`NameError`] when it is none, or larger than the limits.
    pub fn parse(json: serde_json::Value) -> Result<Self, NameError> {
        let json: Json = serde_json::from_value(json)
            .map_err(|error| NameError::Layout { reason: error.to_string() })?;
        if json.storage.len() > VARIABLES_MAX {
            return Err(NameError::Large { what: "variables", limit: VARIABLES_MAX });
        }
        let types = json.types.unwrap_or_default();
        let mut layout = Self::default();
        for variable in &json.storage {
            let slot = variable.position()?;
            let label = clipped(&variable.label);
            match layout.variables.iter_mut().find(|known| known.slot == slot) {
                Some(packed) if packed.label.len() < LABEL_BYTES_MAX => {
                    packed.label.push_str(", ");
                    packed.label.push_str(&label);
                }
                Some(_) => {}
                None => {
                    let shape = shape(&variable.kind, &types, 0)?;
                    layout.variables.push(Variable { label, slot, shape });
                }
            }
        }
        Ok(layout)
    }

    /// What contracts of this kind usually look like.
    pub(super) fn usual(kind: ContractKind) -> Self {
        let text = match kind {
            // OpenZeppelin; its namespaced form for proxies is added below.
            ContractKind::Erc20 | ContractKind::Erc4626 => {
                "0 balances m; 1 allowances mm; 2 totalSupply; 3 name; 4 symbol"
            }
            ContractKind::Erc721 => {
                "0 name; 1 symbol; 2 owners m; 3 balances m; 4 tokenApprovals m; 5 operatorApprovals mm"
            }
            ContractKind::Erc1155 => "0 balances mm; 1 operatorApprovals mm; 2 uri",
            ContractKind::Weth => "0 name; 1 symbol; 2 decimals; 3 balanceOf m; 4 allowance mm",
            ContractKind::UniswapV2Pair => {
                "0 totalSupply; 1 balanceOf m; 2 allowance mm; 3 DOMAIN_SEPARATOR; 4 nonces m; \
                 5 factory; 6 token0; 7 token1; 8 reserves; 9 price0CumulativeLast; \
                 10 price1CumulativeLast; 11 kLast; 12 unlocked"
            }
            ContractKind::UniswapV3Pool => {
                "0 slot0; 1 feeGrowthGlobal0X128; 2 feeGrowthGlobal1X128; 3 protocolFees; \
                 4 liquidity; 5 ticks m; 6 tickBitmap m; 7 positions m"
            }
        };
        let mut layout = Self { variables: Vec::new(), guessed: true };
        for part in text.split("; ") {
            let mut words = part.split_whitespace();
            let slot = words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
            let label = words.next().unwrap_or_default().to_owned();
            let shape = words
                .next()
                .unwrap_or_default()
                .chars()
                .fold(Shape::Plain, |inner, _| Shape::Mapping(Box::new(inner)));
            layout.variables.push(Variable { label, slot: U256::from::<u64>(slot), shape });
        }
        layout.variables.extend(namespaced());
        layout
    }

    /// Nothing is known: small positions, each a value, a mapping, or a mapping of mappings.
    pub(super) fn unknown(positions: u64) -> Self {
        let both = Shape::Mapping(Box::new(Shape::Mapping(Box::new(Shape::Plain))));
        let variables = (0..positions)
            .map(|slot| Variable {
                label: format!("slot {slot}"),
                slot: U256::from(slot),
                shape: both.clone(),
            })
            .chain(namespaced())
            .collect();
        Self { variables, guessed: true }
    }
}

/// Variables at fixed places that standards define: EIP-1967 proxies, and the ERC-7201 namespaces of OpenZeppelin 5.
fn namespaced() -> Vec<Variable> {
    let erc20 = uint!(0x52c63247e1f47db19d5ce0460030c497f067ca4cebf71ba98eeadabe20bace00_U256);
    let erc721 = uint!(0x80bb2b638cc20bc4d0a60d66940f3ab4a00c1d7b313497ca82fb0b4ab0079300_U256);
    let guard = uint!(0x9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f00_U256);
    let implementation =
        uint!(0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc_U256);
    let mapping = || Shape::Mapping(Box::new(Shape::Plain));
    let nested = || Shape::Mapping(Box::new(mapping()));
    let at = |label: &str, base: U256, offset: u64, shape: Shape| Variable {
        label: label.to_owned(),
        slot: base + U256::from(offset),
        shape,
    };
    vec![
        at("balances", erc20, 0, mapping()),
        at("allowances", erc20, 1, nested()),
        at("totalSupply", erc20, 2, Shape::Plain),
        at("owners", erc721, 2, mapping()),
        at("balances", erc721, 3, mapping()),
        at("reentrancyGuard", guard, 0, Shape::Plain),
        at("implementation", implementation, 0, Shape::Plain),
    ]
}

impl JsonVariable {
    fn position(&self) -> Result<U256, NameError> {
        // The parser takes no digits at all for zero.
        let digits = self.slot.strip_prefix("0x").unwrap_or(&self.slot);
        let some = digits.contains(|digit: char| digit.is_ascii_hexdigit());
        let position = if some { self.slot.parse().ok() } else { None };
        position.ok_or_else(|| NameError::Layout {
            reason: format!("slot {:?} of {:?} is not a number", self.slot, self.label),
        })
    }
}

fn shape(name: &str, types: &BTreeMap<String, JsonType>, depth: u32) -> Result<Shape, NameError> {
    let Some(found) = types.get(name) else { return Ok(Shape::Plain) };
    if depth >= DEPTH_MAX {
        return Ok(Shape::Plain);
    }
    let slots = |name: &Option<String>| {
        let found = name.as_ref().and_then(|name| types.get(name));
        let bytes = found.and_then(|found| found.number_of_bytes.as_ref()?.parse::<u32>().ok());
        bytes.unwrap_or(32).div_ceil(32).max(1)
    };
    Ok(match (found.encoding.as_str(), &found.members) {
        ("mapping", _) => {
            let value = found.value.as_deref().unwrap_or_default();
            Shape::Mapping(Box::new(shape(value, types, depth + 1)?))
        }
        ("dynamic_array", _) => Shape::Array(slots(&found.base)),
        ("inplace", Some(members)) => {
            let mut named: Vec<(String, u32)> = Vec::new();
            for member in members.iter().take(MEMBERS_MAX) {
                let offset = u32::try_from(member.position()?).unwrap_or(u32::MAX);
                match named.iter_mut().find(|(_, known)| *known == offset) {
                    Some((label, _)) if label.len() < LABEL_BYTES_MAX => {
                        label.push_str(", ");
                        label.push_str(&clipped(&member.label));
                    }
                    Some(_) => {}
                    None => named.push((clipped(&member.label), offset)),
                }
            }
            Shape::Struct(named)
        }
        _ => Shape::Plain,
    })
}

fn clipped(label: &str) -> String {
    label.chars().take(LABEL_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_compilers_layout_is_read() {
        let layout = Layout::parse(json!({
            "storage": [
                { "label": "owner", "slot": "0", "type": "t_address" },
                { "label": "paused", "slot": "0", "type": "t_bool" },
                { "label": "users", "slot": "1", "type": "t_mapping" },
                { "label": "queue", "slot": "2", "type": "t_array" },
            ],
            "types": {
                "t_address": { "encoding": "inplace", "numberOfBytes": "20" },
                "t_bool": { "encoding": "inplace", "numberOfBytes": "1" },
                "t_mapping": { "encoding": "mapping", "key": "t_address", "value": "t_user" },
                "t_user": { "encoding": "inplace", "numberOfBytes": "64", "members": [
                    { "label": "score", "slot": "0", "type": "t_uint" },
                    { "label": "last", "slot": "1", "type": "t_uint" } ] },
                "t_array": { "encoding": "dynamic_array", "base": "t_user" },
            },
        }))
        .unwrap();
        let found: Vec<_> = layout.variables.iter().map(|v| (v.label.as_str(), &v.shape)).collect();
        let user = Shape::Struct(vec![("score".into(), 0), ("last".into(), 1)]);
        assert_eq!(found[0], ("owner, paused", &Shape::Plain));
        assert_eq!(found[1], ("users", &Shape::Mapping(Box::new(user))));
        assert_eq!(found[2], ("queue", &Shape::Array(2)));
        assert!(!layout.guessed);
    }

    #[test]
    fn nonsense_is_refused_with_the_reason() {
        let bad = json!({ "storage": [{ "label": "x", "slot": "zero", "type": "t" }] });
        let error = Layout::parse(bad).unwrap_err().to_string();
        assert!(error.contains("\"zero\" of \"x\""), "{error}");
    }
}
