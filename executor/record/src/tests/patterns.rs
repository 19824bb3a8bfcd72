//! Blocks made by hand: edges, critical path, hot spot and advice exactly as expected, whatever the workers.

use super::world::*;
use crate::advice::{Advice, Rule, Words, advise, if_followed};
use crate::conflict::conflicts;
use crate::graph;
use crate::hotspot::{By, Place, Tally};
use crate::names::{Namer, Registry};
use alloy_primitives::{Bytes, U256};
use weft_types::{EdgeKind, Location, TxIndex};

fn slot(slot: impl Into<U256>) -> Location {
    Location::Storage { address: CONTRACT, slot: slot.into() }
}

/// Edges as (writer, reader).
fn edges(ran: &Ran) -> Vec<(u32, u32)> {
    ran.executed.access_record.edges().iter().map(|edge| (edge.from.0, edge.to.0)).collect()
}

/// The critical path; the best speed-ups are exactly what it and the work allow.
fn path(ran: &Ran) -> Vec<TxIndex> {
    let access = &ran.executed.access_record;
    let path = graph::heaviest_path(access, |_| true);
    let gas = |index: &TxIndex| ran.block().gas(*index);
    assert_eq!(path.gas, path.transactions.iter().map(gas).sum::<u64>());
    let work = ran.executed.gas_used as f64;
    assert_eq!(access.best_speedup(None), work / path.gas as f64);
    for workers in [2, 4, 8, 16] {
        let bound = (path.gas as f64).max(work / f64::from(workers));
        assert_eq!(access.best_speedup(Some(workers)), work / bound, "{workers} workers");
    }
    path.transactions
}

/// The advice and its words.
fn advice(ran: &Ran) -> Vec<(Advice, Words)> {
    let registry = Registry::default();
    let block = ran.block();
    let mut namer = Namer::new(&registry, block);
    let pieces = advise(&block, &registry);
    pieces.into_iter().map(|piece| (piece.clone(), Words::new(&piece, &mut namer))).collect()
}

fn only(ran: &Ran) -> (Advice, Words) {
    let mut all = advice(ran);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

#[test]
fn independent_calls_wait_for_nobody() {
    let drafts: Vec<_> =
        (0..8).map(|n| call(n, add(100 + u64::from(n), 200, 300 + u64::from(n)))).collect();
    let ran = World::new(&ADDER).run(&drafts);
    assert_eq!(edges(&ran), []);
    assert_eq!(path(&ran).len(), 1);
    assert_eq!(graph::depths(&ran.executed.access_record), [0; 8]);
    let (advice, words) = only(&ran);
    assert_eq!(advice.rule, Rule::NothingToFix);
    assert_eq!(words.title, "nothing to fix: no transaction waits for another");
    assert!(ran.executed.access_record.best_speedup(None) > 7.9);
}

#[test]
fn a_counter_is_called_a_counter_and_costs_everything() {
    let drafts: Vec<_> = (0..10).map(|n| call(n, input("increment()", &[]))).collect();
    let ran = World::new(&COUNTER).run(&drafts);
    let chain: Vec<(u32, u32)> = (1..10).map(|n| (n - 1, n)).collect();
    assert_eq!(edges(&ran), chain);
    assert_eq!(path(&ran).len(), 10);
    let found = conflicts(&ran.executed.access_record);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].location, found[0].kind), (slot(U256::ZERO), EdgeKind::Storage));
    assert_eq!((found[0].writers.len(), found[0].waits.len()), (10, 9));
    assert_eq!(found[0].serialised_gas, ran.executed.gas_used - ran.block().gas(TxIndex(0)));
    assert_eq!(found[0].path_gas, found[0].serialised_gas, "it binds every step");
    let (advice, words) = only(&ran);
    assert_eq!(advice.rule, Rule::GlobalCounter);
    assert_eq!(advice.delta, Some((U256::from(1), false)));
    assert_eq!((advice.count, advice.of), (10, 10));
    assert_eq!(advice.transactions[..3], places(&[0, 1, 2]));
    assert!(words.title.contains("changes by +1 in 10 of 10 calls of"), "{}", words.title);
    assert!(words.title.contains(".increment"), "{}", words.title);
    assert!(words.remedy.contains("now 1.0x"), "{}", words.remedy);
    let followed = if_followed(&ran.block(), &[advice]);
    // The first call pays for a new slot, so it is heavier than the others.
    assert!(followed.work_gas >= 6 * followed.path_gas, "{followed:?}");
}

#[test]
fn a_chain_of_different_slots_has_the_path_of_all() {
    let drafts: Vec<_> = (0..6).map(|n| call(n, add(u64::from(n), 99, u64::from(n) + 1))).collect();
    let ran = World::new(&ADDER).run(&drafts);
    assert_eq!(edges(&ran), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]);
    assert_eq!(path(&ran), places(&[0, 1, 2, 3, 4, 5]));
    let steps = graph::critical_steps(&ran.executed.access_record);
    assert_eq!(steps[0].via, []);
    assert_eq!(steps[3].via, [(EdgeKind::Storage, slot(U256::from(3)))]);
    assert!(ran.executed.access_record.best_speedup(None) < 1.01);
}

#[test]
fn a_star_waits_for_the_one_that_set_the_value() {
    // Transaction 0 sets slot 5 to 1; the others read it and write slots of their own.
    let mut drafts = vec![call(0, add(98, 99, 5))];
    drafts.extend((1..8).map(|n| call(n, add(5, 99, 10 + u64::from(n)))));
    let ran = World::new(&ADDER).run(&drafts);
    assert_eq!(edges(&ran), (1..8).map(|n| (0, n)).collect::<Vec<_>>());
    assert_eq!(path(&ran).len(), 2);
    assert_eq!(graph::depths(&ran.executed.access_record), [0, 1, 1, 1, 1, 1, 1, 1]);
    let (advice, words) = only(&ran);
    assert_eq!((advice.rule, advice.location), (Rule::SetOnce, Some(slot(U256::from(5)))));
    assert!(words.title.ends_with("was set once, and 7 transactions waited for it"), "{words:?}");
}

#[test]
fn two_chains_run_beside_each_other() {
    let drafts: Vec<_> = (0..8)
        .map(|n| {
            let chain = 1_000 * u64::from(n % 2) + 10;
            call(n, add(chain, 99, chain))
        })
        .collect();
    let ran = World::new(&ADDER).run(&drafts);
    assert_eq!(edges(&ran), [(0, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7)]);
    assert_eq!(path(&ran).len(), 4);
    let speedup = ran.executed.access_record.best_speedup(None);
    assert!((1.95..2.05).contains(&speedup), "{speedup}");
    let rules: Vec<Rule> = advice(&ran).iter().map(|(advice, _)| advice.rule).collect();
    assert_eq!(rules, [Rule::GlobalCounter, Rule::GlobalCounter]);
    let (first, _) = &advice(&ran)[0];
    // The other chain stays, and is as heavy but for the cost of the input's zeros.
    assert!(first.without.path_gas * 100 > first.now.path_gas * 99, "{first:?}");
    let block = ran.block();
    let all: Vec<Advice> = advice(&ran).into_iter().map(|(advice, _)| advice).collect();
    assert!(if_followed(&block, &all).path_gas < first.now.path_gas / 2);
}

#[test]
fn a_diamond_joins_in_its_last_transaction() {
    let ran = World::new(&ADDER).run(&[
        call(0, add(90, 91, 1)),
        call(1, add(1, 92, 2)),
        call(2, add(1, 93, 3)),
        call(3, add(2, 3, 4)),
    ]);
    assert_eq!(edges(&ran), [(0, 1), (0, 2), (1, 3), (2, 3)]);
    assert_eq!(graph::depths(&ran.executed.access_record), [0, 1, 1, 2]);
    let path = path(&ran);
    assert_eq!((path.len(), path[0], path[2]), (3, TxIndex(0), TxIndex(3)));
}

#[test]
fn a_guard_that_is_put_back_costs_no_waiting() {
    let mut world = World::new(&GUARDED);
    world.state.set_storage(CONTRACT, U256::ZERO, U256::from(1));
    let drafts: Vec<_> = (0..8).map(|n| call(n, Bytes::new())).collect();
    let ran = world.run(&drafts);
    assert_eq!(edges(&ran), []);
    assert_eq!(only(&ran).0.rule, Rule::NothingToFix);
    // The first transaction ever to take a guard that nobody initialised leaves 1 in place of 0.
    let ran = World::new(&GUARDED).run(&drafts);
    assert_eq!(edges(&ran), (1..8).map(|n| (0, n)).collect::<Vec<_>>());
    assert_eq!(only(&ran).0.rule, Rule::SetOnce);
}

#[test]
fn deposits_of_different_users_do_not_meet_and_have_names() {
    let deposit = |n: u8, nonce: u64| Draft { value: 5, nonce, ..call(n, input("deposit()", &[])) };
    let ran = World::new(&weth()).run(&(0..8).map(|n| deposit(n, 0)).collect::<Vec<_>>());
    assert_eq!(edges(&ran), [], "the contract's ether balance only rises");
    let ran = World::new(&weth()).run(&[deposit(0, 0), deposit(1, 0), deposit(0, 1)]);
    let found = conflicts(&ran.executed.access_record);
    let mut names: Vec<String> = Vec::new();
    let registry = Registry::default();
    let mut namer = Namer::new(&registry, ran.block());
    for conflict in &found {
        let reader = conflict.waits[0].0;
        names.push(namer.location(&conflict.location, &[reader]).text);
    }
    names.sort();
    let user = crate::names::short(&user(0));
    let contract = crate::names::short(&CONTRACT);
    assert_eq!(names, [format!("{contract}.balanceOf[{user}]"), format!("nonce of {user}")]);
}

#[test]
fn one_sender_is_a_nonce_chain() {
    let drafts: Vec<_> =
        (0..6).map(|nonce| Draft { nonce, ..call(1, add(50 + nonce, 51, 70 + nonce)) }).collect();
    let ran = World::new(&ADDER).run(&drafts);
    assert_eq!(path(&ran).len(), 6);
    let nonce = advice(&ran).into_iter().find(|(advice, _)| advice.rule == Rule::NonceChain);
    let (advice, words) = nonce.expect("the chain is seen");
    assert_eq!(advice.location, Some(Location::Nonce { address: user(1) }));
    assert!(words.title.starts_with("nonce chain: 6 transactions of"), "{}", words.title);
}

#[test]
fn one_heavy_transaction_is_not_the_authors_fault() {
    let mut world = World::new(&ADDER);
    let heavy = alloy_primitives::Address::repeat_byte(0xbb);
    world.state.set_code(heavy, Bytes::copy_from_slice(&BURNER));
    let mut drafts: Vec<_> = (0..8).map(|n| call(n, add(100, 200, 300 + u64::from(n)))).collect();
    drafts.push(Draft { to: heavy, gas: 5_000_000, ..call(9, Bytes::new()) });
    let ran = world.run(&drafts);
    let (advice, words) = only(&ran);
    assert_eq!((advice.rule, advice.transactions), (Rule::OneTransaction, places(&[8])));
    assert!(words.title.contains("one transaction of 4.9"), "{}", words.title);
}

#[test]
fn hot_spots_are_summed_over_blocks_by_each_measure() {
    let drafts: Vec<_> = (0..4).map(|n| call(n, input("increment()", &[]))).collect();
    let ran = World::new(&COUNTER).run(&drafts);
    let waited = ran.executed.gas_used - ran.block().gas(TxIndex(0));
    for by in [By::Slot, By::Account, By::Function, By::Sender] {
        let mut tally = Tally::new(by);
        tally.add(1, &ran.block());
        tally.add(2, &ran.block());
        assert_eq!(tally.work_gas, 2 * ran.executed.gas_used);
        assert_eq!(tally.serialised_gas, 2 * waited);
        let ranked = tally.ranked(10);
        let total: u64 = ranked.iter().map(|hotspot| hotspot.serialised_gas).sum();
        assert_eq!(total, 2 * waited, "{by:?}");
        match by {
            By::Sender => assert_eq!(ranked.len(), 3),
            _ => {
                assert_eq!(ranked.len(), 1, "{by:?}");
                assert_eq!((ranked[0].waiting, ranked[0].writers, ranked[0].blocks), (6, 6, 2));
            }
        }
        if by == By::Slot {
            assert_eq!(ranked[0].place, Place::Location(slot(U256::ZERO)));
            assert_eq!(ranked[0].samples[0], (1, TxIndex(1)));
        }
    }
}
