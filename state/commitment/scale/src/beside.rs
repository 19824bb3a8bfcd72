//! The crate `jmt` on a map in memory, with the same hash.

use crate::clock::{self, Cost};
use crate::load::{BLOCKS, Load};
use jmt::storage::{LeafNode, Node, NodeKey, TreeReader, TreeUpdateBatch};
use jmt::{JellyfishMerkleTree, KeyHash, OwnedValue, SimpleHasher, Version};
use std::collections::HashMap;

/// Keys put in at once when the state is made.
const BATCH: usize = 100_000;

struct Blake3(blake3::Hasher);

impl SimpleHasher for Blake3 {
    fn new() -> Self {
        Self(blake3::Hasher::new())
    }
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
    fn finalize(self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

#[derive(Default)]
struct Map(HashMap<NodeKey, Node>);

impl Map {
    fn take(&mut self, batch: TreeUpdateBatch) {
        for stale in &batch.stale_node_index_batch {
            self.0.remove(&stale.node_key);
        }
        let nodes = batch.node_batch.nodes().iter();
        self.0.extend(nodes.map(|(key, node)| (key.clone(), node.clone())));
    }
}

impl TreeReader for Map {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        Ok(self.0.get(key).cloned())
    }
    fn get_value_option(&self, _: Version, _: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        Ok(None)
    }
    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        Ok(None)
    }
}

/// The cost of computing a block's root. Putting the new nodes into the map is not counted.
pub(crate) fn measure(load: &Load) -> Cost {
    let mut map = Map::default();
    let state: Vec<(KeyHash, Option<OwnedValue>)> =
        load.state().map(|(key, value)| (KeyHash(key.0), Some(value.to_vec()))).collect();
    let mut version = 0;
    for batch in state.chunks(BATCH) {
        let update = put(&map, batch.to_vec(), version);
        map.take(update);
        version += 1;
    }
    eprintln!("jmt: {} nodes", map.0.len());
    let mut sum = Cost { wall_ms: 0.0, cpu_ms: 0.0 };
    let blocks = BLOCKS / 4;
    for block in 0..blocks {
        let changes: Vec<_> = load
            .block(block)
            .into_iter()
            .map(|(key, value)| (KeyHash(key.0), Some(value.to_vec())))
            .collect();
        let mut update = None;
        let mut changes = Some(changes);
        let cost = clock::measure(1, |_| {
            update = changes.take().map(|changes| put(&map, changes, version));
        });
        map.take(update.expect("measured once"));
        version += 1;
        sum.wall_ms += cost.wall_ms / blocks as f64;
        sum.cpu_ms += cost.cpu_ms / blocks as f64;
    }
    sum
}

fn put(
    map: &Map,
    changes: Vec<(KeyHash, Option<OwnedValue>)>,
    version: Version,
) -> TreeUpdateBatch {
    let tree = JellyfishMerkleTree::<_, Blake3>::new(map);
    tree.put_value_set(changes, version).expect("the map has every node").1
}
