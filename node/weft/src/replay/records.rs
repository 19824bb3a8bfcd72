//! Records of replayed blocks as files.

use crate::failure::{ExitStatus, Failure};
use alloy_eip7928::AccountChanges;
use alloy_rlp::Decodable;
use std::path::{Path, PathBuf};
use weft_evm::Executed;
use weft_record::Block;
use weft_record::json::{Recorded, file};
use weft_record::names::Registry;
use weft_replay::load::Load;

/// The file of a block.
pub(super) fn path(folder: &Path, load: &Load) -> PathBuf {
    folder.join(format!("{}.json", load.name))
}

/// Writes the record of one run of a block.
///
/// # Errors
/// [`Failure`] naming the file.
pub(super) fn write(folder: &Path, load: &Load, executed: &Executed) -> Result<(), Failure> {
    let path = path(folder, load);
    let failed = |cause: &dyn std::fmt::Display| {
        let what = format!("the record cannot be written to {}", path.display());
        Failure::new(ExitStatus::Unexpected, what).fact("cause", cause)
    };
    let list = Vec::<AccountChanges>::decode(&mut &executed.access_list[..]);
    let list = list.map_err(|error| failed(&error))?;
    let transactions = executed.plain_transactions();
    let senders: Vec<_> = executed.transactions.iter().map(|one| one.signer()).collect();
    let recorded = Recorded {
        number: load.header.number,
        hash: load.header.hash_slow(),
        timestamp: load.header.timestamp,
        block: Block {
            transactions: &transactions,
            senders: &senders,
            receipts: &executed.receipts,
            access: &executed.access_record,
            list: &list,
        },
        profile: Some(&executed.profile),
    };
    let json = file(&recorded, &Registry::default(), "Ethereum mainnet, replayed");
    std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    std::fs::write(&path, json.to_string()).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RecordFile;
    use weft_replay::blocks::{find_blocks, read_blocks};
    use weft_replay::replay::{ReplayOptions, Replayer};

    fn replayer() -> Replayer {
        Replayer::new(ReplayOptions {
            workers: vec![1, 2],
            compare: false,
            with_list: false,
            repeat: 1,
            oversubscribe: false,
        })
    }

    /// Writes and reads back the records of all blocks in a folder; returns how many there are.
    fn round_trip(blocks: &Path) -> usize {
        let loads = read_blocks(&find_blocks(blocks).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let replayer = replayer();
        for load in &loads {
            let executed = replayer.record(load).unwrap();
            write(folder.path(), load, &executed).unwrap();
            let text = std::fs::read_to_string(path(folder.path(), load)).unwrap();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            RecordFile::parse(&json).unwrap_or_else(|error| panic!("{}: {error}", load.name));
            let half = &json["record"]["deterministic"];
            assert_eq!(half["workGas"], load.header.gas_used, "{}", load.name);
            assert_eq!(json["record"]["hash"], load.header.hash_slow().to_string());
            let access = &executed.access_record;
            assert_eq!(half["criticalPathGas"], access.critical_path().0, "{}", load.name);
            let edges = half["columns"]["edges"]["to"].as_array().unwrap();
            assert_eq!(edges.len(), access.edges().len(), "{}", load.name);
            // Both halves: this run is in it, each transaction kept once.
            let runs = json["record"]["local"]["columns"]["outcome"].as_array().unwrap();
            let kept = runs.iter().filter(|outcome| **outcome == 0).count();
            assert_eq!(kept, load.transactions.len(), "{}", load.name);
        }
        loads.len()
    }

    #[test]
    fn the_record_of_a_replayed_block_reads_back_with_both_halves() {
        let blocks = Path::new("../../executor/replay/tests/blocks");
        assert_eq!(round_trip(blocks), 1);
    }

    /// The blocks in `../shared/blocks` beside the workspace.
    #[test]
    #[allow(clippy::print_stderr)] // a test that was skipped says so
    fn records_of_real_blocks_read_back_with_both_halves() {
        let folder = Path::new("../../../shared/blocks");
        if !folder.is_dir() {
            eprintln!("skipped: no blocks in {}", folder.display());
            return;
        }
        assert!(round_trip(folder) > 0);
    }
}
