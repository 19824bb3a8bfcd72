//! The tree of `weft-commitment`.

use crate::clock::{self, Cost};
use crate::load::{BLOCKS, Load};
use alloy_primitives::B256;
use std::collections::BTreeMap;
use std::sync::Arc;
use weft_commitment::{LeafChange, Tree, TreeBuilder, TreeKey};

/// Leaves up to this number are also measured without memory, read from a map.
const BARE_KEYS_MAX: u64 = 1_000_000;

/// Workers, what is in memory, and the cost of a block.
pub(crate) fn measure(load: &Load) -> Vec<(usize, &'static str, Cost)> {
    let mut state: Vec<(TreeKey, B256)> =
        load.state().map(|(key, value)| (TreeKey::basic(&key), value)).collect();
    state.sort_unstable_by_key(|(key, _)| *key);
    let mut builder = TreeBuilder::new();
    for (key, value) in &state {
        builder.push(*key, value).expect("sorted before");
    }
    let tree = builder.finish();
    eprintln!("{} leaves, about {} MB", tree.leaves(), tree.memory_bytes() >> 20);
    let mut rows = Vec::new();
    for workers in [1, 2] {
        rows.push((workers, "in memory", blocks(load, &tree, workers)));
    }
    if load.keys <= BARE_KEYS_MAX {
        let source: BTreeMap<TreeKey, B256> = state.into_iter().collect();
        let bare = tree.with_source(Arc::new(source)).trim(0);
        eprintln!("about {} MB of it stay", bare.memory_bytes() >> 20);
        rows.push((1, "small subtrees read anew from a map", blocks_alone(load, &bare)));
    }
    rows
}

/// Block after block, each on the one before it.
fn blocks(load: &Load, tree: &Tree, workers: usize) -> Cost {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(workers).build().expect("threads");
    let changes: Vec<_> = (0..BLOCKS).map(|block| load.block(block)).collect();
    let mut tree = tree.clone();
    pool.install(|| {
        // The first ones only warm up.
        for block in &changes[..4] {
            tree = next(&tree, block);
        }
        clock::measure(BLOCKS - 4, |block| {
            let child = next(&tree, &changes[block + 4]);
            std::mem::replace(&mut tree, child)
        })
    })
}

/// Blocks on the same tree, which so has nothing of what they change in memory.
fn blocks_alone(load: &Load, tree: &Tree) -> Cost {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("threads");
    let changes: Vec<_> = (0..BLOCKS).map(|block| load.block(block)).collect();
    pool.install(|| clock::measure(BLOCKS, |block| next(tree, &changes[block])))
}

fn next(tree: &Tree, block: &[(B256, B256)]) -> Tree {
    let change =
        |(key, value): &(B256, B256)| LeafChange { key: TreeKey::basic(key), value: Some(*value) };
    let mut changes: Vec<LeafChange> = block.iter().map(change).collect();
    changes.sort_unstable_by_key(|change| change.key);
    tree.apply_leaves(&changes).expect("everything is in memory")
}
