//! The driver: feeds the core, one input at a time.

use crate::context::{Core, CoreAddress, CoreHeight, CoreValidatorSet};
use crate::convert;
use crate::effects::{Effects, built, event_digest, start};
use crate::guard::SignGuard;
use crate::message::{ConsensusMessage, LivenessMessage};
use crate::pending::Pending;
use crate::port::{Input, Output, TimeoutId};
use crate::verify::Verified;
use crate::wal::{ProposedBlock, WalEntry};
use alloy_primitives::{B256, bytes::Bytes};
use ed25519_dalek::SigningKey;
use malachite_consensus::{
    Error as CoreError, Input as CoreInput, Params, PeerId, State, ThresholdParams, ValuePayload,
};
use malachite_types::{ValueOrigin, ValueResponse};
use weft_types::{CommitCertificate, Height, Round, Timeouts, ValidatorAddress, ValidatorSet};

/// What a [`Consensus`] needs to know for its whole life.
#[derive(Clone, Debug)]
pub struct ConsensusConfig {
    /// Hash of block 0; part of everything signed.
    pub genesis_hash: B256,
    /// Who validates.
    pub validators: ValidatorSet,
    /// Timeouts of the rounds.
    pub timeouts: Timeouts,
    /// This validator's key; `None` follows without signing.
    pub key: Option<SigningKey>,
    /// First height at which the key may sign. A validator that lost its log sets it one past
    /// what it syncs; normally 0.
    pub sign_from: Height,
}

/// Decides one block per height.
///
/// Synchronous and deterministic: equal inputs in equal order give equal outputs. Never re-entered:
/// perform all outputs of a step before the next one.
pub struct Consensus {
    state: State<Core>,
    effects: Effects,
    validators: CoreValidatorSet,
    pending: Pending,
    sign_from: Height,
    started: bool,
    halted: bool,
}

impl std::fmt::Debug for Consensus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consensus")
            .field("height", &self.effects.height)
            .field("round", &self.round())
            .field("decided", &self.effects.decided)
            .field("halted", &self.halted)
            .finish_non_exhaustive()
    }
}

impl Consensus {
    /// A consensus at rest. `decided` is the last decided height of this node (0 for a new chain)
    /// and `guard` the last one that [`Output::Guard`] asked to keep.
    #[must_use]
    pub fn new(config: ConsensusConfig, decided: Height, guard: Option<SignGuard>) -> Self {
        let ConsensusConfig { genesis_hash, validators, timeouts, key, sign_from } = config;
        // A follower takes the address of nobody: the hash of a key that cannot exist.
        let public_key = key.as_ref().map_or([0; 32], |key| key.verifying_key().to_bytes());
        let core_validators = CoreValidatorSet::new(&validators);
        let params = Params {
            address: CoreAddress(ValidatorAddress::from_public_key(&public_key)),
            threshold_params: ThresholdParams::default(),
            // With `ProposalOnly` the core would take every proposed block for valid.
            value_payload: ValuePayload::ProposalAndParts,
            enabled: false,
        };
        let state = State::new(
            Core { genesis_hash },
            CoreHeight(decided.0),
            core_validators.clone(),
            params,
            // Early inputs wait in `Pending`, never in the core.
            1,
            1,
        );
        let effects = Effects::new(genesis_hash, validators, timeouts, key, guard, decided);
        Self {
            state,
            effects,
            validators: core_validators,
            pending: Pending::default(),
            sign_from,
            started: false,
            halted: false,
        }
    }

    /// Height being decided, or the last decided one.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.effects.height
    }

    /// Current round of the height.
    #[must_use]
    pub fn round(&self) -> Round {
        convert::defined(self.state.round())
    }

    /// Whether safety could not be assured and nothing is done any more.
    #[must_use]
    pub const fn is_halted(&self) -> bool {
        self.halted
    }

    /// Remembers signatures that were verified elsewhere, so that [`Self::step`] does not verify
    /// them again.
    pub fn trust(&mut self, verified: Verified) {
        self.effects.remembered.extend(verified);
    }

    /// Keeps the key from signing below `height`: for a validator that finds out only after it has
    /// synced that it may have signed before.
    pub fn sign_not_before(&mut self, height: Height) {
        self.sign_from = self.sign_from.max(height);
    }

    /// Takes one input and returns what must be done, in this order.
    pub fn step(&mut self, input: Input) -> Vec<Output> {
        if self.halted {
            return Vec::new();
        }
        self.dispatch(input);
        let mut outputs = std::mem::take(&mut self.effects.outputs);
        // Committing is slow, and others wait for the messages of the same step.
        outputs.sort_by_key(|output| matches!(output, Output::Decide { .. }));
        if let Some(reason) = self.effects.halt.take() {
            tracing::error!(%reason, "consensus halts");
            self.halted = true;
            outputs.push(Output::Halt { reason });
        }
        outputs
    }

    fn dispatch(&mut self, input: Input) {
        match input {
            Input::StartHeight { height, replay } => self.start_height(height, &replay),
            Input::Message(message) => self.message(message),
            Input::Liveness(message) => self.liveness(message),
            Input::Timeout(id) => self.timeout(id),
            Input::Built { height, round, block } => {
                if self.is_current(height) {
                    self.feed(built(height, round, block));
                }
            }
            Input::Value { height, proposed } => self.value(height, proposed),
            Input::Decided { certificate } => self.synced(certificate),
        }
    }

    fn start_height(&mut self, height: Height, replay: &[WalEntry]) {
        let previous = self.effects.height;
        let waiting = self.started && !self.effects.decided;
        if height <= previous {
            self.effects.halt =
                Some(format!("asked to start height {height} after height {previous}"));
            return;
        }
        if waiting {
            // Blocks were synced past this height without the core.
            tracing::info!(%previous, %height, "skipping an undecided height");
        }
        self.started = true;
        let signing = self.effects.key.is_some() && height >= self.sign_from;
        self.state.params.enabled = signing;
        self.effects.begin(height, signing);
        if !replay.is_empty() {
            self.effects.replay(replay);
        }
        self.feed(start(height, self.validators.clone()));
        if !replay.is_empty() {
            self.replay(height, replay);
        }
        for input in self.pending.take(height) {
            self.dispatch(input);
        }
    }

    /// Feeds the log. The core derives every vote again and takes the recorded signatures.
    fn replay(&mut self, height: Height, log: &[WalEntry]) {
        let inputs: Vec<CoreInput<Core>> = log
            .iter()
            .filter(|entry| entry.height == height)
            .map(|entry| convert::core_event(height, &entry.event))
            .collect();
        self.state.index_wal_entries(inputs.iter());
        for input in inputs {
            if self.effects.halt.is_none() && !self.effects.decided {
                self.feed(input);
            }
        }
        self.state.reset_entries_index();
        self.effects.replaying = None;
        // A block asked for before the log was read is wanted only if this node still waits for it.
        let wanted = self.state.driver.step_is_propose().then(|| self.round());
        self.effects.outputs.retain(
            |output| !matches!(output, Output::Build { round, .. } if Some(*round) != wanted),
        );
    }

    fn message(&mut self, message: ConsensusMessage) {
        let height = message.height();
        if self.is_current(height) {
            self.feed(convert::core_message(&message));
        } else if self.is_later(height)
            && self.effects.check(|v, memory| v.message(&message, Some(memory))).is_ok()
        {
            self.keep(height, Input::Message(message));
        }
    }

    fn liveness(&mut self, message: LivenessMessage) {
        let height = message.height();
        if self.is_current(height) {
            self.feed(convert::core_liveness(&message));
        } else if !self.is_later(height) {
            self.effects.outputs.push(Output::PeerBehind { height });
        } else if self.effects.check(|v, memory| v.liveness(&message, Some(memory))).is_ok() {
            self.keep(height, Input::Liveness(message));
        }
    }

    fn timeout(&mut self, id: TimeoutId) {
        if self.is_current(id.height) {
            self.feed(CoreInput::TimeoutElapsed(convert::core_timeout(id.kind, id.round)));
        }
    }

    fn value(&mut self, height: Height, proposed: ProposedBlock) {
        if self.is_current(height) {
            let value = convert::core_value(height, &proposed);
            self.feed(CoreInput::ProposedValue(value, ValueOrigin::Consensus));
        } else if self.is_later(height) {
            self.keep(height, Input::Value { height, proposed });
        }
    }

    fn synced(&mut self, certificate: CommitCertificate) {
        let height = certificate.height;
        if self.is_later(height) {
            self.keep(height, Input::Decided { certificate });
            return;
        }
        if !self.is_current(height) {
            return;
        }
        let Some(certificate) = convert::core_commit(&certificate, &self.effects.validators) else {
            tracing::warn!(%height, "certificate of a synced block does not fit the validator set");
            return;
        };
        // The core passes the peer through; the caller knows it already. An identity multihash of
        // nothing stands for it.
        let Ok(peer) = PeerId::from_bytes(&[0, 0]) else { return };
        self.feed(CoreInput::SyncValueResponse(ValueResponse::new(
            peer,
            Bytes::new(),
            certificate,
        )));
    }

    /// Whether `height` is being decided now.
    fn is_current(&self, height: Height) -> bool {
        self.started && !self.effects.decided && height == self.effects.height
    }

    /// Whether `height` has yet to be started.
    fn is_later(&self, height: Height) -> bool {
        height > self.effects.height
    }

    fn keep(&mut self, height: Height, input: Input) {
        self.pending.push(self.effects.height, height, input);
    }

    /// Runs the core on one input and on what its effects asked for.
    fn feed(&mut self, input: CoreInput<Core>) {
        self.effects.follow_up.push_back(input);
        while let Some(input) = self.effects.follow_up.pop_front() {
            if self.effects.halt.is_some() {
                self.effects.follow_up.clear();
                return;
            }
            let (state, effects) = (&mut self.state, &mut self.effects);
            let result: Result<(), CoreError<Core>> = malachite_consensus::process!(
                input: input,
                state: state,
                metrics: &(),
                with: effect => effects.perform(effect)
            );
            if let Err(error) = result {
                self.failed(&error);
            }
        }
    }

    /// A core that contradicts its log, or that stopped half-way, must not sign any more. Other
    /// errors end one input and leave the core as it was.
    fn failed(&mut self, error: &CoreError<Core>) {
        match error {
            CoreError::ReplayDivergence(..)
            | CoreError::UnexpectedResume(..)
            | CoreError::WalCorrupted(_)
            | CoreError::DecisionNotFound(..) => {
                self.effects.halt.get_or_insert_with(|| error.to_string());
            }
            _ => tracing::warn!(%error, "the consensus core refused an input"),
        }
    }
}

impl Effects {
    /// Clears what belongs to one height.
    fn begin(&mut self, height: Height, signing: bool) {
        self.height = height;
        self.decided = false;
        self.signing = signing;
        self.sequence = 0;
        self.replaying = None;
        self.follow_up.clear();
    }

    /// Notes what the log holds, so that it is not appended again.
    fn replay(&mut self, log: &[WalEntry]) {
        let own = log.iter().filter(|entry| entry.height == self.height);
        self.sequence = own.clone().map(|entry| entry.sequence + 1).max().unwrap_or_default();
        self.replaying = Some(own.map(|entry| event_digest(&entry.event)).collect());
    }
}
