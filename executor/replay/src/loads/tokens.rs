//! Loads on one contract: a token, wrapped ether, a collection.

use super::contracts::{Contract, call, collection_balance, token_balance, word};
use super::world::{Call, ETHER, World};
use crate::load::Load;
use alloy_primitives::{Address, U256};

/// What every holder has of a token.
const HOLDING: u64 = ETHER;

/// A transfer of a few tokens.
pub(super) fn token_transfer(token: Address, to: Address) -> Call {
    call(token, "transfer(address,uint256)", &[word(to), U256::from(5)], 80_000)
}

/// A deposit of one gwei.
pub(super) fn deposit(wrapped: Address) -> Call {
    Call { value: U256::from(1_000_000_000), ..call(wrapped, "deposit()", &[], 60_000) }
}

/// A mint of one piece.
pub(super) fn mint(collection: Address) -> Call {
    call(collection, "mint()", &[], 120_000)
}

/// Gives an account tokens.
pub(super) fn hold(world: &mut World, token: Address, holder: Address) {
    world.store(token, token_balance(holder), U256::from(HOLDING));
}

/// Transfers of one token between holders. Every sender has one transaction; `hot_percent` of them go to one holder, spread
/// evenly over the block, the others each to a holder of their own.
pub(super) fn transfers(name: &'static str, count: u64, hot_percent: u64) -> Load {
    let mut world = World::new(name);
    let token = world.deploy(Contract::Token, 0);
    let hot = world.user(2 * count);
    hold(&mut world, token, hot);
    for n in 0..count {
        let (from, to) = (world.user(n), world.user(count + n));
        // True for `hot_percent` of any hundred in a row.
        let to = if n * hot_percent % 100 < hot_percent { hot } else { to };
        hold(&mut world, token, from);
        hold(&mut world, token, to);
        world.send(from, token_transfer(token, to));
    }
    world.finish()
}

/// Deposits of different accounts into one contract, all of which have something there already.
pub(super) fn deposits(name: &'static str, count: u64) -> Load {
    let mut world = World::new(name);
    let wrapped = world.deploy(Contract::Wrapped, 0);
    world.set_balance(wrapped, U256::from(ETHER));
    for n in 0..count {
        let from = world.user(n);
        world.store(wrapped, token_balance(from), U256::from(1));
        world.send(from, deposit(wrapped));
    }
    world.finish()
}

/// Mints of different accounts, all of which have a piece already.
pub(super) fn mints(name: &'static str, count: u64) -> Load {
    let mut world = World::new(name);
    let collection = world.deploy(Contract::Collection, 0);
    world.store(collection, U256::ZERO, U256::from(1_000_000));
    for n in 0..count {
        let from = world.user(n);
        world.store(collection, collection_balance(from), U256::from(1));
        world.send(from, mint(collection));
    }
    world.finish()
}
