//! Why a block cannot be read.

use std::path::{Path, PathBuf};

/// Why blocks could not be read from their files. The caller tells the user and stops.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BlockError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// No folder of a block is there.
    #[error(
        "no blocks in {}: expected folders <number>/ with block.json and prestate.json, found none", path.display()
    )]
    NoBlocks {
        /// Where they were looked for.
        path: PathBuf,
    },
    /// A file is not JSON.
    #[error("block {block}: {file} is not JSON: {reason}")]
    NotJson {
        /// The block's folder.
        block: String,
        /// The file in it.
        file: &'static str,
        /// What the parser said, with line and column.
        reason: String,
    },
    /// A field is not there.
    #[error("block {block}: {file}: {field} is missing")]
    Missing {
        /// The block's folder.
        block: String,
        /// The file in it.
        file: &'static str,
        /// The field, with the way to it.
        field: String,
    },
    /// A field has a value of the wrong form.
    #[error("block {block}: {file}: {field}: expected {expected}, found {found}")]
    Malformed {
        /// The block's folder.
        block: String,
        /// The file in it.
        file: &'static str,
        /// The field, with the way to it.
        field: String,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A field has not the value that the rest of the block gives it.
    #[error("block {block}: {file}: {field}: the file says {expected}, its content gives {found}")]
    Differs {
        /// The block's folder.
        block: String,
        /// The file in it.
        file: &'static str,
        /// The field, with the way to it.
        field: String,
        /// Value of the field.
        expected: String,
        /// Value computed.
        found: String,
    },
}

impl BlockError {
    pub(super) fn read(path: &Path, error: &std::io::Error) -> Self {
        Self::Read { path: path.to_owned(), reason: error.to_string() }
    }
}

/// The file that an error is about.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) block: String,
    pub(super) file: &'static str,
}

impl Source {
    pub(super) fn not_json(&self, error: &serde_json::Error) -> BlockError {
        let Self { block, file } = self.clone();
        BlockError::NotJson { block, file, reason: error.to_string() }
    }

    pub(super) fn missing(&self, field: impl Into<String>) -> BlockError {
        let Self { block, file } = self.clone();
        BlockError::Missing { block, file, field: field.into() }
    }

    pub(super) fn malformed(
        &self,
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> BlockError {
        let Self { block, file } = self.clone();
        let (field, expected, found) = (field.into(), expected.into(), found.into());
        BlockError::Malformed { block, file, field, expected, found }
    }

    /// Compares what the file says with what its content gives.
    pub(super) fn equal<T: PartialEq + ToString>(
        &self,
        field: impl Into<String>,
        expected: &T,
        found: &T,
    ) -> Result<(), BlockError> {
        if expected == found {
            return Ok(());
        }
        let Self { block, file } = self.clone();
        let (expected, found) = (expected.to_string(), found.to_string());
        Err(BlockError::Differs { block, file, field: field.into(), expected, found })
    }
}
