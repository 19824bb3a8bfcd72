//! Hazards 1 to 5: the account that everybody pays.

use super::asm::{Asm, deployer, op};
use super::plain::check;
use super::world::{COINBASE, ETHER, World, user};
use crate::Executor;
use alloy_eip7928::AccountChanges;
use alloy_primitives::{Address, U256};
use std::sync::Arc;
use weft_types::{Location, RecoveredTransaction, StateReader, TxIndex, Writer};

const READER: Address = Address::repeat_byte(0xa1);

/// Stores the coinbase's balance in the slot that the calldata names.
fn reader() -> alloy_primitives::Bytes {
    Asm::new().op(&[op::COINBASE, op::BALANCE]).argument(0).op(&[op::SSTORE]).code()
}

fn transfers(world: &World, users: u8) -> Vec<Arc<RecoveredTransaction>> {
    (0..users)
        .map(|n| {
            world.draft(n, 0, Address::repeat_byte(n + 100)).gas(21_000).value(U256::from(5)).sign()
        })
        .collect()
}

#[test]
fn hazard_01_independent_transfers_never_run_twice_and_the_coinbase_gets_every_tip() {
    let world = World::with_users(60);
    let candidates = transfers(&world, 60);
    for workers in [1, 2, 8] {
        let built = world.build(&Executor::new(workers), &candidates).unwrap();
        assert_eq!(built.profile.reexecutions(), 0, "{workers} workers");
        assert_eq!(built.profile.incarnations.len(), 60);
        let change = built.diff.accounts.iter().find(|a| a.address == COINBASE).unwrap();
        assert_eq!(change.after.unwrap().balance, U256::from(60 * 21_000));
        assert_eq!(built.access_record.dependent_transactions(), 0);
    }
    check(&world, &candidates);
}

#[test]
fn hazard_02_a_contract_that_stores_the_coinbase_balance_sees_all_tips_below_it() {
    let mut world = World::with_users(50);
    world.deploy(READER, reader());
    let candidates: Vec<_> = (0..50)
        .map(|n| {
            let slot = U256::from(n).to_be_bytes_vec().into();
            if n % 5 == 4 {
                world.draft(n, 0, READER).input(slot).sign()
            } else {
                world.draft(n, 0, Address::repeat_byte(200)).gas(21_000).value(U256::from(1)).sign()
            }
        })
        .collect();
    let built = check(&world, &candidates);
    let contract = built.diff.accounts.iter().find(|a| a.address == READER).unwrap();
    assert_eq!(contract.slots[0].after, U256::from(4 * 21_000), "the tips of transactions 0 to 3");
    let access = &built.access_record.transactions[4];
    let read = access
        .reads
        .iter()
        .find(|r| r.location == Location::Balance { address: COINBASE })
        .unwrap();
    assert_eq!(
        read.from,
        Writer::Transaction(TxIndex(3)),
        "a commutative change counts for a real reader"
    );
    let write = access
        .writes
        .iter()
        .find(|w| w.location == Location::Balance { address: COINBASE })
        .unwrap();
    assert!(!write.commutative, "who looks at a balance does not change it blindly");
    let blind = &built.access_record.transactions[5];
    assert!(
        blind
            .writes
            .iter()
            .any(|w| w.location == Location::Balance { address: COINBASE } && w.commutative)
    );
}

#[test]
fn hazard_04_the_coinbase_may_be_a_sender_or_a_recipient() {
    let mut world = World::with_users(8);
    world.header.beneficiary = user(3);
    let mut candidates = transfers(&world, 8);
    candidates.push(world.draft(0, 1, user(3)).gas(21_000).value(ETHER).sign());
    candidates.push(world.draft(3, 1, user(1)).gas(21_000).value(U256::from(100) * ETHER).sign());
    let built = check(&world, &candidates);
    assert_eq!(built.transactions.len(), 10, "{:?}", built.skipped);
}

#[test]
fn hazard_04_the_coinbase_may_own_nothing_but_the_tips_it_spends() {
    let mut world = World::with_users(8);
    let coinbase = user(20);
    world.header.beneficiary = coinbase;
    let mut candidates: Vec<_> = (0..8)
        .map(|n| world.draft(n, 0, Address::repeat_byte(1)).gas(21_000).tip(900_000).sign())
        .collect();
    candidates
        .push(world.draft(20, 0, Address::repeat_byte(2)).gas(21_000).value(U256::from(1)).sign());
    let built = check(&world, &candidates);
    assert_eq!(built.transactions.len(), 9, "{:?}", built.skipped);
    let funded = built.access_record.transactions[8]
        .reads
        .iter()
        .find(|r| r.location == Location::Balance { address: coinbase })
        .expect("without the tips it could not pay");
    assert_eq!(funded.from, Writer::Transaction(TxIndex(7)));
}

#[test]
fn hazard_04_the_coinbase_may_inherit_from_a_destroyed_contract_or_be_one() {
    let destroy = Asm::new().op(&[op::COINBASE, op::SELFDESTRUCT]).code();
    for created_is_coinbase in [false, true] {
        let mut world = World::with_users(4);
        if created_is_coinbase {
            world.header.beneficiary = user(1).create(0);
        }
        let candidates = [
            world.draft(0, 0, Address::repeat_byte(9)).gas(21_000).sign(),
            world.draft(1, 0, None).value(ETHER).input(destroy.clone()).sign(),
            world.draft(2, 0, world.header.beneficiary).gas(60_000).value(U256::from(3)).sign(),
            world.draft(3, 0, Address::repeat_byte(9)).gas(21_000).sign(),
        ];
        let built = check(&world, &candidates);
        let tips =
            built.diff.accounts.iter().find(|a| a.address == world.header.beneficiary).unwrap();
        let balance = tips.after.unwrap().balance;
        if created_is_coinbase {
            assert!(
                balance < U256::from(1_000_000),
                "what it held and earned until it was destroyed is burnt"
            );
        } else {
            assert!(balance > ETHER);
        }
    }
}

#[test]
fn hazard_04_the_coinbase_may_be_a_contract_with_code_and_one_created_in_the_block() {
    let mut world = World::with_users(4);
    let own = Asm::new().op(&[op::SELFBALANCE]).store(0).code();
    world.header.beneficiary = user(1).create(0);
    let coinbase = world.header.beneficiary;
    let candidates = [
        world.draft(0, 0, coinbase).gas(30_000).value(U256::from(2)).sign(),
        world.draft(1, 0, None).input(deployer(&own)).sign(),
        world.draft(2, 0, coinbase).sign(),
        world.draft(3, 0, coinbase).value(U256::from(7)).sign(),
    ];
    let built = check(&world, &candidates);
    let slot = built.diff.accounts.iter().find(|a| a.address == coinbase).unwrap().slots[0];
    let first_two =
        built.access_record.transactions[0].gas_used + built.access_record.transactions[1].gas_used;
    let third = built.access_record.transactions[2].gas_used;
    assert_eq!(slot.after, U256::from(2 + 7 + first_two + third));
}

#[test]
fn hazard_03_without_a_tip_the_coinbase_is_accessed_but_not_brought_into_being() {
    for balance in [U256::ZERO, U256::from(5)] {
        let mut world = World::with_users(3);
        if !balance.is_zero() {
            world.state.set_balance(COINBASE, balance);
        }
        let candidates: Vec<_> = (0..3)
            .map(|n| {
                world
                    .draft(n, 0, Address::repeat_byte(1))
                    .gas(21_000)
                    .tip(0)
                    .value(U256::from(1))
                    .sign()
            })
            .collect();
        let built = check(&world, &candidates);
        assert!(built.diff.accounts.iter().all(|account| account.address != COINBASE));
        let list: Vec<AccountChanges> =
            alloy_rlp::Decodable::decode(&mut built.access_list.as_ref()).unwrap();
        let entry = list.iter().find(|account| account.address == COINBASE).unwrap();
        assert!(!entry.has_changes());
    }
}

#[test]
fn a_block_without_transactions_leaves_the_coinbase_alone() {
    let world = World::with_users(1);
    let built = check(&world, &[]);
    let list: Vec<AccountChanges> =
        alloy_rlp::Decodable::decode(&mut built.access_list.as_ref()).unwrap();
    assert_eq!(list.len(), 4, "the system contracts");
    assert!(world.state.account(&COINBASE).unwrap().is_none());
}
