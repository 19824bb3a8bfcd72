//! A whole network of [`Consensus`](crate::Consensus) drivers in one thread, in virtual time, from
//! one seed.
//!
//! # Flow
//! [`run`] takes a [`Scenario`], lets the nodes decide heights while messages are delayed, lost and
//! doubled, links are cut, nodes crash between any two outputs and one validator may contradict
//! itself. Then the faults end, and every honest node must reach the same height. It returns a
//! [`Report`]: what the oracles found, and a digest of everything that happened. The same scenario
//! always gives the same report.
//!
//! # It is not
//! A model of the driver: the nodes run the production code, messages are encoded, decoded and
//! verified as gossip does it, and signatures are real.

mod actor;
mod node;
mod oracle;
mod perform;
mod random;
mod world;

pub use oracle::Violation;

use alloy_primitives::B256;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Source of all randomness.
    pub seed: u64,
    /// Validators, at least 1.
    pub validators: usize,
    /// Nodes without a key.
    pub followers: usize,
    /// Messages lost, in percent.
    pub loss_percent: u64,
    /// Messages delivered twice, in percent.
    pub duplicate_percent: u64,
    /// Most crashes of all nodes together.
    pub crashes_max: u32,
    /// Whether a crash also loses log and guard, which no node may survive safely.
    pub forget_log: bool,
    /// Whether the last validator signs contradicting messages.
    pub equivocator: bool,
    /// Whether the network splits for a while.
    pub partition: bool,
    /// Virtual time after which loss, doubling, crashes and partition end, in milliseconds.
    pub faults_ms: u64,
    /// Whether the report has a line for every output and delivery.
    pub trace: bool,
}

impl Scenario {
    /// Loss of 10 %, doubling of 5 % and up to six crashes over two seconds.
    #[must_use]
    pub const fn faulty(seed: u64, validators: usize) -> Self {
        Self {
            seed,
            validators,
            followers: 0,
            loss_percent: 10,
            duplicate_percent: 5,
            crashes_max: 6,
            forget_log: false,
            equivocator: false,
            partition: false,
            faults_ms: 2_000,
            trace: false,
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub struct Report {
    /// The first broken promise, if any; the run ends there.
    pub violation: Option<Violation>,
    /// BLAKE3 over everything that happened.
    pub digest: B256,
    /// Height that every honest node reached.
    pub height: u64,
    /// Highest round in which a block was decided.
    pub round_max: u32,
    /// Crashes that took place.
    pub crashes: u32,
    /// Blocks that a node got by sync instead of by votes.
    pub synced: u32,
    /// Contradictions that nodes proved.
    pub evidence: u32,
    /// Virtual time used, in milliseconds.
    pub elapsed_ms: u64,
    /// One line per output and delivery, when asked for.
    pub trace: Vec<String>,
}

/// Runs a scenario to its end.
///
/// # Panics
/// When `scenario` has no validator, or more than a validator set may have.
#[must_use]
pub fn run(scenario: &Scenario) -> Report {
    world::World::new(scenario).run()
}
