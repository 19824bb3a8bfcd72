//! What a slot is taken for, by its values, its contract's events and layout, and the function that changes it.

use super::sketch::{Sketch, at};
use super::world::*;
use crate::ContractKind;
use crate::advice::{Rule, Words, advise};
use crate::names::{Namer, Registry};
use alloy_primitives::{B256, U256};
use serde_json::{Value, json};

/// A slot, and what is known of it.
#[derive(Clone)]
struct Case {
    slot: U256,
    function: &'static str,
    event: Option<(&'static str, usize)>,
    layout: Option<Value>,
}

/// Slot 5 of a contract of which nothing is known.
const PLAIN: Case =
    Case { slot: U256::from_limbs([5, 0, 0, 0]), function: "poke()", event: None, layout: None };
/// An event of ERC-20.
const TOKEN: Option<(&str, usize)> = Some(("Transfer(address,address,uint256)", 2));

impl Case {
    /// The rule, the step and the words when the slot takes these values and two more transactions read the last one.
    fn words(&self, values: &[u64]) -> (Rule, Option<(u64, bool)>, Words) {
        let count = values.len() + 2;
        let mut sketch = Sketch::calling(self.function, &vec![100; count]);
        let writers: Vec<u32> = (0..values.len() as u32).collect();
        sketch.chain(at(self.slot), &writers);
        let last = values.len() as u32 - 1;
        sketch.star(at(self.slot), last, &[last + 1, last + 2]);
        let listed = values.iter().enumerate().map(|(place, value)| (place as u64 + 1, *value));
        sketch.listed(self.slot, &listed.collect::<Vec<_>>());
        if let Some((event, topics)) = self.event {
            sketch.emits(0, event, &vec![B256::ZERO; topics]);
        }
        let mut registry = Registry::default();
        registry.register(CONTRACT, None, None, self.layout.clone()).unwrap();
        let block = sketch.block();
        let mut all = advise(&block, &registry);
        assert_eq!(all.len(), 1, "{all:#?}");
        let piece = all.remove(0);
        let delta = piece.delta.map(|(size, falls)| (size.to::<u64>(), falls));
        (piece.rule, delta, Words::new(&piece, &mut Namer::new(&registry, block)))
    }

    fn rule(&self, values: &[u64]) -> (Rule, Option<(u64, bool)>) {
        let (rule, delta, _) = self.words(values);
        (rule, delta)
    }
}

/// A slot that only a hash can be.
fn hashed() -> U256 {
    mapping_slot(&TREASURY, 0)
}

#[test]
fn a_counter_rises_or_falls_by_the_same_at_least_twice() {
    assert_eq!(PLAIN.rule(&[5, 10, 15]), (Rule::GlobalCounter, Some((5, false))));
    let (rule, delta, words) = PLAIN.words(&[9, 8, 7]);
    assert_eq!((rule, delta), (Rule::GlobalCounter, Some((1, true))));
    assert!(words.title.contains(" changes by −1 in 5 of 5 calls of "), "{}", words.title);
    assert_eq!(PLAIN.rule(&[5, 10]), (Rule::HotSlot, None), "one step says nothing of the next");
    assert_eq!(PLAIN.rule(&[5, 10, 16]), (Rule::HotSlot, None));
}

#[test]
fn a_flag_has_a_small_value_and_is_set_once() {
    assert_eq!(PLAIN.rule(&[0]).0, Rule::SetOnce);
    assert_eq!(PLAIN.rule(&[2]).0, Rule::SetOnce);
    assert_eq!(PLAIN.rule(&[3]).0, Rule::HotSlot);
    assert_eq!(PLAIN.rule(&[2, 1]).0, Rule::HotSlot);
}

#[test]
fn a_layout_says_what_counts_mints() {
    let named = |label: &str| {
        let variables = json!([
            { "label": "paused", "slot": "5", "type": "t" }, { "label": label, "slot": "5", "type": "t" },
            { "label": "totalSupply", "slot": "6", "type": "t" },
        ]);
        Case { layout: Some(json!({ "storage": variables })), ..PLAIN }
    };
    assert_eq!(named("_totalSupply").rule(&[1, 3, 4]), (Rule::MintSequence, None));
    assert_eq!(named("_nextTokenId").rule(&[1, 2, 3]), (Rule::MintSequence, Some((1, false))));
    assert_eq!(named("owner").rule(&[1, 3, 4]), (Rule::HotSlot, None));
}

#[test]
fn a_claim_is_a_mint_of_a_numbered_slot_or_of_a_steady_one() {
    let claim = Case { function: "claim()", ..PLAIN };
    assert_eq!(claim.rule(&[1, 3, 4]), (Rule::MintSequence, None));
    let own = Case { slot: hashed(), ..claim };
    assert_eq!(own.rule(&[1, 3, 4]), (Rule::HotSlot, None));
    assert_eq!(own.rule(&[1, 2, 3]), (Rule::MintSequence, Some((1, false))));
}

#[test]
fn a_balance_is_a_hashed_slot_of_a_token() {
    let transfer = "transfer(address,uint256)";
    let balance = Case { slot: hashed(), function: transfer, event: TOKEN, layout: None };
    assert_eq!(balance.rule(&[5, 10, 15]), (Rule::SharedBalance, None), "a fee that is always 5");
    assert_eq!(balance.rule(&[5, 11, 12]), (Rule::SharedBalance, None));
    let other = Case { function: "poke()", ..balance.clone() };
    assert_eq!(other.rule(&[5, 11, 12]), (Rule::SharedBalance, None));
    assert_eq!(other.rule(&[5, 10, 15]), (Rule::GlobalCounter, Some((5, false))));
    let numbered = Case { slot: U256::from(5), ..balance.clone() };
    assert_eq!(numbered.rule(&[5, 11, 12]), (Rule::HotSlot, None));
    let no_token = Case { event: None, ..balance.clone() };
    assert_eq!(no_token.rule(&[5, 11, 12]), (Rule::HotSlot, None));
    // A variable of its own at that place, as contracts with namespaces have.
    let label = json!({ "label": "fees", "slot": hashed().to_string(), "type": "t" });
    let variable = Case { layout: Some(json!({ "storage": [label] })), ..balance };
    assert_eq!(variable.rule(&[5, 11, 12]), (Rule::HotSlot, None));
}

#[test]
fn reserves_are_the_numbered_slots_of_a_pool() {
    let swap = "Swap(address,address,int256,int256,uint160,uint128,int24)";
    let pool = Case { slot: U256::ZERO, event: Some((swap, 2)), ..PLAIN };
    assert_eq!(pool.rule(&[5, 10, 15]), (Rule::PoolReserves, None));
    let tick = Case { slot: hashed(), ..pool };
    assert_eq!(tick.rule(&[5, 11, 12]), (Rule::HotSlot, None));
}

#[test]
fn contracts_are_known_by_their_events() {
    let swap = "Swap(address,address,int256,int256,uint160,uint128,int24)";
    let deposit = "Deposit(address,address,uint256,uint256)";
    let single = "TransferSingle(address,address,address,uint256,uint256)";
    let transfer = "Transfer(address,address,uint256)";
    for (event, topics, kind) in [
        (transfer, 2, Some(ContractKind::Erc20)),
        (transfer, 3, Some(ContractKind::Erc721)),
        (transfer, 1, None),
        (single, 3, Some(ContractKind::Erc1155)),
        (deposit, 2, Some(ContractKind::Erc4626)),
        ("Deposit(address,uint256)", 1, Some(ContractKind::Weth)),
        ("Deposit(address,uint256)", 0, None),
        ("Sync(uint112,uint112)", 0, Some(ContractKind::UniswapV2Pair)),
        (swap, 2, Some(ContractKind::UniswapV3Pool)),
        ("Poked()", 0, None),
    ] {
        let mut sketch = Sketch::of(&[100]);
        sketch.emits(0, event, &vec![B256::ZERO; topics]);
        assert_eq!(sketch.block().kinds().get(&CONTRACT).copied(), kind, "{event} {topics}");
    }
}

#[test]
fn a_pair_is_a_pair_whichever_event_comes_first() {
    for turned in [false, true] {
        let mut events = [("Sync(uint112,uint112)", 0), ("Transfer(address,address,uint256)", 2)];
        if turned {
            events.reverse();
        }
        let mut sketch = Sketch::of(&[100; 2]);
        for (place, (event, topics)) in events.into_iter().enumerate() {
            sketch.emits(place as u32, event, &vec![B256::ZERO; topics]);
        }
        assert_eq!(sketch.block().kinds()[&CONTRACT], ContractKind::UniswapV2Pair);
    }
}

#[test]
fn values_before_and_after_the_transactions_are_nobodys() {
    let mut sketch = Sketch::of(&[100; 2]);
    sketch.listed(U256::from(5), &[(0, 10), (1, 11), (2, 12), (3, 13)]);
    let values: Vec<_> = sketch.block().slot_values(&CONTRACT, &U256::from(5));
    let values: Vec<_> = values.iter().map(|(place, value)| (place.0, value.to::<u64>())).collect();
    assert_eq!(values, [(0, 11), (1, 12)]);
}
