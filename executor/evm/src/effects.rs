//! From the machine's journal to what a transaction read, changed and touched.

use crate::tracker::{Fact, Source, Tracked, Tracker};
use crate::value::{Change, Delta, Observation, Value};
use alloy_primitives::map::AddressMap;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Log, U256};
use revm::bytecode::Bytecode;
use revm::context::result::ExecutionResult;
use revm::context::{BlockEnv, TxEnv};
use revm::state::{Account, EvmState};
use weft_types::Location;

/// What an execution depends on.
#[derive(Debug, Default)]
pub(crate) struct Facts(pub(crate) Vec<Fact>);

/// What an executed transaction did.
#[derive(Debug)]
pub(crate) struct Effects {
    /// Gas used, after refunds and the calldata floor.
    pub(crate) gas_used: u64,
    /// Whether it succeeded.
    pub(crate) success: bool,
    /// What it returned.
    pub(crate) output: Bytes,
    /// Logs in order.
    pub(crate) logs: Vec<Log>,
    /// Locations that its result depends on, ascending, once each; with a number where it needed only "at least".
    pub(crate) reads: Vec<(Location, Option<U256>)>,
    /// Locations that it changed, ascending, once each.
    pub(crate) changes: Vec<(Location, Change)>,
    /// Accounts that it accessed in the sense of EIP-7928, ascending, each with the slots accessed, ascending.
    pub(crate) accesses: Vec<(Address, Vec<U256>)>,
    /// Code that it set, by hash.
    pub(crate) codes: Vec<(B256, Bytecode)>,
}

impl Facts {
    fn exactly(&mut self, location: Location, value: Value) {
        self.0.push(Fact { location, observation: Observation::Exactly(value), assumed: false });
    }

    fn at_least(&mut self, location: Location, least: U256) {
        self.0.push(Fact { location, observation: Observation::AtLeast(least), assumed: false });
    }

    fn nonce(&mut self, address: Address, tracked: &Tracked) {
        self.0.push(Fact {
            location: Location::Nonce { address },
            observation: Observation::Exactly(Value::Nonce(tracked.before.nonce)),
            assumed: tracked.nonce_assumed,
        });
    }

    /// What an invalid transaction depends on: everything that was read to judge it.
    pub(crate) fn of_invalid<S: Source>(tracker: &Tracker<'_, S>) -> Self {
        let mut facts = Self::default();
        for (address, tracked) in tracker.accounts.iter().filter(|(_, tracked)| tracked.loaded) {
            let address = *address;
            facts.exactly(Location::Balance { address }, Value::Balance(tracked.before.balance));
            facts.exactly(Location::Code { address }, Value::Code(tracked.before.code_hash));
            facts.nonce(address, tracked);
        }
        facts
    }
}

/// Sums up an execution that ran to its end. `transaction` is `None` for a system call.
pub(crate) fn collect<S: Source>(
    tracker: Tracker<'_, S>,
    result: ExecutionResult,
    state: EvmState,
    transaction: Option<(&TxEnv, &BlockEnv)>,
) -> (Facts, Effects) {
    let Tracker { mut accounts, slots, creates, fee, .. } = tracker;
    let creates =
        creates || transaction.is_some_and(|(transaction, _)| transaction.kind.is_create());
    if let Some((transaction, _)) = transaction {
        note_validation(&mut accounts, transaction);
    }
    let mut facts = Facts::default();
    let mut effects = Effects {
        gas_used: result.tx_gas_used(),
        success: result.is_success(),
        output: Bytes::new(),
        logs: Vec::new(),
        reads: Vec::new(),
        changes: Vec::new(),
        accesses: Vec::with_capacity(state.len() + 1),
        codes: Vec::new(),
    };
    for (location, value) in slots {
        facts.exactly(location, value);
    }
    let sender = transaction.map(|(transaction, _)| transaction.caller);
    for (address, account) in &state {
        let tracked = accounts.get(address).expect("the machine loads accounts from the tracker");
        let whole_nonce = creates || sender == Some(*address);
        account_effects(*address, account, tracked, whole_nonce, &mut facts, &mut effects);
    }
    if let Some((_, block)) = transaction
        && !state.contains_key(&block.beneficiary)
    {
        let address = block.beneficiary;
        effects.accesses.push((address, Vec::new()));
        if let Some(delta) = Delta::between(U256::ZERO, fee) {
            effects.changes.push((Location::Balance { address }, Change::Add(delta)));
        }
    }
    effects.accesses.sort_unstable_by_key(|(address, _)| *address);
    effects.changes.sort_unstable_by_key(|(location, _)| *location);
    effects.reads = reads_of(&facts);
    effects.output = result.output().cloned().unwrap_or_default();
    effects.logs = result.into_logs();
    (facts, effects)
}

/// Notes what validating a transaction looks at beyond what instructions do: the sender's means, and its authorities.
fn note_validation(accounts: &mut AddressMap<Tracked>, transaction: &TxEnv) {
    let price = U256::from(transaction.gas_price);
    let upfront =
        price.saturating_mul(U256::from(transaction.gas_limit)).saturating_add(transaction.value);
    if let Some(sender) = accounts.get_mut(&transaction.caller) {
        sender.least = sender.least.max(upfront);
    }
    // An authorization compares the authority's nonce, and its refund asks whether the account exists (EIP-7702).
    for authority in crate::environment::authorities(transaction) {
        if let Some(authority) = accounts.get_mut(&authority) {
            authority.emptiness = true;
            authority.nonce = true;
        }
    }
}

/// What one account contributes.
fn account_effects(
    address: Address,
    account: &Account,
    tracked: &Tracked,
    whole_nonce: bool,
    facts: &mut Facts,
    effects: &mut Effects,
) {
    let before = &tracked.before;
    // Destroyed in the transaction that created it (EIP-6780): nothing remains.
    let destroyed = account.is_selfdestructed();
    let (balance, nonce, code_hash) = if destroyed {
        (U256::ZERO, 0, KECCAK256_EMPTY)
    } else {
        (account.info.balance, account.info.nonce, account.info.code_hash)
    };

    facts.exactly(Location::Code { address }, Value::Code(before.code_hash));
    if code_hash != before.code_hash {
        let code = account.info.code.clone().unwrap_or_default();
        effects.changes.push((Location::Code { address }, Change::Set(Value::Code(code_hash))));
        if code_hash != KECCAK256_EMPTY {
            effects.codes.push((code_hash, code));
        }
    }

    // Emptiness was seen: code answers it alone if there is any, else a nonce above zero does, else nonce and balance.
    let emptiness = tracked.emptiness && before.code_hash == KECCAK256_EMPTY;
    let unborn = emptiness && before.nonce == 0;
    if whole_nonce || tracked.nonce || unborn || nonce != before.nonce {
        facts.nonce(address, tracked);
    } else if emptiness {
        facts.at_least(Location::Nonce { address }, U256::from(1));
    }
    if nonce != before.nonce {
        effects.changes.push((Location::Nonce { address }, Change::Set(Value::Nonce(nonce))));
    }

    let location = Location::Balance { address };
    if tracked.balance || unborn || destroyed {
        facts.exactly(location, Value::Balance(before.balance));
        if balance != before.balance {
            effects.changes.push((location, Change::Set(Value::Balance(balance))));
        }
    } else {
        if !tracked.least.is_zero() {
            facts.at_least(location, tracked.least);
        }
        if let Some(delta) = Delta::between(before.balance, balance) {
            effects.changes.push((location, Change::Add(delta)));
        }
    }

    let mut slots: Vec<U256> = account.storage.keys().copied().collect();
    slots.sort_unstable();
    if !destroyed {
        for slot in &slots {
            let value = &account.storage[slot];
            if value.present_value != value.original_value {
                let location = Location::Storage { address, slot: *slot };
                effects.changes.push((location, Change::Set(Value::Slot(value.present_value))));
            }
        }
    }
    effects.accesses.push((address, slots));
}

/// The read locations of the facts, ascending and once each; an exact read hides a weaker one.
fn reads_of(facts: &Facts) -> Vec<(Location, Option<U256>)> {
    let mut reads: Vec<(Location, Option<U256>)> = facts
        .0
        .iter()
        .map(|fact| match fact.observation {
            Observation::Exactly(_) => (fact.location, None),
            Observation::AtLeast(least) => (fact.location, Some(least)),
        })
        .collect();
    reads.sort_unstable();
    reads.dedup_by_key(|(location, _)| *location);
    reads
}
