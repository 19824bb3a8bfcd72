//! What is registered is described, and what is described is registered.

use super::{Module, register};
use crate::catalogue;
use crate::context::Context;
use crate::listener::Served;
use crate::{RpcBackend, RpcConfig};
use std::collections::BTreeSet;
use std::sync::Arc;
use weft_genesis::{ChainSpec, Genesis};
use weft_pool::{Pool, PoolLimits};
use weft_store::{GenesisState, Store, StoreOptions};
use weft_types::Validator;

fn module(folder: &std::path::Path) -> Module {
    let validator = Validator { name: "one".to_owned(), public_key: ed25519_key(), power: 1 };
    let genesis = Genesis::new(ChainSpec::devnet(vec![validator], &[])).unwrap();
    let state = GenesisState { block: &genesis.block, diff: &genesis.diff };
    let store = Store::open(folder, state, StoreOptions::devnet()).unwrap();
    let pool = Arc::new(Pool::new(genesis.params.chain_id, PoolLimits::default()));
    let backend = RpcBackend::offline(store, pool, &genesis.params, &genesis.validators);
    let mut config = RpcConfig::new("127.0.0.1:0".parse().unwrap());
    config.devnet = true;
    let served = Served::new(&config).unwrap();
    Module::new(Context::new(config, served, backend))
}

fn ed25519_key() -> [u8; 32] {
    ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes()
}

#[test]
fn every_registered_method_is_described_and_the_other_way_round() {
    let folder = tempfile::tempdir().unwrap();
    let mut module = module(folder.path());
    register(&mut module);
    let registered: BTreeSet<&str> = module.method_names().collect();
    let described: BTreeSet<&str> = catalogue::methods().map(|method| method.name).collect();
    let silent: Vec<_> = registered.difference(&described).collect();
    let empty: Vec<_> = described.difference(&registered).collect();
    assert!(silent.is_empty(), "without a description in catalogue/: {silent:?}");
    assert!(empty.is_empty(), "described but not registered: {empty:?}");
}
