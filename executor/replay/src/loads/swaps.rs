//! Swaps on constant-product pools.

use super::contracts::{Contract, call, token_allowance, token_balance, word};
use super::world::{Call, ETHER, TIMESTAMP, World};
use crate::load::Load;
use alloy_primitives::{Address, U256};

/// What a user sells in one swap.
const SOLD: u64 = 1_000_000_000;

/// A pool and its tokens.
#[derive(Clone, Copy)]
pub(super) struct Pool {
    pub(super) pair: Address,
    pub(super) tokens: [Address; 2],
}

impl Pool {
    /// A pool of two new tokens, with a history.
    pub(super) fn new(world: &mut World, n: u64) -> Self {
        let tokens = [2 * n, 2 * n + 1].map(|n| world.deploy(Contract::Token, n));
        Self::between(world, n, tokens)
    }

    /// A pool of two tokens, with a history.
    pub(super) fn between(world: &mut World, n: u64, tokens: [Address; 2]) -> Self {
        let pair = world.deploy(Contract::Pair, n);
        let reserve = U256::from(ETHER) * U256::from(1_000);
        for (slot, token) in (0u64..).zip(tokens) {
            world.store(pair, U256::from(slot), word(token));
            world.store(token, token_balance(pair), reserve);
        }
        world.store(pair, U256::from(2), (reserve << 128) | reserve);
        world.store(pair, U256::from(3), U256::from(1) << 80);
        world.store(pair, U256::from(4), U256::from(1) << 80);
        world.store(pair, U256::from(5), U256::from(1));
        world.store(pair, U256::from(6), U256::from(TIMESTAMP - 12));
        for slot in 8..=10u64 {
            world.store(pair, U256::from(slot), U256::from(1));
        }
        Self { pair, tokens }
    }

    /// A swap of a user that has the one token, has allowed the router to move it, and has none of the other.
    pub(super) fn swap(
        &self,
        world: &mut World,
        router: Address,
        user: Address,
        reverse: bool,
    ) -> Call {
        let sold = self.tokens[usize::from(reverse)];
        world.store(sold, token_balance(user), U256::from(ETHER));
        world.store(sold, token_allowance(user, router), U256::from(ETHER));
        let arguments = [
            word(self.pair),
            U256::from(reverse),
            U256::from(SOLD),
            U256::from(1),
            word(user),
            U256::from(TIMESTAMP + 60),
        ];
        call(router, "swapExact(address,bool,uint256,uint256,address,uint256)", &arguments, 250_000)
    }
}

/// Swaps that share nothing but the router's code.
pub(super) fn separate(name: &'static str, count: u64) -> Load {
    let mut world = World::new(name);
    let router = world.deploy(Contract::Router, 0);
    for n in 0..count {
        let pool = Pool::new(&mut world, n);
        let user = world.user(n);
        let swap = pool.swap(&mut world, router, user, false);
        world.send(user, swap);
    }
    world.finish()
}

/// Swaps of different users on one pool, in both directions by turns.
pub(super) fn one_pool(name: &'static str, count: u64) -> Load {
    let mut world = World::new(name);
    let router = world.deploy(Contract::Router, 0);
    let pool = Pool::new(&mut world, 0);
    for n in 0..count {
        let user = world.user(n);
        let swap = pool.swap(&mut world, router, user, n % 2 == 1);
        world.send(user, swap);
    }
    world.finish()
}
