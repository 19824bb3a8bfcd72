//! Building, verifying and committing blocks: the one place where pool, executor, commitment and
//! store meet. Synchronous; the driver calls it from the node's execution thread.

mod commands;

use crate::ahead;
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::{Decodable, Encodable};
use rayon::prelude::*;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use weft_commitment::{CommitmentError, Tree};
use weft_evm::{Executed, ExecutionError, Executor, RecordLevel, Skipped};
use weft_pool::Pool;
use weft_store::{BlockCommit, Head, Store, StoreError};
use weft_types::block::{BlockBody, transactions_root};
use weft_types::command::commands_root;
use weft_types::header::{next_header_under, validate_header_under};
use weft_types::limits::HEADER_BYTES_MAX;
use weft_types::transaction::{recover_transaction, validate_stateless};
use weft_types::{
    ChainParams, Command, CommitCertificate, Header, Height, RecoveredTransaction, Round,
    SealedBlock, Settings, StateDiff, Transaction,
};

/// A block that was executed on this node's head and is ready to be committed.
pub struct Prepared {
    /// The block.
    pub block: SealedBlock,
    /// RLP of its header.
    pub header_rlp: Vec<u8>,
    /// Encoded body: transactions and access list.
    pub body: Vec<u8>,
    /// What its execution gave.
    pub executed: Executed,
    tree: Tree,
}

impl Prepared {
    /// Hash of the block.
    #[must_use]
    pub const fn hash(&self) -> B256 {
        self.block.hash()
    }
}

/// A block that is durable, and the head that it has become.
#[derive(Clone)]
pub struct Committed {
    /// The head after it.
    pub head: Arc<Head>,
    /// The block with what its execution gave.
    pub prepared: Arc<Prepared>,
}

/// A block could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The block breaks a rule: vote nil; whoever proposed it is to blame.
    #[error("block is invalid: {reason}")]
    Invalid {
        /// The broken rule.
        reason: String,
    },
    /// The transactions or the access list are not those that the header names: says nothing about
    /// the block, only about who sent the body.
    #[error("body does not belong to the header: {reason}")]
    WrongBody {
        /// What was found.
        reason: String,
    },
    /// The block does not extend this node's head: it cannot be judged now.
    #[error("block {height} does not extend the head at height {head}")]
    NotNext {
        /// Height of the block.
        height: u64,
        /// Height of the head.
        head: u64,
    },
    /// This node cannot judge the block. Never a verdict.
    #[error("execution failed: {reason}")]
    Operational {
        /// What failed.
        reason: String,
    },
}

/// The chain as one node executes and stores it.
pub struct Chain {
    store: Arc<Store>,
    executor: Arc<Executor>,
    pool: Arc<Pool>,
    params: ChainParams,
    fee_recipient: Address,
}

/// Bytes of an access list from which on the root is computed beside the execution; below, it is not worth a call to
/// another thread.
const ROOT_BESIDE_LIST_BYTES_MIN: usize = 16 * 1024;

impl Chain {
    /// Joins the parts. `fee_recipient` gets the tips of blocks that this node proposes.
    pub const fn new(
        store: Arc<Store>,
        executor: Arc<Executor>,
        pool: Arc<Pool>,
        params: ChainParams,
        fee_recipient: Address,
    ) -> Self {
        Self { store, executor, pool, params, fee_recipient }
    }

    /// The head that the next block extends.
    #[must_use]
    pub fn head(&self) -> Arc<Head> {
        self.store.head()
    }

    /// Executes the pool's best transactions into a block for `round` on top of the head. What
    /// turned out invalid is dropped from the pool.
    ///
    /// # Errors
    /// [`PrepareError::Operational`] when state cannot be read.
    pub fn build(&self, round: Round) -> Result<Prepared, PrepareError> {
        let head = self.store.head();
        let parent = &head.block;
        let settings = self.settings(&head)?;
        let commands = self.commands(parent.height().next());
        let environment = next_header_under(
            parent.header(),
            parent.hash(),
            &self.params,
            (&settings, &commands),
            (round, self.fee_recipient),
            now_seconds(),
        );
        let candidates = self.candidates(&head, &settings, &commands, &environment)?;
        read_ahead(&head, &candidates, None);
        let mut executed = self
            .executor
            .build_after(&environment, &commands, &candidates, &head.state, &self.params)
            .map_err(prepare_error)?;
        self.drop_invalid(&executed.skipped);
        let started = Instant::now();
        let tree = head.tree.try_apply(&executed.diff).map_err(unreadable)?;
        executed.profile.root_us = micros(started);
        let block = executed.seal_after(environment, tree.root(), commands);
        let body = BlockBody {
            transactions: block.transactions().to_vec(),
            access_list: executed.access_list.clone(),
            commands: block.commands().to_vec(),
        };
        Ok(Prepared {
            header_rlp: header_rlp(block.header()),
            body: body.encode(),
            block,
            executed,
            tree,
        })
    }

    /// Decodes a block, executes it on the head and compares every header field.
    ///
    /// `decided` skips the comparison with this node's clock: two thirds have accepted the time.
    ///
    /// # Errors
    /// [`PrepareError`]: a verdict, or why there is none.
    pub fn verify(
        &self,
        header_bytes: &[u8],
        body_bytes: Vec<u8>,
        decided: bool,
    ) -> Result<Prepared, PrepareError> {
        match self.execute(header_bytes, &body_bytes, decided) {
            Ok((block, executed, tree)) => {
                let header_rlp = header_bytes.to_vec();
                Ok(Prepared { header_rlp, body: body_bytes, block, executed, tree })
            }
            Err(PrepareError::Invalid { reason }) if !belongs(header_bytes, &body_bytes) => {
                Err(PrepareError::WrongBody { reason })
            }
            Err(error) => Err(error),
        }
    }

    fn execute(
        &self,
        header_bytes: &[u8],
        body_bytes: &[u8],
        decided: bool,
    ) -> Result<(SealedBlock, Executed, Tree), PrepareError> {
        let header = decode_header(header_bytes)?;
        let head = self.store.head();
        let parent = &head.block;
        if header.number != parent.height().0 + 1 {
            return Err(PrepareError::NotNext { height: header.number, head: parent.height().0 });
        }
        let now = (!decided).then(now_seconds);
        let body = BlockBody::decode(body_bytes).map_err(invalid)?;
        let settings = self.settings(&head)?;
        self.check_commands(&settings, &header, &body)?;
        let under = (&settings, body.commands.as_slice());
        validate_header_under(parent.header(), parent.hash(), &header, &self.params, under, now)
            .map_err(invalid)?;
        let transactions = self.recover(body.transactions, (&head, &settings))?;
        let list = (!body.access_list.is_empty()).then_some(&body.access_list);
        read_ahead(&head, &transactions, list);
        let list = list.map(AsRef::as_ref);
        let input = (&header, body.commands.as_slice());
        let (executed, tree) = self.execute_on(&head, input, &transactions, list)?;
        if tree.root() != header.state_root {
            return Err(PrepareError::Invalid {
                reason: format!(
                    "header field stateRoot: expected {}, found {}",
                    tree.root(),
                    header.state_root
                ),
            });
        }
        let state_root = header.state_root;
        let block = executed.seal_after(header, state_root, body.commands);
        Ok((block, executed, tree))
    }

    /// Executes a block on `head` and applies what it changes.
    fn execute_on(
        &self,
        head: &Head,
        (header, commands): (&Header, &[Command]),
        transactions: &[Arc<RecoveredTransaction>],
        list: Option<&[u8]>,
    ) -> Result<(Executed, Tree), PrepareError> {
        let (executor, params) = (&self.executor, &self.params);
        let body = (transactions, list);
        let apply = |diff: &StateDiff| {
            let started = Instant::now();
            let tree = head.tree.try_apply(diff).map_err(unreadable)?;
            Ok::<_, PrepareError>((tree, micros(started)))
        };
        // The list says what will change before anything is executed: a large block has its root computed meanwhile.
        let applied = OnceLock::new();
        let large = list.filter(|list| list.len() >= ROOT_BESIDE_LIST_BYTES_MIN);
        let executed = match large {
            None => {
                let executed = executor.verify_after(header, commands, body, &head.state, params);
                executed.map(|executed| (executed, false))
            }
            Some(list) => {
                let beside = |diff: &StateDiff| {
                    if let Ok(done) = apply(diff) {
                        let _ = applied.set(done);
                    }
                };
                let body = (transactions, list);
                executor.verify_beside(header, commands, body, &head.state, params, &beside)
            }
        };
        let (mut executed, foreseen) = executed.map_err(prepare_error)?;
        let (tree, root_us) = match applied.into_inner().filter(|_| foreseen) {
            Some(applied) => applied,
            None => apply(&executed.diff)?,
        };
        executed.profile.root_us = root_us;
        Ok((executed, tree))
    }

    /// Makes a decided block durable and moves the head; the pool drops what it included.
    ///
    /// # Errors
    /// [`StoreError`]: this node must stop.
    pub fn commit(
        &self,
        prepared: Arc<Prepared>,
        certificate: CommitCertificate,
    ) -> Result<Committed, StoreError> {
        let executed = &prepared.executed;
        let senders: Vec<Address> = executed.transactions.iter().map(|t| t.signer()).collect();
        // With the record off there is no profile of a block that has transactions.
        let recorded = senders.is_empty() || self.executor.record_level() != RecordLevel::Off;
        let head = self.store.commit(BlockCommit {
            block: prepared.block.clone(),
            senders,
            certificate,
            receipts: executed.receipts.clone(),
            access_list: executed.access_list.clone(),
            access_record: executed.access_record.clone(),
            profile: recorded.then(|| executed.profile.clone()),
            diff: executed.diff.clone(),
            tree: prepared.tree.clone(),
        })?;
        let included: Vec<(B256, Address, u64)> = executed
            .transactions
            .iter()
            .map(|t| (*t.tx_hash(), t.signer(), alloy_consensus::Transaction::nonce(t.inner())))
            .collect();
        self.obey(&head, prepared.block.commands());
        let changed: Vec<Address> = executed.diff.accounts.iter().map(|a| a.address).collect();
        self.pool.on_block(&included, &changed, head.state.as_ref(), head.block.header());
        Ok(Committed { head, prepared })
    }

    /// Drops what turned out invalid. What did not fit stays, and so does everything of the same
    /// sender: it may be invalid only because its predecessor did not fit.
    fn drop_invalid(&self, skipped: &[Skipped]) {
        let waiting: HashSet<Address> =
            skipped.iter().filter(|s| !s.invalid).map(|s| s.sender).collect();
        let invalid: Vec<(B256, String)> = skipped
            .iter()
            .filter(|s| s.invalid && !waiting.contains(&s.sender))
            .map(|s| (s.hash, s.reason.clone()))
            .collect();
        if !invalid.is_empty() {
            self.pool.drop_invalid(&invalid);
        }
    }

    /// Adds senders: those that the pool knows are reused, the others recovered on all cores.
    fn recover(
        &self,
        transactions: Vec<Transaction>,
        under: (&Head, &Settings),
    ) -> Result<Vec<Arc<RecoveredTransaction>>, PrepareError> {
        let chain_id = self.params.chain_id;
        let one = |transaction: Transaction| -> Result<Arc<RecoveredTransaction>, PrepareError> {
            if let Some(sender) = self.impersonated(&transaction, under)? {
                validate_stateless(&transaction, chain_id).map_err(invalid)?;
                return Ok(Arc::new(RecoveredTransaction::new_unchecked(transaction, sender)));
            }
            let hash = transaction.tx_hash();
            if let Some(known) = self.pool.get(hash) {
                return Ok(known);
            }
            if let Some(sender) = self.pool.sender(hash) {
                validate_stateless(&transaction, chain_id).map_err(invalid)?;
                return Ok(Arc::new(RecoveredTransaction::new_unchecked(transaction, sender)));
            }
            recover_transaction(transaction, chain_id).map(Arc::new).map_err(invalid)
        };
        if transactions.len() < 8 {
            return transactions.into_iter().map(one).collect();
        }
        // On the executor's threads: they are awake when the block comes to them.
        self.executor.install(|| transactions.into_par_iter().map(one).collect())
    }
}

/// Has the store read what a block is going to need, on other threads, while it is executed. A block
/// with a list reads exactly what the list names.
fn read_ahead(head: &Head, transactions: &[Arc<RecoveredTransaction>], list: Option<&Bytes>) {
    match list {
        Some(list) if list.len() >= ahead::LIST_BYTES_MIN => {
            let list = list.clone();
            head.state.prefetch(Box::new(move || ahead::of_list(&list)));
        }
        None if transactions.len() >= ahead::TRANSACTIONS_MIN => {
            let transactions = transactions.to_vec();
            head.state.prefetch(Box::new(move || ahead::of_transactions(&transactions)));
        }
        _ => {}
    }
}

/// Decodes a header within its size limit.
///
/// # Errors
/// [`PrepareError::Invalid`].
pub fn decode_header(bytes: &[u8]) -> Result<Header, PrepareError> {
    if bytes.len() > HEADER_BYTES_MAX {
        return Err(PrepareError::Invalid {
            reason: format!("header has {} bytes, limit {HEADER_BYTES_MAX}", bytes.len()),
        });
    }
    let mut rest = bytes;
    let header = Header::decode(&mut rest).map_err(invalid)?;
    if !rest.is_empty() {
        return Err(PrepareError::Invalid { reason: "header has trailing bytes".into() });
    }
    Ok(header)
}

/// Whether a body is the one that a header names. An access list that was left out is not missed.
fn belongs(header: &[u8], body: &[u8]) -> bool {
    let Ok(header) = decode_header(header) else { return true };
    let Ok(body) = BlockBody::decode(body) else { return false };
    let list = &body.access_list;
    let same_list = list.is_empty() || Some(keccak256(list)) == header.block_access_list_hash;
    let commands = header.parent_beacon_block_root.unwrap_or_default();
    let same_commands = commands_root(&body.commands) == commands;
    same_list && same_commands && transactions_root(&body.transactions) == header.transactions_root
}

fn header_rlp(header: &Header) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(700);
    header.encode(&mut bytes);
    bytes
}

fn invalid(error: impl std::fmt::Display) -> PrepareError {
    PrepareError::Invalid { reason: error.to_string() }
}

/// The tree needs what it does not hold, and the flat state does not give it.
fn unreadable(error: CommitmentError) -> PrepareError {
    PrepareError::Operational { reason: error.to_string() }
}

fn prepare_error(error: ExecutionError) -> PrepareError {
    if error.is_verdict() {
        return invalid(error);
    }
    PrepareError::Operational { reason: error.to_string() }
}

fn micros(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Seconds since 1970 by this machine's clock.
#[must_use]
pub fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Height after the head: the one that consensus works on.
#[must_use]
pub fn next_height(head: &Head) -> Height {
    head.block.height().next()
}

#[cfg(test)]
mod tests;
