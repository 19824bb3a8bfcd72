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

/// Tells the driver when the thread dies of a panic, so that the node ends instead of waiting for it.
struct Alarm<'a>(&'a SyncSender<Event>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The driver reads until it ends, so a full queue makes room.
            let _ = self.0.send(Event::ExecutionPanicked);
        }
    }
}

fn run(chain: &Chain, jobs: &Receiver<Job>, events: &SyncSender<Event>) {
    let _alarm = Alarm(events);
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
