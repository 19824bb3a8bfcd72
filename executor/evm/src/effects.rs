//! From the machine's journal to what a transaction read, changed and touched.

use crate::error::Failure;
use crate::place::{BALANCE, CODE, Fields, LIFE, Life, NONCE, Place, SLOT};
use crate::tracker::{Accounts, Changed, Fact, Source, Tracked, TrackedSlot, Tracker};
use crate::value::{Change, Delta, Observation, Value};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Log, U256};
use revm::bytecode::Bytecode;
use revm::context::result::ExecutionResult;
use revm::context::{BlockEnv, TxEnv};
use revm::context_interface::Transaction;
use revm::primitives::hardfork::SpecId;
use revm::state::{Account, EvmState};
use weft_stm::{Blocked, CellId, Field, Stop};
use weft_types::Location;

/// What an executed transaction did.
#[derive(Debug)]
pub(crate) struct Effects {
    /// Gas used, after refunds and the calldata floor.
    pub(crate) gas_used: u64,
    /// Whether it succeeded.
    pub(crate) success: bool,
    /// What a system call returned.
    pub(crate) output: Bytes,
    /// Logs in order.
    pub(crate) logs: Vec<Log>,
    /// Locations that its result depends on, ascending, once each; with a number where it needed only "at least". Only if
    /// wanted.
    pub(crate) reads: Vec<(Location, Option<U256>)>,
    /// The locations that it changed, in the order in which the source was told. Only if reads are wanted.
    pub(crate) named: Vec<Location>,
    /// The engine's cells that it accessed in the sense of EIP-7928. Only if wanted.
    pub(crate) cells: Vec<CellId>,
    /// What it accessed without a cell being needed to execute it. Only if wanted.
    pub(crate) loose: Vec<Place>,
    /// Accounts that it accessed in the sense of EIP-7928, ascending, each with the slots accessed, ascending. Only if
    /// wanted.
    pub(crate) accesses: Vec<(Address, Vec<U256>)>,
    /// Code that it set, by hash.
    pub(crate) codes: Vec<(B256, Bytecode)>,
}

/// Which parts of [`Effects`] somebody needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// What executions depend on, even where it is beyond doubt.
    pub(crate) facts: bool,
    pub(crate) reads: bool,
    pub(crate) accesses: bool,
    pub(crate) cells: bool,
    /// What was accessed without being read through the source.
    pub(crate) loose: bool,
}

impl Wanted {
    /// None of them.
    pub(crate) const NOTHING: Self =
        Self { facts: false, reads: false, accesses: false, cells: false, loose: false };
}

/// What surrounds an execution.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'e> {
    pub(crate) spec: SpecId,
    /// `None` in a system call.
    pub(crate) transaction: Option<(&'e TxEnv, &'e BlockEnv)>,
    /// Index of the transaction.
    pub(crate) index: u32,
    pub(crate) wanted: Wanted,
}

/// Credits from here on see the balance exactly, and so do all credits of accounts that start with [`RICH`] or more: below,
/// no number of credits that a block has room for leaves the range, so that a credit needs to know nothing.
const CREDIT_MAX: U256 = U256::from_limbs([0, 0, 0, 1 << 16]);

/// Collects what one execution leaves behind.
struct Collector<'e, S> {
    around: Surroundings<'e>,
    source: &'e mut S,
    /// Somebody asks for facts.
    facts: bool,
    effects: Effects,
    /// Why there is no result: it rests on a guess, or the source failed.
    stop: Option<Stop<Failure>>,
    creates: bool,
}

/// Sums up an execution that ran to its end, and hands what it depends on and what it changed to the source.
///
/// # Errors
/// Whom to wait for, when the result depends on a value that was only a guess; or a failure of the source.
pub(crate) fn collect<S: Source>(
    tracker: &mut Tracker<'_, S>,
    state: &EvmState,
    result: ExecutionResult,
    around: Surroundings<'_>,
) -> Result<Effects, Stop<Failure>> {
    let transaction = around.transaction.map(|(transaction, _)| transaction);
    let creates = transaction.is_some_and(|transaction| transaction.kind.is_create());
    if let Some(transaction) = transaction {
        note_validation(&mut tracker.accounts, transaction);
    }
    let Tracker { source, accounts, slots, creates: tried, fee, .. } = tracker;
    let source = source.as_mut().expect("an execution has begun");
    let facts = source.wants_facts() || around.wanted.reads;
    let mut collector = Collector {
        around,
        facts,
        source,
        effects: Effects {
            gas_used: result.tx_gas_used(),
            success: result.is_success(),
            output: Bytes::new(),
            logs: Vec::new(),
            reads: Vec::new(),
            named: Vec::new(),
            cells: Vec::new(),
            loose: Vec::new(),
            accesses: Vec::new(),
            codes: Vec::new(),
        },
        stop: None,
        creates: *tried || creates,
    };
    for (address, account) in state {
        collector.account(*address, account, loaded(accounts, address));
    }
    collector.slots(slots, accounts, state);
    if let Some((_, block)) = around.transaction
        && !state.contains_key(&block.beneficiary)
    {
        collector.fee(block.beneficiary, *fee);
    }
    let Collector { mut effects, stop, .. } = collector;
    if let Some(stop) = stop {
        return Err(stop);
    }
    effects.reads.sort_unstable();
    effects.reads.dedup_by_key(|(location, _)| *location);
    effects.accesses.sort_unstable_by_key(|(address, _)| *address);
    if around.transaction.is_none() {
        effects.output = result.output().cloned().unwrap_or_default();
    }
    effects.logs = result.into_logs();
    Ok(effects)
}

/// The notes about an account of the journal.
fn loaded<'a>(accounts: &'a Accounts, address: &Address) -> &'a Tracked {
    accounts.get(address).expect("the machine loads accounts from the tracker")
}

/// Existence of what is empty, and the epoch of the storage, after an execution at access index `at`.
pub(crate) fn life_after(
    spec: SpecId,
    account: &Account,
    before: &Fields,
    after: &Fields,
    relic: bool,
    at: u32,
) -> Life {
    let wiped =
        account.is_selfdestructed() && !account.is_created() && !spec.is_enabled_in(SpecId::CANCUN);
    let clears = spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
    if clears && !relic && !wiped {
        return before.life;
    }
    let exists = if account.is_selfdestructed() {
        false
    } else if !account.is_touched() || !after.is_empty() {
        before.life.exists
    } else {
        // Touched and empty: it appears before EIP-161, and vanishes since.
        !clears
    };
    Life { exists, epoch: if wiped { at } else { before.life.epoch } }
}

/// What an invalid transaction depends on: everything that was read to judge it.
pub(crate) fn depend_on_all<S: Source>(tracker: &mut Tracker<'_, S>) -> Option<Blocked> {
    let Tracker { source, accounts, .. } = tracker;
    let source = source.as_mut().expect("an execution has begun");
    let mut pending = None;
    for (address, tracked) in accounts.iter().filter(|(_, tracked)| tracked.loaded) {
        let place = Place::Account(*address);
        source.depend(&place, tracked.exactly(BALANCE));
        source.depend(&place, tracked.exactly(CODE));
        source.depend(&place, tracked.life());
        let nonce = Fact { assumed: tracked.nonce_assumed, ..tracked.exactly(NONCE) };
        source.depend(&place, nonce);
        pending = pending.or(tracked.pending);
    }
    pending
}

/// Notes what validating a transaction looks at beyond what instructions do: the sender's means, and its authorities.
fn note_validation(accounts: &mut Accounts, transaction: &TxEnv) {
    let upfront = transaction.max_balance_spending().unwrap_or(U256::MAX);
    if let Some(sender) = accounts.get_mut(&transaction.caller) {
        sender.least = sender.least.max(upfront);
    }
    if transaction.authorization_list.is_empty() {
        return;
    }
    // An authorization compares the authority's nonce, and its refund asks whether the account exists (EIP-7702).
    for authority in crate::environment::authorities(transaction) {
        if let Some(authority) = accounts.get_mut(&authority) {
            authority.emptiness = true;
            authority.nonce = true;
        }
    }
}

impl<S: Source> Collector<'_, S> {
    fn depend(&mut self, place: Place, fact: Fact) {
        if !self.facts {
            return;
        }
        if self.around.wanted.reads {
            let least = match fact.observation {
                Observation::Exactly(_) => None,
                Observation::AtLeast(least) => Some(least),
            };
            self.effects.reads.push((place.location(fact.field), least));
        }
        self.source.depend(&place, fact);
    }

    fn change(&mut self, place: Place, field: Field, cell: Option<CellId>, change: Change) {
        if self.around.wanted.reads {
            self.effects.named.push(place.location(field));
        }
        if let Err(stop) = self.source.change(Changed { cell, place, field, change }) {
            self.stop = Some(stop);
        }
    }

    /// What one account contributes, without its slots.
    fn account(&mut self, address: Address, account: &Account, tracked: &Tracked) {
        let place = Place::Account(address);
        let before = &tracked.before;
        // Destroyed with everything it had: before Cancun, or in the transaction that created it (EIP-6780).
        let destroyed = account.is_selfdestructed();
        let (balance, nonce, code_hash) = if destroyed {
            (U256::ZERO, 0, KECCAK256_EMPTY)
        } else {
            (account.info.balance, account.info.nonce, account.info.code_hash)
        };
        self.depend(place, tracked.exactly(CODE));
        if code_hash != before.code_hash {
            let value = Change::Set(Value::Code(code_hash));
            self.change(place, CODE, tracked.cell, value);
            if code_hash != KECCAK256_EMPTY {
                let code = account.info.code.clone().unwrap_or_default();
                self.effects.codes.push((code_hash, code));
            }
        }
        self.nonce(place, tracked, nonce);
        self.balance(place, tracked, (balance, nonce), destroyed);
        self.life(place, account, tracked, Fields { balance, nonce, code_hash, life: before.life });
        if self.around.wanted.cells {
            self.effects.cells.extend(tracked.cell);
        }
        if self.around.wanted.accesses {
            let mut slots: Vec<U256> = account.storage.keys().copied().collect();
            slots.sort_unstable();
            self.effects.accesses.push((address, slots));
        }
    }

    /// Whether the result depends on the account being empty (EIP-161) or not. Every branch below is taken on something that
    /// is observed: an execution on guessed values must not report other reads than one on the settled values.
    fn sees_emptiness(&self, tracked: &Tracked) -> bool {
        let touched_matters =
            tracked.relic || !self.around.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
        (tracked.emptiness || touched_matters) && tracked.before.code_hash == KECCAK256_EMPTY
    }

    fn nonce(&mut self, place: Place, tracked: &Tracked, nonce: u64) {
        let before = tracked.before.nonce;
        let is_sender = self
            .around
            .transaction
            .is_some_and(|(transaction, _)| place == Place::Account(transaction.caller));
        let emptiness = self.sees_emptiness(tracked);
        // Emptiness: code answers it alone if there is any, else a nonce above zero does.
        let exact = self.creates || is_sender || tracked.nonce || nonce != before;
        if exact || (emptiness && before == 0) {
            let fact = Fact { assumed: tracked.nonce_assumed, ..tracked.exactly(NONCE) };
            self.depend(place, fact);
        } else if emptiness {
            self.depend(place, tracked.fact(NONCE, Observation::AtLeast(U256::from(1))));
        }
        if nonce != before {
            self.change(place, NONCE, tracked.cell, Change::Set(Value::Nonce(nonce)));
        }
    }

    fn balance(
        &mut self,
        place: Place,
        tracked: &Tracked,
        (balance, nonce): (U256, u64),
        destroyed: bool,
    ) {
        let before = tracked.before.balance;
        // Code and nonce, which are observed, leave the answer to the balance.
        let emptiness = self.sees_emptiness(tracked) && tracked.before.nonce == 0;
        // Nothing takes from an account without code and nonce that does not get one: what it had shows it not empty.
        let shows = emptiness && !before.is_zero() && nonce == 0 && balance >= before;
        let delta = Delta::between(before, balance);
        let huge = matches!(delta, Some(Delta::Credit(by)) if by >= CREDIT_MAX || tracked.rich);
        if tracked.balance || destroyed || huge || (emptiness && !shows) {
            if let Some(blocked) = tracked.pending {
                self.stop = Some(Stop::Blocked(blocked));
            }
            self.depend(place, tracked.exactly(BALANCE));
            if balance != before {
                self.change(place, BALANCE, tracked.cell, Change::Set(Value::Balance(balance)));
            }
            return;
        }
        let least = if shows { tracked.least.max(U256::from(1)) } else { tracked.least };
        if !least.is_zero() {
            self.depend(place, tracked.fact(BALANCE, Observation::AtLeast(least)));
        }
        if let Some(delta) = delta {
            self.change(place, BALANCE, tracked.cell, Change::Add(delta));
        }
    }

    /// Existence of what is empty, and the epoch of the storage.
    fn life(&mut self, place: Place, account: &Account, tracked: &Tracked, after: Fields) {
        let spec = self.around.spec;
        // Since Cancun nobody can see it, but for what was left empty before EIP-161.
        if !spec.is_enabled_in(SpecId::CANCUN) || tracked.relic {
            self.depend(place, tracked.life());
        }
        let at = self.around.index + 1;
        let life = life_after(spec, account, &tracked.before, &after, tracked.relic, at);
        if life != tracked.before.life {
            self.change(place, LIFE, tracked.cell, Change::Set(Value::Life(life)));
        }
    }

    /// The slots that were read and those that changed. A slot of an account that the transaction created is never read.
    fn slots(&mut self, reads: &[TrackedSlot], accounts: &Accounts, state: &EvmState) {
        if self.around.wanted.cells {
            self.effects.cells.extend(reads.iter().filter_map(|read| read.cell));
        }
        for read in reads {
            let place = Place::Slot(read.address, read.slot);
            let observation = Observation::Exactly(read.value);
            let (cell, seen) = (read.cell, read.seen);
            self.depend(place, Fact { cell, field: SLOT, seen, observation, assumed: false });
            let Some(account) = state.get(&read.address) else { continue };
            let Some(slot) = account.storage.get(&read.slot) else { continue };
            if !account.is_selfdestructed() && slot.present_value != slot.original_value {
                self.slot(place, read.cell, slot.present_value, loaded(accounts, &read.address));
            }
        }
        // Slots of an account that the transaction created, even in a frame that was reverted, are not read from anywhere.
        let held: usize = state.values().map(|account| account.storage.len()).sum();
        if held == reads.len() {
            return;
        }
        for (address, account) in state {
            if !account.storage.is_empty() {
                self.created_slots(*address, account, reads, loaded(accounts, address));
            }
        }
    }

    fn created_slots(
        &mut self,
        address: Address,
        account: &Account,
        reads: &[TrackedSlot],
        owner: &Tracked,
    ) {
        let owned = |read: &&TrackedSlot| read.address == address;
        let read: Vec<U256> = reads.iter().filter(owned).map(|read| read.slot).collect();
        for (key, slot) in &account.storage {
            if read.contains(key) {
                continue;
            }
            let place = Place::Slot(address, *key);
            if self.around.wanted.cells || self.around.wanted.loose {
                self.effects.loose.push(place);
            }
            if !account.is_selfdestructed() && slot.present_value != slot.original_value {
                self.slot(place, None, slot.present_value, owner);
            }
        }
    }

    fn slot(&mut self, place: Place, cell: Option<CellId>, value: U256, owner: &Tracked) {
        let value = Value::Slot { value, epoch: owner.before.life.epoch };
        self.change(place, SLOT, cell, Change::Set(value));
    }

    /// The fee of a beneficiary that the transaction has not loaded.
    fn fee(&mut self, address: Address, fee: U256) {
        if self.around.wanted.accesses {
            self.effects.accesses.push((address, Vec::new()));
        }
        if let Some(delta) = Delta::between(U256::ZERO, fee) {
            self.change(Place::Account(address), BALANCE, None, Change::Add(delta));
        }
    }
}
