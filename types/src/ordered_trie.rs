//! The root over a list, as Ethereum commits to transactions and receipts, in groups that are made apart from each other.
//!
//! The key of an item is the RLP of its index. Sixteen items from a multiple of sixteen on share all digits of their keys but
//! the last, so they are the leaves of one branch node, whatever else is in the list: its hash can be computed as soon as the
//! sixteen are known, by anybody. Only the first item of all is elsewhere: the RLP of 0 is `0x80`.
//!
//! **Source**: Yellow Paper, appendix D; the digits of keys as in `alloy-trie`.

use alloy_primitives::B256;
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles};

/// Items of a group.
pub const GROUP_ITEMS: usize = 16;

/// Groups whose keys come before that of the first item.
const GROUPS_BELOW_FIRST: usize = 8;

/// Least bytes of an item: nodes of smaller ones are not hashed, and groups know only hashes.
const ITEM_BYTES_MIN: usize = 32;

/// Sixteen consecutive items of a list, or what is left at its end, as the root needs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    number: usize,
    /// The first item of the list, if it is in this group.
    first: Option<Vec<u8>>,
    node: Node,
}

/// What the items of a group, without the first of the list, come to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Nothing,
    /// One item with its index.
    Leaf(usize, Vec<u8>),
    /// Hash of the branch node of several.
    Branch(B256),
}

impl Group {
    /// The items from `16 * number` on. `encode` appends the bytes of an item, at least 32.
    ///
    /// # Panics
    /// When there are more than sixteen items.
    #[must_use]
    pub fn new<T>(number: usize, items: &[T], encode: impl Fn(&T, &mut Vec<u8>)) -> Self {
        assert!(items.len() <= GROUP_ITEMS, "a group has {GROUP_ITEMS} items at most");
        let bytes = |item: &T| {
            let mut bytes = Vec::new();
            encode(item, &mut bytes);
            bytes
        };
        let mut from = number * GROUP_ITEMS;
        let (mut first, mut rest) = (None, items);
        if number == 0
            && let Some((item, others)) = items.split_first()
        {
            (first, rest, from) = (Some(bytes(item)), others, 1);
        }
        let node = match rest {
            [] => Node::Nothing,
            [item] => Node::Leaf(from, bytes(item)),
            items => {
                let mut builder = HashBuilder::default();
                let mut buffer = Vec::new();
                for (digit, item) in (from % GROUP_ITEMS..GROUP_ITEMS).zip(items) {
                    buffer.clear();
                    encode(item, &mut buffer);
                    debug_assert!(buffer.len() >= ITEM_BYTES_MIN, "smaller nodes are not hashed");
                    builder.add_leaf(Nibbles::from_nibbles([digit as u8]), &buffer);
                }
                Node::Branch(builder.root())
            }
        };
        Self { number, first, node }
    }

    /// Adds the group to a trie that holds what comes before it.
    fn add_to(&self, builder: &mut HashBuilder) {
        match &self.node {
            Node::Nothing => {}
            Node::Leaf(index, bytes) => builder.add_leaf(key(*index), bytes),
            Node::Branch(hash) => {
                // Any item but the first of all.
                let key = key(self.number * GROUP_ITEMS + 1);
                builder.add_branch(key.slice(..key.len() - 1), *hash, false);
            }
        }
    }
}

/// The key of an item, digit by digit.
fn key(index: usize) -> Nibbles {
    Nibbles::unpack(alloy_rlp::encode_fixed_size(&index))
}

/// The root over a list: of all its groups, ascending, of which only the last may have fewer than sixteen items.
#[must_use]
pub fn root<'g>(groups: impl IntoIterator<Item = &'g Group>) -> B256 {
    let mut builder = HashBuilder::default();
    let mut first: Option<&[u8]> = None;
    let mut some = false;
    for (number, group) in groups.into_iter().enumerate() {
        debug_assert_eq!(group.number, number, "groups come in order");
        some = true;
        first = first.or(group.first.as_deref());
        if number == GROUPS_BELOW_FIRST
            && let Some(item) = first.take()
        {
            builder.add_leaf(key(0), item);
        }
        group.add_to(&mut builder);
    }
    if let Some(item) = first {
        builder.add_leaf(key(0), item);
    }
    if some { builder.root() } else { EMPTY_ROOT_HASH }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_trie::root::ordered_trie_root_encoded;

    fn by_groups(items: &[Vec<u8>]) -> B256 {
        let groups: Vec<Group> = items
            .chunks(GROUP_ITEMS)
            .enumerate()
            .map(|(number, items)| Group::new(number, items, |item, out| out.extend(item)))
            .collect();
        root(&groups)
    }

    #[test]
    fn groups_give_the_root_of_the_list_whatever_its_length() {
        let items: Vec<Vec<u8>> = (0..65_600_usize)
            .map(|index| {
                // Below and above what one hash takes at once, never the same twice.
                let length = ITEM_BYTES_MIN + index % 150;
                let mut item = vec![index as u8; length];
                item[..8].copy_from_slice(&index.to_be_bytes());
                item
            })
            .collect();
        let lengths = (0..300).chain(4090..4100).chain([65_535, 65_536, 65_537, 65_553, 65_600]);
        for length in lengths {
            let expected = ordered_trie_root_encoded(&items[..length]);
            assert_eq!(by_groups(&items[..length]), expected, "{length} items");
        }
    }
}
