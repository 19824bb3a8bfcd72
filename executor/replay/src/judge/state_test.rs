//! State tests: one transaction as the only one of a block without system calls, rewards and withdrawals.

use super::block::recover;
use super::execution::Fault;
use super::fork::Fork;
use super::rejection::{Rejection, Stage};
use super::world::World;
use super::{Difference, Finding, Judge};
use crate::fixture::{Environment, Expectation, StateTest, TransactionCase};
use alloy_consensus::{Header, Transaction as _};
use alloy_eips::eip2718::Decodable2718;
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_primitives::{Address, B256, Log, TxKind, U256, keccak256};
use std::sync::Arc;
use weft_evm::{BlockInput, Rules, SpecId};
use weft_types::{RecoveredTransaction, StateReader, Transaction};

/// `BLOCKHASH` reaches so many blocks back.
const BLOCK_HASHES: u64 = 256;

impl Judge {
    /// Judges one outcome of a state test; gives the rejection, if one was expected.
    pub(crate) fn judge_expectation(
        &self,
        test: &StateTest,
        fork: &str,
        expectation: &Expectation,
    ) -> Result<Vec<Rejection>, Finding> {
        let fork = Fork::named(fork, &test.config)
            .ok_or_else(|| Difference::new("fork", "a known one", fork))?;
        let header = header_of(&test.env, &fork);
        let mut world = World::new(&test.pre);
        for number in header.number.saturating_sub(BLOCK_HASHES)..header.number {
            world.set_block_hash(number, block_hash(number));
        }
        let result = self.run_transaction(&mut world, &header, &fork, test, expectation);
        let (logs, rejections) = match (result, &expectation.expect_exception) {
            (Ok(logs), None) => (logs, Vec::new()),
            (Err(Fault::Rejected(rejection)), Some(exception)) if rejection.answers(exception) => {
                (Vec::new(), vec![rejection])
            }
            (Err(Fault::Failed(finding)), _) => return Err(finding),
            (Ok(_), Some(exception)) => {
                return Err(Difference::new("verdict", exception, "accepted").into());
            }
            (Err(Fault::Rejected(rejection)), exception) => {
                let expected = exception.as_deref().unwrap_or("accepted");
                return Err(Difference::new("verdict", expected, rejection).into());
            }
        };
        compare_state(&world, expectation)?;
        let found = keccak256(alloy_rlp::encode(&logs));
        if found != expectation.logs {
            return Err(Difference::new("logs", expectation.logs, found).into());
        }
        Ok(rejections)
    }

    /// Runs the transaction on `world`; gives its logs.
    fn run_transaction(
        &self,
        world: &mut World,
        header: &Header,
        fork: &Fork,
        test: &StateTest,
        expectation: &Expectation,
    ) -> Result<Vec<Log>, Fault> {
        let transaction = decode(&expectation.txbytes, fork)?;
        compare_parts(&transaction, &test.transaction, expectation).map_err(Finding::Differs)?;
        let transactions = [Arc::new(transaction)];
        let rules = Rules { block_rewards: false, system_calls: false, ..fork.rules() };
        let input = BlockInput {
            header,
            transactions: &transactions,
            ommers: &[],
            withdrawals: &[],
            commands: &[],
            rules: &rules,
        };
        let state: Arc<dyn StateReader> = Arc::new(world.clone());
        let executed = self.execute(&input, &state, fork)?;
        world.apply(&executed.wiped, &executed.diff);
        Ok(executed.receipts.iter().flat_map(|receipt| receipt.logs().to_vec()).collect())
    }
}

/// The block around the transaction.
fn header_of(env: &Environment, fork: &Fork) -> Header {
    let merged = fork.has(SpecId::MERGE);
    let cancun = fork.has(SpecId::CANCUN);
    let excess = env.current_excess_blob_gas.map_or(0, |gas| gas.to());
    Header {
        beneficiary: env.current_coinbase,
        gas_limit: env.current_gas_limit.to(),
        number: env.current_number.to(),
        timestamp: env.current_timestamp.to(),
        difficulty: if merged { U256::ZERO } else { env.current_difficulty },
        mix_hash: env.current_random.unwrap_or_default(),
        base_fee_per_gas: env.current_base_fee.map(|fee| fee.to()),
        blob_gas_used: cancun.then_some(0),
        excess_blob_gas: cancun.then_some(excess),
        parent_beacon_block_root: cancun.then_some(B256::ZERO),
        ..Header::default()
    }
}

/// The hash that state tests give the block of a number: that of its decimal digits.
fn block_hash(number: u64) -> B256 {
    keccak256(number.to_string())
}

/// The transaction from its bytes, under the rules that a block's body has.
fn decode(bytes: &[u8], fork: &Fork) -> Result<RecoveredTransaction, Rejection> {
    let transaction = Transaction::decode_2718_exact(bytes)
        .map_err(|error| Rejection::new(Stage::Decoding, error))?;
    let blobs = transaction.blob_versioned_hashes().map_or(0, |hashes| hashes.len() as u64);
    let (gas, max) = (blobs * DATA_GAS_PER_BLOB, fork.blobs.max_blob_gas_per_block());
    if gas > max {
        let reason = format!("blobGasUsed: expected at most {max}, found {gas}");
        return Err(Rejection {
            fields: vec!["blobGasUsed"],
            ..Rejection::new(Stage::Rules, reason)
        });
    }
    recover(transaction, fork)
}

/// Compares the signed transaction with the parts that the test says it is made of: a file that contradicts itself would
/// otherwise be judged by one half.
fn compare_parts(
    transaction: &RecoveredTransaction,
    parts: &TransactionCase,
    expectation: &Expectation,
) -> Result<(), Difference> {
    let indexes = expectation.indexes;
    let compare = |field: &str, expected: Option<String>, found: String| {
        let expected = expected.unwrap_or_else(|| "none".to_owned());
        if expected == found {
            return Ok(());
        }
        Err(Difference::new(format!("txbytes: {field}"), expected, found))
    };
    let to = match transaction.kind() {
        TxKind::Call(to) => Some(to),
        TxKind::Create => None,
    };
    let callee = if parts.to.is_empty() { Ok(None) } else { parts.to.parse().map(Some) };
    let callee: Option<Address> =
        callee.map_err(|error| Difference::new("to", "an address", error))?;
    let show = |to: Option<Address>| to.map_or_else(|| "creation".to_owned(), |to| to.to_string());
    compare("sender", Some(parts.sender.to_string()), transaction.signer().to_string())?;
    compare("to", Some(show(callee)), show(to))?;
    compare("nonce", Some(parts.nonce.to_string()), transaction.nonce().to_string())?;
    let gas = parts.gas_limit.get(indexes.gas).map(ToString::to_string);
    compare("gasLimit", gas, transaction.gas_limit().to_string())?;
    let value = parts.value.get(indexes.value).map(ToString::to_string);
    compare("value", value, transaction.value().to_string())?;
    let data = parts.data.get(indexes.data).map(ToString::to_string);
    compare("data", data, transaction.input().to_string())?;
    if let Some(fee) = parts.gas_price.or(parts.max_fee_per_gas) {
        compare("fee", Some(fee.to_string()), transaction.max_fee_per_gas().to_string())?;
    }
    let hashes = transaction.blob_versioned_hashes().unwrap_or_default();
    let expected = format!("{:?}", parts.blob_versioned_hashes);
    compare("blobVersionedHashes", Some(expected), format!("{hashes:?}"))
}

/// Compares the state root, and where it differs says which account does.
fn compare_state(world: &World, expectation: &Expectation) -> Result<(), Difference> {
    let root = world.root();
    if root == expectation.hash {
        return Ok(());
    }
    let listed = expectation.state.as_ref().and_then(|state| world.first_difference(state));
    match listed {
        Some((what, expected, found)) => {
            Err(Difference::new(format!("stateRoot: {what}"), expected, found))
        }
        None => Err(Difference::new("stateRoot", expectation.hash, root)),
    }
}
