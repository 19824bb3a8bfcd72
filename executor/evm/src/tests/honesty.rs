//! What a transaction reports to have read is all that its result depends on.
//!
//! Each test draws a transaction and a state, executes it, then changes what was not reported: a balance that was not seen
//! exactly gets larger, a nonce goes up, a code or a slot becomes another one. Nothing of the result may move. That holds
//! the marks of the wrapped instructions against what instructions really do.
//!
//! `WEFT_EVM_HONESTY=<seed>` replays one case, `WEFT_EVM_HONESTY_CASES=<n>` tries that many.

use super::asm::op;
use super::dice::{Dice, number_from_env};
use super::lifecycle::cases::{Draw, PUPPETS, everybody};
use super::puppet::calldata;
use super::world::{World, user};
use crate::Executed;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use revm::primitives::hardfork::SpecId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use weft_types::{Account, Location, RecoveredTransaction, StateReader, WriteAccess};

/// Cases of the everyday run, and changes tried on each.
const CASES: u64 = 400;
const CHANGES: usize = 12;

/// What must not move: receipts, gas, what is written, and by how much accounts change.
#[derive(Debug, PartialEq)]
struct Result {
    receipts: Vec<weft_types::Receipt>,
    gas_used: u64,
    writes: Vec<WriteAccess>,
    changes: BTreeMap<Address, Change>,
}

/// How one account differs after the block.
#[derive(Debug, Default, PartialEq)]
struct Change {
    balance: U256,
    nonce: u64,
    code: Option<B256>,
    slots: BTreeMap<U256, U256>,
    wiped: bool,
}

fn result_of(executed: &Executed) -> Result {
    let mut changes: BTreeMap<Address, Change> = BTreeMap::new();
    for account in &executed.diff.accounts {
        let before = account.before.unwrap_or_default();
        let after = account.after.unwrap_or_default();
        let hash = |account: &Account| match account.code_hash {
            B256::ZERO => KECCAK256_EMPTY,
            hash => hash,
        };
        let code = (hash(&before) != hash(&after)).then(|| hash(&after));
        let change = Change {
            balance: after.balance.wrapping_sub(before.balance),
            nonce: after.nonce.wrapping_sub(before.nonce),
            code,
            slots: account.slots.iter().map(|slot| (slot.slot, slot.after)).collect(),
            wiped: false,
        };
        if change != Change::default() {
            changes.insert(account.address, change);
        }
    }
    for address in &executed.wiped {
        changes.entry(*address).or_default().wiped = true;
    }
    Result {
        receipts: executed.receipts.clone(),
        gas_used: executed.gas_used,
        writes: executed.access_record.transactions[0].writes.clone(),
        changes,
    }
}

/// One thing that may be different without anybody noticing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    Balance(Address),
    Nonce(Address),
    Code(Address),
    Slot(Address, U256),
}

/// Everything that the transaction does not claim to have read.
fn unread(world: &World, executed: &Executed) -> Vec<Unread> {
    let access = &executed.access_record.transactions[0];
    let read: BTreeSet<Location> = access.reads.iter().map(|read| read.location).collect();
    let written: BTreeSet<Location> = access.writes.iter().map(|write| write.location).collect();
    let mut free = Vec::new();
    for address in everybody() {
        let account = world.state.account(&address).unwrap();
        // Whether an account exists is part of its life: more of it could bring it into being.
        let bound = read.contains(&Location::StorageEpoch { address })
            && account.is_none_or(|account| account.is_empty());
        let mut offer = |location: Location, change| {
            let alive = matches!(location, Location::Storage { .. }) || !bound;
            if !read.contains(&location) && alive {
                free.push(change);
            }
        };
        offer(Location::Balance { address }, Unread::Balance(address));
        offer(Location::Nonce { address }, Unread::Nonce(address));
        offer(Location::Code { address }, Unread::Code(address));
        for slot in World::slots() {
            let location = Location::Storage { address, slot };
            // What a creation leaves in a slot hides what was there.
            if !written.contains(&location) {
                offer(location, Unread::Slot(address, slot));
            }
        }
    }
    free
}

fn make(world: &mut World, change: Unread) {
    let account = |world: &World, address| world.state.account(&address).unwrap();
    match change {
        Unread::Balance(address) => {
            let before = account(world, address).unwrap_or_default().balance;
            world.state.set_balance(address, before + (U256::from(1) << 200));
        }
        Unread::Nonce(address) => {
            let before = account(world, address).unwrap_or_default().nonce;
            world.state.set_nonce(address, before + 7);
        }
        Unread::Code(address) => {
            let nonce = account(world, address).unwrap_or_default().nonce;
            let code = Bytes::from_static(&[op::PUSH1, 1, op::PUSH1, 0, op::REVERT]);
            world.state.set_code(address, code);
            world.state.set_nonce(address, nonce);
        }
        Unread::Slot(address, slot) => {
            let before = world.state.storage(&address, &slot).unwrap();
            world.state.set_storage(address, slot, before + U256::from(3));
        }
    }
}

/// Says, when the test fails, how to see it again.
struct Replay(u64, String);

impl Drop for Replay {
    #[expect(clippy::print_stdout, reason = "shown with a failing test only")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.1);
            println!("replay: WEFT_EVM_HONESTY={} cargo test --release -p weft-evm honest", self.0);
        }
    }
}

/// Tries one case; the number of changes tried.
fn try_case(seed: u64) -> usize {
    let forks =
        [SpecId::FRONTIER, SpecId::BYZANTIUM, SpecId::SHANGHAI, SpecId::CANCUN, SpecId::OSAKA];
    let mut draw = Draw::new(&forks, seed);
    let mut world = draw.world();
    world.withdrawals.clear();
    world.ommers.clear();
    world.rules.block_rewards = false;
    world.header.gas_limit = 100_000_000;
    let transaction = draw.draft(&world).sign();
    let _replay = Replay(seed, format!("{:?}\n{}", world.rules.spec, draw.said()));
    let block: Vec<Arc<RecoveredTransaction>> = vec![transaction];
    let Ok(executed) = world.oracle(&block) else { return 0 };
    let expected = result_of(&executed);
    let free = unread(&world, &executed);
    let mut dice = Dice::new(seed ^ 0x5eed);
    let mut all = world.clone();
    for _ in 0..CHANGES.min(free.len()) {
        let change = dice.pick(&free);
        let mut changed = world.clone();
        make(&mut changed, change);
        let found = changed.oracle(&block);
        let found = found.unwrap_or_else(|error| panic!("after {change:?}: {error}"));
        assert_eq!(result_of(&found), expected, "after {change:?}");
        assert_eq!(
            found.access_record.transactions[0].reads, executed.access_record.transactions[0].reads,
            "what it reads after {change:?}"
        );
    }
    free.iter().for_each(|change| make(&mut all, *change));
    let found = all.oracle(&block).expect("nothing that was read has changed");
    assert_eq!(result_of(&found), expected, "after all changes at once");
    free.len()
}

#[test]
fn an_honest_report_of_reads_is_all_that_a_result_depends_on() {
    let seeds = match number_from_env("WEFT_EVM_HONESTY") {
        Some(seed) => seed..seed + 1,
        None => 0..number_from_env("WEFT_EVM_HONESTY_CASES").unwrap_or(CASES),
    };
    let many = seeds.end - seeds.start > 1;
    let tried: usize = seeds.map(try_case).sum();
    assert!(!many || tried > 1_000, "{tried}");
}

/// The report must not claim everything, either: then no two transactions would ever commute.
#[test]
fn a_report_does_not_claim_what_no_instruction_looks_at() {
    let mut world = World::with_users(1);
    PUPPETS.iter().for_each(|at| world.deploy(*at, super::puppet::puppet()));
    let call = super::puppet::Act::Call {
        how: super::puppet::Call::Plain,
        to: PUPPETS[1],
        value: U256::from(1),
        told: true,
        acts: Vec::new(),
    };
    let transaction = world.draft(0, 0, PUPPETS[0]).value(U256::from(1)).input(calldata(&[call]));
    let executed = world.oracle(&[transaction.sign()]).unwrap();
    let reads: Vec<Location> =
        executed.access_record.transactions[0].reads.iter().map(|read| read.location).collect();
    for address in [user(0), PUPPETS[0], PUPPETS[1], world.header.beneficiary] {
        assert!(!reads.contains(&Location::Balance { address }), "balance of {address}");
    }
    assert!(!reads.contains(&Location::Nonce { address: PUPPETS[0] }));
}
