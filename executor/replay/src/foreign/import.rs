//! One block after the other.

use super::genesis::ForeignChain;
use super::work::{Ancestor, OMMER_DEPTH};
use crate::header_rules::{Body, verify_body, verify_header, verify_transactions_root};
use crate::judge::{DecodedBlock, Fork, Rejection, Stage, World, compare_header};
use alloy_consensus::{Eip658Value, Header, ReceiptEnvelope};
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Address, B256, Bytes, U256};
use std::collections::VecDeque;
use std::sync::Arc;
use weft_commitment::mpt::Mpt;
use weft_evm::{BlockInput, Executed, Executor, Mode, Products, Rules, SpecId};
use weft_types::receipt::receipts_root;
use weft_types::{
    AccessRecord, Account, AccountDiff, Block, ForeignBody, HeaderError, Receipt,
    RecoveredTransaction, RunProfile, SealedBlock, SlotDiff, StateDiff, StateReader,
};

/// Takes the blocks of one chain, in order.
pub struct Importer {
    chain: ForeignChain,
    executor: Executor,
    world: Arc<World>,
    /// The last blocks, the head last.
    ancestors: VecDeque<Ancestor>,
    total_difficulty: U256,
}

/// A block that was executed and is what its header says.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The block.
    pub block: SealedBlock,
    /// Its ommers and withdrawals.
    pub body: ForeignBody,
    /// Sender of each transaction.
    pub senders: Vec<Address>,
    /// Receipt of each transaction.
    pub receipts: Vec<Receipt>,
    /// RLP of the block access list (EIP-7928) that execution gave.
    pub access_list: Bytes,
    /// Reads and writes of each transaction; empty unless the executor records in full.
    pub access_record: AccessRecord,
    /// What this run observed.
    pub profile: RunProfile,
    /// Net change of the state, without accounts that are empty (EIP-161); slots that destroyed
    /// accounts lost are in it.
    pub diff: StateDiff,
}

impl Importer {
    /// Begins with the chain's genesis. The executor says how much is recorded.
    #[must_use]
    pub fn new(chain: ForeignChain, executor: Executor) -> Self {
        let mut world = World::new(&chain.alloc);
        let (genesis, hash) = (chain.genesis().header().clone(), chain.genesis().hash());
        world.set_block_hash(genesis.number, hash);
        let total_difficulty = genesis.difficulty;
        let head = Ancestor { hash, header: genesis, ommers: Vec::new() };
        let ancestors = VecDeque::from([head]);
        Self { chain, executor, world: Arc::new(world), ancestors, total_difficulty }
    }

    /// Merkle-Patricia trie of the state after the last block.
    #[must_use]
    pub fn trie(&self) -> Mpt {
        self.world.trie()
    }

    /// Takes the next block from its RLP.
    ///
    /// # Errors
    /// [`Rejection`] naming the fields that are wrong; the next call may try another block.
    pub fn import(&mut self, rlp: &[u8]) -> Result<Imported, Rejection> {
        let decoded = DecodedBlock::decode(rlp)?;
        let header = decoded.header();
        let rules = self.chain.forks.rules(header.number, header.timestamp);
        let fork = self.fork(header);
        self.verify(&decoded, &fork)?;
        let transactions = decoded.recover(&fork)?;
        let body = decoded.body();
        let input = BlockInput {
            commands: &[],
            header,
            transactions: &transactions,
            ommers: body.ommers,
            withdrawals: body.withdrawals.map_or(&[][..], |list| list.as_slice()),
            rules: &rules,
        };
        let mut executed = self.execute(&input)?;
        if !fork.has(SpecId::BYZANTIUM) {
            self.put_roots(&input, &mut executed)?;
        }
        let mut world = World::clone(&self.world);
        let diff = whole_change(&world, &executed);
        world.apply(&executed.wiped, &executed.diff);
        compare_header(header, &executed, world.root(), &fork)?;
        world.set_block_hash(header.number, decoded.hash);
        Ok(self.accept(decoded, world, transactions, executed, diff))
    }

    /// The rules of headers for a block.
    fn fork(&self, header: &Header) -> Fork {
        let fork = self.chain.forks.at(header.number, header.timestamp);
        Fork {
            name: fork.name,
            spec: fork.spec,
            blobs: fork.blobs.unwrap_or_else(BlobParams::cancun),
            chain_id: self.chain.forks.chain_id(),
        }
    }

    fn verify(&self, decoded: &DecodedBlock, fork: &Fork) -> Result<(), HeaderError> {
        let (header, body) = (decoded.header(), decoded.body());
        let parent = self.ancestors.back().expect("the head is always there");
        if fork.has(SpecId::MERGE) {
            let terminal = self.chain.terminal_difficulty.unwrap_or_default();
            if !parent.header.difficulty.is_zero() && self.total_difficulty < terminal {
                return Err(HeaderError::Field {
                    field: "difficulty",
                    expected: format!("proof of work up to the total difficulty {terminal}"),
                    found: format!("none after {}", self.total_difficulty),
                });
            }
            verify_header(&parent.header, parent.hash, header, fork)?;
            return verify_body(header, body, fork);
        }
        let work = &self.chain.work;
        work.verify(&parent.header, parent.hash, header, fork)?;
        work.verify_ommers(header, body.ommers, &self.ancestors)?;
        let Body { transactions, .. } = body;
        verify_transactions_root(header, transactions)
    }

    fn execute(&self, input: &BlockInput<'_>) -> Result<Executed, Rejection> {
        let state: Arc<dyn StateReader> = Arc::<World>::clone(&self.world);
        let products = Products::of_node(self.executor.record_level());
        let run = self.executor.execute(input, &state, Mode::Verify, products);
        run.map_err(|error| Rejection::of_execution(&error))
    }

    /// Receipts before Byzantium carry the state root after their transaction instead of a status
    /// (EIP-658): runs one transaction after the other to learn them.
    fn put_roots(&self, input: &BlockInput<'_>, executed: &mut Executed) -> Result<(), Rejection> {
        let rules = Rules { block_rewards: false, ..input.rules.clone() };
        let later = Rules { dao_fork: false, ..rules.clone() };
        let mut world = Arc::clone(&self.world);
        for (index, transaction) in input.transactions.iter().enumerate() {
            let rules = if index == 0 { &rules } else { &later };
            let transactions = std::slice::from_ref(transaction);
            let one = BlockInput { transactions, ommers: &[], rules, ..*input };
            let state: Arc<dyn StateReader> = Arc::<World>::clone(&world);
            let products = Products { diff: true, ..Products::NONE };
            let run = self.executor.execute(&one, &state, Mode::Verify, products);
            let run = run.map_err(|error| Rejection::of_execution(&error))?;
            drop(state);
            Arc::make_mut(&mut world).apply(&run.wiped, &run.diff);
            set_root(&mut executed.receipts[index], world.root());
        }
        executed.receipts_root = receipts_root(&executed.receipts);
        Ok(())
    }

    fn accept(
        &mut self,
        decoded: DecodedBlock,
        world: World,
        transactions: Vec<Arc<RecoveredTransaction>>,
        executed: Executed,
        diff: StateDiff,
    ) -> Imported {
        let hash = decoded.hash;
        let alloy_consensus::Block { header, body } = decoded.block;
        self.world = Arc::new(world);
        self.total_difficulty = self.total_difficulty.saturating_add(header.difficulty);
        let ommers = body.ommers.iter().map(Header::hash_slow).collect();
        self.ancestors.push_back(Ancestor { hash, header: header.clone(), ommers });
        while self.ancestors.len() > OMMER_DEPTH + 1 {
            self.ancestors.pop_front();
        }
        Imported {
            block: Block { header, transactions: body.transactions, commands: Vec::new() }.seal(),
            body: ForeignBody { ommers: body.ommers, withdrawals: body.withdrawals },
            senders: transactions.iter().map(|transaction| transaction.signer()).collect(),
            receipts: executed.receipts,
            access_list: executed.access_list,
            access_record: executed.access_record,
            profile: executed.profile,
            diff,
        }
    }
}

impl Rejection {
    fn of_execution(error: &weft_evm::ExecutionError) -> Self {
        match error {
            weft_evm::ExecutionError::Field(error) => error.clone().into(),
            error => Self::new(Stage::Execution, error),
        }
    }
}

fn set_root(receipt: &mut Receipt, root: B256) {
    // Only legacy transactions are older than Byzantium.
    if let ReceiptEnvelope::Legacy(receipt) = receipt {
        receipt.receipt.status = Eip658Value::PostState(root);
    }
}

/// The net change with every slot that a destroyed account lost named for itself, and without empty
/// accounts, which a store does not keep.
fn whole_change(before: &World, executed: &Executed) -> StateDiff {
    let mut diff = executed.diff.clone();
    for address in &executed.wiped {
        let place = diff.accounts.binary_search_by_key(address, |change| change.address);
        let place = place.unwrap_or_else(|place| {
            let account = before.account(address).ok().flatten();
            let change =
                AccountDiff { address: *address, before: account, after: account, slots: vec![] };
            diff.accounts.insert(place, change);
            place
        });
        let slots = &mut diff.accounts[place].slots;
        for slot in slots.iter_mut() {
            slot.before = before.storage(address, &slot.slot).unwrap_or_default();
        }
        for (slot, value) in before.slots_of(address) {
            if let Err(place) = slots.binary_search_by_key(&slot, |change| change.slot) {
                slots.insert(place, SlotDiff { slot, before: value, after: U256::ZERO });
            }
        }
    }
    let present = |account: &Account| !account.is_empty();
    for change in &mut diff.accounts {
        change.before = change.before.filter(present);
        change.after = change.after.filter(present);
    }
    diff
}

impl std::fmt::Debug for Importer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let head = self.ancestors.back().map(|head| head.header.number);
        f.debug_struct("Importer").field("head", &head).finish_non_exhaustive()
    }
}
