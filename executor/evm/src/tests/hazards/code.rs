//! Hazards 9, 25 to 30, 41, 49 and 57: nonces, code, delegations, and what is kept by name.

use crate::tests::asm::{Asm, op, words};
use crate::tests::plain::check;
use crate::tests::puppet::{Act, Call, calldata, puppet, puppet_initcode, twin};
use crate::tests::world::{ETHER, World, assert_same, authorize, user};
use crate::{Executor, Mode};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use weft_types::{Location, TxIndex, Writer};

const MAKER: Address = Address::repeat_byte(0xa0);

fn stage(users: u8) -> World {
    let mut world = World::with_users(users);
    world.deploy(MAKER, puppet());
    world
}

/// Makes `user` run the code of `target` from before the block on.
fn delegate(world: &mut World, who: u8, target: Address) {
    let code = [&[0xef, 0x01, 0x00], target.as_slice()].concat();
    world.state.set_code(user(who), code.into());
}

#[test]
fn hazard_09_a_creation_by_a_third_party_moves_the_nonce_between_two_own_transactions() {
    let mut world = stage(4);
    delegate(&mut world, 1, MAKER);
    let create = calldata(&[Act::Create { value: U256::ZERO }]);
    let own = |nonce| world.draft(1, nonce, user(3)).gas(21_000).value(U256::from(1)).sign();
    let candidates = [
        own(1),
        world.draft(0, 0, user(1)).gas(3_000_000).input(create.clone()).sign(),
        // Used up by the creation.
        own(2),
        own(3),
        world.draft(2, 0, user(1)).gas(3_000_000).input(create).sign(),
        own(5),
    ];
    let built = check(&world, &candidates);
    assert_eq!(built.skipped.len(), 1);
    assert!(built.skipped[0].reason.contains("nonce 2 too low, expected 3"), "{:?}", built.skipped);
}

#[test]
fn hazard_28_a_delegated_call_depends_on_the_code_of_both() {
    let mut world = stage(5);
    let target = twin(MAKER, 0);
    delegate(&mut world, 0, target);
    let store = |value: u64| calldata(&[Act::Store { slot: 0, value: U256::from(value) }]);
    let create = calldata(&[Act::Create2 { salt: 0, value: U256::ZERO }]);
    let candidates = [
        world.draft(1, 0, user(0)).gas(100_000).input(store(1)).sign(),
        world.draft(2, 0, MAKER).gas(3_000_000).input(create).sign(),
        world.draft(3, 0, user(0)).gas(100_000).input(store(2)).sign(),
    ];
    let built = check(&world, &candidates);
    let reads = |index: usize, address| {
        let reads = &built.access_record.transactions[index].reads;
        reads.iter().find(|read| read.location == Location::Code { address }).unwrap().from
    };
    assert_eq!(reads(0, target), Writer::Base);
    assert_eq!(reads(2, target), Writer::Transaction(TxIndex(1)));
    assert_eq!(reads(2, user(0)), Writer::Base);
    let slots = &built.diff.accounts.iter().find(|a| a.address == user(0)).unwrap().slots;
    assert_eq!(slots[0].after, U256::from(2), "the first call met no code");
}

#[test]
fn hazard_29_authorizations_of_one_authority_take_effect_one_after_the_other() {
    let world = stage(5);
    let store = calldata(&[Act::Store { slot: 0, value: U256::from(1) }]);
    let draft = |n, nonce| world.draft(n, nonce, user(0)).gas(300_000).input(store.clone());
    let candidates = [
        draft(1, 0).authorize(authorize(0, 0, MAKER)).sign(),
        draft(2, 0).authorize(authorize(0, 1, Address::ZERO)).sign(),
        // One too early and one that fits, of two authorities, one of them the sender.
        draft(3, 0)
            .authorize(authorize(0, 3, MAKER))
            .authorize(authorize(0, 2, MAKER))
            .authorize(authorize(3, 1, MAKER))
            .sign(),
        draft(3, 2).authorize(authorize(0, 3, MAKER)).authorize(authorize(0, 4, MAKER)).sign(),
        world.draft(0, 5, user(1)).gas(21_000).sign(),
    ];
    let built = check(&world, &candidates);
    assert_eq!(built.transactions.len(), 5, "{:?}", built.skipped);
}

#[test]
fn hazard_30_and_57_nothing_of_one_block_is_left_for_the_next_one_of_an_executor() {
    let one = stage(6);
    let mut other = one.clone();
    // A sibling of the first block's state: another code and other slots behind the same names.
    let marker = Asm::new().push(U256::from(7)).store(0).code();
    other.deploy(MAKER, marker);
    other.state.set_storage(MAKER, U256::from(1), U256::from(3));
    let acts = calldata(&[
        Act::Copy { slot: 0, from: 1 },
        Act::Create2 { salt: 0, value: U256::ZERO },
        Act::Create { value: U256::ZERO },
    ]);
    let candidates: Vec<_> = (0..6)
        .map(|n| world_call(&one, n, acts.clone()))
        .chain([one.draft(0, 1, None).gas(3_000_000).input(puppet_initcode()).sign()])
        .collect();
    let mut invalid = candidates.clone();
    invalid.push(one.draft(1, 9, MAKER).sign());
    for workers in [1, 2] {
        let executor = Executor::new(workers).with_min_parallel_transactions(0);
        for _ in 0..2 {
            for world in [&one, &other] {
                let expected = world.oracle(&candidates).unwrap();
                let found = world.execute(&executor, &candidates, Mode::Verify).unwrap();
                assert_same(&found, &expected, "an executor that has seen other blocks");
                // A block that fails leaves nothing either.
                let failed = world.execute(&executor, &invalid, Mode::Verify).unwrap_err();
                assert!(failed.is_verdict(), "{failed}");
            }
        }
    }
}

fn world_call(
    world: &World,
    n: u8,
    input: alloy_primitives::Bytes,
) -> std::sync::Arc<weft_types::RecoveredTransaction> {
    world.draft(n, 0, MAKER).gas(3_000_000).input(input).sign()
}

#[test]
fn hazard_22_and_41_slots_with_crafted_names_are_all_different() {
    // Slots that FxHash (rustc-hash 2) joins: with this third limb one factor of its last product is zero, whatever the
    // others are. And slots that an engine might use as marks.
    let joined = (0..6u64).map(|n| U256::from_limbs([n, n * 3, 0x1319_8a2e_0370_7344, n]));
    let marks = [
        U256::ZERO,
        U256::MAX,
        U256::from_be_bytes(KECCAK256_EMPTY.0),
        U256::from_be_bytes(alloy_consensus::constants::EMPTY_ROOT_HASH.0),
        crate::tests::asm::word(MAKER),
    ];
    let slots: Vec<U256> = joined.chain(marks).collect();
    // slot[arg1] = slot[arg0] + 1, so that each transaction reads what another one has written.
    let code = Asm::new().argument(0).op(&[op::SLOAD]).push(U256::from(1)).op(&[op::ADD]);
    let code = code.argument(1).op(&[op::SSTORE]).code();
    let mut world = World::with_users(11);
    let contract = Address::repeat_byte(0xa1);
    world.deploy(contract, code);
    for (n, slot) in slots.iter().enumerate() {
        world.state.set_storage(contract, *slot, U256::from(100 * n));
    }
    let candidates: Vec<_> = (0..slots.len())
        .map(|n| {
            let input = words(&[slots[n], slots[(n + 5) % slots.len()]]);
            world.draft(n as u8, 0, contract).input(input).sign()
        })
        .collect();
    let built = check(&world, &candidates);
    let account = built.diff.accounts.iter().find(|a| a.address == contract).unwrap();
    assert_eq!(account.slots.len(), slots.len());
}

#[test]
fn hazard_49_precompiles_answer_by_their_input_alone() {
    let world = stage(40);
    let candidates: Vec<_> = (0..40u8)
        .map(|n| {
            // The same input for two transactions each, and the answer's success is stored.
            let acts = vec![Act::Store { slot: u64::from(n % 4), value: U256::from(n / 2) }];
            let to = Address::from_word(B256::from(U256::from(1 + n / 2 % 18)));
            let how = if n % 2 == 0 { Call::Plain } else { Call::Static };
            let acts = [Act::Call { how, to, value: U256::ZERO, told: true, acts }];
            world_call(&world, n, calldata(&acts))
        })
        .collect();
    assert_eq!(check(&world, &candidates).transactions.len(), 40);
}

#[test]
fn hazard_56_a_contract_made_where_somebody_just_paid_keeps_the_money() {
    let world = stage(4);
    let child = twin(MAKER, 0);
    let create = calldata(&[Act::Create2 { salt: 0, value: U256::from(2) }]);
    let candidates = [
        world.draft(0, 0, child).gas(60_000).value(ETHER).sign(),
        world.draft(1, 0, MAKER).gas(3_000_000).value(U256::from(2)).input(create).sign(),
        world.draft(2, 0, child).gas(60_000).value(U256::from(1)).sign(),
    ];
    let built = check(&world, &candidates);
    let account = built.diff.accounts.iter().find(|a| a.address == child).unwrap().after.unwrap();
    assert_eq!((account.balance, account.nonce), (ETHER + U256::from(3), 1));
}
