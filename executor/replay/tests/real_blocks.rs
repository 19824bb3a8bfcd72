//! The real blocks beside the checkout, if they are there.

use std::path::PathBuf;
use weft_replay::Load;
use weft_replay::blocks::{find_blocks, read_blocks};
use weft_replay::plain::PlainLoop;
use weft_replay::replay::{ReplayOptions, Replayer};
use weft_types::receipt::{logs_bloom, receipts_root};

/// The blocks in `../shared/blocks` beside the workspace; `None`, with a message, on a clone alone.
fn blocks() -> Option<Vec<Load>> {
    let folder = PathBuf::from("../../../shared/blocks");
    if !folder.is_dir() {
        eprintln!("skipped: no blocks in {}", folder.display());
        return None;
    }
    let folders = find_blocks(&folder).expect("the folder has blocks");
    Some(read_blocks(&folders).expect("the blocks are whole"))
}

#[test]
fn the_plain_loop_gives_what_the_headers_say() {
    let Some(blocks) = blocks() else { return };
    for block in blocks {
        let receipts = PlainLoop::default().receipts(&block.input(), &block.state).unwrap();
        let gas_used = receipts.last().map_or(0, |receipt| receipt.cumulative_gas_used());
        assert_eq!(gas_used, block.header.gas_used, "block {}", block.name);
        assert_eq!(logs_bloom(&receipts), block.header.logs_bloom, "block {}", block.name);
        if block.rules.spec.is_enabled_in(weft_evm::SpecId::BYZANTIUM) {
            assert_eq!(
                receipts_root(&receipts),
                block.header.receipts_root,
                "block {}",
                block.name
            );
        }
    }
}

/// Every block, on 1, 2 and 4 workers, with and without its access list: what the header says, and what the oracle gives.
#[test]
fn the_executor_gives_what_the_headers_and_the_oracle_say() {
    let Some(blocks) = blocks() else { return };
    let workers = vec![1, 2, 4];
    let (compare, with_list, oversubscribe) = (true, true, true);
    let options = ReplayOptions { workers, compare, with_list, repeat: 1, oversubscribe };
    let replayer = Replayer::new(options);
    let refused: Vec<String> = blocks
        .iter()
        .filter_map(|block| replayer.verify(block).err().map(|error| error.to_string()))
        .collect();
    assert!(refused.is_empty(), "{} of {}:\n{}", refused.len(), blocks.len(), refused.join("\n"));
}
