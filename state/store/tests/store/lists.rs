//! Block access lists (EIP-7928) of made-up blocks.

use alloy_eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, CodeChange, NonceChange, SlotChanges,
    StorageChange,
};
use alloy_primitives::{Bytes, KECCAK256_EMPTY};
use weft_types::{Account, AccountDiff, StateDiff};

const INDEX: BlockAccessIndex = BlockAccessIndex(1);

/// The list of a block with this net change, in which everything changes once.
pub(crate) fn list_of(diff: &StateDiff) -> Bytes {
    let accounts: Vec<AccountChanges> = diff.accounts.iter().map(|a| account(a, diff)).collect();
    alloy_rlp::encode(accounts).into()
}

fn account(change: &AccountDiff, diff: &StateDiff) -> AccountChanges {
    let (before, after): (Account, Account) =
        (change.before.unwrap_or_default(), change.after.unwrap_or_default());
    let slots = change.slots.iter().map(|slot| {
        let change = StorageChange { block_access_index: INDEX, new_value: slot.after };
        SlotChanges { slot: slot.slot, changes: vec![change] }
    });
    let balance = BalanceChange { block_access_index: INDEX, post_balance: after.balance };
    let nonce = NonceChange { block_access_index: INDEX, new_nonce: after.nonce };
    let code = match after.code_hash {
        KECCAK256_EMPTY => Bytes::new(),
        hash => diff.code(&hash).cloned().unwrap_or_default(),
    };
    let code_change = CodeChange { block_access_index: INDEX, new_code: code };
    let when = |changed: bool| usize::from(changed);
    AccountChanges {
        address: change.address,
        storage_changes: slots.collect(),
        storage_reads: vec![],
        balance_changes: vec![balance; when(before.balance != after.balance)],
        nonce_changes: vec![nonce; when(before.nonce != after.nonce)],
        code_changes: vec![code_change; when(before.code_hash != after.code_hash)],
    }
}
