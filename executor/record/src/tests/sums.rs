//! Sums over locations and blocks: amounts, order and limits.

use super::sketch::{Sketch, slot};
use super::world::*;
use crate::advice::{Collected, Rule};
use crate::conflict::{conflicts, locations_between};
use crate::hotspot::{By, Hotspot, PLACES_MAX, Place, SAMPLES_MAX, Tally};
use alloy_primitives::U256;
use weft_types::{EdgeKind, Location, ReadAccess, TxIndex, Writer};

#[test]
fn conflicts_are_ordered_by_what_waited_and_then_by_place() {
    let mut sketch = Sketch::of(&[10, 20, 30, 40]);
    sketch.star(slot(1), 0, &[1]);
    sketch.star(slot(2), 0, &[3]);
    sketch.star(slot(3), 0, &[1, 2, 3]);
    sketch.star(slot(4), 2, &[3]);
    let found: Vec<_> =
        conflicts(&sketch.access).iter().map(|one| (one.location, one.serialised_gas)).collect();
    let expected = [(slot(3), 90), (slot(2), 40), (slot(4), 40), (slot(1), 20)];
    assert_eq!(found, expected);
}

#[test]
fn what_binds_two_transactions_begins_with_slots() {
    let mut sketch = Sketch::of(&[10; 3]);
    let nonce = Location::Nonce { address: CONTRACT };
    let balance = Location::Balance { address: CONTRACT };
    for place in [slot(8), nonce, balance, slot(7)] {
        sketch.waits(place, 0, 2);
    }
    sketch.waits(slot(9), 1, 2);
    assert_eq!(
        locations_between(&sketch.access, TxIndex(0), TxIndex(2)),
        [
            (EdgeKind::Storage, slot(7)),
            (EdgeKind::Storage, slot(8)),
            (EdgeKind::Balance, balance),
            (EdgeKind::Nonce, nonce)
        ]
    );
    assert_eq!(locations_between(&sketch.access, TxIndex(0), TxIndex(7)), [], "no such one");
}

fn ranked(sketch: &Sketch, by: By, limit: usize) -> Vec<Hotspot> {
    let mut tally = Tally::new(by);
    tally.add(3, &sketch.block());
    assert!(!tally.truncated);
    tally.ranked(limit)
}

#[test]
fn the_hottest_places_come_first_and_the_rest_is_cut_off() {
    let mut sketch = Sketch::of(&[10, 20, 30, 40]);
    sketch.star(slot(1), 0, &[1]);
    sketch.star(slot(2), 0, &[1, 2, 3]);
    sketch.star(slot(3), 0, &[3]);
    sketch.star(slot(4), 1, &[3]);
    let of = |hotspot: &Hotspot| (hotspot.place, hotspot.serialised_gas);
    let all: Vec<_> = ranked(&sketch, By::Slot, 9).iter().map(of).collect();
    let place = |n: u64| Place::Location(slot(n));
    assert_eq!(all, [(place(2), 90), (place(3), 40), (place(4), 40), (place(1), 20)]);
    let two: Vec<_> = ranked(&sketch, By::Slot, 2).iter().map(of).collect();
    assert_eq!(two, all[..2]);
}

#[test]
fn a_hot_spot_names_the_first_of_those_who_waited() {
    let mut sketch = Sketch::of(&[10; 12]);
    sketch.star(slot(1), 0, &(1..12).collect::<Vec<_>>());
    let found = ranked(&sketch, By::Slot, 9).remove(0);
    assert_eq!((found.waiting, found.writers, found.blocks), (11, 1, 1));
    let first: Vec<_> = (1..=SAMPLES_MAX as u32).map(|n| (3, TxIndex(n))).collect();
    assert_eq!(found.samples, first);
}

#[test]
fn more_places_than_are_kept_apart_are_left_out_and_that_is_said() {
    let mut sketch = Sketch::of(&[10; 3]);
    let read =
        |n: usize| ReadAccess { location: slot(n as u64), from: Writer::Transaction(TxIndex(0)) };
    sketch.access.transactions[1].reads = (0..PLACES_MAX).map(read).collect();
    let mut tally = Tally::new(By::Slot);
    tally.add(1, &sketch.block());
    assert!(!tally.truncated, "exactly as many as there may be");
    tally.add(2, &sketch.block());
    assert!(!tally.truncated, "the same again");
    sketch.access.transactions[2].reads = vec![read(1), read(PLACES_MAX)];
    tally.add(3, &sketch.block());
    assert!(tally.truncated);
    assert_eq!(tally.serialised_gas, 40, "whoever waited is counted, wherever it was");
    let ranked = tally.ranked(usize::MAX);
    assert_eq!(ranked.len(), PLACES_MAX);
    assert_eq!((ranked[0].place, ranked[0].serialised_gas), (Place::Location(slot(1)), 40));
}

#[test]
fn advice_is_summed_over_blocks_and_the_costliest_block_is_shown() {
    let pieces = |a: u64, b: u64| {
        let mut sketch = Sketch::of(&[100; 3]);
        sketch.star(slot(1), 0, &[1, 2]);
        let mut first = sketch.only().0;
        first.serialised_gas = a;
        let mut second = first.clone();
        (second.location, second.serialised_gas) = (Some(slot(2)), b);
        vec![first, second]
    };
    let collected = || {
        let mut collected = Collected::default();
        collected.add(11, pieces(300, 100));
        collected.add(12, pieces(300, 600));
        collected.add(13, pieces(20, 600));
        collected
    };
    let said: Vec<_> = (collected().ranked(9).iter())
        .map(|e| (e.advice.location, e.serialised_gas, e.blocks, e.number, e.advice.serialised_gas))
        .collect();
    let (one, two) = (Some(slot(1)), Some(slot(2)));
    assert_eq!(said, [(two, 1300, 3, 12, 600), (one, 620, 3, 11, 300)]);
    let first: Vec<_> = collected().ranked(1).iter().map(|entry| entry.advice.location).collect();
    assert_eq!(first, [two]);
}

#[test]
fn the_same_place_by_another_rule_is_another_piece() {
    let mut sketch = Sketch::of(&[100; 3]);
    sketch.star(slot(1), 0, &[1, 2]);
    let hot = sketch.only().0;
    sketch.listed(U256::from(1), &[(1, 1)]);
    let once = sketch.only().0;
    let mut collected = Collected::default();
    collected.add(1, vec![hot]);
    collected.add(2, vec![once]);
    let mut rules: Vec<_> = collected.ranked(9).iter().map(|entry| entry.advice.rule).collect();
    rules.sort();
    assert_eq!(rules, [Rule::SetOnce, Rule::HotSlot]);
}
