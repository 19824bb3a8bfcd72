//! Real Ethereum mainnet blocks from files: what `weft replay` reads.
//!
//! One folder a block, named by its number:
//!
//! ```text
//! <number>/block.json        the result of eth_getBlockByNumber(number, true)
//! <number>/prestate.json     {address: {balance, nonce, code?, storage?}}: the state that the block touches, before it;
//!                            an account or slot that is not listed does not exist
//! <number>/blockhashes.json  {number: hash} for BLOCKHASH; may be absent
//! ```
//!
//! # Invariants
//! - The header hashes to the block's hash, every transaction to its own, and the header's roots of transactions and
//!   withdrawals are those of the lists: what is executed is what the chain had.
//! - Every sender was recovered from its signature.
//!
//! # It is not
//! Complete for the beneficiary: `block.json` has the hashes of ommers only, so a block with ommers lacks their rewards in
//! its state changes. Receipts do not depend on them.

mod error;
mod header;
mod json;
mod state;
mod transaction;

pub use error::BlockError;

use crate::load::Load;
use alloy_consensus::proofs::{calculate_transaction_root, calculate_withdrawals_root};
use alloy_eips::eip4895::Withdrawal;
use error::Source;
use json::Object;
use rayon::prelude::*;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use weft_evm::{Rules, SpecId};
use weft_types::{Header, Transaction};

/// Finds the folders of blocks in `folder`, ascending by number: `folder` holds them, or holds `mainnet` which does, or is
/// itself the folder of one block.
///
/// # Errors
/// [`BlockError::Read`] when a folder cannot be listed, [`BlockError::NoBlocks`] when none is there.
pub fn find_blocks(folder: &Path) -> Result<Vec<PathBuf>, BlockError> {
    if folder.join("block.json").is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let mut found = numbered(folder)?;
    if found.is_empty() && folder.join("mainnet").is_dir() {
        found = numbered(&folder.join("mainnet"))?;
    }
    if found.is_empty() {
        return Err(BlockError::NoBlocks { path: folder.to_owned() });
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The folders in `folder` that have a number for a name and a block inside.
fn numbered(folder: &Path) -> Result<Vec<(u64, PathBuf)>, BlockError> {
    let failed = |error: std::io::Error| BlockError::read(folder, &error);
    let mut found = Vec::new();
    for entry in folder.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let number = path.file_name().and_then(|name| name.to_str()).and_then(|n| n.parse().ok());
        if let Some(number) = number
            && path.join("block.json").is_file()
        {
            found.push((number, path));
        }
    }
    Ok(found)
}

/// Reads the blocks of these folders, on all cores.
///
/// # Errors
/// [`BlockError`] of the first folder that cannot be read.
pub fn read_blocks(folders: &[PathBuf]) -> Result<Vec<Load>, BlockError> {
    folders.par_iter().map(|folder| read_block(folder)).collect()
}

/// Reads one block of mainnet and checks everything that can be checked without executing it.
///
/// # Errors
/// [`BlockError`] naming the block and the field.
pub fn read_block(folder: &Path) -> Result<Load, BlockError> {
    let name = folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let source = |file| Source { block: name.clone(), file };
    let ((block, prestate), hashes) = rayon::join(
        || {
            let prestate =
                || state::read_state(&source("prestate.json"), &folder.join("prestate.json"));
            rayon::join(|| read_json(&source("block.json"), &folder.join("block.json")), prestate)
        },
        || state::read_hashes(&source("blockhashes.json"), &folder.join("blockhashes.json")),
    );
    let (block, mut state) = (block?, prestate?);
    for (number, hash) in hashes? {
        state.set_block_hash(number, hash);
    }
    let source = source("block.json");
    // A whole JSON-RPC answer is as good as its result.
    let block = Object::new(&source, "", block.get("result").unwrap_or(&block))?;
    let header = header::read_header(&block)?;
    let rules = Rules::mainnet(header.number, header.timestamp);
    if rules.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) {
        // A tracer lists what was looked at; since EIP-161 what is empty there does not exist.
        state.remove_empty_accounts();
    }
    let (transactions, plain) = read_transactions(&block, &rules)?;
    let withdrawals = read_withdrawals(&block)?;
    compare_roots(&source, &header, &plain, &withdrawals)?;
    drop(plain);
    Ok(Load { name, header, transactions, withdrawals, state: Arc::new(state), rules })
}

type Transactions = (Vec<Arc<weft_types::RecoveredTransaction>>, Vec<Transaction>);

fn read_transactions(block: &Object<'_>, rules: &Rules) -> Result<Transactions, BlockError> {
    let recovered: Vec<_> = block
        .list("transactions")?
        .par_iter()
        .enumerate()
        .map(|(index, value)| {
            let object = Object::new(block.source, format!("transactions[{index}]."), value)?;
            transaction::read_transaction(&object, rules.spec).map(Arc::new)
        })
        .collect::<Result<_, _>>()?;
    let plain = recovered.iter().map(|transaction| transaction.inner().clone()).collect();
    Ok((recovered, plain))
}

fn read_withdrawals(block: &Object<'_>) -> Result<Vec<Withdrawal>, BlockError> {
    if !block.has("withdrawals") {
        return Ok(Vec::new());
    }
    let list = block.list("withdrawals")?.iter().enumerate();
    list.map(|(index, value)| {
        let object = Object::new(block.source, format!("withdrawals[{index}]."), value)?;
        Ok(Withdrawal {
            index: object.get("index")?,
            validator_index: object.get("validatorIndex")?,
            address: object.get("address")?,
            amount: object.get("amount")?,
        })
    })
    .collect()
}

fn compare_roots(
    source: &Source,
    header: &Header,
    transactions: &[Transaction],
    withdrawals: &[Withdrawal],
) -> Result<(), BlockError> {
    let root = calculate_transaction_root(transactions);
    source.equal("transactionsRoot", &header.transactions_root, &root)?;
    match header.withdrawals_root {
        Some(expected) => {
            let root = calculate_withdrawals_root(withdrawals);
            source.equal("withdrawalsRoot", &expected, &root)
        }
        None => source.equal("withdrawals", &0, &withdrawals.len()),
    }
}

fn read_json(source: &Source, path: &Path) -> Result<Value, BlockError> {
    let bytes = std::fs::read(path).map_err(|error| BlockError::read(path, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| source.not_json(&error))
}

#[cfg(test)]
mod tests;
