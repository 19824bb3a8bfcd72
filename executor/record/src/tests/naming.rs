//! Names of places: what lies where by a layout, and which words of a transaction are tried as keys.

use super::sketch::Sketch;
use super::world::*;
use crate::Function;
use crate::names::{Name, Namer, Registry, short};
use alloy_primitives::{Address, B256, Bytes, Selector, TxKind, U256, address, hex, keccak256};
use serde_json::{Value, json};
use weft_types::{Location, TxIndex};

/// Slot of `mapping[key]` at a slot.
fn entry(key: U256, slot: U256) -> U256 {
    let bytes = [key.to_be_bytes::<32>(), slot.to_be_bytes::<32>()].concat();
    U256::from_be_bytes(keccak256(bytes).0)
}

/// Where the elements of an array at a slot begin.
fn elements(slot: U256) -> U256 {
    U256::from_be_bytes(keccak256(slot.to_be_bytes::<32>()).0)
}

fn key(address: Address) -> U256 {
    U256::from_be_bytes(address.into_word().0)
}

fn number(n: u64) -> U256 {
    U256::from(n)
}

/// A block of one call of [`CONTRACT`] by user 0, with these words.
fn called(words: &[U256]) -> Sketch {
    let mut sketch = Sketch::empty();
    call_with(&mut sketch, 0, words);
    sketch
}

fn call_with(sketch: &mut Sketch, n: u8, words: &[U256]) {
    let mut bytes = hex!("01020304").to_vec();
    words.iter().for_each(|word| bytes.extend(word.to_be_bytes::<32>()));
    sketch.add(user(n), TxKind::Call(CONTRACT), bytes.into(), 100);
}

/// The name of a slot of [`CONTRACT`] in a block, by the first transaction's words.
fn name(sketch: &Sketch, registry: &Registry, slot: U256) -> Option<Name> {
    Namer::new(registry, sketch.block()).variable(&CONTRACT, &slot, &[TxIndex(0)])
}

fn sure(text: &str) -> Option<Name> {
    Some(Name { text: text.to_owned(), guessed: false })
}

fn guess(text: impl Into<String>) -> Option<Name> {
    Some(Name { text: text.into(), guessed: true })
}

fn game() -> Value {
    let user = json!([
        { "label": "score", "slot": "0", "type": "t_uint" },
        { "label": "last", "slot": "1", "type": "t_uint" },
        { "label": "alive", "slot": "1", "type": "t_bool" },
    ]);
    json!({
        "storage": [
            { "label": "users", "slot": "1", "type": "t_users" },
            { "label": "queue", "slot": "2", "type": "t_queue" },
            { "label": "permits", "slot": "3", "type": "t_permits" },
            { "label": "lists", "slot": "4", "type": "t_lists" },
            { "label": "first", "slot": "5", "type": "t_user" },
        ],
        "types": {
            "t_user": { "encoding": "inplace", "numberOfBytes": "64", "members": user },
            "t_users": { "encoding": "mapping", "value": "t_user" },
            "t_queue": { "encoding": "dynamic_array", "base": "t_user" },
            "t_flags": { "encoding": "mapping", "value": "t_bool" },
            "t_permits": { "encoding": "mapping", "value": "t_flags" },
            "t_lists": { "encoding": "mapping", "value": "t_list" },
            "t_list": { "encoding": "dynamic_array", "base": "t_uint" },
        },
    })
}

#[test]
fn structures_arrays_and_nested_mappings_of_a_layout_have_names() {
    let mut registry = Registry::default();
    registry.register(CONTRACT, Some("Game".to_owned()), None, Some(game())).unwrap();
    let odd = U256::MAX / number(7);
    let sketch = called(&[number(9), odd]);
    let (sender, who) = (key(user(0)), short(&user(0)));
    let list = entry(sender, number(4));
    let odd_name = format!("users[0x2492…{}].score", &format!("{odd:x}")[60..]);
    for (slot, expected) in [
        (number(5), "first.score".to_owned()),
        (number(6), "first.last, alive".to_owned()),
        (entry(sender, number(1)), format!("users[{who}].score")),
        (entry(sender, number(1)) + number(1), format!("users[{who}].last, alive")),
        (entry(odd, number(1)), odd_name),
        (number(2), "queue.length".to_owned()),
        (elements(number(2)), "queue[0]".to_owned()),
        (elements(number(2)) + number(15), "queue[7]".to_owned()),
        (entry(number(9), entry(sender, number(3))), format!("permits[{who}][9]")),
        (entry(sender, entry(number(9), number(3))), format!("permits[9][{who}]")),
        (list, format!("lists[{who}].length")),
        (elements(list) + number(3), format!("lists[{who}][3]")),
    ] {
        assert_eq!(name(&sketch, &registry, slot), sure(&expected));
    }
    for slot in [number(7), number(0), elements(number(2)) - number(1), entry(sender, number(7))] {
        assert_eq!(name(&sketch, &registry, slot), None, "{slot:#x}");
    }
    let mut namer = Namer::new(&registry, sketch.block());
    let place = Location::Storage { address: CONTRACT, slot: elements(number(2)) - number(1) };
    let text = namer.location(&place, &[TxIndex(0)]).text;
    assert_eq!(text, "Game[0x4057…5acd]");
}

#[test]
fn a_token_behind_a_proxy_keeps_its_balances_in_a_namespace() {
    let base = U256::from_be_bytes(hex!(
        "52c63247e1f47db19d5ce0460030c497f067ca4cebf71ba98eeadabe20bace00"
    ));
    let mut sketch = called(&[number(9)]);
    sketch.emits(0, "Transfer(address,address,uint256)", &[B256::ZERO; 2]);
    let registry = Registry::default();
    let (sender, who) = (key(user(0)), short(&user(0)));
    let named = |slot: U256| name(&sketch, &registry, slot);
    assert_eq!(named(entry(sender, base)), guess(format!("balances[{who}]")));
    let allowance = entry(number(9), entry(sender, base + number(1)));
    assert_eq!(named(allowance), guess(format!("allowances[{who}][9]")));
    assert_eq!(named(base + number(2)), guess("totalSupply"));
    assert_eq!(named(entry(sender, number(0))), guess(format!("balances[{who}]")), "no proxy");
}

#[test]
fn a_guess_about_a_token_gives_way_to_what_the_block_does() {
    let mut sketch = called(&[number(9)]);
    sketch.emits(0, "Transfer(address,address,uint256)", &[B256::ZERO; 2]);
    let registry = Registry::default();
    assert_eq!(name(&sketch, &registry, number(3)), guess("name"));
    sketch.writes(Location::Storage { address: CONTRACT, slot: number(3) }, 0);
    assert_eq!(name(&sketch, &registry, number(3)), None, "a name does not change");
    assert_eq!(name(&sketch, &registry, number(2)), guess("totalSupply"));
    // What usually is a value may be a mapping; what is a mapping to values is not one to mappings.
    let who = short(&user(0));
    let at = |position: u64| entry(key(user(0)), number(position));
    assert_eq!(name(&sketch, &registry, at(2)), guess(format!("slot 2[{who}]")));
    let nested = |position: u64| entry(number(9), at(position));
    assert_eq!(name(&sketch, &registry, nested(2)), guess(format!("slot 2[{who}][9]")));
    assert_eq!(name(&sketch, &registry, nested(0)), None);
}

#[test]
fn so_many_words_are_tried_as_keys_and_fewer_as_outer_ones() {
    let registry = Registry::default();
    let words: Vec<U256> = (1000..1030).map(number).collect();
    let sketch = called(&words);
    let named = |slot: U256| name(&sketch, &registry, slot).map(|name| name.text);
    assert_eq!(named(entry(words[23], number(2))), Some("slot 2[1023]".to_owned()));
    assert_eq!(named(entry(words[24], number(2))), None);
    // Sender and target are the first two of twelve.
    let inner = |outer: usize| entry(number(1000), entry(words[outer], number(2)));
    assert_eq!(named(inner(9)), Some("slot 2[1009][1000]".to_owned()));
    assert_eq!(named(inner(10)), None);
    assert_eq!(named(entry(number(1000), number(15))), Some("slot 15[1000]".to_owned()));
    assert_eq!(named(entry(number(1000), number(16))), None);
}

#[test]
fn small_numbers_and_known_accounts_are_keys_that_nobody_mentions() {
    let sketch = called(&[]);
    let plain = Registry::default();
    let named = |registry: &Registry, key: U256| name(&sketch, registry, entry(key, number(2)));
    for n in 0..4 {
        assert_eq!(named(&plain, number(n)), guess(format!("slot 2[{n}]")));
    }
    assert_eq!(named(&plain, number(4)), None);
    let alice = key(address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
    assert_eq!(named(&plain, alice), None);
    assert_eq!(named(&Registry::with_developers(), alice), guess("slot 2[alice]"));
}

#[test]
fn the_words_of_four_transactions_are_tried() {
    let mut sketch = Sketch::empty();
    (0..6).for_each(|n| call_with(&mut sketch, n, &[]));
    let registry = Registry::default();
    let samples: Vec<TxIndex> = (0..6).map(TxIndex).collect();
    let named = |n: u8| {
        let slot = entry(key(user(n)), number(2));
        Namer::new(&registry, sketch.block()).variable(&CONTRACT, &slot, &samples)
    };
    assert_eq!(named(3), guess(format!("slot 2[{}]", short(&user(3)))));
    assert_eq!(named(4), None);
}

#[test]
fn a_namer_stops_hashing_at_its_bound() {
    let mut sketch = Sketch::empty();
    let count = 40u8;
    for n in 0..count {
        let words: Vec<U256> = (0..24).map(|w| number(1000 + 100 * u64::from(n) + w)).collect();
        call_with(&mut sketch, n, &words);
    }
    let registry = Registry::default();
    let mut namer = Namer::new(&registry, sketch.block());
    let mut named = |n: u8| {
        let slot = entry(number(1000 + 100 * u64::from(n)), number(2));
        namer.variable(&CONTRACT, &slot, &[TxIndex(u32::from(n))]).is_some()
    };
    assert!(named(0));
    let found = (1..count).filter(|n| named(*n)).count();
    assert!((5..30).contains(&found), "{found}");
    assert!(!named(count - 1));
    let slot = entry(number(1000 + 100 * u64::from(count - 1)), number(2));
    let fresh = Namer::new(&registry, sketch.block()).variable(
        &CONTRACT,
        &slot,
        &[TxIndex(u32::from(count - 1))],
    );
    assert!(fresh.is_some(), "a fresh one has hashes left");
}

#[test]
fn every_kind_of_place_has_a_name() {
    let bob = address!("70997970C51812dc3A010C7d01b50e0d17dc79C8");
    let sketch = called(&[]);
    for (registry, who) in
        [(Registry::default(), "0x7099…79C8"), (Registry::with_developers(), "bob")]
    {
        let mut namer = Namer::new(&registry, sketch.block());
        for (place, what) in [
            (Location::Balance { address: bob }, "balance"),
            (Location::Nonce { address: bob }, "nonce"),
            (Location::Code { address: bob }, "code"),
            (Location::StorageEpoch { address: bob }, "storage"),
        ] {
            let expected = Name { text: format!("{what} of {who}"), guessed: false };
            assert_eq!(namer.location(&place, &[]), expected);
        }
    }
}

#[test]
fn a_function_is_named_by_signature_or_selector() {
    let mut registry = Registry::default();
    let abi = json!([{ "type": "function", "name": "poke", "inputs": [{ "type": "bool" }] }]);
    registry.register(CONTRACT, Some("Game".to_owned()), Some(abi), None).unwrap();
    let mut sketch = called(&[]);
    sketch.add(user(1), TxKind::Call(user(2)), Bytes::new(), 100);
    let namer = Namer::new(&registry, sketch.block());
    assert_eq!(namer.function(&sketch.block().function(TxIndex(0))), "Game.0x01020304");
    assert_eq!(namer.function(&sketch.block().function(TxIndex(1))), short(&user(2)));
    let selector = Selector::from_slice(&keccak256("poke(bool)")[..4]);
    let poke = Function { contract: CONTRACT, selector: Some(selector) };
    assert_eq!(namer.function(&poke), "Game.poke");
    assert_eq!(namer.signature(&poke), Some("poke(bool)"));
}
