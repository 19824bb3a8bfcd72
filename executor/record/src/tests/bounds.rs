//! Limits of what callers tell about contracts.

use super::world::*;
use crate::names::{Artifact, Layout, NameError, Registry, Shape, Variable};
use alloy_primitives::{Address, U256, hex};
use serde_json::{Value, json};
use std::sync::Arc;

fn registered(abi: Option<Value>, layout: Option<Value>) -> Result<Registry, NameError> {
    let mut registry = Registry::default();
    registry.register(CONTRACT, None, abi, layout)?;
    Ok(registry)
}

fn large(found: Result<Registry, NameError>) -> Option<(&'static str, usize)> {
    match found {
        Err(NameError::Large { what, limit }) => Some((what, limit)),
        Err(other) => panic!("{other}"),
        Ok(_) => None,
    }
}

#[test]
fn a_signature_has_at_most_512_bytes() {
    let abi = |length: usize| {
        let name = "x".repeat(length - "()".len());
        registered(Some(json!([{ "type": "function", "name": name, "inputs": [] }])), None)
    };
    assert_eq!(large(abi(512)), None);
    assert_eq!(large(abi(513)), Some(("bytes of a signature", 512)));
}

#[test]
fn tuples_are_nested_at_most_eight_deep() {
    let abi = |tuples: usize| {
        let mut input = json!({ "type": "bool" });
        for _ in 0..tuples {
            input = json!({ "type": "tuple", "components": [input] });
        }
        registered(Some(json!([{ "type": "function", "name": "f", "inputs": [input] }])), None)
    };
    let registry = abi(8).unwrap();
    let text = "f(((((((((bool)))))))))";
    let found = &registry.contract(&CONTRACT).unwrap().signatures;
    assert_eq!(found.values().collect::<Vec<_>>(), [text]);
    assert_eq!(large(abi(9)), Some(("tuples in each other", 8)));
}

#[test]
fn a_layout_has_at_most_1024_variables() {
    let layout = |count: usize| {
        let variable = |n: usize| json!({ "label": "x", "slot": n.to_string(), "type": "t" });
        let variables: Vec<Value> = (0..count).map(variable).collect();
        registered(None, Some(json!({ "storage": variables })))
    };
    assert_eq!(large(layout(1024)), None);
    assert_eq!(large(layout(1025)), Some(("variables", 1024)));
}

#[test]
fn a_type_that_contains_itself_is_followed_four_deep() {
    let layout = Layout::parse(json!({
        "storage": [{ "label": "x", "slot": "0", "type": "t" }],
        "types": { "t": { "encoding": "mapping", "value": "t" } },
    }));
    let mut shape = Shape::Plain;
    for _ in 0..4 {
        shape = Shape::Mapping(Box::new(shape));
    }
    let label = "x".to_owned();
    let variables = vec![Variable { label, slot: U256::ZERO, shape }];
    assert_eq!(layout, Ok(Layout { variables, guessed: false }));
}

#[test]
fn a_structure_tells_64_members_apart_and_names_are_clipped() {
    let members: Vec<Value> = (0..70)
        .map(|n: u32| json!({ "label": format!("m{n}"), "slot": n.to_string(), "type": "t" }))
        .collect();
    let layout = Layout::parse(json!({
        "storage": [
            { "label": "s", "slot": "0", "type": "s" },
            { "label": "y".repeat(65), "slot": "9", "type": "t" },
            { "label": "not added to a name that is full", "slot": "9", "type": "t" },
        ],
        "types": { "s": { "encoding": "inplace", "members": members } },
    }))
    .unwrap();
    let Shape::Struct(named) = &layout.variables[0].shape else { panic!("{layout:?}") };
    assert_eq!((named.len(), &named[63]), (64, &("m63".to_owned(), 63)));
    assert_eq!(layout.variables[1].label, "y".repeat(64));
}

#[test]
fn nonsense_layouts_are_refused_with_the_reason_and_change_nothing() {
    let variable = |slot: &str| json!({ "label": "x", "slot": slot, "type": "s" });
    let member = json!({ "s": { "encoding": "inplace", "members": [variable("-1")] } });
    let too_large = format!("0x1{}", "0".repeat(64));
    let mut registry = Registry::default();
    registry.register(CONTRACT, Some("Before".to_owned()), None, None).unwrap();
    for (layout, reason) in [
        (json!([]), "invalid length 0"),
        (json!("storage"), "expected struct"),
        (json!({ "types": {} }), "missing field `storage`"),
        (json!({ "storage": [{ "label": "x", "slot": 0, "type": "t" }] }), "expected a string"),
        (json!({ "storage": [variable("")] }), "\"\" of \"x\" is not a number"),
        (json!({ "storage": [variable("_")] }), "\"_\" of \"x\" is not a number"),
        (json!({ "storage": [variable("0x")] }), "\"0x\" of \"x\" is not a number"),
        (json!({ "storage": [variable("1.5")] }), "\"1.5\" of \"x\" is not a number"),
        (json!({ "storage": [variable(&too_large)] }), "of \"x\" is not a number"),
        (json!({ "storage": [variable("0")], "types": member }), "\"-1\" of \"x\""),
    ] {
        let name = Some("After".to_owned());
        let error = registry.register(CONTRACT, name, None, Some(layout.clone())).unwrap_err();
        assert!(matches!(error, NameError::Layout { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(reason), "{layout}: {text}");
        assert_eq!(registry.account(&CONTRACT), Some("Before"));
    }
}

#[test]
fn a_name_has_at_most_64_characters() {
    let mut registry = Registry::default();
    registry.register(CONTRACT, Some("é".repeat(65)), None, None).unwrap();
    assert_eq!(registry.account(&CONTRACT), Some(&*"é".repeat(64)));
}

/// An artifact of this deployed code.
fn artifact(code: &[u8]) -> Artifact {
    let json = json!({ "abi": [], "deployedBytecode": hex::encode_prefixed(code) });
    Artifact::parse("Token", json).unwrap().unwrap()
}

#[test]
fn code_is_recognised_within_the_bound_and_never_in_the_place_of_a_registered_name() {
    let code = hex!("6001600255");
    let mut registry = Registry::default().with_artifacts(&[Arc::new(artifact(&code))]);
    registry.register(CONTRACT, Some("Mine".to_owned()), None, None).unwrap();
    assert!(!registry.recognise(CONTRACT, &code));
    assert_eq!(registry.account(&CONTRACT), Some("Mine"));
    let at = |n: u16| Address::left_padding_from(&n.to_be_bytes());
    assert!(!registry.recognise(at(1), &hex!("6001600256")), "other code");
    for n in 1..512 {
        assert!(registry.recognise(at(n), &code), "{n}");
    }
    assert!(!registry.recognise(at(512), &code), "no room");
    assert_eq!(registry.account(&at(511)), Some("Token"));
    assert_eq!(registry.account(&at(512)), None);
}

#[test]
fn only_metadata_is_left_out_of_the_comparison() {
    // The last two bytes are a length within the code, but what lies there is no CBOR map.
    let known = artifact(&hex!("60016002550102030003"));
    assert!(known.matches(&hex!("60016002550102030003")));
    assert!(!known.matches(&hex!("60016002550102040003")));
    let short = artifact(&hex!("6001600255"));
    assert!(!short.matches(&hex!("60016002550102030003")));
}
