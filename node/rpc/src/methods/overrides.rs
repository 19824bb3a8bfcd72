//! State and block overrides of simulated calls: another world for the length of one call.

use crate::error::Failure;
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rpc_types_eth::BlockOverrides;
use alloy_rpc_types_eth::state::{AccountOverride, StateOverride};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use weft_types::{Account, Header, StateError, StateReader};

/// Overrides of the block as callers write them: the numbers in `blockHash` in hex or in decimal.
#[derive(Default)]
pub(super) struct BlockFields(pub(super) BlockOverrides);

impl<'de> Deserialize<'de> for BlockFields {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Value::deserialize(deserializer)?;
        if let Some(Value::Object(hashes)) = fields.get_mut("blockHash") {
            let decimal = |(number, hash): (String, Value)| {
                let digits = number.strip_prefix("0x");
                let parsed = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
                (parsed.map_or(number, |parsed| parsed.to_string()), hash)
            };
            *hashes = std::mem::take(hashes).into_iter().map(decimal).collect();
        }
        serde_json::from_value(fields).map(Self).map_err(serde::de::Error::custom)
    }
}

/// A state with some values replaced.
pub(super) struct Overlay {
    base: Arc<dyn StateReader>,
    accounts: StateOverride,
    codes: HashMap<B256, Bytes>,
    block_hashes: BTreeMap<u64, B256>,
}

impl Overlay {
    /// # Errors
    /// [`Failure`] for an override that cannot be applied.
    pub(super) fn new(
        base: Arc<dyn StateReader>,
        accounts: StateOverride,
        block: &BlockOverrides,
    ) -> Result<Self, Failure> {
        for (address, account) in &accounts {
            refuse_unsupported(address, account)?;
        }
        let codes = accounts.values().filter_map(|account| account.code.clone());
        let codes = codes.map(|code| (keccak256(&code), code)).collect();
        let block_hashes = block.block_hash.clone().unwrap_or_default();
        Ok(Self { base, accounts, codes, block_hashes })
    }
}

fn refuse_unsupported(address: &Address, account: &AccountOverride) -> Result<(), Failure> {
    if account.move_precompile_to.is_some() {
        let reason = "movePrecompileToAddress is not supported; override the code of the target \
                      with a contract that calls the precompile";
        return Err(Failure::Unsupported { reason: reason.to_owned() });
    }
    if account.state.is_some() && account.state_diff.is_some() {
        let reason = format!("account {address} has both state and stateDiff");
        return Err(Failure::Parameters { reason });
    }
    Ok(())
}

/// Replaces fields of the environment.
///
/// # Errors
/// [`Failure`] for a value that no block can have.
pub(super) fn override_header(
    header: &mut Header,
    overrides: &BlockOverrides,
) -> Result<(), Failure> {
    let small = |name: &str, value: U256| {
        u64::try_from(value)
            .map_err(|_| Failure::Parameters { reason: format!("{name} {value} is too large") })
    };
    if overrides.blob_base_fee.is_some() {
        let reason = "blobBaseFee cannot be overridden: this chain has no blobs".to_owned();
        return Err(Failure::Unsupported { reason });
    }
    if let Some(number) = overrides.number {
        header.number = small("block number", number)?;
    }
    if let Some(base_fee) = overrides.base_fee {
        header.base_fee_per_gas = Some(small("base fee", base_fee)?);
    }
    header.difficulty = overrides.difficulty.unwrap_or(header.difficulty);
    header.timestamp = overrides.time.unwrap_or(header.timestamp);
    header.gas_limit = overrides.gas_limit.unwrap_or(header.gas_limit);
    header.beneficiary = overrides.coinbase.unwrap_or(header.beneficiary);
    header.mix_hash = overrides.random.unwrap_or(header.mix_hash);
    header.parent_beacon_block_root = overrides.beacon_root.or(header.parent_beacon_block_root);
    Ok(())
}

impl StateReader for Overlay {
    fn account(&self, address: &Address) -> Result<Option<Account>, StateError> {
        let base = self.base.account(address)?;
        let Some(change) = self.accounts.get(address) else { return Ok(base) };
        let mut account = base.unwrap_or_default();
        account.balance = change.balance.unwrap_or(account.balance);
        account.nonce = change.nonce.unwrap_or(account.nonce);
        if let Some(code) = &change.code {
            account.code_hash = keccak256(code);
            account.code_size = u32::try_from(code.len()).unwrap_or(u32::MAX);
        }
        Ok(Some(account))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        let key = B256::from(*slot);
        let value = self.accounts.get(address).and_then(|change| {
            if let Some(state) = &change.state {
                return Some(state.get(&key).copied().unwrap_or_default());
            }
            change.state_diff.as_ref()?.get(&key).copied()
        });
        match value {
            Some(value) => Ok(value.into()),
            None => self.base.storage(address, slot),
        }
    }

    fn code(&self, hash: &B256) -> Result<Bytes, StateError> {
        match self.codes.get(hash) {
            Some(code) => Ok(code.clone()),
            None => self.base.code(hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        match self.block_hashes.get(&number) {
            Some(hash) => Ok(Some(*hash)),
            None => self.base.block_hash(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Every account has balance 1 and the value 7 in every slot.
    struct Sevens;

    impl StateReader for Sevens {
        fn account(&self, _: &Address) -> Result<Option<Account>, StateError> {
            Ok(Some(Account { balance: U256::from(1), ..Account::default() }))
        }
        fn storage(&self, _: &Address, _: &U256) -> Result<U256, StateError> {
            Ok(U256::from(7))
        }
        fn code(&self, _: &B256) -> Result<Bytes, StateError> {
            Ok(Bytes::new())
        }
        fn block_hash(&self, _: u64) -> Result<Option<B256>, StateError> {
            Ok(None)
        }
    }

    #[test]
    fn overrides_replace_and_the_rest_shines_through() {
        let [whole, part, other] = [1, 2, 3].map(Address::repeat_byte);
        let (one, nine) = (B256::with_last_byte(1), B256::with_last_byte(9));
        let accounts: StateOverride = serde_json::from_value(json!({
            (whole.to_string()): { "state": { (one.to_string()): nine } , "code": "0x6001" },
            (part.to_string()): { "stateDiff": { (one.to_string()): nine }, "balance": "0x5" },
        }))
        .unwrap();
        let overlay = Overlay::new(Arc::new(Sevens), accounts, &BlockOverrides::default()).unwrap();
        let slot = |address, slot: u64| overlay.storage(&address, &U256::from(slot)).unwrap();
        assert_eq!([slot(whole, 1), slot(whole, 2)], [U256::from(9), U256::ZERO]);
        assert_eq!([slot(part, 1), slot(part, 2)], [U256::from(9), U256::from(7)]);
        assert_eq!(slot(other, 1), U256::from(7));
        assert_eq!(overlay.account(&part).unwrap().unwrap().balance, U256::from(5));
        let account = overlay.account(&whole).unwrap().unwrap();
        assert_eq!((account.code_size, account.balance), (2, U256::from(1)));
        assert_eq!(overlay.code(&account.code_hash).unwrap(), Bytes::from_static(&[0x60, 1]));
    }
}
