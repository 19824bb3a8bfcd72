//! What is accepted is canonical, and all that is canonical is accepted; values and lookups are those of the list.

use super::*;
use crate::base::CodeCache;
use crate::memory::MemoryState;
use crate::place::SLOT;
use alloy_eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, CodeChange, NonceChange, SlotChanges,
    StorageChange,
};
use alloy_primitives::Bytes;
use proptest::prelude::*;
use weft_types::Header;

const TRANSACTIONS: usize = 40;

/// What `look` sees of an encoded list over an empty state, or why the list is refused.
fn with_listed<T>(
    list: &[u8],
    transactions: usize,
    look: impl FnOnce(&Listed<'_>) -> T,
) -> Result<T, String> {
    let (state, codes) = (MemoryState::default(), CodeCache::default());
    let header = Header::default();
    let base = Base::new(&state, &header, &codes);
    let shelf = Shelf::default();
    let listed = Listed::new(list, transactions, &base, &shelf)?;
    listed.decode();
    listed.check().map_err(|error| error.to_string())?;
    Ok(look(&listed))
}

/// The list that was decoded.
fn rebuilt(listed: &Listed<'_>) -> Vec<AccountChanges> {
    let places = 0..listed.outline.accounts.len();
    places.map(|place| rebuilt_account(listed, &listed.account_at(place).unwrap())).collect()
}

fn rebuilt_account(listed: &Listed<'_>, account: &ListedAccount<'_>) -> AccountChanges {
    let (piece, cell) = (account.piece, account.cell);
    let at = |index: u32| BlockAccessIndex::new(u64::from(index));
    let mut changes = AccountChanges::new(cell.address);
    for (slot, listed) in listed.slots(account) {
        let writes = listed.cell.writes.of(&listed.piece.words);
        if writes.is_empty() {
            changes.storage_reads.push(*slot);
        } else {
            let writes = writes.iter().map(|(index, to)| StorageChange::new(at(*index), *to));
            changes.storage_changes.push(SlotChanges::new(*slot, writes.collect()));
        }
    }
    let balances = cell.balances.of(&piece.words).iter();
    changes.balance_changes = balances.map(|(i, to)| BalanceChange::new(at(*i), *to)).collect();
    let nonces = cell.nonces.of(&piece.nonces).iter();
    changes.nonce_changes = nonces.map(|(i, to)| NonceChange::new(at(*i), *to)).collect();
    let bytes = |hash: &B256| {
        let found = piece.bytes.iter().find(|(of, _)| of == hash);
        found.map(|(_, bytes)| bytes.clone()).unwrap_or_default()
    };
    let codes = cell.codes.of(&piece.codes).iter();
    changes.code_changes = codes.map(|(i, hash)| CodeChange::new(at(*i), bytes(hash))).collect();
    changes
}

/// Numbers of all lengths.
fn number() -> impl Strategy<Value = U256> {
    (any::<[u8; 32]>(), 0_usize..=256).prop_map(|(bytes, shift)| {
        U256::from_be_bytes(bytes).checked_shr(shift).unwrap_or_default()
    })
}

/// Some access indices, ascending.
fn indices(least: usize) -> impl Strategy<Value = Vec<u64>> {
    prop::collection::btree_set(0..=TRANSACTIONS as u64 + 1, least..6)
        .prop_map(|set| set.into_iter().collect())
}

fn account_changes(slots: usize) -> impl Strategy<Value = AccountChanges> {
    let changes = prop::collection::btree_map(number(), (indices(1), number()), 0..slots);
    let reads = prop::collection::btree_set(number(), 0..slots);
    let code = prop::collection::vec(0_u8..0xef, 0..40);
    let fields = (indices(0), indices(0), indices(0), number(), any::<u64>(), code);
    (changes, reads, fields).prop_map(|(slots, reads, fields)| {
        let (balances, nonces, codes, balance, nonce, code) = fields;
        let at = BlockAccessIndex::new;
        let mut account = AccountChanges::new(Address::ZERO);
        account.storage_reads =
            reads.into_iter().filter(|slot| !slots.contains_key(slot)).collect();
        for (slot, (indices, to)) in slots {
            let writes = indices.into_iter().map(|index| StorageChange::new(at(index), to));
            account.storage_changes.push(SlotChanges::new(slot, writes.collect()));
        }
        account.balance_changes =
            balances.into_iter().map(|index| BalanceChange::new(at(index), balance)).collect();
        account.nonce_changes =
            nonces.into_iter().map(|index| NonceChange::new(at(index), nonce)).collect();
        account.code_changes = codes
            .into_iter()
            .map(|index| CodeChange::new(at(index), Bytes::copy_from_slice(&code)))
            .collect();
        account
    })
}

/// A list of few accounts with some slots, or of many.
fn list() -> impl Strategy<Value = Vec<AccountChanges>> {
    let accounts = |count: usize, slots: usize| {
        prop::collection::btree_map(
            // Some begin alike.
            prop_oneof![any::<[u8; 20]>(), (0_u8..99).prop_map(|n| Address::with_last_byte(n).0.0)],
            account_changes(slots),
            0..count,
        )
    };
    prop_oneof![accounts(90, 3), accounts(4, 12), accounts(3, 700)].prop_map(|accounts| {
        let named = accounts.into_iter().map(|(address, mut changes)| {
            changes.address = Address::from(address);
            changes
        });
        named.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn every_encoded_list_is_accepted_and_read_as_it_is(list in list()) {
        let encoded = alloy_rlp::encode(&list);
        let found = with_listed(&encoded, TRANSACTIONS, |listed| {
            for account in &list {
                look_up(listed, account);
            }
            (rebuilt(listed), listed.total())
        });
        let (found, total) = found.unwrap();
        prop_assert_eq!(&found, &list);
        let cells: usize = list.iter().map(|a| 1 + a.storage_changes.len() + a.storage_reads.len()).sum();
        prop_assert_eq!(total.cells, cells);
    }

    /// What other bytes are accepted are the one encoding of another list.
    #[test]
    fn what_is_accepted_is_encoded_in_the_one_way_there_is(
        list in list(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..4),
    ) {
        let mut bytes = alloy_rlp::encode(&list);
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes.insert(at, byte),
                1 if bytes.len() > 1 => { bytes.remove(at); }
                2 => bytes[at] = bytes[at].wrapping_add(1),
                _ => bytes[at] = byte,
            }
        }
        if let Ok(found) = with_listed(&bytes, TRANSACTIONS, rebuilt) {
            prop_assert_eq!(alloy_rlp::encode(found), bytes);
        }
    }
}

/// Every value of an account and its slots is found where it is listed, and nothing beside.
fn look_up(listed: &Listed<'_>, account: &AccountChanges) {
    let place = Place::Account(account.address);
    for index in 0..=TRANSACTIONS as u32 + 1 {
        let below = account
            .balance_changes
            .iter()
            .rfind(|change| change.block_access_index.get() < u64::from(index));
        let balance = below.map_or(U256::ZERO, |change| change.post_balance);
        assert_eq!(listed.value(&place, BALANCE, index), Some(Value::Balance(balance)));
        let exactly = account
            .nonce_changes
            .iter()
            .find(|change| change.block_access_index.get() == u64::from(index));
        let nonce = exactly.map(|change| Value::Nonce(change.new_nonce));
        assert_eq!(listed.at(&place, NONCE, index), nonce);
    }
    for changes in &account.storage_changes {
        let place = Place::Slot(account.address, changes.slot);
        let last = changes.changes.last().unwrap();
        let index = last.block_access_index.get() as u32;
        let value = Value::Slot { value: last.new_value, epoch: 0 };
        assert_eq!(listed.at(&place, SLOT, index), Some(value));
        assert_eq!(listed.value(&place, SLOT, index + 1), Some(value));
        let account = listed.account(&account.address).unwrap();
        let slot = listed.slot(&account, &changes.slot).unwrap();
        assert_eq!(slot.writer_below(index + 1), Some(index));
    }
    let mut tally = Tally::default();
    for slot in &account.storage_reads {
        assert!(listed.access(&Place::Slot(account.address, *slot), &mut tally));
        let beside = slot.wrapping_add(U256::from(1));
        let is_listed = account.storage_reads.contains(&beside)
            || account.storage_changes.iter().any(|changes| changes.slot == beside);
        let beside = Place::Slot(account.address, beside);
        assert_eq!(listed.access(&beside, &mut Tally::default()), is_listed);
    }
    let beside = account.address.into_word();
    let beside =
        Address::from_word(U256::from_be_bytes(beside.0).wrapping_add(U256::from(1)).into());
    assert_eq!(listed.account(&beside).map_or(beside, |found| *found.address()), beside);
}

fn account(n: u8) -> AccountChanges {
    AccountChanges::new(Address::repeat_byte(n))
}

fn balance(index: u64) -> BalanceChange {
    BalanceChange::new(BlockAccessIndex::new(index), U256::from(index))
}

#[test]
fn a_list_that_is_not_in_the_order_of_the_eip_is_refused() {
    let flawed = |list: &[AccountChanges]| {
        with_listed(&alloy_rlp::encode(list.to_vec()), 2, |_| ()).is_err()
    };
    assert!(!flawed(&[account(1), account(2)]));
    assert!(flawed(&[account(2), account(1)]));
    assert!(flawed(&[account(1), account(1)]));

    let with = |indices: &[u64]| {
        let mut account = account(1);
        account.balance_changes = indices.iter().map(|index| balance(*index)).collect();
        [account]
    };
    assert!(!flawed(&with(&[0, 1, 3])));
    assert!(flawed(&with(&[1, 1])));
    assert!(flawed(&with(&[2, 1])));
    assert!(flawed(&with(&[4])), "two transactions end at access index 3");

    let slot = |slot: u64, changes: usize| {
        let change = StorageChange::new(BlockAccessIndex::new(1), U256::from(9));
        SlotChanges::new(U256::from(slot), vec![change; changes])
    };
    let with = |changes: &[SlotChanges], reads: &[u64]| {
        let mut account = account(1);
        account.storage_changes = changes.to_vec();
        account.storage_reads = reads.iter().map(|slot| U256::from(*slot)).collect();
        [account]
    };
    assert!(!flawed(&with(&[slot(1, 1), slot(3, 1)], &[2, 4])));
    assert!(flawed(&with(&[slot(3, 1), slot(1, 1)], &[])));
    assert!(flawed(&with(&[slot(1, 0)], &[])));
    assert!(flawed(&with(&[], &[2, 2])));
}

/// Also where the slots of an account are decoded in many pieces.
#[test]
fn many_slots_out_of_order_are_refused_wherever_they_are() {
    let mut account = account(1);
    account.storage_reads = (0..5_000_u64).map(|n| U256::from(n) << 200).collect();
    let accepted = |account: &AccountChanges| {
        with_listed(&alloy_rlp::encode(vec![account]), 2, |_| ()).is_ok()
    };
    assert!(accepted(&account));
    for at in [1, 100, SLOTS_A_PIECE - 1, SLOTS_A_PIECE, 2 * SLOTS_A_PIECE, 4_998] {
        let mut wrong = account.clone();
        wrong.storage_reads.swap(at, at + 1);
        assert!(!accepted(&wrong), "{at} and the next are swapped");
        let mut wrong = account.clone();
        wrong.storage_reads[at] = wrong.storage_reads[at - 1];
        assert!(!accepted(&wrong), "{at} is repeated");
    }
}

/// A slot that is listed as written and as read is found as written: the other is never accessed.
#[test]
fn a_slot_that_is_listed_twice_is_accessed_once() {
    let mut account = account(1);
    let change = StorageChange::new(BlockAccessIndex::new(1), U256::from(9));
    account.storage_changes = vec![SlotChanges::new(U256::from(1), vec![change])];
    account.storage_reads = vec![U256::from(1)];
    let place = Place::Slot(account.address, U256::from(1));
    let encoded = alloy_rlp::encode(vec![account]);
    let (tally, total, unseen) = with_listed(&encoded, 2, |listed| {
        let mut tally = Tally::default();
        assert!(listed.access(&Place::Account(Address::repeat_byte(1)), &mut tally));
        assert!(listed.access(&place, &mut tally));
        assert!(listed.access(&place, &mut tally));
        (tally, listed.total(), listed.unseen())
    })
    .unwrap();
    assert_eq!((tally.cells, total.cells), (2, 3));
    assert_eq!(unseen, Some(place));
}

#[test]
fn places_of_many_writes_follow_from_their_indices() {
    for writes in
        [vec![0, 1, 2, 3, 4], vec![2], vec![1, 3, 9], vec![5, 6, 7, 20, 21, 22, 40], vec![]]
    {
        let listed: Vec<(u32, ())> = writes.iter().map(|index| (*index, ())).collect();
        for index in 0..50 {
            let expected = writes.iter().filter(|at| **at < index).count();
            assert_eq!(count_below(&listed, index), expected, "{index} in {writes:?}");
        }
    }
}
