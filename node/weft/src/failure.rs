//! How the program ends when something is wrong: what, why, what to do now, and the exit code.

use std::fmt;

/// Exit codes of the `weft` binary. Scripts may rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Something that nobody foresaw.
    Unexpected = 1,
    /// The configuration, genesis or a key file is invalid.
    Config = 3,
    /// A port, a home or a database is in use by another process.
    Busy = 4,
    /// Data is damaged or was written by another version.
    Damaged = 5,
    /// Going on could sign two different things, or join the wrong chain.
    Unsafe = 6,
    /// This node computed another state than the one two thirds of the power certified.
    Divergence = 7,
    /// A foreign block or test does not give what it should.
    Mismatch = 8,
    /// No node answers where one was asked.
    Unreachable = 9,
}

/// A problem that ends the program, told in the form `error: what`, facts, `fix`.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub status: ExitStatus,
    /// What happened, one line.
    pub what: String,
    /// Facts that help to see why: (label, value).
    pub facts: Vec<(&'static str, String)>,
    /// What to do now.
    pub fix: Option<String>,
}

impl Failure {
    /// A failure without facts or fix.
    pub fn new(status: ExitStatus, what: impl Into<String>) -> Self {
        Self { status, what: what.into(), facts: Vec::new(), fix: None }
    }

    /// Adds a fact.
    #[must_use]
    pub fn fact(mut self, label: &'static str, value: impl fmt::Display) -> Self {
        self.facts.push((label, value.to_string()));
        self
    }

    /// Says what to do now.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        for (label, value) in &self.facts {
            write!(f, "\n  {label:<9} {value}")?;
        }
        if let Some(fix) = &self.fix {
            write!(f, "\n  {:<9} {fix}", "fix")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_as_what_why_and_what_now() {
        let failure = Failure::new(ExitStatus::Busy, "port 8545 is already in use on 127.0.0.1")
            .fact("asked", "127.0.0.1:8545")
            .fix("weft devnet --port 9545");
        assert_eq!(
            failure.to_string(),
            "error: port 8545 is already in use on 127.0.0.1\n  asked     127.0.0.1:8545\n  fix       weft devnet --port 9545"
        );
    }
}
