//! Hazards 8, 12, 43, 44, 46 and 52: who is judged, when, and how long it takes.

use crate::tests::asm::{Asm, op, words};
use crate::tests::plain::{check, check_refused};
use crate::tests::puppet::{Act, calldata, puppet};
use crate::tests::world::{ETHER, World, authorize, user};
use crate::{Executor, SpecId};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip4844, TxEip7702};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use std::sync::Arc;
use std::time::{Duration, Instant};
use weft_types::{
    Account, ChainParams, RecoveredTransaction, StateError, StateReader, Transaction,
};

const CONTRACT: Address = Address::repeat_byte(0xa1);
const MAKER: Address = Address::repeat_byte(0xa0);

/// Price of a plain transfer whose fee cap is used up.
const COST: u64 = 21_000 * 1_000_000;

#[test]
fn hazard_08_a_block_of_nothing_but_unpayable_and_untimely_transactions_ends_at_once() {
    let world = World::with_users(2);
    // Gaps, repetitions and poor senders that look at each other.
    let mut candidates = Vec::new();
    for n in 0..20u8 {
        let gap = world.draft(0, u64::from(20 - n), user(n + 1)).gas(21_000).sign();
        let poor = world.draft(n + 2, 0, user(n + 3)).gas(21_000).value(U256::from(1)).sign();
        candidates.extend([gap, poor]);
    }
    let started = Instant::now();
    let built = check(&world, &candidates);
    assert_eq!(built.transactions.len(), 0);
    assert_eq!(built.skipped.len(), 40);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    check_refused(&world, &candidates, 0);
    for place in [0, 10, 39] {
        let mut good: Vec<_> =
            (0..40).map(|nonce| world.draft(1, nonce, MAKER).gas(21_000).sign()).collect();
        good.insert(place, candidates[1].clone());
        check(&world, &good);
        check_refused(&world, &good, place);
    }
}

#[test]
fn hazard_12_money_that_goes_round_a_ring_suffices_to_the_wei() {
    let cost = U256::from(COST);
    // Each of three passes on all but the price, again and again, so that everybody is funded by the one before only.
    let rounds = 9u64;
    let start = ETHER + cost * U256::from(rounds);
    let ring = |short: Option<u64>| {
        let mut world = World::bare();
        world.state.set_balance(user(0), start);
        let candidates: Vec<_> = (0..rounds)
            .map(|hop| {
                let left = start - cost * U256::from(hop + 1);
                let value = if short == Some(hop) { left + U256::from(1) } else { left };
                let (from, nonce) = ((hop % 3) as u8, hop / 3);
                let draft = world.draft(from, nonce, user(((hop + 1) % 3) as u8));
                draft.gas(21_000).value(value).tip(1_000_000).sign()
            })
            .collect();
        (world, candidates)
    };
    let (world, candidates) = ring(None);
    assert_eq!(check(&world, &candidates).transactions.len(), 9);
    for short in 0..rounds {
        let (world, candidates) = ring(Some(short));
        let built = check(&world, &candidates);
        assert_eq!(built.transactions.len() as u64, short, "short at {short}");
        let reason = check_refused(&world, &candidates, short as usize);
        assert!(reason.contains("lack of funds"), "{reason}");
    }
}

#[test]
fn hazard_43_what_only_a_lower_transaction_makes_valid_is_valid() {
    // Funds: the payment comes first, or does not.
    let world = World::with_users(2);
    let paid = world.draft(0, 0, user(5)).gas(21_000).value(ETHER).sign();
    let spends = world.draft(5, 0, user(1)).gas(21_000).sign();
    assert_eq!(check(&world, &[paid.clone(), spends.clone()]).transactions.len(), 2);
    let reason = check_refused(&world, &[spends, paid], 0);
    assert!(reason.contains("lack of funds"), "{reason}");

    // Nonce: a creation by delegated code uses one up, and makes one valid and another one invalid.
    let mut world = World::with_users(3);
    world.deploy(MAKER, puppet());
    let code = [&[0xef, 0x01, 0x00], MAKER.as_slice()].concat();
    world.state.set_code(user(1), code.into());
    let create = calldata(&[Act::Create { value: U256::ZERO }]);
    let bump = world.draft(0, 0, user(1)).gas(3_000_000).input(create).sign();
    let own = |nonce| world.draft(1, nonce, user(2)).gas(21_000).sign();
    assert_eq!(check(&world, &[bump.clone(), own(2)]).transactions.len(), 2);
    let reason = check_refused(&world, &[own(2), bump.clone()], 0);
    assert!(reason.contains("nonce 2 too high, expected 1"), "{reason}");
    assert_eq!(check(&world, &[own(1), bump.clone()]).transactions.len(), 2);
    let reason = check_refused(&world, &[bump, own(1)], 1);
    assert!(reason.contains("nonce 1 too low, expected 2"), "{reason}");
    let last = World { state: world.state.clone(), ..World::bare() };
    let mut full = last;
    full.state.set_nonce(user(2), u64::MAX);
    let overflow = full.draft(2, u64::MAX, user(1)).gas(21_000).sign();
    check_refused(&full, &[own(1), overflow], 1);

    // Code: before Cancun a sender may have had some until it was destroyed.
    let mut world = World::with_users(3).under(SpecId::SHANGHAI);
    world.deploy(user(5), puppet());
    let die = calldata(&[Act::Destroy { heir: user(0) }]);
    let candidates = [
        world.draft(0, 0, user(5)).gas(3_000_000).input(die).sign(),
        world.draft(1, 0, user(5)).gas(100_000).value(ETHER).sign(),
        world.draft(5, 0, user(1)).gas(21_000).sign(),
    ];
    assert_eq!(check(&world, &candidates).transactions.len(), 3);
    let reason = check_refused(&world, &candidates[1..], 1);
    assert!(reason.contains("deployed code"), "{reason}");

    // Delegation makes code that may send, and taking it back leaves the account as it was.
    let mut world = World::with_users(3);
    world.deploy(MAKER, puppet());
    let candidates = [
        world.draft(0, 0, user(2)).authorize(authorize(1, 0, MAKER)).sign(),
        world.draft(1, 1, user(2)).gas(21_000).sign(),
        world.draft(0, 1, user(2)).authorize(authorize(1, 2, Address::ZERO)).sign(),
        world.draft(1, 3, user(2)).gas(21_000).sign(),
    ];
    assert_eq!(check(&world, &candidates).transactions.len(), 4);
}

#[test]
fn hazard_43_every_way_to_be_invalid_by_itself_is_a_verdict_everywhere() {
    let world = World::with_users(14);
    let base = || TxEip1559 {
        chain_id: ChainParams::devnet().chain_id,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000_000,
        to: TxKind::Call(user(1)),
        ..TxEip1559::default()
    };
    let signed = |tx: TxEip1559| tx.into_signed(Signature::test_signature()).into();
    let blobs = |hashes: Vec<B256>| -> Transaction {
        TxEip4844 {
            chain_id: ChainParams::devnet().chain_id,
            gas_limit: 21_000,
            max_fee_per_gas: 1_000_000,
            to: user(1),
            max_fee_per_blob_gas: 1_000_000,
            blob_versioned_hashes: hashes,
            ..TxEip4844::default()
        }
        .into_signed(Signature::test_signature())
        .into()
    };
    let no_authorizations: Transaction = TxEip7702 {
        chain_id: ChainParams::devnet().chain_id,
        gas_limit: 100_000,
        max_fee_per_gas: 1_000_000,
        to: user(1),
        ..TxEip7702::default()
    }
    .into_signed(Signature::test_signature())
    .into();
    let long = Bytes::from(vec![0; 49_153]);
    let create = TxKind::Create;
    let bad: Vec<(&str, Transaction)> = vec![
        ("another chain", signed(TxEip1559 { chain_id: 1, ..base() })),
        ("below the base fee", signed(TxEip1559 { max_fee_per_gas: 999, ..base() })),
        ("tip above the cap", signed(TxEip1559 { max_priority_fee_per_gas: 1_000_001, ..base() })),
        ("less than its intrinsic gas", signed(TxEip1559 { gas_limit: 20_999, ..base() })),
        ("more gas than any may have", signed(TxEip1559 { gas_limit: (1 << 24) + 1, ..base() })),
        (
            "too much initcode",
            signed(TxEip1559 { gas_limit: 9_000_000, input: long, to: create, ..base() }),
        ),
        ("a value above all money", signed(TxEip1559 { value: U256::MAX, ..base() })),
        ("no blobs", blobs(Vec::new())),
        ("a blob of an unknown version", blobs(vec![B256::repeat_byte(2)])),
        ("too many blobs", blobs(vec![B256::with_last_byte(1); 7])),
        ("no authorizations", no_authorizations),
    ];
    for (what, transaction) in bad {
        let bad = Arc::new(RecoveredTransaction::new_unchecked(transaction, user(13)));
        for place in [0usize, 4, 9] {
            let mut candidates: Vec<_> =
                (0..9).map(|n| world.draft(n, 0, CONTRACT).gas(21_000).sign()).collect();
            candidates.insert(place, bad.clone());
            let built = check(&world, &candidates);
            assert_eq!(built.skipped.len(), 1, "{what}");
            assert!(built.skipped[0].invalid, "{what}");
            check_refused(&world, &candidates, place);
        }
    }
}

/// Panics when one account is read.
struct Rotten(crate::MemoryState, Address);

impl StateReader for Rotten {
    fn account(&self, address: &Address) -> Result<Option<Account>, StateError> {
        assert_ne!(*address, self.1, "a reader that panics");
        self.0.account(address)
    }
    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        self.0.storage(address, slot)
    }
    fn code(&self, hash: &B256) -> Result<Bytes, StateError> {
        self.0.code(hash)
    }
    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        self.0.block_hash(number)
    }
}

#[test]
fn hazard_44_a_panic_that_only_a_speculative_run_meets_changes_nothing() {
    let mut world = World::with_users(12);
    let victim = Address::repeat_byte(0xdd);
    // Looks at the victim unless slot 0 is set, which the first transaction does without looking.
    let code = Asm::new()
        .argument(0)
        .push(U256::from(33))
        .op(&[op::JUMPI])
        .push(U256::ZERO)
        .op(&[op::SLOAD])
        .push(U256::from(33))
        .op(&[op::JUMPI])
        .address(victim)
        .op(&[op::BALANCE, op::POP, op::JUMPDEST])
        .push(U256::from(1))
        .store(0)
        .code();
    assert_eq!(code[33], op::JUMPDEST, "the place that is jumped to");
    world.deploy(CONTRACT, code);
    let mut candidates = vec![world.draft(0, 0, CONTRACT).input(words(&[U256::from(1)])).sign()];
    candidates.extend((1..12).map(|n| world.draft(n, 0, CONTRACT).sign()));
    let state: Arc<dyn StateReader> = Arc::new(Rotten(world.state.clone(), victim));
    let built = |executor: &Executor, candidates: &[_]| {
        executor.build(&world.header, candidates, &state, &world.params)
    };
    for seed in 0..20 {
        let executor = Executor::new(3).with_drawn_schedule(seed);
        assert_eq!(built(&executor, &candidates).unwrap().transactions.len(), 12);
        // On settled values it is a failure of this node, and no verdict.
        let error = built(&executor, &candidates[1..]).unwrap_err();
        assert!(!error.is_verdict(), "{error}");
    }
    let executor = Executor::new(2).with_min_parallel_transactions(0);
    assert_eq!(built(&executor, &candidates).unwrap().transactions.len(), 12);
    assert!(!built(&executor, &candidates[1..]).unwrap_err().is_verdict());
}

#[test]
fn hazard_46_a_loop_whose_length_is_a_guess_runs_a_bounded_number_of_times() {
    let mut world = World::with_users(24);
    // With an argument: slot 0 = argument. Without: counts slot 0 down to zero in a loop, then slot 1 += 1.
    let code = Asm::new()
        .argument(0)
        .op(&[op::DUP1])
        .push(U256::from(27))
        .op(&[op::JUMPI])
        .push(U256::ZERO)
        .op(&[op::SLOAD, op::JUMPDEST])
        .op(&[op::DUP1, op::ISZERO])
        .push(U256::from(21))
        .op(&[op::JUMPI])
        .push(U256::from(1))
        .op(&[op::SWAP1, op::SUB])
        .push(U256::from(8))
        .op(&[op::JUMP, op::JUMPDEST])
        .op(&[op::PC])
        .store(1)
        .op(&[op::STOP, op::JUMPDEST])
        .store(0)
        .code();
    let dests: Vec<usize> =
        code.iter().enumerate().filter(|(_, b)| **b == op::JUMPDEST).map(|(at, _)| at).collect();
    assert_eq!(dests, [8, 21, 27], "the places that are jumped to");
    world.deploy(CONTRACT, code);
    world.state.set_storage(CONTRACT, U256::ZERO, U256::from(1_000_000));
    let candidates: Vec<_> = (0..24)
        .map(|n| {
            let draft = world.draft(n, 0, CONTRACT).gas(500_000);
            let length = if n % 4 == 0 { 3 } else { 5_000 };
            if n % 2 == 0 { draft.input(words(&[U256::from(length)])).sign() } else { draft.sign() }
        })
        .collect();
    let built = check(&world, &candidates);
    assert!(built.receipts.iter().all(|receipt| receipt.status()));
    for seed in 0..6 {
        let executor = Executor::new(8).with_drawn_schedule(seed);
        let built = world.build(&executor, &candidates).unwrap();
        let most = 24 * 17;
        assert!(built.profile.incarnations.len() <= most, "{}", built.profile.incarnations.len());
    }
}
