//! Verification with a block access list: a right one gives what the oracle gives, a wrong one is a verdict.

use crate::tests::asm::{Asm, counter, op, token, token_slot, word, words};
use crate::tests::world::{ETHER, World, assert_same, authorize, user};
use crate::{Executed, ExecutionError, Executor, Mode};
use alloy_eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, CodeChange, NonceChange, SlotChanges,
    StorageChange,
};
use alloy_primitives::{Address, Bytes, U256};
use std::sync::{Arc, Mutex};
use weft_types::{Header, RecoveredTransaction, RunMode, StateDiff};

const TOKEN: Address = Address::repeat_byte(0x70);
const COUNTER: Address = Address::repeat_byte(0xc0);
const REVERTS: Address = Address::repeat_byte(0xee);

/// A block with everything that a list can hold: transfers, tokens, a chain through one slot, reads of a reverted frame,
/// a creation, delegations, many transactions of one sender.
fn block() -> (World, Vec<Arc<RecoveredTransaction>>) {
    let mut world = World::with_users(8);
    world.deploy(TOKEN, token());
    world.deploy(COUNTER, counter());
    let reverts = Asm::new().push(U256::from(9)).op(&[op::SLOAD, op::PUSH0, op::PUSH0, op::REVERT]);
    world.deploy(REVERTS, reverts.code());
    for n in 0..8 {
        world.state.set_storage(TOKEN, token_slot(user(n)), U256::from(1_000));
    }
    let mut drafts = Vec::new();
    for n in 0..6 {
        drafts.push(world.draft(n, 0, Address::repeat_byte(n + 1)).value(ETHER));
        let input = words(&[word(user(n + 1)), U256::from(5)]);
        drafts.push(world.draft(n, 1, TOKEN).input(input));
        drafts.push(world.draft(n, 2, COUNTER));
    }
    drafts.push(world.draft(6, 0, REVERTS));
    drafts.push(world.draft(6, 1, None).input(Bytes::from_static(&[
        op::PUSH0,
        op::PUSH0,
        op::RETURN,
    ])));
    let authorizations = vec![authorize(7, 0, COUNTER)];
    let mut delegates = world.draft(6, 2, user(7));
    delegates.authorizations = authorizations;
    drafts.push(delegates);
    drafts.push(world.draft(6, 3, user(7)));
    let transactions = drafts.into_iter().map(|draft| draft.sign()).collect();
    (world, transactions)
}

fn with_list(
    world: &World,
    transactions: &[Arc<RecoveredTransaction>],
    list: &[u8],
    workers: usize,
) -> Result<Executed, ExecutionError> {
    world.execute(&Executor::new(workers), transactions, Mode::WithList(list))
}

fn decode(list: &[u8]) -> Vec<AccountChanges> {
    alloy_rlp::Decodable::decode(&mut &*list).unwrap()
}

#[test]
fn a_right_list_gives_what_the_oracle_gives_without_speculation() {
    let (world, transactions) = block();
    let expected = world.oracle(&transactions).unwrap();
    for workers in [1, 2, 4] {
        let found = with_list(&world, &transactions, &expected.access_list, workers).unwrap();
        assert_same(&found, &expected, &format!("{workers} workers with the list"));
        assert_eq!(found.profile.mode, RunMode::AccessList);
        assert_eq!(found.profile.reexecutions(), 0);
        assert_eq!(found.profile.incarnations.len(), transactions.len());
    }
}

#[test]
fn the_net_change_is_known_beside_the_execution_and_the_result_says_whether_it_was_right() {
    let (world, transactions) = block();
    let expected = world.oracle(&transactions).unwrap();
    let executor = Executor::new(2);
    let (list, reader) = (&expected.access_list, world.reader());
    let sealed = expected.seal(world.header.clone(), Default::default());
    let foreseen = Mutex::new(None);
    let beside = |diff: &StateDiff| *foreseen.lock().unwrap() = Some(diff.clone());
    let run = |header, list: &[u8]| {
        executor.verify_beside(header, &[], (&transactions, list), &reader, &world.params, &beside)
    };
    let (executed, agrees) = run(sealed.header(), list).unwrap();
    assert!(agrees);
    assert_same(&executed, &expected, "verified beside the root");
    assert_eq!(foreseen.lock().unwrap().take(), Some(expected.diff.clone()));

    // Another value at the end of the list: it is foreseen, and then the block is refused.
    let mut wrong = decode(list);
    let changed = wrong.iter_mut().rfind(|account| !account.balance_changes.is_empty()).unwrap();
    changed.balance_changes.last_mut().unwrap().post_balance += U256::from(1);
    let wrong = alloy_rlp::encode(wrong);
    let hash = Some(alloy_primitives::keccak256(&wrong));
    let header = Header { block_access_list_hash: hash, ..sealed.header().clone() };
    assert!(matches!(run(&header, &wrong), Err(ExecutionError::Invalid { .. })));
    assert_ne!(foreseen.lock().unwrap().take(), Some(expected.diff));

    // A list of another hash is not looked at.
    assert!(matches!(run(sealed.header(), &wrong), Err(ExecutionError::Invalid { .. })));
    assert_eq!(foreseen.lock().unwrap().take(), None);
}

/// Every list that differs from the right one in one place.
fn wrong_lists(right: &[AccountChanges], last_index: u64) -> Vec<(String, Vec<AccountChanges>)> {
    let mut wrong = Vec::new();
    let mut add = |what: String, at: usize, change: Edit<'_>| {
        let mut list = right.to_vec();
        change(&mut list[at]);
        if list != right {
            wrong.push((format!("{what} of {}", right[at].address), list));
        }
    };
    let other = |index: BlockAccessIndex| {
        let index = index.get();
        BlockAccessIndex::new(if index < last_index { index + 1 } else { index - 1 })
    };
    for (at, account) in right.iter().enumerate() {
        for n in 0..account.balance_changes.len() {
            add(format!("balance {n} missing"), at, &|a| {
                a.balance_changes.remove(n);
            });
            add(format!("balance {n} wrong"), at, &|a| {
                a.balance_changes[n].post_balance += U256::from(1);
            });
            add(format!("balance {n} at another index"), at, &|a| {
                a.balance_changes[n].block_access_index =
                    other(a.balance_changes[n].block_access_index);
            });
        }
        for n in 0..account.nonce_changes.len() {
            add(format!("nonce {n} missing"), at, &|a| {
                a.nonce_changes.remove(n);
            });
            add(format!("nonce {n} wrong"), at, &|a| a.nonce_changes[n].new_nonce += 1);
            add(format!("nonce {n} at another index"), at, &|a| {
                a.nonce_changes[n].block_access_index =
                    other(a.nonce_changes[n].block_access_index);
            });
        }
        for n in 0..account.code_changes.len() {
            add(format!("code {n} missing"), at, &|a| {
                a.code_changes.remove(n);
            });
            add(format!("code {n} wrong"), at, &|a| {
                a.code_changes[n].new_code = Bytes::from_static(&[0]);
            });
            add(format!("code {n} that is no code"), at, &|a| {
                a.code_changes[n].new_code = Bytes::from_static(&[0xef, 0x01, 0x00, 1]);
            });
        }
        for n in 0..account.storage_changes.len() {
            add(format!("slot {n} missing"), at, &|a| {
                a.storage_changes.remove(n);
            });
            add(format!("slot {n} as a read"), at, &|a| {
                let slot = a.storage_changes.remove(n).slot;
                a.storage_reads.push(slot);
                a.storage_reads.sort_unstable();
            });
            for m in 0..account.storage_changes[n].changes.len() {
                add(format!("slot {n} change {m} wrong"), at, &|a| {
                    a.storage_changes[n].changes[m].new_value += U256::from(1);
                });
                add(format!("slot {n} change {m} missing"), at, &|a| {
                    a.storage_changes[n].changes.remove(m);
                });
                add(format!("slot {n} change {m} at another index"), at, &|a| {
                    let change = &mut a.storage_changes[n].changes[m];
                    change.block_access_index = other(change.block_access_index);
                });
            }
        }
        for n in 0..account.storage_reads.len() {
            add(format!("read {n} missing"), at, &|a| {
                a.storage_reads.remove(n);
            });
        }
        extra(&mut add, at, last_index);
    }
    for at in 0..right.len() {
        let mut list = right.to_vec();
        list.remove(at);
        wrong.push((format!("{} missing", right[at].address), list));
        let mut list = right.to_vec();
        list.swap(at, (at + 1) % right.len());
        wrong.push((format!("{} out of order", right[at].address), list));
    }
    let mut list = right.to_vec();
    list.push(AccountChanges::new(Address::repeat_byte(0xff)));
    wrong.push(("an account that nobody accesses".to_owned(), list));
    wrong
}

/// One change of one account's entry.
type Edit<'e> = &'e dyn Fn(&mut AccountChanges);

/// Changes and reads that are not in the block.
fn extra(add: &mut dyn FnMut(String, usize, Edit<'_>), at: usize, last_index: u64) {
    let last = BlockAccessIndex::new(last_index);
    let slot = U256::MAX;
    add("an extra read".into(), at, &|a| a.storage_reads.push(slot));
    add("an extra slot".into(), at, &|a| {
        let change = StorageChange::new(last, U256::from(1));
        a.storage_changes.push(SlotChanges::new(slot, vec![change]));
    });
    add("an extra balance".into(), at, &|a| {
        a.balance_changes.push(BalanceChange::new(last, U256::from(1)));
    });
    add("an extra nonce".into(), at, &|a| a.nonce_changes.push(NonceChange::new(last, 1)));
    add("extra code".into(), at, &|a| {
        a.code_changes.push(CodeChange::new(last, Bytes::from_static(&[1])));
    });
}

#[test]
fn a_list_that_differs_anywhere_is_a_verdict_and_changes_nothing() {
    let (world, transactions) = block();
    let right = world.oracle(&transactions).unwrap();
    let list = decode(&right.access_list);
    let wrong = wrong_lists(&list, transactions.len() as u64 + 1);
    assert!(wrong.len() > 200, "only {} lists", wrong.len());
    for (what, list) in wrong {
        let list = alloy_rlp::encode(&list);
        for workers in [1, 2] {
            match with_list(&world, &transactions, &list, workers) {
                Ok(_) => panic!("{what}: accepted"),
                Err(error) => assert!(error.is_verdict(), "{what}: {error}"),
            }
        }
    }
    // And the executor is none the worse for it.
    with_list(&world, &transactions, &right.access_list, 2).unwrap();
}

#[test]
fn another_encoding_of_the_right_list_is_a_verdict() {
    let (world, transactions) = block();
    let right = world.oracle(&transactions).unwrap().access_list;
    let mut longer = right.to_vec();
    longer.push(0x80);
    assert!(with_list(&world, &transactions, &longer, 2).unwrap_err().is_verdict());
    assert!(with_list(&world, &transactions, &right[1..], 2).unwrap_err().is_verdict());
    assert!(with_list(&world, &transactions, &[], 2).unwrap_err().is_verdict());
    assert!(with_list(&world, &transactions, &[0xc0], 2).unwrap_err().is_verdict());
}

#[test]
fn a_block_without_transactions_is_verified_with_its_list() {
    let world = World::with_users(1);
    let expected = world.oracle(&[]).unwrap();
    let found = with_list(&world, &[], &expected.access_list, 2).unwrap();
    assert_same(&found, &expected, "an empty block");
}

#[test]
fn a_transaction_that_is_invalid_is_named_with_a_list_too() {
    let (world, mut transactions) = block();
    let list = world.oracle(&transactions).unwrap().access_list;
    transactions[9] = world.draft(3, 7, user(1)).sign();
    let error = with_list(&world, &transactions, &list, 2).unwrap_err();
    assert!(error.is_verdict(), "{error}");
}
