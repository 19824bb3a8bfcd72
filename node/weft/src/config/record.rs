//! `[record]`: how much of each execution this node keeps. For how many blocks, `[state] records` says.
//!
//! `off` costs nothing and gives nothing. `counts` costs nothing either while blocks are executed; whoever asks for a record has
//! the block executed again, on one thread, as long as the state before it is kept (`[state] history`). `full` makes everything
//! at once: an execution takes some per cent longer, and the record is stored with the block.

use serde::{Deserialize, Serialize};

/// How much of an execution is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum RecordLevel {
    /// Nothing
    Off,
    /// The sums of each run; who read and wrote what is derived when somebody asks
    Counts,
    /// Who read and wrote what, and each execution with its times: the lanes of the record
    Full,
}

/// `[record]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordSection {
    /// `off`, `counts` or `full`.
    pub level: RecordLevel,
}

impl Default for RecordSection {
    fn default() -> Self {
        Self { level: RecordLevel::Counts }
    }
}

impl RecordLevel {
    /// The level as the executor knows it.
    #[must_use]
    pub const fn of_executor(self) -> weft_evm::RecordLevel {
        match self {
            Self::Off => weft_evm::RecordLevel::Off,
            Self::Counts => weft_evm::RecordLevel::Counts,
            Self::Full => weft_evm::RecordLevel::Full,
        }
    }

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.of_executor().name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_level_is_off_counts_or_full_and_nothing_else() {
        for level in [RecordLevel::Off, RecordLevel::Counts, RecordLevel::Full] {
            let text = format!("[record]\nlevel = \"{}\"\n", level.name());
            assert_eq!(Config::parse(&text).unwrap().record.level, level);
        }
        let error = Config::parse("[record]\nlevel = \"some\"\n").unwrap_err();
        assert!(error.contains("counts") && error.contains("line 2"), "{error}");
        assert!(Config::default().to_toml().contains("[record]\nlevel = \"counts\""));
    }
}
