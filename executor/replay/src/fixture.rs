//! Files of Ethereum's test suites, as far as the judge needs them.
//!
//! A file is a JSON object: the name of each test, and the test. Numbers are hexadecimal strings, with or without leading
//! zeros. Fields that say nothing the judge does not compute itself are not read.
//!
//! **Source:** the fixture formats of ethereum/execution-specs ("blockchain tests", "state tests") and the same formats of
//! the older ethereum/tests.

mod access_list;
mod blockchain;
mod state;

pub use access_list::{AccountChange, CodeChange, FixtureList, NumberChange, SlotChange};
pub use blockchain::{BlockCase, BlockchainTest, DecodedCase};
pub use state::{Environment, Expectation, Indexes, StateTest, TransactionCase};

use alloy_primitives::{Address, Bytes, U64, U256};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Accounts by address, as a fixture states them before or after a test.
pub type Accounts = BTreeMap<Address, AccountCase>;

/// One account in a fixture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct AccountCase {
    /// Nonce.
    pub nonce: U64,
    /// Balance in wei.
    pub balance: U256,
    /// Code; empty when it has none.
    pub code: Bytes,
    /// Slots; those that hold zero are the same as absent ones.
    pub storage: BTreeMap<U256, U256>,
}

/// Chain settings of a test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Config {
    /// EIP-155 chain id; 1 where the file says nothing.
    #[serde(default)]
    pub chainid: Option<U64>,
    /// Blob schedule by fork (EIP-7840).
    #[serde(default, rename = "blobSchedule")]
    pub blob_schedule: BTreeMap<String, BlobCase>,
}

/// Blob settings of one fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobCase {
    /// Blobs that a block should hold.
    pub target: U64,
    /// Blobs that a block may hold.
    pub max: U64,
    /// Update fraction of the blob base fee.
    pub base_fee_update_fraction: U64,
}

/// A file is not one of the suites', or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    /// The operating system refused.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Not the format.
    #[error("{} is not a file of this kind of tests: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where it differs from the format.
        source: serde_json::Error,
    },
    /// No test anywhere in the folder.
    #[error("{} holds no .json file", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
}

/// Reads one file: its tests by name.
///
/// # Errors
/// [`FixtureError`] when the file is unreadable or not of this kind.
pub fn read_tests<T: DeserializeOwned>(path: &Path) -> Result<BTreeMap<String, T>, FixtureError> {
    let text =
        fs::read(path).map_err(|source| FixtureError::Read { path: path.to_owned(), source })?;
    serde_json::from_slice(&text)
        .map_err(|source| FixtureError::Format { path: path.to_owned(), source })
}

/// The `.json` files at or below `path`, ascending by path.
///
/// # Errors
/// [`FixtureError`] when a folder is unreadable, or when there is none.
pub fn list_files(path: &Path) -> Result<Vec<PathBuf>, FixtureError> {
    let mut files = Vec::new();
    collect(path, &mut files)?;
    if files.is_empty() {
        return Err(FixtureError::Empty { path: path.to_owned() });
    }
    files.sort();
    Ok(files)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), FixtureError> {
    let failed = |source| FixtureError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.is_dir() {
        for entry in fs::read_dir(path).map_err(failed)? {
            collect(&entry.map_err(failed)?.path(), files)?;
        }
    } else if path.extension().is_some_and(|extension| extension == "json") {
        files.push(path.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_and_without_leading_zeros_are_the_same() {
        let text = r#"{"nonce":"0x01","balance":"0x00ff","code":"0x","storage":{"0x00":"0x64","0x0a":"0x0"}}"#;
        let account: AccountCase = serde_json::from_str(text).unwrap();
        assert_eq!(account.nonce, U64::from(1));
        assert_eq!(account.balance, U256::from(255));
        assert_eq!(account.storage[&U256::ZERO], U256::from(0x64));
        assert_eq!(account.storage[&U256::from(10)], U256::ZERO);
    }

    #[test]
    fn a_folder_without_tests_is_an_error_that_names_it() {
        let missing = list_files(Path::new("/nonexistent/tests")).unwrap_err();
        assert!(missing.to_string().starts_with("cannot read /nonexistent/tests: "), "{missing}");
        let source = Path::new("src/fixture");
        let empty = list_files(source).unwrap_err();
        assert!(matches!(empty, FixtureError::Empty { .. }), "{empty}");
    }
}
