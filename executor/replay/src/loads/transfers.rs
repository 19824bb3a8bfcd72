//! Plain transfers.

use super::world::{Call, World};
use crate::load::Load;
use alloy_primitives::{Address, Bytes, U256};

/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 21_000;

/// A transfer of one wei.
pub(super) fn transfer(to: Address) -> Call {
    Call { to, value: U256::from(1), input: Bytes::new(), gas_limit: TRANSFER_GAS }
}

/// Transfers between accounts that exist, each account in one transaction only.
pub(super) fn independent(name: &'static str, count: u64) -> Load {
    let mut world = World::new(name);
    for n in 0..count {
        let (from, to) = (world.user(n), world.user(count + n));
        world.send(from, transfer(to));
    }
    world.finish()
}

/// Transfers of one sender to accounts that exist, each its own.
pub(super) fn one_sender(name: &'static str, count: u64) -> Load {
    let mut world = World::new(name);
    let from = world.user(0);
    for n in 0..count {
        let to = world.user(1 + n);
        world.send(from, transfer(to));
    }
    world.finish()
}
