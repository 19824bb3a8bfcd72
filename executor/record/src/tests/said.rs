//! What standards are recognised by, and what is said of them.

use super::world::*;
use crate::ContractKind;
use crate::advice::{Collected, Rule, Words, advise};
use crate::names::{Namer, Registry, short};
use crate::trace::{Label, chrome, slices};
use alloy_primitives::U256;
use serde_json::json;
use weft_types::{Incarnation, IncarnationOutcome, RunMode, RunProfile, TxIndex};

fn first(ran: &Ran, registry: &Registry) -> (Rule, Words) {
    let block = ran.block();
    let advice = advise(&block, registry);
    let words = Words::new(&advice[0], &mut Namer::new(registry, block));
    (advice[0].rule, words)
}

#[test]
fn a_treasury_in_every_transfer_is_named_with_its_key() {
    let transfers: Vec<_> = (1..8u8)
        .map(|n| call(n, input("transfer(address,uint256)", &[7, u64::from(n) * u64::from(n)])))
        .collect();
    let ran = World::new(&fee_token()).run(&transfers);
    let mut registry = Registry::default();
    registry.register(TREASURY, Some("treasury".to_owned()), None, None).unwrap();
    let (rule, words) = first(&ran, &registry);
    assert_eq!(rule, Rule::SharedBalance);
    let token = short(&CONTRACT);
    assert_eq!(words.place, Some(format!("{token}.balances[treasury]")));
    assert!(words.guessed, "the layout is only the usual one");
    assert_eq!(ran.block().kinds()[&CONTRACT], ContractKind::Erc20);
}

#[test]
fn mints_that_number_tokens_are_a_sequence() {
    let mints: Vec<_> = (0..8).map(|n| call(n, input("mint(address)", &[9]))).collect();
    let ran = World::new(&collection()).run(&mints);
    assert_eq!(ran.block().kinds()[&CONTRACT], ContractKind::Erc721);
    let layout = json!({ "storage": [{ "label": "_nextTokenId", "slot": "6", "type": "t" }] });
    let mut registry = Registry::default();
    assert_eq!(first(&ran, &registry).0, Rule::MintSequence, "by the function's name");
    registry.register(CONTRACT, Some("Art".to_owned()), None, Some(layout)).unwrap();
    let (rule, words) = first(&ran, &registry);
    assert_eq!(rule, Rule::MintSequence);
    assert_eq!(words.title, "every mint changes Art._nextTokenId: 8 of 8 calls of Art.mint");
    assert!(!words.guessed);
}

#[test]
fn trades_on_one_pair_are_inherent() {
    let trades: Vec<_> = (1..8u8)
        .map(|n| call(n, input("swap(uint256,uint256,address,bytes)", &[0, u64::from(n).pow(2)])))
        .collect();
    let ran = World::new(&pair()).run(&trades);
    let (rule, words) = first(&ran, &Registry::default());
    assert_eq!(rule, Rule::PoolReserves);
    assert!(words.place.unwrap().ends_with(".reserves"));
}

#[test]
fn advice_about_many_blocks_is_one_piece_for_each_place() {
    let drafts: Vec<_> = (0..5).map(|n| call(n, input("increment()", &[]))).collect();
    let ran = World::new(&COUNTER).run(&drafts);
    let small = World::new(&COUNTER).run(&drafts[..3]);
    let quiet = World::new(&ADDER).run(&[call(0, add(1, 2, 3))]);
    let registry = Registry::default();
    let mut collected = Collected::default();
    for (number, ran) in [(4, &small), (5, &ran), (6, &quiet)] {
        collected.add(number, advise(&ran.block(), &registry));
    }
    let ranked = collected.ranked(10);
    assert_eq!(ranked.len(), 1, "a quiet block adds nothing to say");
    assert_eq!((ranked[0].number, ranked[0].blocks), (5, 2));
    assert_eq!(ranked[0].advice.delta, Some((U256::from(1), false)));
}

#[test]
fn a_trace_has_a_slice_for_each_run_and_an_arrow_for_each_abort() {
    let run = |index: u32, incarnation: u32, worker: u32, start_us: u64, outcome| Incarnation {
        index: TxIndex(index),
        incarnation,
        worker,
        start_us,
        duration_us: 10,
        outcome,
    };
    let aborted = IncarnationOutcome::Aborted { location: None, by: Some(TxIndex(0)) };
    let profile = RunProfile {
        mode: RunMode::BlockStm,
        workers: 2,
        incarnations: vec![
            run(0, 0, 0, 0, IncarnationOutcome::Settled),
            run(1, 0, 1, 1, aborted),
            run(1, 1, 1, 12, IncarnationOutcome::Settled),
        ],
        ..RunProfile::empty()
    };
    let label = |index: TxIndex| Label { name: format!("t{index}"), details: json!({}) };
    let runs = slices(&profile, |_, _| String::new());
    let trace = chrome(7, profile.workers, &runs, label);
    let events = trace["traceEvents"].as_array().unwrap();
    let count = |phase: &str| events.iter().filter(|event| event["ph"] == phase).count();
    assert_eq!((count("X"), count("M"), count("s"), count("f")), (3, 3, 1, 1));
    let flow = events.iter().find(|event| event["ph"] == "f").unwrap();
    assert_eq!((&flow["tid"], &flow["ts"]), (&json!(1), &json!(10.999)));
}
