//! A chain of made-up blocks and the states they lead to, all held in memory.

use crate::lists::list_of;
use alloy_consensus::proofs::calculate_receipt_root;
use alloy_consensus::{
    Eip658Value, Receipt as PlainReceipt, ReceiptEnvelope, SignableTransaction, TxEip1559,
};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Log, Signature, U256, keccak256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use weft_commitment::Tree;
use weft_store::{
    BlockCommit, GenesisState, Kept, LogQuery, Oldest, Store, StoreError, StoreOptions, Touch,
};
use weft_types::block::transactions_root;
use weft_types::{
    AccessRecord, Account, AccountDiff, Block, CommitCertificate, Header, Height, Location,
    ReadAccess, Receipt, Round, RunProfile, SealedBlock, SlotDiff, StateDiff, StateReader,
    Transaction, TransactionAccess, TxIndex, Writer,
};

pub(crate) const PEOPLE: u8 = 12;
pub(crate) const SLOTS: [u64; 6] = [0, 1, 63, 64, 300, 1 << 40];

/// What happens in a block.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Account { who: u8, nonce: u64, balance: u64 },
    Code { who: u8, code: Bytes },
    Slot { who: u8, slot: u64, value: u64 },
    Delete { who: u8 },
}

/// A whole state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) accounts: BTreeMap<Address, Account>,
    pub(crate) slots: BTreeMap<(Address, U256), U256>,
    pub(crate) code: BTreeMap<B256, Bytes>,
}

/// The blocks and the state after each of them.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) commits: Vec<BlockCommit>,
    pub(crate) states: Vec<State>,
    genesis: SealedBlock,
    genesis_diff: StateDiff,
    tree: Tree,
}

pub(crate) fn person(who: u8) -> Address {
    Address::repeat_byte(who + 1)
}

impl State {
    fn step(&mut self, step: &Step, codes: &mut BTreeMap<B256, Bytes>) {
        match step {
            Step::Account { who, nonce, balance } => {
                let account = self.accounts.entry(person(*who)).or_default();
                (account.nonce, account.balance) = (*nonce, U256::from(*balance));
            }
            Step::Code { who, code } => {
                let account = self.accounts.entry(person(*who)).or_default();
                (account.code_hash, account.code_size) = (keccak256(code), code.len() as u32);
                codes.insert(keccak256(code), code.clone());
            }
            Step::Slot { who, slot, value } => {
                self.slots.insert((person(*who), U256::from(*slot)), U256::from(*value));
            }
            Step::Delete { who } => {
                self.accounts.remove(&person(*who));
                self.slots.retain(|(owner, _), _| *owner != person(*who));
            }
        }
    }

    /// The state after the steps, and the net change.
    pub(crate) fn next(&self, steps: &[Step]) -> (Self, StateDiff) {
        let (mut next, mut codes) = (self.clone(), BTreeMap::new());
        for step in steps {
            next.step(step, &mut codes);
        }
        next.accounts.retain(|_, account| !account.is_empty());
        next.slots.retain(|_, value| !value.is_zero());
        let diff = StateDiff {
            accounts: (0..PEOPLE).filter_map(|who| self.change(&next, person(who))).collect(),
            code: codes.iter().map(|(hash, code)| (*hash, code.clone())).collect(),
        };
        next.code.extend(codes);
        (next, diff)
    }

    fn change(&self, next: &Self, address: Address) -> Option<AccountDiff> {
        let keys: BTreeSet<U256> = [self, next]
            .iter()
            .flat_map(|s| s.slots.keys().filter(|(owner, _)| *owner == address))
            .map(|(_, slot)| *slot)
            .collect();
        let word = |s: &Self, slot| s.slots.get(&(address, slot)).copied().unwrap_or_default();
        let slots: Vec<SlotDiff> = keys
            .into_iter()
            .map(|slot| SlotDiff { slot, before: word(self, slot), after: word(next, slot) })
            .filter(|slot| slot.before != slot.after)
            .collect();
        let (before, after) = (self.accounts.get(&address), next.accounts.get(&address));
        (before != after || !slots.is_empty()).then(|| AccountDiff {
            address,
            before: before.copied(),
            after: after.copied(),
            slots,
        })
    }

    /// Compares everything that anybody can ask.
    pub(crate) fn assert_read_by(&self, reader: &dyn StateReader, height: u64) {
        for who in 0..PEOPLE {
            let address = person(who);
            let found = reader.account(&address).expect("account is readable");
            assert_eq!(found.as_ref(), self.accounts.get(&address), "{address} at {height}");
            if let Some(account) = found.filter(Account::has_code) {
                let code = reader.code(&account.code_hash).expect("code is stored");
                assert_eq!(Some(&code), self.code.get(&account.code_hash));
            }
            for slot in SLOTS.map(U256::from) {
                let found = reader.storage(&address, &slot).expect("slot is readable");
                let expected = self.slots.get(&(address, slot)).copied().unwrap_or_default();
                assert_eq!(found, expected, "{address} slot {slot} at {height}");
            }
        }
    }
}

impl Chain {
    pub(crate) fn new(chain_id: u64) -> Self {
        let steps: Vec<Step> = (0..PEOPLE / 2)
            .map(|who| Step::Account { who, nonce: 0, balance: chain_id + u64::from(who) })
            .chain([Step::Slot { who: 0, slot: 1, value: 3 }, code(1, &[0x60, 0x01, 0x50])])
            .collect();
        let (state, diff) = State::default().next(&steps);
        let tree = Tree::empty().apply(&diff);
        let header = Header { state_root: tree.root(), ..Header::default() };
        let genesis = Block { header, transactions: vec![], commands: vec![] }.seal();
        Self { commits: vec![], states: vec![state], genesis, genesis_diff: diff, tree }
    }

    pub(crate) fn genesis(&self) -> GenesisState<'_> {
        GenesisState { block: &self.genesis, diff: &self.genesis_diff }
    }

    pub(crate) fn open(&self, path: &Path) -> Result<Arc<Store>, StoreError> {
        Store::open(path, self.genesis(), StoreOptions::devnet())
    }

    pub(crate) fn height(&self) -> u64 {
        self.commits.len() as u64
    }

    pub(crate) fn block(&self, height: u64) -> &SealedBlock {
        match height.checked_sub(1) {
            None => &self.genesis,
            Some(place) => &self.commits[place as usize].block,
        }
    }

    /// Adds the block in which these steps happen.
    pub(crate) fn grow(&mut self, steps: &[Step]) -> BlockCommit {
        let height = self.height() + 1;
        let (state, diff) = self.states.last().expect("there is genesis").next(steps);
        self.tree = self.tree.apply(&diff);
        let transactions: Vec<Transaction> =
            (0..steps.len() as u64 % 4).map(|nonce| transaction(height, nonce)).collect();
        let count = transactions.len();
        let receipts: Vec<Receipt> = (0..count).map(|i| receipt(height, i as u64)).collect();
        let access_list = list_of(&diff);
        let header = Header {
            number: height,
            parent_hash: self.block(height - 1).hash(),
            state_root: self.tree.root(),
            timestamp: height,
            transactions_root: transactions_root(&transactions),
            receipts_root: calculate_receipt_root(&receipts),
            block_access_list_hash: Some(keccak256(&access_list)),
            // What an encoded header must have when it has the hash of the access list.
            base_fee_per_gas: Some(1),
            withdrawals_root: Some(B256::ZERO),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(B256::ZERO),
            ..Header::default()
        };
        let block = Block { header, transactions, commands: vec![] }.seal();
        let commit = BlockCommit {
            senders: (0..count).map(|i| person(i as u8)).collect(),
            certificate: certificate(height, block.hash()),
            receipts,
            access_list,
            access_record: AccessRecord { transactions: (0..count).map(access).collect() },
            profile: height
                .is_multiple_of(2)
                .then(|| RunProfile { wall_us: height, ..RunProfile::empty() }),
            diff,
            tree: self.tree.clone(),
            block,
        };
        self.commits.push(commit.clone());
        self.states.push(state);
        commit
    }

    /// Everything the store was given is what it gives back, as far as it is kept.
    pub(crate) fn assert_stored(&self, store: &Store, head: u64) {
        let current = store.head();
        assert_eq!(current.block.as_ref(), self.block(head));
        assert_eq!(current.tree.root(), self.block(head).header().state_root);
        assert_eq!(store.verify().expect("the state is whole"), current.tree.root());
        self.states[head as usize].assert_read_by(current.state.as_ref(), head);
        let oldest = store.oldest();
        for height in 0..=head {
            let block = self.block(height);
            assert_eq!(store.header(height).unwrap().as_ref(), Some(block.header()));
            assert_eq!(store.hash_of(height).unwrap(), Some(block.hash()));
            assert_eq!(store.height_of(&block.hash()).unwrap(), Some(height));
            assert_eq!(current.state.block_hash(height).unwrap(), Some(block.hash()));
            match store.state_at(height) {
                Ok(state) => {
                    self.states[height as usize].assert_read_by(state.as_ref(), height);
                    assert_eq!(state.block_hash(height + 1).unwrap(), None);
                    assert!(height >= oldest.of(Kept::History));
                }
                Err(error) => assert_dropped(error, height, oldest.of(Kept::History)),
            }
        }
        assert!(store.header(head + 1).unwrap().is_none());
        assert!(matches!(store.state_at(head + 1), Err(StoreError::UnknownHeight { .. })));
        for commit in &self.commits[..head as usize] {
            assert_commit_stored(store, commit, &oldest);
        }
        self.assert_logs_found(store, head);
    }

    /// What the index finds is what looking at every block finds: an address and topics of these
    /// tests never share their tags.
    fn assert_logs_found(&self, store: &Store, head: u64) {
        let first = store.oldest().of(Kept::Logs);
        let topic = |byte| vec![B256::repeat_byte(byte)];
        let queries = [
            LogQuery::default(),
            LogQuery { addresses: vec![person(1)], ..LogQuery::default() },
            LogQuery { addresses: vec![person(2), person(7)], ..LogQuery::default() },
            LogQuery { topics: [vec![], topic(2), vec![], vec![]], ..LogQuery::default() },
            LogQuery { topics: [topic(2), vec![], vec![], vec![]], ..LogQuery::default() },
            LogQuery {
                addresses: vec![person(0), person(3)],
                topics: [topic(0xee), [topic(1), topic(3)].concat(), vec![], vec![]],
            },
        ];
        for query in &queries {
            for (from, to) in [(first, head), (head / 2, head), (first + 1, head / 2)] {
                if from < first {
                    let error = store.heights_with_logs(query, from, to).expect_err("dropped");
                    assert_dropped(error, from, first);
                    continue;
                }
                let fits = |height: &u64| {
                    let Some(place) = height.checked_sub(1) else { return false };
                    let mut logs =
                        self.commits[place as usize].receipts.iter().flat_map(|r| r.logs());
                    logs.any(|log| log_fits(query, log))
                };
                let expected: Vec<u64> = (from..=to.min(head)).filter(fits).collect();
                let found = store.heights_with_logs(query, from, to).expect("the index is whole");
                if query.addresses.len() + query.topics.iter().flatten().count() <= 2 {
                    assert_eq!(found, expected, "{query:?} from {from} to {to}");
                } else {
                    let missing = expected.iter().find(|height| !found.contains(height));
                    assert_eq!(missing, None, "{query:?} from {from} to {to}");
                }
            }
        }
    }
}

fn log_fits(query: &LogQuery, log: &Log) -> bool {
    let topics = query.topics.iter().enumerate().all(|(place, topics)| {
        topics.is_empty() || log.topics().get(place).is_some_and(|t| topics.contains(t))
    });
    topics && (query.addresses.is_empty() || query.addresses.contains(&log.address))
}

#[track_caller]
fn assert_dropped(error: StoreError, height: u64, expected: u64) {
    match error {
        StoreError::Pruned { height: found, oldest, .. } => {
            assert_eq!((found, oldest), (height, expected));
            assert!(height < oldest);
        }
        other => panic!("{height}: {other}"),
    }
}

fn assert_kept<T: PartialEq + std::fmt::Debug>(
    found: Result<Option<T>, StoreError>,
    expected: Option<T>,
    height: u64,
    oldest: u64,
) {
    match found {
        Ok(found) => {
            assert!(height >= oldest, "{height} below {oldest} is still there");
            assert_eq!(found, expected);
        }
        Err(error) => assert_dropped(error, height, oldest),
    }
}

fn assert_commit_stored(store: &Store, commit: &BlockCommit, oldest: &Oldest) {
    let height = commit.block.height().0;
    let stored = store.block(height).unwrap().expect("the block is there");
    assert_eq!((&stored.block, &stored.senders), (&commit.block, &commit.senders));
    assert_eq!(store.certificate(height).unwrap().as_ref(), Some(&commit.certificate));
    let receipts = Some(commit.receipts.clone());
    assert_kept(store.receipts(height), receipts, height, oldest.of(Kept::Receipts));
    let list = Some(commit.access_list.clone());
    assert_kept(store.access_list(height), list, height, oldest.of(Kept::AccessLists));
    let record = Some(commit.access_record.clone());
    assert_kept(store.access_record(height), record, height, oldest.of(Kept::Records));
    let profile = commit.profile.clone();
    assert_kept(store.profile(height), profile, height, oldest.of(Kept::Records));
    assert_addresses_found(store, commit, oldest.of(Kept::Logs));
    for (index, transaction) in commit.block.transactions().iter().enumerate() {
        let location = store.transaction_location(transaction.tx_hash()).unwrap();
        assert_eq!(location, Some((height, TxIndex(index as u32))));
    }
}

/// The block is found by every address that sent something in it or changed, from both sides.
fn assert_addresses_found(store: &Store, commit: &BlockCommit, oldest: u64) {
    let height = commit.block.height().0;
    let changed = commit.diff.accounts.iter().map(|change| (Touch::Any, change.address));
    let code = |change: &&AccountDiff| {
        let hash = |account: &Option<Account>| account.map_or(KECCAK256_EMPTY, |a| a.code_hash);
        hash(&change.before) != hash(&change.after)
    };
    let coded = commit.diff.accounts.iter().filter(code);
    let coded = coded.map(|change| (Touch::Code, change.address));
    let sent = commit.senders.iter().map(|sender| (Touch::Sent, *sender));
    for (touch, address) in changed.chain(coded).chain(sent) {
        let up = store.touching_from(touch, &address, height, 1).unwrap();
        let down = store.touching_to(touch, &address, height, 1).unwrap();
        assert_eq!(down == [height], height >= oldest, "{touch:?} {address} {down:?}");
        assert_eq!(up.first() == Some(&height), height >= oldest, "{touch:?} {address} {up:?}");
        let all = store.touching_from(touch, &address, 0, usize::MAX).unwrap();
        let mut back = store.touching_to(touch, &address, u64::MAX, usize::MAX).unwrap();
        back.reverse();
        assert_eq!(all, back);
        assert!(all.is_sorted() && all.iter().all(|height| *height >= oldest));
    }
}

pub(crate) fn code(who: u8, code: &[u8]) -> Step {
    Step::Code { who, code: Bytes::copy_from_slice(code) }
}

pub(crate) fn certificate(height: u64, block: B256) -> CommitCertificate {
    CommitCertificate::new(Height(height), Round(0), block, 4, vec![(0, [7; 64]), (2, [9; 64])])
}

fn transaction(chain_id: u64, nonce: u64) -> Transaction {
    let transaction = TxEip1559 { chain_id, nonce, ..TxEip1559::default() };
    transaction.into_signed(Signature::new(U256::from(1), U256::from(2), false)).into()
}

fn receipt(height: u64, index: u64) -> Receipt {
    let address = person(((height * 3 + index) % u64::from(PEOPLE)) as u8);
    let topics = vec![B256::repeat_byte(0xee), B256::repeat_byte((height % 5) as u8)];
    let log = Log::new_unchecked(address, topics, Bytes::from_static(b"x"));
    let status = Eip658Value::Eip658(index.is_multiple_of(2));
    let cumulative_gas_used = 21_000 * (index + 1);
    let plain = PlainReceipt { status, cumulative_gas_used, logs: vec![log] };
    ReceiptEnvelope::Eip1559(plain.with_bloom())
}

fn access(index: usize) -> TransactionAccess {
    let location = Location::Nonce { address: person(index as u8) };
    let read = ReadAccess { location, from: Writer::Base };
    TransactionAccess { gas_used: 21_000, reads: vec![read], writes: vec![] }
}
