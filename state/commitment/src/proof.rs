//! Proofs, and their verification from a root alone: no database, no tree.
//!
//! A proof is the list of the nodes on the ways from the root to some keys, each as the exact bytes
//! that are hashed, each before those below it, left before right, none twice. Every node's hash is
//! named by the node above it, the first one's is the root. A way ends where a leaf has the key (it
//! is there), where a leaf has another key, or where a branch's prefix is not that of the key (it is
//! not there). The proof of anything in the empty tree has no nodes and the root zero.
//!
//! ```text
//! bytes of a proof   count u32be | (length u8 | node) for each node
//! ```

use crate::hash::{NODE_BYTES_MAX, Parsed, hash, parse};
use crate::{AccountKey, AccountLeaves, TreeKey};
use alloy_primitives::{Address, B256, Bytes, U256};
use std::ops::Range;
use weft_types::Account;

/// Most nodes that a proof may have.
pub const PROOF_NODES_MAX: usize = 1 << 16;

/// The nodes on the ways to some keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Preimages of the nodes' hashes, each before those below it.
    pub nodes: Vec<Bytes>,
}

/// What a proof shows of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenAccount {
    /// The account, or `None` when it does not exist.
    pub account: Option<Account>,
    /// Whom the account has set as its code (EIP-7702).
    pub delegation: Option<Address>,
    /// Values of the slots, in the order in which they were asked for; zero when absent.
    pub slots: Vec<U256>,
}

/// Why a proof shows nothing.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProofError {
    /// The bytes are not those of a proof.
    #[error("proof does not decode: {reason}")]
    Encoding {
        /// What was found.
        reason: &'static str,
    },
    /// A node is not the one that the root or the node above it names.
    #[error("node {place} has hash {found}, expected {expected}")]
    Hash {
        /// Place of the node, from 0.
        place: usize,
        /// Hash named above.
        expected: B256,
        /// Hash of the bytes given.
        found: B256,
    },
    /// A node is missing.
    #[error("proof ends after {nodes} nodes: one with hash {expected} is missing")]
    Missing {
        /// Nodes given.
        nodes: usize,
        /// Hash of the node that should follow.
        expected: B256,
    },
    /// A node is not needed for the keys.
    #[error("proof has {found} nodes, {needed} are needed")]
    Superfluous {
        /// Nodes needed.
        needed: usize,
        /// Nodes given.
        found: usize,
    },
    /// A node has a form that no tree has.
    #[error("node {place} cannot be part of a tree: {reason}")]
    Shape {
        /// Place of the node, from 0.
        place: usize,
        /// What does not fit.
        reason: &'static str,
    },
    /// The leaves of the account contradict each other.
    #[error("the leaves shown are not those of an account: missing, too many, or of a new version")]
    Account,
}

impl Proof {
    /// The values at `keys` in the tree with this root, `None` where there is none. The keys must
    /// ascend, each once.
    ///
    /// # Errors
    /// [`ProofError`] unless the proof is exactly the one of these keys.
    pub fn verify(&self, root: B256, keys: &[TreeKey]) -> Result<Vec<Option<B256>>, ProofError> {
        let mut walk =
            Walk { nodes: &self.nodes, place: 0, values: Vec::with_capacity(keys.len()) };
        if !keys.is_sorted_by(|a, b| a < b) {
            return Err(ProofError::Encoding { reason: "keys do not ascend" });
        }
        if root.is_zero() || keys.is_empty() {
            walk.absent(keys.len());
        } else {
            walk.below(root, 0, keys)?;
        }
        if walk.place != self.nodes.len() {
            return Err(ProofError::Superfluous { needed: walk.place, found: self.nodes.len() });
        }
        Ok(walk.values)
    }

    /// What the tree with this root holds of an account and of some of its slots.
    ///
    /// # Errors
    /// [`ProofError`] unless the proof is exactly the one of this account and these slots.
    pub fn verify_account(
        &self,
        root: B256,
        address: &Address,
        slots: &[U256],
    ) -> Result<ProvenAccount, ProofError> {
        let keys = account_keys(address, slots);
        let values = self.verify(root, &keys)?;
        let account = AccountKey::new(address);
        let value = |key: &TreeKey| values[keys.binary_search(key).expect("it is one of them")];
        let word =
            |value: Option<B256>| value.map_or(U256::ZERO, |value| U256::from_be_bytes(value.0));
        let slots = slots.iter().map(|slot| word(value(&account.slot(slot)))).collect();
        let mut leaves = AccountLeaves::default();
        for key in account_keys(address, &[]) {
            if let Some(value) = value(&key) {
                leaves.set(key.as_slice()[33], value);
            }
        }
        if leaves.is_empty() {
            return Ok(ProvenAccount { account: None, delegation: None, slots });
        }
        let (account, designator) = leaves.account().ok_or(ProofError::Account)?;
        let delegation = designator.map(|designator| Address::from_slice(&designator[3..]));
        Ok(ProvenAccount { account: Some(account), delegation, slots })
    }

    /// The bytes of the proof.
    ///
    /// # Panics
    /// When a node is longer than any node of a tree; [`Self::decode`] and
    /// [`Tree::prove`](crate::Tree::prove) never give such a proof.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.nodes.len()).expect("proofs are short");
        let mut out = count.to_be_bytes().to_vec();
        for node in &self.nodes {
            out.push(u8::try_from(node.len()).expect("nodes are short"));
            out.extend_from_slice(node);
        }
        out
    }

    /// Reads the bytes of a proof. Says nothing about what it shows.
    ///
    /// # Errors
    /// [`ProofError::Encoding`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        let refuse = |reason| Err(ProofError::Encoding { reason });
        let Some((count, mut rest)) = bytes.split_first_chunk::<4>() else {
            return refuse("no count");
        };
        let count = u32::from_be_bytes(*count) as usize;
        if count > PROOF_NODES_MAX || count > rest.len() {
            return refuse("more nodes than bytes or than a proof may have");
        }
        let mut nodes = Vec::with_capacity(count);
        for _ in 0..count {
            let node = rest.split_first().and_then(|(length, rest)| {
                let length = usize::from(*length);
                (length <= NODE_BYTES_MAX).then(|| rest.split_at_checked(length)).flatten()
            });
            let Some((node, after)) = node else {
                return refuse("a node is cut off or too long");
            };
            nodes.push(Bytes::copy_from_slice(node));
            rest = after;
        }
        if !rest.is_empty() {
            return refuse("bytes are left over");
        }
        Ok(Self { nodes })
    }
}

/// The keys of an account's leaves and of some of its slots, ascending, each once.
#[must_use]
pub fn account_keys(address: &Address, slots: &[U256]) -> Vec<TreeKey> {
    let account = AccountKey::new(address);
    let hash = account.hash();
    let own = [TreeKey::basic(hash), TreeKey::code_hash(hash), TreeKey::delegation(hash)];
    let mut keys: Vec<TreeKey> =
        own.into_iter().chain(slots.iter().map(|slot| account.slot(slot))).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Which of the ascending keys share the first `bits` bits with `key`.
pub(crate) fn sharing(keys: &[TreeKey], key: &TreeKey, bits: u16) -> Range<usize> {
    let shares = |other: &TreeKey| other == key || other.common_bits(key) >= bits;
    let first = keys.partition_point(|other| other < key && !shares(other));
    let count = keys[first..].partition_point(shares);
    first..first + count
}

/// The way through a proof.
struct Walk<'a> {
    nodes: &'a [Bytes],
    place: usize,
    values: Vec<Option<B256>>,
}

impl Walk<'_> {
    fn absent(&mut self, keys: usize) {
        self.values.extend(std::iter::repeat_n(None, keys));
    }

    /// Follows all of `keys`, which share their first `start` bits, below the node with this hash.
    fn below(&mut self, expected: B256, start: u16, keys: &[TreeKey]) -> Result<(), ProofError> {
        let place = self.place;
        let missing = ProofError::Missing { nodes: place, expected };
        let node = self.nodes.get(place).ok_or(missing)?;
        self.place += 1;
        let found = hash(node);
        if found != expected {
            return Err(ProofError::Hash { place, expected, found });
        }
        let shape = |reason| ProofError::Shape { place, reason };
        match parse(node).ok_or_else(|| shape("not the bytes of a node"))? {
            Parsed::Leaf { key, value } => {
                if keys.iter().any(|other| *other != key && other.common_bits(&key) < start) {
                    return Err(shape("a leaf in a place that is not its own"));
                }
                self.values.extend(keys.iter().map(|other| (*other == key).then_some(value)));
            }
            Parsed::Branch { bits, prefix, left, right } => {
                let split = start.saturating_add(bits);
                if keys.iter().any(|key| usize::from(split) >= key.as_slice().len() * 8) {
                    return Err(shape("a branch below the last bit of a key"));
                }
                let first =
                    keys.partition_point(|key| key.compare_bits(start, bits, prefix).is_lt());
                let count = keys[first..]
                    .partition_point(|key| key.compare_bits(start, bits, prefix).is_eq());
                let (before, rest) = keys.split_at(first);
                let (keys, after) = rest.split_at(count);
                self.absent(before.len());
                let (zeros, ones) = keys.split_at(keys.partition_point(|key| !key.bit(split)));
                for (child, keys) in [(left, zeros), (right, ones)] {
                    if !keys.is_empty() {
                        self.below(child, split + 1, keys)?;
                    }
                }
                self.absent(after.len());
            }
        }
        Ok(())
    }
}
