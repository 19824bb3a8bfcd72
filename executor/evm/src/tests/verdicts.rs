//! Who is to blame: invalid transactions and blocks, and failures that are nobody's fault.

use super::asm::{Asm, counter, op};
use super::world::{COINBASE, ETHER, World, user};
use crate::{Executed, ExecutionError, Executor};
use alloy_primitives::{Address, B256, Bytes, U256};
use std::sync::Arc;
use weft_types::{Account, HeaderError, RecoveredTransaction, RunMode, StateError, StateReader};

const CONTRACT: Address = Address::repeat_byte(0xa1);

fn good(world: &World) -> Vec<Arc<RecoveredTransaction>> {
    (0..12).map(|n| world.draft(n, 0, user((n + 1) % 12)).gas(21_000).value(ETHER).sign()).collect()
}

/// In build mode the bad one is left out with `reason`, in verify mode it makes the block invalid, wherever it stands.
fn refused_everywhere(world: &World, bad: &Arc<RecoveredTransaction>, reason: &str) {
    for place in [0usize, 6, 12] {
        let mut candidates = good(world);
        candidates.insert(place, bad.clone());
        for workers in [1, 2, 8] {
            let executor = Executor::new(workers).with_min_parallel_transactions(2);
            let built = world.build(&executor, &candidates).unwrap();
            assert_eq!(built.transactions.len(), 12);
            assert_eq!(built.skipped.len(), 1);
            assert!(built.skipped[0].reason.contains(reason), "{}", built.skipped[0].reason);
            assert!(built.skipped[0].invalid);
            let error = executor
                .verify(&world.header, &candidates, None, &world.reader(), &world.params)
                .unwrap_err();
            match error {
                ExecutionError::Invalid { index, reason: found } => {
                    assert_eq!(index, Some(place as u32));
                    assert!(found.contains(reason), "{found}");
                }
                other => panic!("{other}"),
            }
        }
        assert!(world.oracle(&candidates).unwrap_err().is_verdict());
    }
}

#[test]
fn hazard_08_a_nonce_gap_ends_with_a_verdict_at_any_place() {
    let world = World::with_users(14);
    refused_everywhere(
        &world,
        &world.draft(13, 1, COINBASE).gas(21_000).sign(),
        "nonce 1 too high, expected 0",
    );
}

#[test]
fn hazard_08_a_nonce_that_was_used_ends_with_a_verdict_at_any_place() {
    let mut world = World::with_users(14);
    world.state.set_nonce(user(13), 4);
    refused_everywhere(
        &world,
        &world.draft(13, 3, COINBASE).gas(21_000).sign(),
        "nonce 3 too low, expected 4",
    );
}

#[test]
fn hazard_08_an_unfunded_sender_ends_with_a_verdict_at_any_place() {
    let world = World::with_users(12);
    refused_everywhere(&world, &world.draft(13, 0, COINBASE).gas(21_000).sign(), "lack of funds");
}

#[test]
fn hazard_43_a_sender_with_code_ends_with_a_verdict_at_any_place() {
    let mut world = World::with_users(14);
    world.deploy(user(13), counter());
    refused_everywhere(
        &world,
        &world.draft(13, 1, COINBASE).gas(21_000).sign(),
        "reject transactions from senders with deployed code",
    );
}

#[test]
fn hazard_43_too_little_gas_for_the_calldata_floor_ends_with_a_verdict_at_any_place() {
    let world = World::with_users(14);
    let input = Bytes::from(vec![1u8; 100]);
    refused_everywhere(
        &world,
        &world.draft(13, 0, COINBASE).gas(22_600).input(input).sign(),
        "gas floor",
    );
}

#[test]
fn hazard_53_gas_is_admitted_by_limit_and_not_by_use() {
    // Hazard 53: the last one fits by what it uses, but not by what it may use.
    let mut world = World::with_users(10);
    world.header.gas_limit = 21_000 * 9 + 30_000;
    let mut candidates: Vec<_> =
        (0..9).map(|n| world.draft(n, 0, COINBASE).gas(21_000).sign()).collect();
    candidates.push(world.draft(9, 0, COINBASE).gas(30_001).sign());
    let executor = Executor::new(4).with_min_parallel_transactions(2);
    let built = world.build(&executor, &candidates).unwrap();
    assert_eq!(built.transactions.len(), 9);
    assert!(
        built.skipped[0].reason.contains("gas limit 30001 exceeds the block's remaining gas 30000")
            && !built.skipped[0].invalid
    );
    let error = executor
        .verify(&world.header, &candidates, None, &world.reader(), &world.params)
        .unwrap_err();
    assert!(matches!(error, ExecutionError::Invalid { index: Some(9), .. }), "{error}");
    let last = candidates.last_mut().unwrap();
    *last = world.draft(9, 0, COINBASE).gas(30_000).sign();
    assert_eq!(world.build(&executor, &candidates).unwrap().transactions.len(), 10);
}

#[test]
fn hazard_52_a_skipped_transaction_leaves_no_trace_for_those_above_it() {
    let mut world = World::with_users(4);
    world.deploy(CONTRACT, counter());
    world.header.gas_limit = 1_000_000;
    let candidates = [
        world.draft(0, 0, CONTRACT).gas(900_000).sign(),
        world.draft(1, 0, CONTRACT).gas(999_000).sign(),
        world.draft(2, 0, CONTRACT).gas(100_000).sign(),
        world.draft(3, 0, CONTRACT).gas(100_000).sign(),
    ];
    for workers in [1, 4] {
        let executor = Executor::new(workers).with_min_parallel_transactions(2);
        let built = world.build(&executor, &candidates).unwrap();
        assert_eq!(built.skipped.len(), 1);
        let count =
            built.diff.accounts.iter().find(|a| a.address == CONTRACT).unwrap().slots[0].after;
        assert_eq!(count, U256::from(3), "{workers} workers");
        world.verify(&executor, &built).unwrap();
    }
}

fn built() -> (World, Executor, Executed) {
    let world = World::with_users(12);
    let executor = Executor::new(2);
    let built = world.build(&executor, &good(&world)).unwrap();
    (world, executor, built)
}

#[test]
fn every_header_field_that_execution_gives_is_compared() {
    let (world, executor, built) = built();
    let sealed = built.seal(world.header.clone(), B256::ZERO);
    type Break = fn(&mut weft_types::Header);
    let broken: [(&str, Break); 6] = [
        ("transactionsRoot", |h| h.transactions_root = B256::ZERO),
        ("gasUsed", |h| h.gas_used += 1),
        ("logsBloom", |h| h.logs_bloom.0[0] ^= 1),
        ("receiptsRoot", |h| h.receipts_root = B256::ZERO),
        ("requestsHash", |h| h.requests_hash = None),
        ("blockAccessListHash", |h| h.block_access_list_hash = Some(B256::ZERO)),
    ];
    for (name, break_it) in broken {
        let mut header = sealed.header().clone();
        break_it(&mut header);
        let error = executor
            .verify(&header, &built.transactions, None, &world.reader(), &world.params)
            .unwrap_err();
        assert!(error.is_verdict());
        match error {
            ExecutionError::Field(HeaderError::Field { field, .. }) => assert_eq!(field, name),
            other => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn an_access_list_that_is_not_the_rebuilt_one_makes_the_block_invalid() {
    let (world, executor, built) = built();
    let sealed = built.seal(world.header.clone(), B256::ZERO);
    let verify = |header: &weft_types::Header, list: &[u8]| {
        executor.verify(header, &built.transactions, Some(list), &world.reader(), &world.params)
    };
    verify(sealed.header(), &built.access_list).unwrap();
    let mut list: Vec<alloy_eip7928::AccountChanges> =
        alloy_rlp::Decodable::decode(&mut built.access_list.as_ref()).unwrap();
    list[0].storage_reads.push(U256::from(1_000_000));
    let wrong = alloy_rlp::encode(&list);
    assert!(
        verify(sealed.header(), &wrong).unwrap_err().is_verdict(),
        "its hash is not the header's"
    );
    let mut header = sealed.header().clone();
    header.block_access_list_hash = Some(alloy_primitives::keccak256(&wrong));
    assert!(
        verify(&header, &wrong).unwrap_err().is_verdict(),
        "its hash is the header's, its content wrong"
    );
    assert!(verify(sealed.header(), &[]).unwrap_err().is_verdict());
}

#[test]
fn a_chain_without_the_request_contracts_cannot_make_blocks() {
    let world = World::with_users(1);
    let empty: Arc<dyn StateReader> = Arc::new(crate::MemoryState::default());
    let error = Executor::new(1).build(&world.header, &[], &empty, &world.params).unwrap_err();
    assert!(error.is_verdict());
    assert!(error.to_string().contains("EIP-7002"), "{error}");
}

/// Fails to read one account.
struct Damaged(crate::MemoryState, Address);

impl StateReader for Damaged {
    fn account(&self, address: &Address) -> Result<Option<Account>, StateError> {
        if *address == self.1 {
            return Err(StateError::Read { reason: "bad block on disk".into() });
        }
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
fn hazard_43_a_failed_state_read_is_no_verdict() {
    let world = World::with_users(12);
    for workers in [1, 4] {
        let executor = Executor::new(workers).with_min_parallel_transactions(2);
        let state: Arc<dyn StateReader> = Arc::new(Damaged(world.state.clone(), user(5)));
        let error =
            executor.build(&world.header, &good(&world), &state, &world.params).unwrap_err();
        assert!(matches!(error, ExecutionError::State(_)), "{error}");
        assert!(!error.is_verdict());
        // The coinbase is read only to settle.
        let state: Arc<dyn StateReader> = Arc::new(Damaged(world.state.clone(), COINBASE));
        let error =
            executor.build(&world.header, &good(&world), &state, &world.params).unwrap_err();
        assert!(matches!(error, ExecutionError::State(_)), "{error}");
    }
}

#[test]
fn hazard_47_a_read_that_only_a_speculative_run_makes_does_not_fail_the_block() {
    // Hazard 47: the switch is thrown by a lower transaction, so the settled run never looks at the damaged account.
    let mut world = World::with_users(12);
    let victim = Address::repeat_byte(0xdd);
    // Stops if slot 0 is set; else looks at the victim, unless the calldata says not to, and sets it.
    let code = Asm::new()
        .push(U256::ZERO)
        .op(&[op::SLOAD])
        .push(U256::from(38))
        .op(&[op::JUMPI])
        .argument(0)
        .push(U256::from(33))
        .op(&[op::JUMPI])
        .address(victim)
        .op(&[op::BALANCE, op::POP, op::JUMPDEST])
        .push(U256::from(1))
        .store(0)
        .op(&[op::JUMPDEST])
        .code();
    world.deploy(CONTRACT, code);
    let throw = words_of(1);
    let mut candidates = vec![world.draft(0, 0, CONTRACT).input(throw).sign()];
    candidates.extend((1..12).map(|n| world.draft(n, 0, CONTRACT).sign()));
    let state: Arc<dyn StateReader> = Arc::new(Damaged(world.state.clone(), victim));
    for workers in [1, 2, 8] {
        let executor = Executor::new(workers).with_min_parallel_transactions(2);
        let built = executor.build(&world.header, &candidates, &state, &world.params).unwrap();
        assert_eq!(built.transactions.len(), 12);
    }
}

fn words_of(value: u64) -> Bytes {
    super::asm::words(&[U256::from(value)])
}

/// What a second worker does not pay for runs on one: few transactions, little gas, plain transfers unless they are many.
#[test]
fn a_block_runs_on_one_worker_where_another_would_not_pay() {
    let world = World::with_users(24);
    let block = |count: u8, gas: u64, calls: u8| -> Vec<_> {
        let to = Address::repeat_byte(9);
        let draft = |n| world.draft(n, 0, to).gas(gas);
        let call = |n: u8| if n < calls { draft(n).input(vec![1].into()) } else { draft(n) };
        (0..count).map(|n| call(n).sign()).collect()
    };
    let executor = Executor::new(2);
    let mode = |block: &[_]| world.build(&executor, block).unwrap().profile.mode;
    assert_eq!(mode(&block(7, 500_000, 7)), RunMode::Sequential);
    assert_eq!(mode(&block(24, 30_000, 24)), RunMode::Sequential);
    assert_eq!(mode(&block(24, 500_000, 2)), RunMode::Sequential);
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
        assert_eq!(mode(&block(24, 500_000, 3)), RunMode::BlockStm);
    }
}
