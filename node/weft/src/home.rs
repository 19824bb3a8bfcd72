//! The folder that one node lives in.
//!
//! ```text
//! HOME/config.toml           what this node chooses for itself
//!      genesis.json          the chain
//!      ethereum.json         instead of it: genesis of an imported chain of Ethereum, which is only served
//!      keys/validator.json   signs votes and blocks (0600); absent in a node that only follows
//!      keys/node.key         names this node to its peers (0600)
//!      db/                   RocksDB: state, history, blocks, receipts, records
//!      consensus/            RocksDB: consensus log, sign guard, bodies that are voted on
//!      snapshots/            copies of db/, those in automatic/ made by the node itself; exported states
//!      run/control.sock      while the node runs: its user may ask it for a snapshot
//! ```

use crate::config::Config;
use crate::failure::{ExitStatus, Failure};
use crate::keys;
use ed25519_dalek::SigningKey;
use std::path::{Path, PathBuf};
use weft_genesis::{ChainSpec, Genesis};

/// Paths inside a home.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// A home at this folder, whether it exists or not.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `config.toml`
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// `genesis.json`
    #[must_use]
    pub fn genesis(&self) -> PathBuf {
        self.root.join("genesis.json")
    }

    /// `ethereum.json`
    #[must_use]
    pub fn ethereum(&self) -> PathBuf {
        self.root.join("ethereum.json")
    }

    /// Refuses the home of an imported chain, which no node can run on.
    ///
    /// # Errors
    /// [`ExitStatus::Config`] saying how to serve it.
    pub fn refuse_imported(&self) -> Result<(), Failure> {
        if !self.ethereum().exists() {
            return Ok(());
        }
        Err(Failure::new(ExitStatus::Config, "this home holds an imported chain of Ethereum")
            .fact("home", self.root.display())
            .fact(
                "cause",
                "its blocks were decided elsewhere, so there is nothing for a node to do",
            )
            .fix(format!("weft serve --home {}", self.root.display())))
    }

    /// `keys/validator.json`
    #[must_use]
    pub fn validator_key(&self) -> PathBuf {
        self.root.join("keys").join("validator.json")
    }

    /// `keys/node.key`
    #[must_use]
    pub fn node_key(&self) -> PathBuf {
        self.root.join("keys").join("node.key")
    }

    /// `db`
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.root.join("db")
    }

    /// `consensus`
    #[must_use]
    pub fn consensus(&self) -> PathBuf {
        self.root.join("consensus")
    }

    /// `snapshots`
    #[must_use]
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// `run/control.sock`
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.root.join("run").join("control.sock")
    }

    /// Writes a new home. Refuses a folder that already is one.
    ///
    /// # Errors
    /// [`ExitStatus::Config`] when the folder is taken or cannot be written.
    pub fn create(
        &self,
        config: &Config,
        spec: &ChainSpec,
        validator_key: Option<&SigningKey>,
    ) -> Result<(), Failure> {
        if self.genesis().exists() || self.config().exists() {
            return Err(Failure::new(ExitStatus::Config, "this folder already is a home")
                .fact("folder", self.root.display())
                .fix("choose another folder, or remove this one if its chain is not needed"));
        }
        let write = |path: PathBuf, text: String| {
            std::fs::write(&path, text).map_err(|error| cannot_write(&path, &error))
        };
        let keys = self.root.join("keys");
        std::fs::create_dir_all(&keys).map_err(|error| cannot_write(&keys, &error))?;
        write(self.config(), config.to_toml())?;
        write(self.genesis(), spec.to_json())?;
        if let Some(key) = validator_key {
            keys::write_validator_key(&self.validator_key(), key)?;
        }
        Ok(())
    }

    /// Reads and checks `genesis.json`.
    ///
    /// # Errors
    /// [`ExitStatus::Config`] naming the place.
    pub fn read_genesis(&self) -> Result<Genesis, Failure> {
        read_genesis(&self.genesis())
    }

    /// Reads the validator key, if this home has one.
    ///
    /// # Errors
    /// [`ExitStatus::Config`] when the file is there but cannot be used.
    pub fn read_validator_key(&self) -> Result<Option<SigningKey>, Failure> {
        let path = self.validator_key();
        if !path.exists() {
            return Ok(None);
        }
        keys::read_validator_key(&path).map(Some)
    }
}

/// Reads and checks a genesis file.
///
/// # Errors
/// [`ExitStatus::Config`] naming the place.
pub fn read_genesis(path: &Path) -> Result<Genesis, Failure> {
    let bad = |cause: String| {
        Failure::new(ExitStatus::Config, "the genesis file cannot be used")
            .fact("file", path.display())
            .fact("cause", cause)
            .fix("every node of a chain needs the same genesis.json; copy it from another node")
    };
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let spec = ChainSpec::from_json(&text).map_err(|error| bad(error.to_string()))?;
    Genesis::new(spec).map_err(|error| bad(error.to_string()))
}

pub(crate) fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(ExitStatus::Config, "a file of the home cannot be written")
        .fact("path", path.display())
        .fact("cause", error)
        .fix("check the folder's permissions and the free space")
}
