//! The net change of a block, as its list says it.

use super::{Listed, ListedAccount};
use crate::oracle::code_size;
use crate::place::Fields;
use crate::products::each;
use alloy_primitives::{B256, Bytes};
use std::collections::BTreeMap;
use weft_types::{Account, AccountDiff, SlotDiff, StateDiff, StateError};

impl Listed<'_> {
    /// The net change against the parent state, if the list is right.
    pub(crate) fn net_change(&self) -> Result<StateDiff, StateError> {
        let codes = self.codes();
        let places: Vec<usize> = (0..self.outline.accounts.len()).collect();
        let diffs = each(&places, |place| match self.account_at(*place) {
            Some(account) => self.account_diff(&account, &codes),
            None => Ok(None),
        });
        let mut diff = StateDiff::default();
        let mut used = BTreeMap::new();
        for account in diffs {
            let Some(account) = account? else { continue };
            let code = account.new_code().and_then(|hash| codes.get_key_value(&hash));
            if let Some((hash, bytes)) = code {
                used.insert(*hash, bytes.clone());
            }
            diff.accounts.push(account);
        }
        diff.code = used.into_iter().collect();
        Ok(diff)
    }

    /// All code that the list sets.
    fn codes(&self) -> BTreeMap<B256, Bytes> {
        let pieces = 0..self.account_pieces();
        pieces.flat_map(|number| self.piece(number).bytes.iter().cloned()).collect()
    }

    /// What the list changes of one account.
    fn account_diff(
        &self,
        account: &ListedAccount<'_>,
        codes: &BTreeMap<B256, Bytes>,
    ) -> Result<Option<AccountDiff>, StateError> {
        let (cell, piece) = (account.cell, account.piece);
        let mut slots = Vec::new();
        if !cell.written.is_empty() {
            for (slot, listed) in self.slots(account) {
                let before = listed.cell.before;
                let Some((_, after)) = listed.cell.writes.of(&listed.piece.words).last() else {
                    break;
                };
                if before != *after {
                    slots.push(SlotDiff { slot: *slot, before, after: *after });
                }
            }
        }
        let changed = [cell.balances, cell.nonces, cell.codes].iter().any(|span| !span.is_empty());
        if slots.is_empty() && !changed {
            return Ok(None);
        }
        let before = self.base.account(&cell.address)?;
        let parent = cell.before;
        let mut fields = parent;
        if let Some((_, balance)) = cell.balances.of(&piece.words).last() {
            fields.balance = *balance;
        }
        if let Some((_, nonce)) = cell.nonces.of(&piece.nonces).last() {
            fields.nonce = *nonce;
        }
        if let Some((_, code_hash)) = cell.codes.of(&piece.codes).last() {
            fields.code_hash = *code_hash;
        }
        let after = if fields == parent {
            before
        } else {
            let code_size = code_size(self.base, codes, &fields.code_hash, before.as_ref())?;
            let Fields { balance, nonce, code_hash, .. } = fields;
            Some(Account { nonce, balance, code_hash, code_size }).filter(|_| !fields.is_empty())
        };
        if before == after && slots.is_empty() {
            return Ok(None);
        }
        Ok(Some(AccountDiff { address: cell.address, before, after, slots }))
    }
}
