//! `anvil_dealERC20`: sets a token balance without knowing the token.
//!
//! `balanceOf` is run, and every slot that it reads is tried: the right one is that whose value `balanceOf` then returns.

use super::{Wish, refused};
use crate::context::Context;
use crate::error::Failure;
use crate::methods::overrides::Overlay;
use crate::params::Args;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth::BlockOverrides;
use alloy_rpc_types_eth::state::{AccountOverride, StateOverride};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use weft_evm::{CallRequest, CallStatus};
use weft_store::Head;
use weft_types::{Account, Action, StateError, StateReader};

/// `balanceOf(address)`
const BALANCE_OF: [u8; 4] = [0x70, 0xa0, 0x82, 0x31];

/// Most slots that are tried.
const SLOTS_MAX: usize = 64;

/// Notes the slots that are read.
struct Noting<'a> {
    state: &'a dyn StateReader,
    slots: Mutex<BTreeSet<(Address, U256)>>,
}

impl StateReader for Noting<'_> {
    fn account(&self, address: &Address) -> Result<Option<Account>, StateError> {
        self.state.account(address)
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        self.slots.lock().insert((*address, *slot));
        self.state.storage(address, slot)
    }

    fn code(&self, hash: &B256) -> Result<Bytes, StateError> {
        self.state.code(hash)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        self.state.block_hash(number)
    }
}

/// `[owner, token, balance]`
pub(super) fn deal(context: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    let owner: Address = args.required("address")?;
    let token: Address = args.required("token")?;
    let balance: U256 = args.required("balance")?;
    let head = context.backend.store.head();
    let noting = Noting { state: &*head.state, slots: Mutex::default() };
    if balance_of(context, &head, &noting, token, owner)?.is_none() {
        return refused(format!(
            "{token} does not answer balanceOf(address): it is no ERC-20 token"
        ));
    }
    let slots = noting.slots.into_inner();
    if slots.len() > SLOTS_MAX {
        let read = slots.len();
        return refused(format!(
            "balanceOf of {token} reads {read} slots, at most {SLOTS_MAX} are tried"
        ));
    }
    // Two values, lest one that is there already is taken for a hit.
    let probes = [balance, balance ^ U256::from(1)];
    for (address, slot) in slots {
        if weft_evm::is_protected(&address) {
            continue;
        }
        let mut hit = true;
        for probe in probes {
            let state = with_slot(&head, address, slot, probe)?;
            hit &= balance_of(context, &head, &state, token, owner)? == Some(probe);
        }
        if hit {
            return Wish::of(Action::SetStorage { address, slot, value: balance });
        }
    }
    refused(format!(
        "no slot of {token} holds the balance of {owner} as it is: the token computes it; set its storage with \
         anvil_setStorageAt"
    ))
}

fn with_slot(head: &Head, address: Address, slot: U256, value: U256) -> Result<Overlay, Failure> {
    let slots = [(B256::from(slot), B256::from(value))].into_iter().collect();
    let changed = AccountOverride { state_diff: Some(slots), ..AccountOverride::default() };
    let accounts: StateOverride = [(address, changed)].into_iter().collect();
    Overlay::new(Arc::clone(&head.state), accounts, &BlockOverrides::default())
}

/// What the token says; `None` when it says nothing of that kind.
fn balance_of(
    context: &Context,
    head: &Head,
    state: &dyn StateReader,
    token: Address,
    owner: Address,
) -> Result<Option<U256>, Failure> {
    let input = [&BALANCE_OF[..], B256::left_padding_from(owner.as_slice()).as_slice()].concat();
    let request = CallRequest { to: Some(token), input: input.into(), ..CallRequest::default() };
    let header = head.block.header();
    let rules = context.rules(header);
    let outcome = weft_evm::call(&request, header, state, &rules, context.config.gas_cap)?;
    let word = outcome.output.first_chunk::<32>().filter(|_| outcome.status == CallStatus::Success);
    Ok(word.map(|word| U256::from_be_bytes(*word)))
}
