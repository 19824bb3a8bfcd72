//! The contracts that the protocol itself calls.
//!
//! EIP-7002 and EIP-7251 deploy their contracts with slot 0 (the *excess*) set to 2^256-1, which
//! makes them refuse requests until the first system call clears it. Here the fork is active from
//! block 1 on and no deploying transaction ran, so slot 0 stays empty: an excess of zero, the value
//! that the first system call would leave. Requests are accepted in block 1 at the lowest fee.

use crate::alloc::{Alloc, AllocAccount};
use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_primitives::{Address, Bytes};
use weft_types::settings::SETTINGS_ADDRESS;

/// Runtime size of the EIP-7251 contract in bytes, as its deploying transaction returns it. The
/// library's constant carries two zero bytes more, which no Ethereum chain has on it.
const CONSOLIDATION_CODE_BYTES: usize = 0x19e;

/// A contract that the protocol calls at the start or the end of every block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemContract {
    /// The proposal that defines it.
    pub eip: &'static str,
    /// Its address, the same on every Ethereum chain.
    pub address: Address,
    /// Its runtime code, the same on every Ethereum chain.
    pub code: Bytes,
}

/// The four system contracts of Osaka rules.
#[must_use]
pub fn system_contracts() -> [SystemContract; 4] {
    let consolidation =
        eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE.slice(..CONSOLIDATION_CODE_BYTES);
    [
        SystemContract {
            eip: "EIP-4788",
            address: eip4788::BEACON_ROOTS_ADDRESS,
            code: eip4788::BEACON_ROOTS_CODE.clone(),
        },
        SystemContract {
            eip: "EIP-2935",
            address: eip2935::HISTORY_STORAGE_ADDRESS,
            code: eip2935::HISTORY_STORAGE_CODE.clone(),
        },
        SystemContract {
            eip: "EIP-7002",
            address: eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
            code: eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE.clone(),
        },
        SystemContract {
            eip: "EIP-7251",
            address: eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
            code: consolidation,
        },
    ]
}

/// Adds every system contract that the alloc does not list, with nonce 1 (EIP-161).
pub(crate) fn add_missing(alloc: &mut Alloc) {
    for SystemContract { address, code, .. } in system_contracts() {
        alloc.entry(address).or_insert_with(|| AllocAccount {
            nonce: 1,
            code,
            ..AllocAccount::default()
        });
    }
}

/// Adds the account that holds the settings of a chain that takes commands.
pub(crate) fn add_settings(alloc: &mut Alloc) {
    let settings = AllocAccount { nonce: 1, ..AllocAccount::default() };
    alloc.entry(SETTINGS_ADDRESS).or_insert(settings);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_has_the_size_that_the_deploying_transactions_return() {
        let sizes: Vec<_> = system_contracts().iter().map(|c| (c.eip, c.code.len())).collect();
        let expected =
            [("EIP-4788", 0x61), ("EIP-2935", 0x53), ("EIP-7002", 0x1f8), ("EIP-7251", 0x19e)];
        assert_eq!(sizes, expected);
    }

    #[test]
    fn what_is_cut_from_the_library_constant_is_zero() {
        let whole = &eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE;
        assert!(whole[CONSOLIDATION_CODE_BYTES..].iter().all(|byte| *byte == 0));
        assert!(whole[..CONSOLIDATION_CODE_BYTES].ends_with(&[0x5b, 0x5f, 0x5f, 0xfd]));
    }

    #[test]
    fn a_listed_contract_is_left_alone() {
        let listed = AllocAccount { nonce: 7, ..AllocAccount::default() };
        let mut alloc = Alloc::from([(eip4788::BEACON_ROOTS_ADDRESS, listed.clone())]);
        add_missing(&mut alloc);
        assert_eq!(alloc.len(), 4);
        assert_eq!(alloc[&eip4788::BEACON_ROOTS_ADDRESS], listed);
        assert_eq!(alloc[&eip2935::HISTORY_STORAGE_ADDRESS].nonce, 1);
        assert!(alloc[&eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS].storage.is_empty());
    }
}
