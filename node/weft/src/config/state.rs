//! `[state]`: what a node keeps of the past, and the memory of its database.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use weft_store::{HISTORY_BLOCKS_MIN, Keep, Retention, StoreOptions};

/// The word for keeping something for ever.
const ARCHIVE: &str = "archive";

/// Blocks kept of what is not needed for ever.
const BLOCKS_DEFAULT: u64 = 100_000;

/// Bytes kept of records: some two million transactions at level full.
const RECORDS_BYTES_DEFAULT: u64 = 1 << 30;

/// With less, a block of many transactions would be the only one.
const RECORDS_BYTES_MIN: u64 = 1 << 20;

/// With less, the database would do nothing but write small files.
const WRITE_BUFFER_BYTES_MIN: usize = 1 << 20;

/// `[state]`. What is kept is a number of blocks below the head, or `"archive"` for all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateSection {
    /// States of the past: balances, nonces, slots, calls. At least 128 blocks.
    #[serde(with = "keep")]
    pub history: Keep,
    /// Receipts and the logs in them.
    #[serde(with = "keep")]
    pub receipts: Keep,
    /// The index that `eth_getLogs` searches; not longer than the receipts.
    #[serde(with = "keep")]
    pub logs: Keep,
    /// Block access lists.
    #[serde(with = "keep")]
    pub access_lists: Keep,
    /// Run profiles, and access records where they are stored (`[record] level = "full"`).
    #[serde(with = "keep")]
    pub records: Keep,
    /// Most bytes of these before the disk compresses them, if that is fewer blocks; without meaning where `records` is
    /// `"archive"`. At least 1 MiB.
    pub records_bytes: u64,
    /// Memory for hot accounts, slots and codes, in bytes.
    pub cache_bytes: usize,
    /// Memory for blocks of table files, in bytes.
    pub block_cache_bytes: usize,
    /// Memory for writes that are not yet in table files, in bytes.
    pub write_buffer_bytes: usize,
    /// Memory for the tree behind the state root, in bytes; the trees of the last blocks, which proofs
    /// are made from, take up to half as much again. With less, small subtrees are read again.
    pub tree_memory_bytes: u64,
    /// A snapshot is taken each time so many blocks were committed; 0 takes none.
    pub snapshot_interval: u64,
    /// Most snapshots of these that are kept, at least 1.
    pub snapshots_kept: usize,
    /// Threads that read ahead of the executor; 0 means eight per core, at most 128.
    pub io_threads: usize,
}

impl Default for StateSection {
    fn default() -> Self {
        let options = StoreOptions::node();
        Self {
            history: Keep::Blocks(BLOCKS_DEFAULT),
            receipts: Keep::All,
            logs: Keep::All,
            access_lists: Keep::Blocks(BLOCKS_DEFAULT),
            records: Keep::Blocks(BLOCKS_DEFAULT),
            records_bytes: RECORDS_BYTES_DEFAULT,
            cache_bytes: options.state_cache_bytes,
            block_cache_bytes: options.cache_bytes,
            write_buffer_bytes: options.write_buffer_bytes,
            tree_memory_bytes: options.tree_memory_bytes,
            snapshot_interval: 0,
            snapshots_kept: 2,
            io_threads: 0,
        }
    }
}

impl StateSection {
    /// What the section says to the store.
    #[must_use]
    pub const fn retention(&self) -> Retention {
        Retention {
            history: self.history,
            receipts: self.receipts,
            logs: self.logs,
            access_lists: self.access_lists,
            records: self.records,
            records_bytes: Some(self.records_bytes),
        }
    }

    /// Options of a node's store.
    #[must_use]
    pub fn store_options(&self) -> StoreOptions {
        let options = StoreOptions::node();
        StoreOptions {
            retention: self.retention(),
            state_cache_bytes: self.cache_bytes,
            cache_bytes: self.block_cache_bytes,
            write_buffer_bytes: self.write_buffer_bytes,
            tree_memory_bytes: self.tree_memory_bytes,
            read_threads: match self.io_threads {
                0 => options.read_threads,
                threads => threads,
            },
            ..options
        }
    }

    /// Refuses values that cannot work.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Keep::Blocks(blocks) = self.history
            && blocks < HISTORY_BLOCKS_MIN
        {
            return Err(format!(
                "state.history is {blocks}, expected at least {HISTORY_BLOCKS_MIN} or \"{ARCHIVE}\""
            ));
        }
        if self.snapshots_kept == 0 {
            return Err("state.snapshots_kept is 0, expected at least 1".into());
        }
        if self.write_buffer_bytes < WRITE_BUFFER_BYTES_MIN {
            return Err(format!(
                "state.write_buffer_bytes is {}, expected at least {WRITE_BUFFER_BYTES_MIN}",
                self.write_buffer_bytes
            ));
        }
        if self.records_bytes < RECORDS_BYTES_MIN {
            return Err(format!(
                "state.records_bytes is {}, expected at least {RECORDS_BYTES_MIN}; records = \"{ARCHIVE}\" keeps all of them",
                self.records_bytes
            ));
        }
        let named = [
            ("receipts", self.receipts),
            ("logs", self.logs),
            ("access_lists", self.access_lists),
            ("records", self.records),
        ];
        if let Some((name, _)) = named.iter().find(|(_, keep)| *keep == Keep::Blocks(0)) {
            return Err(format!("state.{name} is 0, expected at least 1 or \"{ARCHIVE}\""));
        }
        let longer = match (self.logs, self.receipts) {
            (Keep::Blocks(logs), Keep::Blocks(receipts)) => logs > receipts,
            (Keep::All, Keep::Blocks(_)) => true,
            (_, Keep::All) => false,
        };
        if longer {
            return Err(
                "state.logs is more than state.receipts: the index finds logs in receipts".into()
            );
        }
        Ok(())
    }
}

/// A number of blocks, or the word.
mod keep {
    use super::{ARCHIVE, Deserialize, Deserializer, Keep, Serializer};

    pub(super) fn serialize<S: Serializer>(keep: &Keep, serializer: S) -> Result<S::Ok, S::Error> {
        match keep {
            Keep::All => serializer.serialize_str(ARCHIVE),
            Keep::Blocks(blocks) => serializer.serialize_u64(*blocks),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Keep, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Blocks(u64),
            Word(String),
        }
        match Form::deserialize(deserializer) {
            Ok(Form::Blocks(blocks)) => Ok(Keep::Blocks(blocks)),
            Ok(Form::Word(word)) if word == ARCHIVE => Ok(Keep::All),
            _ => Err(serde::de::Error::custom(format!(
                "expected a number of blocks or \"{ARCHIVE}\""
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn a_number_or_the_word_says_what_is_kept() {
        let text = "[state]\nhistory = \"archive\"\nreceipts = 500\nlogs = 400\nrecords = 7\n";
        let state = Config::parse(text).unwrap().state;
        assert_eq!(state.retention().history, Keep::All);
        assert_eq!(state.retention().receipts, Keep::Blocks(500));
        assert_eq!(state.retention().logs, Keep::Blocks(400));
        assert_eq!(state.retention().records, Keep::Blocks(7));
        assert_eq!(state.retention().records_bytes, Some(1 << 30));
        assert_eq!(Config::default().state.history, Keep::Blocks(100_000));
    }

    #[test]
    fn what_cannot_be_kept_is_refused_by_its_name() {
        for (text, words) in [
            ("history = 127", "state.history is 127, expected at least 128"),
            ("history = \"all\"", "expected a number of blocks or \"archive\""),
            (
                "write_buffer_bytes = 1000",
                "state.write_buffer_bytes is 1000, expected at least 1048576",
            ),
            ("snapshots_kept = 0", "state.snapshots_kept is 0, expected at least 1"),
            ("history = -1", "expected a number of blocks or \"archive\""),
            ("records = 0", "state.records is 0"),
            ("records_bytes = 0", "state.records_bytes is 0, expected at least 1048576"),
            ("records_bytes = \"archive\"", "invalid type"),
            ("receipts = 10", "state.logs is more than state.receipts"),
            ("receipts = 10\nlogs = 11", "state.logs is more than state.receipts"),
            ("keep = 3", "unknown field"),
        ] {
            let error = Config::parse(&format!("[state]\n{text}\n")).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
