//! What goes wrong in optimistic execution, one test a hazard and more; the table of the crate names them all.

mod code;
mod fees;
mod judging;
mod lives;

use super::asm::{Asm, counter, deployer, op, word, words};
use super::plain::check;
use super::world::{ETHER, World, authorize, user};
use alloy_eips::eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS;
use alloy_primitives::{Address, Bytes, U256};
use weft_types::{Location, StateReader, TxIndex, Writer};

const CONTRACT: Address = Address::repeat_byte(0xa1);
const OTHER: Address = Address::repeat_byte(0xa2);

/// Stores `value` in slot 0.
fn marker(value: u64) -> Bytes {
    Asm::new().push(U256::from(value)).store(0).code()
}

/// What a slot holds after a block, where the block changed it.
fn slot(built: &crate::Executed, address: Address, slot: u64) -> Option<U256> {
    let account = built.diff.accounts.iter().find(|account| account.address == address)?;
    account.slots.iter().find(|s| s.slot == U256::from(slot)).map(|s| s.after)
}

#[test]
fn hazard_07_two_hundred_transactions_of_one_sender_all_settle() {
    let world = World::with_users(2);
    let candidates: Vec<_> = (0..200)
        .map(|nonce| {
            world.draft(0, nonce, Address::repeat_byte(7)).gas(21_000).value(U256::from(1)).sign()
        })
        .collect();
    let built = check(&world, &candidates);
    assert_eq!(built.transactions.len(), 200);
    let last = &built.access_record.transactions[199];
    let nonce =
        last.reads.iter().find(|r| r.location == Location::Nonce { address: user(0) }).unwrap();
    assert_eq!(nonce.from, Writer::Transaction(TxIndex(198)));
}

#[test]
fn hazard_07_interleaved_senders_all_settle() {
    let world = World::with_users(40);
    let candidates: Vec<_> = (0..5)
        .flat_map(|nonce| (0..40).map(move |n| (n, nonce)))
        .map(|(n, nonce)| world.draft(n, nonce, user((n + 1) % 40)).gas(21_000).value(ETHER).sign())
        .collect();
    assert_eq!(check(&world, &candidates).transactions.len(), 200);
}

#[test]
fn hazard_12_a_ring_of_just_funded_senders_settles_and_one_wei_less_breaks_it_there() {
    // Everybody starts with nothing but what the one before sends.
    let cost = U256::from(21_000u64 * 1_000_000);
    let ring = |short_at: Option<u8>| {
        let mut world = World::bare();
        world.state.set_balance(user(0), cost * U256::from(10) + ETHER);
        let candidates: Vec<_> = (0..8u8)
            .map(|n| {
                // Each needs `cost` up front and passes on what the next one needs exactly.
                let mut value = ETHER + cost * U256::from(8 - n);
                if short_at == Some(n) {
                    value += U256::from(1);
                }
                world.draft(n, 0, user(n + 1)).gas(21_000).value(value).tip(1_000_000).sign()
            })
            .collect();
        (world, candidates)
    };
    let mut exact = ring(None);
    // Tip and base fee use up the whole fee cap, so that nothing comes back.
    exact.0.state.set_balance(user(0), ETHER + cost * U256::from(9));
    let built = check(&exact.0, &exact.1);
    assert_eq!(built.transactions.len(), 8, "{:?}", built.skipped);
    for n in 1..8 {
        let mut short = ring(Some(n));
        short.0.state.set_balance(user(0), ETHER + cost * U256::from(9));
        let built = check(&short.0, &short.1);
        assert_eq!(built.transactions.len(), usize::from(n), "short at {n}");
        assert!(built.skipped[0].reason.contains("lack of funds"), "{:?}", built.skipped[0]);
    }
}

#[test]
fn hazard_11_a_delegated_account_whose_nonce_another_transaction_bumps_is_judged_by_the_new_nonce()
{
    // Hazards 9 and 11: user 1 runs a contract that creates, so a call by user 0 uses up a nonce of user 1.
    let mut world = World::with_users(3);
    let creator = Asm::new()
        .push(U256::ZERO)
        .push(U256::ZERO)
        .push(U256::ZERO)
        .op(&[op::CREATE])
        .store(1)
        .code();
    world.deploy(CONTRACT, creator);
    let candidates = [
        world.draft(2, 0, user(2)).authorize(authorize(1, 0, CONTRACT)).sign(),
        world.draft(1, 1, OTHER).gas(21_000).sign(),
        world.draft(0, 0, user(1)).sign(),
        world.draft(1, 2, OTHER).gas(21_000).sign(),
        world.draft(1, 3, OTHER).gas(21_000).sign(),
    ];
    let built = check(&world, &candidates);
    assert_eq!(built.skipped.len(), 1);
    assert!(
        built.skipped[0].reason.contains("nonce 2 too low, expected 3"),
        "{}",
        built.skipped[0].reason
    );
    assert_eq!(built.transactions.len(), 4);
}

#[test]
fn hazard_10_a_self_sponsored_authorization_uses_two_nonces() {
    let mut world = World::with_users(2);
    world.deploy(CONTRACT, marker(1));
    let candidates = [
        world
            .draft(0, 0, user(0))
            .authorize(authorize(0, 1, CONTRACT))
            .authorize(authorize(0, 2, CONTRACT))
            .sign(),
        world.draft(0, 3, OTHER).gas(21_000).sign(),
    ];
    let built = check(&world, &candidates);
    assert_eq!(built.transactions.len(), 2, "{:?}", built.skipped);
    assert_eq!(slot(&built, user(0), 0), Some(U256::from(1)));
}

#[test]
fn hazard_27_redelegation_within_a_block_runs_the_newest_code() {
    // Hazard 27: X, then Y, then none, with a call after each.
    let mut world = World::with_users(4);
    world.deploy(CONTRACT, counter());
    world.deploy(OTHER, marker(77));
    let call = |nonce| world.draft(3, nonce, user(0)).sign();
    let delegate = |nonce, authority_nonce, target| {
        world.draft(1, nonce, user(2)).authorize(authorize(0, authority_nonce, target)).sign()
    };
    let candidates = [
        delegate(0, 0, CONTRACT),
        call(0),
        call(1),
        delegate(1, 1, OTHER),
        call(2),
        delegate(2, 2, Address::ZERO),
        call(3),
    ];
    let built = check(&world, &candidates);
    assert_eq!(slot(&built, user(0), 0), Some(U256::from(77)));
    let gas: Vec<u64> = built.access_record.transactions.iter().map(|t| t.gas_used).collect();
    assert_eq!(gas[6], 21_000, "a cleared delegation runs nothing");
    let account = built.diff.accounts.iter().find(|a| a.address == user(0)).unwrap().after.unwrap();
    assert!(!account.has_code());
    assert_eq!(account.nonce, 3);
}

#[test]
fn hazard_26_code_created_in_the_block_runs_later_in_the_block() {
    let world = World::with_users(3);
    let created = user(0).create(0);
    let candidates = [
        world.draft(0, 0, None).input(deployer(&counter())).sign(),
        world.draft(1, 0, created).sign(),
        world.draft(2, 0, created).sign(),
    ];
    let built = check(&world, &candidates);
    assert_eq!(slot(&built, created, 0), Some(U256::from(2)));
    assert_eq!(built.diff.code.len(), 1);
}

#[test]
fn hazard_14_an_absent_account_stays_absent_until_it_is_paid() {
    // Hazard 14: emptiness as EXTCODEHASH and the surcharge of a paying CALL see it.
    let mut world = World::with_users(4);
    let absent = Address::repeat_byte(0x55);
    let call = |value: u64| {
        Asm::new()
            .push(U256::ZERO)
            .push(U256::ZERO)
            .push(U256::ZERO)
            .push(U256::ZERO)
            .push(U256::from(value))
            .address(absent)
            .op(&[op::GAS, op::CALL, op::POP])
    };
    let look = |asm: Asm, slot| asm.address(absent).op(&[op::EXTCODEHASH]).store(slot);
    world.deploy(CONTRACT, look(look(call(0), 0), 1).code());
    world.deploy(OTHER, look(look(call(1), 0), 1).code());
    world.state.set_balance(OTHER, U256::from(10));
    let candidates = [
        world.draft(0, 0, CONTRACT).sign(),
        world.draft(1, 0, CONTRACT).sign(),
        world.draft(2, 0, OTHER).sign(),
        world.draft(3, 0, OTHER).sign(),
        world.draft(0, 1, CONTRACT).sign(),
    ];
    let built = check(&world, &candidates);
    let gas: Vec<u64> = built.access_record.transactions.iter().map(|t| t.gas_used).collect();
    assert!(gas[2] > gas[3] + 20_000, "only the first payment creates the account: {gas:?}");
    assert!(slot(&built, CONTRACT, 0).is_some(), "once it exists its code hash is that of no code");
}

#[test]
fn hazard_20_a_contract_created_and_destroyed_in_one_transaction_leaves_no_ghost() {
    // Hazards 18 and 20: later transactions pay, call and create again at the same address.
    let mut world = World::with_users(4);
    let initcode =
        Asm::new().push(U256::from(9)).store(3).op(&[op::CALLER, op::SELFDESTRUCT]).code();
    let factory = Asm::new()
        .memory(&initcode)
        .push(U256::from(1))
        .push(U256::from(initcode.len()))
        .push(U256::ZERO)
        .push(U256::ZERO)
        .op(&[op::CREATE2])
        .store(0)
        .code();
    world.deploy(CONTRACT, factory);
    let child = CONTRACT.create2_from_code(U256::from(1).to_be_bytes::<32>(), &initcode);
    let candidates = [
        world.draft(0, 0, CONTRACT).sign(),
        world.draft(1, 0, child).gas(60_000).value(U256::from(1)).sign(),
        world.draft(2, 0, CONTRACT).sign(),
        world.draft(3, 0, child).gas(60_000).value(U256::from(5)).sign(),
    ];
    let built = check(&world, &candidates);
    assert_eq!(slot(&built, CONTRACT, 0), Some(word(child)), "no collision with the destroyed one");
    let after = built.diff.accounts.iter().find(|a| a.address == child).unwrap();
    let account = after.after.unwrap();
    assert_eq!((account.balance, account.nonce, account.has_code()), (U256::from(5), 0, false));
    assert!(after.slots.is_empty());
}

#[test]
fn hazard_36_a_hot_slot_counts_every_call() {
    let mut world = World::with_users(50);
    world.deploy(CONTRACT, counter());
    let candidates: Vec<_> = (0..50).map(|n| world.draft(n, 0, CONTRACT).sign()).collect();
    let built = check(&world, &candidates);
    assert_eq!(slot(&built, CONTRACT, 0), Some(U256::from(50)));
    assert_eq!(built.access_record.critical_path().1.len(), 50);
}

#[test]
fn a_write_of_the_value_that_is_there_is_a_read() {
    let mut world = World::with_users(10);
    world.deploy(CONTRACT, marker(4));
    world.state.set_storage(CONTRACT, U256::ZERO, U256::from(4));
    let candidates: Vec<_> = (0..10).map(|n| world.draft(n, 0, CONTRACT).sign()).collect();
    let built = check(&world, &candidates);
    assert_eq!(built.access_record.dependent_transactions(), 0);
    assert_eq!(built.profile.reexecutions(), 0);
}

#[test]
fn hazard_51_log_indices_and_cumulative_gas_are_those_of_the_block() {
    let mut world = World::with_users(5);
    let logs = Asm::new()
        .push(U256::ZERO)
        .push(U256::ZERO)
        .op(&[op::LOG0])
        .push(U256::from(3))
        .push(U256::ZERO)
        .push(U256::ZERO)
        .op(&[op::LOG1])
        .code();
    world.deploy(CONTRACT, logs);
    let candidates: Vec<_> = (0..5).map(|n| world.draft(n, 0, CONTRACT).sign()).collect();
    let built = check(&world, &candidates);
    assert_eq!(built.receipts.iter().map(|r| r.logs().len()).sum::<usize>(), 10);
    assert_eq!(built.receipts.last().unwrap().cumulative_gas_used(), built.gas_used);
    assert!(!built.logs_bloom.is_zero());
}

#[test]
fn hazard_54_a_withdrawal_request_leaves_the_queue_after_the_transactions() {
    // Hazard 54: the request changes the queue's count and tail at its own index and again after the block.
    let world = World::with_users(2);
    let mut input = vec![7u8; 48];
    input.extend_from_slice(&9u64.to_be_bytes());
    let request = world
        .draft(0, 0, WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS)
        .value(U256::from(1))
        .input(input.into());
    let empty = check(&world, &[]);
    let built = check(&world, &[request.sign()]);
    assert!(built.receipts[0].status());
    assert_ne!(built.requests_hash, empty.requests_hash);
    let list: Vec<alloy_eip7928::AccountChanges> =
        alloy_rlp::Decodable::decode(&mut built.access_list.as_ref()).unwrap();
    let queue = list.iter().find(|a| a.address == WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS).unwrap();
    for slot in [1u64, 3] {
        let changes = queue.storage_changes.iter().find(|c| c.slot == U256::from(slot)).unwrap();
        let indices: Vec<u64> =
            changes.changes.iter().map(|c| c.block_access_index.get()).collect();
        assert_eq!(indices, [1, 2], "slot {slot}");
    }
}

#[test]
fn hazard_54_transactions_see_what_the_system_calls_of_their_block_wrote() {
    let mut world = World::with_users(3);
    let history = alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
    let ask = Asm::new()
        .push(U256::from(1))
        .op(&[op::NUMBER, op::SUB])
        .push(U256::ZERO)
        .op(&[op::MSTORE])
        .push(U256::from(32))
        .push(U256::ZERO)
        .push(U256::from(32))
        .push(U256::ZERO)
        .address(history)
        .op(&[op::GAS, op::STATICCALL, op::POP])
        .push(U256::ZERO)
        .op(&[op::MLOAD])
        .store(0);
    world.deploy(CONTRACT, ask.code());
    let built =
        check(&world, &[world.draft(0, 0, CONTRACT).sign(), world.draft(1, 0, CONTRACT).sign()]);
    assert_eq!(slot(&built, CONTRACT, 0), Some(U256::from_be_bytes(world.header.parent_hash.0)));
}

#[test]
fn hazard_55_blockhash_answers_for_the_last_256_blocks_only() {
    let mut world = World::with_users(4);
    let code = Asm::new()
        .argument(1)
        .op(&[op::NUMBER, op::SUB, op::BLOCKHASH])
        .argument(0)
        .op(&[op::SSTORE])
        .code();
    world.deploy(CONTRACT, code);
    let ask = |n: u8, back: u64| {
        world.draft(n, 0, CONTRACT).input(words(&[U256::from(back), U256::from(back)])).sign()
    };
    let built = check(&world, &[ask(0, 1), ask(1, 256), ask(2, 257), ask(3, 0)]);
    assert_eq!(slot(&built, CONTRACT, 1), Some(U256::from_be_bytes(world.header.parent_hash.0)));
    let oldest = world.state.block_hash(300 - 256).unwrap().unwrap();
    assert_eq!(slot(&built, CONTRACT, 256), Some(U256::from_be_bytes(oldest.0)));
    assert_eq!((slot(&built, CONTRACT, 257), slot(&built, CONTRACT, 0)), (None, None));
}

#[test]
fn a_contract_paid_and_paying_blindly_makes_nobody_wait() {
    // The balance of a contract that everybody pays into moves by deltas: no dependency between the payers.
    let mut world = World::with_users(30);
    world.deploy(CONTRACT, Asm::new().op(&[op::STOP]).code());
    let candidates: Vec<_> =
        (0..30).map(|n| world.draft(n, 0, CONTRACT).value(U256::from(n) + ETHER).sign()).collect();
    let built = check(&world, &candidates);
    assert_eq!(built.access_record.dependent_transactions(), 0);
    assert_eq!(built.profile.reexecutions(), 0);
}
