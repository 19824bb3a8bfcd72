//! The execution thread: runs one job after the other, so that the driver never waits.

use crate::chain::{Chain, Prepared};
use crate::driver::{Event, VerifyPurpose};
use alloy_primitives::B256;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use weft_types::{CommitCertificate, Height, Round};

/// Jobs that may wait: bounded by the rounds and proposals of one height.
const JOBS_MAX: usize = 256;

/// Work for the execution thread.
pub enum Job {
    /// Build a block on the head.
    Build {
        /// Height that it must have.
        height: Height,
        /// Round that it is for.
        round: Round,
    },
    /// Execute a block on the head and judge it.
    Verify {
        /// What the answer is for.
        purpose: VerifyPurpose,
        /// Hash that it was announced with.
        block: B256,
        /// RLP of its header.
        header: Vec<u8>,
        /// Encoded body.
        body: Vec<u8>,
    },
    /// Make a decided block durable.
    Commit {
        /// The block.
        prepared: Arc<Prepared>,
        /// Why it is final.
        certificate: CommitCertificate,
    },
}

impl Job {
    /// Whether the node cannot go on without it: the block is decided.
    #[must_use]
    pub const fn is_vital(&self) -> bool {
        matches!(self, Self::Commit { .. } | Self::Verify { purpose: VerifyPurpose::Commit(_), .. })
    }
}

/// Starts the thread. It ends when the sender of jobs is dropped.
///
/// # Errors
/// When the operating system gives no thread.
pub fn start(
    chain: Arc<Chain>,
    events: SyncSender<Event>,
) -> std::io::Result<(SyncSender<Job>, std::thread::JoinHandle<()>)> {
    let (sender, receiver) = sync_channel(JOBS_MAX);
    let thread = std::thread::Builder::new()
        .name("weft-execution".into())
        .spawn(move || run(&chain, &receiver, &events))?;
    Ok((sender, thread))
}

fn run(chain: &Chain, jobs: &Receiver<Job>, events: &SyncSender<Event>) {
    while let Ok(job) = jobs.recv() {
        let event = match job {
            Job::Build { height, round } => Event::Built(height, round, chain.build(round)),
            Job::Verify { purpose, block, header, body } => {
                let decided = matches!(purpose, VerifyPurpose::Commit(_));
                let result = chain.verify(&header, body, decided);
                Event::Verified(purpose, block, result)
            }
            Job::Commit { prepared, certificate } => {
                Event::Committed(chain.commit(prepared, certificate))
            }
        };
        if events.send(event).is_err() {
            return;
        }
    }
}
