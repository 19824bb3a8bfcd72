//! What is said of which place, from how much waiting on, and in which order.

use super::sketch::{Sketch, slot};
use super::world::*;
use crate::Function;
use crate::advice::{ADVICE_MAX, Rule, Words};
use crate::names::{Namer, Registry, short};
use alloy_primitives::{Address, Selector, TxKind, keccak256};
use weft_types::Location;

/// The rules of what is said.
fn rules(sketch: &Sketch) -> Vec<Rule> {
    sketch.advice().iter().map(|piece| piece.rule).collect()
}

#[test]
fn a_balance_that_transactions_look_at_is_spoken_of() {
    let mut sketch = Sketch::of(&[100; 4]);
    let place = Location::Balance { address: CONTRACT };
    sketch.chain(place, &[0, 1, 2, 3]);
    let (piece, words) = sketch.only();
    assert_eq!((piece.rule, piece.location), (Rule::EtherBalance, Some(place)));
    assert_eq!((piece.count, piece.of, piece.delta), (4, 4, None));
    let account = short(&CONTRACT);
    assert_eq!(words.title, format!("balance of {account}: 4 transactions depend on it"));
    assert!(words.remedy.contains("could run 4.0x as fast as one by one, now 1.0x"), "{words:?}");
}

#[test]
fn code_of_the_same_block_is_spoken_of() {
    for place in
        [Location::Code { address: CONTRACT }, Location::StorageEpoch { address: CONTRACT }]
    {
        let mut sketch = Sketch::of(&[100; 4]);
        sketch.star(place, 0, &[1, 2, 3]);
        let (piece, words) = sketch.only();
        assert_eq!((piece.rule, piece.location), (Rule::FreshCode, Some(place)));
        let what = if matches!(place, Location::Code { .. }) { "code" } else { "storage" };
        let account = short(&CONTRACT);
        let end = "was set in this block and used by 3 transactions";
        assert_eq!(words.title, format!("{what} of {account} {end}"));
    }
}

#[test]
fn a_nonce_is_a_chain_where_half_are_the_accounts_own_and_a_factory_where_fewer_are() {
    let account = Address::repeat_byte(0xfa);
    let said = |own: usize, all: usize| {
        let mut sketch = Sketch::of(&vec![100; all]);
        sketch.senders[..own].fill(account);
        let place = Location::Nonce { address: account };
        sketch.chain(place, &(0..all as u32).collect::<Vec<_>>());
        let (piece, words) = sketch.only();
        assert_eq!((piece.location, piece.count), (Some(place), all));
        (piece.rule, words.title)
    };
    let name = short(&account);
    let chain = (Rule::NonceChain, format!("nonce chain: 4 transactions of {name}"));
    assert_eq!(said(2, 4), chain);
    let factory = format!("factory: 5 transactions create contracts from {name}");
    assert_eq!(said(2, 5), (Rule::FactoryNonce, factory));
    assert_eq!(said(0, 3).0, Rule::FactoryNonce);
    assert_eq!(said(3, 3).0, Rule::NonceChain);
}

#[test]
fn a_slot_of_one_sender_alone_is_not_spoken_of() {
    let mut sketch = Sketch::of(&[100; 4]);
    sketch.senders[..3].fill(user(9));
    sketch.chain(slot(5), &[0, 1, 2]);
    assert_eq!(sketch.only().0.rule, Rule::NothingToFix, "their nonce is what to speak of");
    sketch.chain(slot(5), &[2, 3]);
    assert_eq!(sketch.only().0.rule, Rule::HotSlot, "one wait for somebody else is enough");
}

#[test]
fn one_waiting_transaction_is_not_worth_a_word_and_two_are() {
    let mut sketch = Sketch::of(&[100; 3]);
    sketch.waits(slot(5), 0, 1);
    assert_eq!(rules(&sketch), [Rule::NothingToFix]);
    sketch.waits(slot(5), 0, 2);
    assert_eq!(rules(&sketch), [Rule::HotSlot]);
}

#[test]
fn a_tenth_of_the_gas_must_have_waited() {
    let said = |heavy: u64| {
        let mut sketch = Sketch::of(&[50, 50, 50, heavy]);
        sketch.star(slot(5), 0, &[1, 2]);
        rules(&sketch)
    };
    // The path is the heavy transaction, where nobody waits.
    assert_eq!(said(850), [Rule::HotSlot], "100 of 1000");
    assert_eq!(said(851), [Rule::NothingToFix], "100 of 1001");
}

#[test]
fn or_a_tenth_of_the_path() {
    let said = |first: u64| {
        let mut sketch = Sketch::of(&[first, 100, 1, 500, 500, 500, 500]);
        sketch.star(slot(5), 0, &[1, 2]);
        rules(&sketch)
    };
    // 101 of more than 3000 waited, but the path goes through one of them.
    assert_eq!(said(900), [Rule::HotSlot], "100 of 1000");
    assert_eq!(said(901), [Rule::NothingToFix], "100 of 1001");
}

#[test]
fn the_most_called_function_is_named_and_the_first_of_equals() {
    let said = |functions: &[&str], concerned: &[u32]| {
        let mut sketch = Sketch::empty();
        for (n, function) in functions.iter().enumerate() {
            sketch.add(user(n as u8), TxKind::Call(CONTRACT), input(function, &[]), 100);
        }
        sketch.chain(slot(5), concerned);
        sketch.only().0
    };
    let selector = |text: &str| Selector::from_slice(&keccak256(text)[..4]);
    let named = |text: &str| Some(Function { contract: CONTRACT, selector: Some(selector(text)) });
    let mut three = ["a()", "b()", "c()"];
    three.sort_by_key(|text| selector(text));
    let [low, middle, high] = three;
    for most in three {
        let others: Vec<&str> = three.into_iter().filter(|text| *text != most).collect();
        let piece = said(&[others[0], others[1], most, most], &[0, 1, 2, 3]);
        assert_eq!(piece.function, named(most));
        assert_eq!((piece.count, piece.of), (4, 4), "more are concerned than call it");
    }
    assert_eq!(said(&[high, middle, low], &[0, 1, 2]).function, named(low));
    let piece = said(&[low; 5], &[0, 2, 4]);
    assert_eq!((piece.count, piece.of), (3, 5), "two calls meet nobody");
}

#[test]
fn what_would_shorten_the_path_comes_first_and_then_what_made_most_wait() {
    let mut sketch = Sketch::of(&[100, 100, 100, 100, 100, 200, 100, 90, 90]);
    sketch.star(slot(7), 0, &[1, 2, 3]);
    sketch.star(slot(3), 0, &[1, 2]);
    sketch.star(slot(2), 0, &[1, 2, 4]);
    sketch.chain(slot(9), &[5, 6, 7]);
    let pieces = sketch.advice();
    let order: Vec<_> = pieces
        .iter()
        .map(|p| (p.location.unwrap(), p.without.path_gas, p.serialised_gas))
        .collect();
    assert_eq!(
        order,
        [(slot(9), 200, 190), (slot(2), 390, 300), (slot(7), 390, 300), (slot(3), 390, 200)]
    );
    let words = |n: usize| {
        let registry = Registry::default();
        Words::new(&pieces[n], &mut Namer::new(&registry, sketch.block())).remedy
    };
    assert!(
        words(0).contains("Without it this block could run 4.9x as fast as one by one, now 2.5x"),
        "{}",
        words(0)
    );
    assert!(words(1).contains("By itself this would not shorten the path"), "{}", words(1));
}

#[test]
fn at_most_so_many_pieces_are_given() {
    let mut sketch = Sketch::of(&[100; 6]);
    for place in 0..=ADVICE_MAX as u64 {
        sketch.star(slot(20 - place), 0, &[1, 2]);
    }
    let places: Vec<_> = sketch.advice().iter().map(|piece| piece.location.unwrap()).collect();
    let expected: Vec<_> = (12..20u64).map(slot).collect();
    assert_eq!(places, expected, "equals are in the order of their places, the last is left out");
}
