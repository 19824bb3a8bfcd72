//! Proofs: the nodes on the ways to some keys.

use super::Tree;
use super::node::{Context, Leaf, Node};
use crate::hash::Preimage;
use crate::proof::{Proof, account_keys, sharing};
use crate::{CommitmentError, TreeKey};
use alloy_primitives::{Address, B256, Bytes, U256};

impl Tree {
    /// The proof of an account and some of its slots, whether they exist or not, for
    /// [`Proof::verify_account`].
    ///
    /// # Errors
    /// As [`Self::prove`].
    pub fn prove_account(
        &self,
        address: &Address,
        slots: &[U256],
    ) -> Result<Proof, CommitmentError> {
        self.prove(&account_keys(address, slots))
    }

    /// The proof of what lies at some keys, or that nothing does. The order of the keys does not
    /// matter, nor how often each is named.
    ///
    /// # Errors
    /// [`CommitmentError::NoSource`] when the tree does not know where to read the values,
    /// [`CommitmentError::Source`] or [`CommitmentError::Changed`] when they cannot be read or are
    /// not what they were.
    pub fn prove(&self, keys: &[TreeKey]) -> Result<Proof, CommitmentError> {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys.dedup();
        let mut nodes = Vec::new();
        if let (Some(root), false) = (&self.root, keys.is_empty()) {
            put(root, 0, &keys, &self.context(), &mut nodes)?;
        }
        Ok(Proof { nodes })
    }
}

/// Puts the node and those below it that the keys need, each before its children.
fn put(
    node: &Node,
    start: u16,
    keys: &[TreeKey],
    context: &Context<'_>,
    nodes: &mut Vec<Bytes>,
) -> Result<(), CommitmentError> {
    match node {
        Node::Stub(stub) => put(&stub.resolve(context)?, start, keys, context, nodes),
        Node::Leaf(leaf) => {
            let value = value_of(leaf, context)?;
            nodes.push(Bytes::copy_from_slice(Preimage::leaf(&leaf.key, &value).as_slice()));
            Ok(())
        }
        Node::Branch(branch) => {
            let first = node.first_key();
            let (left, right) = (branch.left.hash(), branch.right.hash());
            let preimage = Preimage::branch((start, branch.split), first, left, right);
            nodes.push(Bytes::copy_from_slice(preimage.as_slice()));
            let keys = &keys[sharing(keys, first, branch.split)];
            let (left, right) = keys.split_at(keys.partition_point(|key| !key.bit(branch.split)));
            for (child, keys) in [(&branch.left, left), (&branch.right, right)] {
                if !keys.is_empty() {
                    put(child, branch.split + 1, keys, context, nodes)?;
                }
            }
            Ok(())
        }
    }
}

/// The value behind a leaf's hash: the tree keeps only the hash.
fn value_of(leaf: &Leaf, context: &Context<'_>) -> Result<B256, CommitmentError> {
    let source = context.source.ok_or(CommitmentError::NoSource)?;
    let value = match source.leaves_from(&leaf.key, 1)?[..] {
        [(key, value)] if key == leaf.key => value,
        _ => B256::ZERO,
    };
    let found = Preimage::leaf(&leaf.key, &value).hash();
    if found != leaf.hash {
        let first = format!("{:?}", leaf.key);
        return Err(CommitmentError::Changed { first, leaves: 1, expected: leaf.hash, found });
    }
    Ok(value)
}
