//! Keys of the tree (EIP-8297).

use crate::hash::pack_bits;
use alloy_primitives::{Address, B256, U256};
use std::cmp::Ordering;

/// Slots below this number lie in the account's header zone.
pub const HEADER_SLOTS: u64 = 64;

const ZONE_HEADER: u8 = 0x00;
const ZONE_CODE: u8 = 0x01;
const ZONE_STORAGE: u8 = 0xff;

pub(crate) const SUB_BASIC: u8 = 0;
pub(crate) const SUB_CODE_HASH: u8 = 1;
pub(crate) const SUB_DELEGATION: u8 = 2;
pub(crate) const SUB_SLOTS: u8 = 64;

/// A key of the tree: 34 bytes in the header and code zones, 66 bytes in the storage zone.
///
/// Keys of different length differ in their first bit, so no key is a prefix of another one and the
/// derived order is the order of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TreeKey {
    /// Header zone (first byte 00) or code zone (01).
    Short([u8; 34]),
    /// Storage zone (first byte FF).
    Long([u8; 66]),
}

impl std::fmt::Debug for TreeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&alloy_primitives::hex::encode(self.as_slice()))
    }
}

impl TreeKey {
    /// The bytes of the key.
    #[must_use]
    pub const fn as_slice(&self) -> &[u8] {
        match self {
            Self::Short(bytes) => bytes,
            Self::Long(bytes) => bytes,
        }
    }

    /// Key of one 31-byte chunk of a code, counted from 0.
    #[must_use]
    pub fn code_chunk(code_hash: &B256, chunk: u32) -> Self {
        let mut preimage = [0u8; 64];
        preimage[..32].copy_from_slice(code_hash.as_slice());
        preimage[60..].copy_from_slice(&(chunk / 256).to_be_bytes());
        short(ZONE_CODE, blake3::hash(&preimage).as_bytes(), (chunk % 256) as u8)
    }

    /// A key from its bytes, when they have the length of their zone.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        match *bytes.first()? {
            ZONE_HEADER | ZONE_CODE => bytes.try_into().ok().map(Self::Short),
            ZONE_STORAGE => bytes.try_into().ok().map(Self::Long),
            _ => None,
        }
    }

    /// Key in the header zone of the account with this `H(addr32)`.
    fn header(account: &B256, sub: u8) -> Self {
        short(ZONE_HEADER, account.as_slice(), sub)
    }

    /// Key of code size, nonce and balance of the account with this `H(addr32)`.
    #[must_use]
    pub fn basic(account: &B256) -> Self {
        Self::header(account, SUB_BASIC)
    }

    /// Key of the code hash of the account with this `H(addr32)`.
    #[must_use]
    pub fn code_hash(account: &B256) -> Self {
        Self::header(account, SUB_CODE_HASH)
    }

    /// Key of the EIP-7702 delegation of the account with this `H(addr32)`.
    #[must_use]
    pub fn delegation(account: &B256) -> Self {
        Self::header(account, SUB_DELEGATION)
    }

    /// 0 header, 1 code, 2 storage: the zones in the order of their keys.
    pub(crate) const fn zone(&self) -> usize {
        match self.as_slice()[0] {
            ZONE_HEADER => 0,
            ZONE_CODE => 1,
            _ => 2,
        }
    }

    /// Whether both keys lie in one range of the flat state: the same zone and, in the storage zone,
    /// the same account.
    pub(crate) fn is_scanned_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Long(a), Self::Long(b)) => a[..33] == b[..33],
            (Self::Short(a), Self::Short(b)) => a[0] == b[0],
            _ => false,
        }
    }

    /// The bit at this place; place 0 is the highest bit of the first byte.
    pub(crate) const fn bit(&self, place: u16) -> bool {
        (self.as_slice()[place as usize / 8] >> (7 - place % 8)) & 1 == 1
    }

    /// Compares the `bits` bits from `start` on with packed bits: the first one highest, padded with
    /// zeros. The key must be long enough.
    pub(crate) fn compare_bits(&self, start: u16, bits: u16, packed: &[u8]) -> Ordering {
        let key = self.as_slice();
        let mut found = [0u8; 66];
        let used = if bits == 0 { 0 } else { pack_bits(key, start, start + bits, &mut found) };
        found[..used].cmp(packed)
    }

    /// Number of leading bits that both keys share. The keys must differ.
    pub(crate) fn common_bits(&self, other: &Self) -> u16 {
        let pairs = self.as_slice().iter().zip(other.as_slice());
        let mut bits = 0u16;
        for (a, b) in pairs {
            let different = a ^ b;
            if different != 0 {
                return bits + different.leading_zeros() as u16;
            }
            bits += 8;
        }
        bits
    }
}

fn short(zone: u8, stem: &[u8], sub: u8) -> TreeKey {
    let mut key = [0u8; 34];
    key[0] = zone;
    key[1..33].copy_from_slice(stem);
    key[33] = sub;
    TreeKey::Short(key)
}

/// An address and its hash, from which the keys of its slots follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountKey {
    hash: B256,
    address: Address,
}

impl AccountKey {
    /// Hashes the address.
    #[must_use]
    pub fn new(address: &Address) -> Self {
        let hash = blake3::hash(address.into_word().as_slice());
        Self { hash: B256::from(*hash.as_bytes()), address: *address }
    }

    /// `H(addr32)`: what all keys of the account share.
    #[must_use]
    pub const fn hash(&self) -> &B256 {
        &self.hash
    }

    /// Key of a storage slot: in the header zone below [`HEADER_SLOTS`], else in the storage zone.
    #[must_use]
    pub fn slot(&self, slot: &U256) -> TreeKey {
        let sub = slot.byte(0);
        if *slot < U256::from(HEADER_SLOTS) {
            return TreeKey::header(&self.hash, SUB_SLOTS + sub);
        }
        let mut key = [0u8; 66];
        key[0] = ZONE_STORAGE;
        key[1..33].copy_from_slice(self.hash.as_slice());
        key[33..65].copy_from_slice(storage_group(&self.address, slot).as_slice());
        key[65] = sub;
        TreeKey::Long(key)
    }
}

/// `H(addr32 ‖ u256be(slot / 256))`: the stem that 256 neighbouring slots share.
fn storage_group(address: &Address, slot: &U256) -> B256 {
    let group: U256 = *slot >> 8usize;
    let mut preimage = [0u8; 64];
    preimage[12..32].copy_from_slice(address.as_slice());
    preimage[32..].copy_from_slice(&group.to_be_bytes::<32>());
    B256::from(*blake3::hash(&preimage).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;

    const A: Address = Address::repeat_byte(0x11);

    #[test]
    fn keys_have_the_bytes_of_the_draft() {
        let account = AccountKey::new(&A);
        assert_eq!(
            hex::encode(TreeKey::basic(account.hash()).as_slice()),
            "003be5cbeb404585affd1460c65480b7d2e5d2fa1fba9b0c3acfbf35c840c37d2c00"
        );
        assert_eq!(
            hex::encode(account.slot(&U256::from(1000)).as_slice()),
            "ff3be5cbeb404585affd1460c65480b7d2e5d2fa1fba9b0c3acfbf35c840c37d2c\
             db454558b31295796c4eccb2d12c74f512f01dfa46ec08b7a57c6d104d602286e8"
        );
    }

    #[test]
    fn slot_63_lies_in_the_header_and_slot_64_in_the_storage_zone() {
        let account = AccountKey::new(&A);
        assert_eq!(account.slot(&U256::from(63)).as_slice()[33], 127);
        assert_eq!(account.slot(&U256::from(63)).as_slice()[0], 0x00);
        assert_eq!(account.slot(&U256::from(64)).as_slice()[0], 0xff);
        assert_eq!(account.slot(&U256::from(64)).as_slice()[65], 64);
    }

    #[test]
    fn slots_share_a_stem_exactly_when_they_share_all_but_their_last_byte() {
        assert_eq!(storage_group(&A, &U256::from(256)), storage_group(&A, &U256::from(511)));
        assert_ne!(storage_group(&A, &U256::from(255)), storage_group(&A, &U256::from(256)));
        let high = U256::from(1) << 255usize;
        assert_ne!(storage_group(&A, &high), storage_group(&A, &U256::ZERO));
    }

    #[test]
    fn the_derived_order_is_the_order_of_the_bytes() {
        let account = AccountKey::new(&A);
        let mut keys = [
            account.slot(&U256::from(1000)),
            TreeKey::code_chunk(&B256::ZERO, 3),
            TreeKey::basic(account.hash()),
            account.slot(&U256::from(1)),
            TreeKey::code_chunk(&B256::ZERO, 300),
        ];
        keys.sort();
        assert!(keys.is_sorted_by(|a, b| a.as_slice() < b.as_slice()));
    }

    #[test]
    fn a_key_is_read_back_from_its_bytes_and_other_lengths_are_refused() {
        let account = AccountKey::new(&A);
        for key in [TreeKey::basic(account.hash()), account.slot(&U256::from(64))] {
            assert_eq!(TreeKey::from_slice(key.as_slice()), Some(key));
            assert_eq!(TreeKey::from_slice(&key.as_slice()[..33]), None);
        }
        assert_eq!(TreeKey::from_slice(&[0x02; 34]), None);
        assert_eq!(TreeKey::from_slice(&[]), None);
    }

    #[test]
    fn bits_are_counted_from_the_highest() {
        let account = AccountKey::new(&A);
        assert!(!TreeKey::basic(account.hash()).bit(0));
        assert!(account.slot(&U256::from(64)).bit(0));
        assert_eq!(
            TreeKey::basic(account.hash()).common_bits(&TreeKey::code_hash(account.hash())),
            34 * 8 - 1
        );
        assert_eq!(TreeKey::basic(account.hash()).common_bits(&account.slot(&U256::from(64))), 0);
    }
}
