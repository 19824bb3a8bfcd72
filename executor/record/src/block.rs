//! A block as the analysis sees it, and what its logs say about the contracts in it.

use alloy_consensus::{Transaction as _, TxReceipt};
use alloy_eip7928::AccountChanges;
use alloy_primitives::{Address, B256, Selector, TxKind, U256, b256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use weft_types::{AccessRecord, Receipt, Transaction, TxIndex};

/// A block with everything that was kept of it. The slices have one entry per transaction.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// The transactions, in order.
    pub transactions: &'a [Transaction],
    /// Who signed them.
    pub senders: &'a [Address],
    /// Their receipts; may be empty where they are not kept.
    pub receipts: &'a [Receipt],
    /// Who read and wrote what.
    pub access: &'a AccessRecord,
    /// The block access list (EIP-7928), ascending by address; may be empty where it is not kept.
    pub list: &'a [AccountChanges],
}

/// A function of a contract, as a transaction calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Function {
    /// The account that the transaction names; the new contract for a creation.
    pub contract: Address,
    /// First four bytes of the input; `None` for plain transfers and creations.
    pub selector: Option<Selector>,
}

/// What a contract is, judged by the events that it emitted in the block or by how it was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ContractKind {
    /// Fungible token.
    #[serde(rename = "ERC-20")]
    Erc20,
    /// Non-fungible token.
    #[serde(rename = "ERC-721")]
    Erc721,
    /// Many tokens in one contract.
    #[serde(rename = "ERC-1155")]
    Erc1155,
    /// Vault of a token.
    #[serde(rename = "ERC-4626")]
    Erc4626,
    /// Wrapped ether.
    #[serde(rename = "WETH")]
    Weth,
    /// Pair of a constant-product exchange (Uniswap V2 and its copies).
    #[serde(rename = "Uniswap V2 pair")]
    UniswapV2Pair,
    /// Pool of a concentrated-liquidity exchange (Uniswap V3 and its copies).
    #[serde(rename = "Uniswap V3 pool")]
    UniswapV3Pool,
}

/// `Transfer(address,address,uint256)`: with three topics ERC-20, with four ERC-721.
const TRANSFER: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
/// `TransferSingle(address,address,address,uint256,uint256)`.
const TRANSFER_SINGLE: B256 =
    b256!("c3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62");
/// `Deposit(address,uint256)` of WETH9.
const WETH_DEPOSIT: B256 =
    b256!("e1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c");
/// `Deposit(address,address,uint256,uint256)` of ERC-4626.
const VAULT_DEPOSIT: B256 =
    b256!("dcbc1c05240f31ff3ad067ef1ee35ce4997762752e3a095284754544f4c709d7");
/// `Sync(uint112,uint112)` of a V2 pair.
const SYNC: B256 = b256!("1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1");
/// `Swap(address,address,int256,int256,uint160,uint128,int24)` of a V3 pool.
const SWAP_V3: B256 = b256!("c42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67");

impl Block<'_> {
    /// Number of transactions.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    /// The function that a transaction calls.
    #[must_use]
    pub fn function(&self, index: TxIndex) -> Function {
        let transaction = &self.transactions[index.0 as usize];
        match transaction.kind() {
            TxKind::Call(contract) => {
                let selector = transaction.input().get(..4).map(Selector::from_slice);
                Function { contract, selector }
            }
            TxKind::Create => {
                let sender = self.senders[index.0 as usize];
                Function { contract: sender.create(transaction.nonce()), selector: None }
            }
        }
    }

    /// Gas used by a transaction.
    #[must_use]
    pub fn gas(&self, index: TxIndex) -> u64 {
        self.access.transactions.get(index.0 as usize).map_or(0, |access| access.gas_used)
    }

    /// The values that a slot took in the block: place of the writer and value, ascending.
    #[must_use]
    pub fn slot_values(&self, address: &Address, slot: &U256) -> Vec<(TxIndex, U256)> {
        let Ok(account) = self.list.binary_search_by(|entry| entry.address.cmp(address)) else {
            return Vec::new();
        };
        let slots = &self.list[account].storage_changes;
        let Ok(found) = slots.binary_search_by(|entry| entry.slot.cmp(slot)) else {
            return Vec::new();
        };
        let count = self.len() as u64;
        let during = |change: &alloy_eip7928::StorageChange| {
            // Index 0 is before the transactions, the one after the last is after them.
            let index = change.block_access_index.0.checked_sub(1)?;
            (index < count).then_some((TxIndex(index as u32), change.new_value))
        };
        slots[found].changes.iter().filter_map(during).collect()
    }

    /// What the contracts in the block are, by the events of its receipts. A V2 pair is a token too: the more special wins.
    #[must_use]
    pub fn kinds(&self) -> BTreeMap<Address, ContractKind> {
        let mut kinds: BTreeMap<Address, ContractKind> = BTreeMap::new();
        for log in self.receipts.iter().flat_map(TxReceipt::logs) {
            if let Some(kind) = kind_of(log.topics()) {
                kinds
                    .entry(log.address)
                    .and_modify(|known| *known = kind.max(*known))
                    .or_insert(kind);
            }
        }
        kinds
    }
}

fn kind_of(topics: &[B256]) -> Option<ContractKind> {
    match (*topics.first()?, topics.len()) {
        (TRANSFER, 3) => Some(ContractKind::Erc20),
        (TRANSFER, 4) => Some(ContractKind::Erc721),
        (TRANSFER_SINGLE, _) => Some(ContractKind::Erc1155),
        (VAULT_DEPOSIT, _) => Some(ContractKind::Erc4626),
        (WETH_DEPOSIT, 2) => Some(ContractKind::Weth),
        (SYNC, _) => Some(ContractKind::UniswapV2Pair),
        (SWAP_V3, _) => Some(ContractKind::UniswapV3Pool),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;

    #[test]
    fn the_topics_are_the_hashes_of_their_events() {
        for (topic, event) in [
            (TRANSFER, "Transfer(address,address,uint256)"),
            (TRANSFER_SINGLE, "TransferSingle(address,address,address,uint256,uint256)"),
            (WETH_DEPOSIT, "Deposit(address,uint256)"),
            (VAULT_DEPOSIT, "Deposit(address,address,uint256,uint256)"),
            (SYNC, "Sync(uint112,uint112)"),
            (SWAP_V3, "Swap(address,address,int256,int256,uint160,uint128,int24)"),
        ] {
            assert_eq!(topic, keccak256(event), "{event}");
        }
    }
}
