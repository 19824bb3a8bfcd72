//! Our nouns in the shape that the consensus core asks for.

use crate::proposer::proposer_index;
use alloy_primitives::B256;
use ed25519_dalek::SigningKey;
use malachite_types::{
    LinearTimeouts, NilOrVal, Round as CoreRound, SignedExtension, VoteType as CoreVoteType,
};
use std::sync::Arc;
use weft_types::vote::SignatureBytes;
use weft_types::{Height, Round, ValidatorAddress, ValidatorSet};

/// What the core is generic over. Carries the genesis hash, which the choice of proposers needs.
#[derive(Clone, Debug)]
pub(crate) struct Core {
    pub(crate) genesis_hash: B256,
}

/// [`Height`] for the core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CoreHeight(pub(crate) u64);

/// [`ValidatorAddress`] for the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CoreAddress(pub(crate) ValidatorAddress);

/// A block's hash: the value that is decided, and its own id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CoreBlock(pub(crate) B256);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CoreValidator {
    address: CoreAddress,
    public_key: [u8; 32],
    power: u64,
}

/// A validator set that is cheap to clone: the core clones it with every effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CoreValidatorSet(Arc<CoreMembers>);

#[derive(Debug, PartialEq, Eq)]
struct CoreMembers {
    set: ValidatorSet,
    members: Vec<CoreValidator>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CoreVote {
    pub(crate) vote_type: CoreVoteType,
    pub(crate) height: CoreHeight,
    pub(crate) round: CoreRound,
    pub(crate) value: NilOrVal<CoreBlock>,
    pub(crate) address: CoreAddress,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CoreProposal {
    pub(crate) height: CoreHeight,
    pub(crate) round: CoreRound,
    pub(crate) value: CoreBlock,
    pub(crate) pol_round: CoreRound,
    pub(crate) address: CoreAddress,
}

/// Parts travel outside of the core; it never sees one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CorePart {}

/// ed25519 by the rules of [`weft_types::vote::verify_signature`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ed25519;

impl CoreValidatorSet {
    pub(crate) fn new(set: &ValidatorSet) -> Self {
        let members = set.as_slice().iter().map(|validator| CoreValidator {
            address: CoreAddress(validator.address()),
            public_key: validator.public_key,
            power: validator.power,
        });
        let members = members.collect();
        Self(Arc::new(CoreMembers { set: set.clone(), members }))
    }
}

impl malachite_types::Context for Core {
    type Address = CoreAddress;
    type Height = CoreHeight;
    type ProposalPart = CorePart;
    type Proposal = CoreProposal;
    type Validator = CoreValidator;
    type ValidatorSet = CoreValidatorSet;
    type Timeouts = LinearTimeouts;
    type Value = CoreBlock;
    type Vote = CoreVote;
    type Extension = ();
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(
        &self,
        set: &'a CoreValidatorSet,
        height: CoreHeight,
        round: CoreRound,
    ) -> &'a CoreValidator {
        let round = Round(round.as_u32().unwrap_or_default());
        let index = proposer_index(&set.0.set, &self.genesis_hash, Height(height.0), round);
        &set.0.members[index]
    }

    fn new_proposal(
        &self,
        height: CoreHeight,
        round: CoreRound,
        value: CoreBlock,
        pol_round: CoreRound,
        address: CoreAddress,
    ) -> CoreProposal {
        CoreProposal { height, round, value, pol_round, address }
    }

    fn new_prevote(
        &self,
        height: CoreHeight,
        round: CoreRound,
        value: NilOrVal<CoreBlock>,
        address: CoreAddress,
    ) -> CoreVote {
        CoreVote { vote_type: CoreVoteType::Prevote, height, round, value, address }
    }

    fn new_precommit(
        &self,
        height: CoreHeight,
        round: CoreRound,
        value: NilOrVal<CoreBlock>,
        address: CoreAddress,
    ) -> CoreVote {
        CoreVote { vote_type: CoreVoteType::Precommit, height, round, value, address }
    }
}

impl malachite_types::Height for CoreHeight {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

impl std::fmt::Display for CoreHeight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl malachite_types::Address for CoreAddress {}

impl std::fmt::Display for CoreAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl malachite_types::Value for CoreBlock {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

impl std::fmt::Display for CoreBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl malachite_types::Validator<Core> for CoreValidator {
    fn address(&self) -> &CoreAddress {
        &self.address
    }

    fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }

    fn voting_power(&self) -> u64 {
        self.power
    }
}

impl malachite_types::ValidatorSet<Core> for CoreValidatorSet {
    fn count(&self) -> usize {
        self.0.members.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.0.set.total_power()
    }

    fn get_by_address(&self, address: &CoreAddress) -> Option<&CoreValidator> {
        let (index, _) = self.0.set.get(&address.0)?;
        self.0.members.get(index)
    }

    fn get_by_index(&self, index: usize) -> Option<&CoreValidator> {
        self.0.members.get(index)
    }
}

impl malachite_types::Vote<Core> for CoreVote {
    fn height(&self) -> CoreHeight {
        self.height
    }

    fn round(&self) -> CoreRound {
        self.round
    }

    fn value(&self) -> &NilOrVal<CoreBlock> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<CoreBlock> {
        self.value
    }

    fn vote_type(&self) -> CoreVoteType {
        self.vote_type
    }

    fn validator_address(&self) -> &CoreAddress {
        &self.address
    }

    // Vote extensions are not used: no vote ever has one.
    fn extension(&self) -> Option<&SignedExtension<Core>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Core>> {
        None
    }

    fn extend(self, _: SignedExtension<Core>) -> Self {
        self
    }
}

impl malachite_types::Proposal<Core> for CoreProposal {
    fn height(&self) -> CoreHeight {
        self.height
    }

    fn round(&self) -> CoreRound {
        self.round
    }

    fn value(&self) -> &CoreBlock {
        &self.value
    }

    fn take_value(self) -> CoreBlock {
        self.value
    }

    fn pol_round(&self) -> CoreRound {
        self.pol_round
    }

    fn validator_address(&self) -> &CoreAddress {
        &self.address
    }
}

impl malachite_types::ProposalPart<Core> for CorePart {
    fn is_first(&self) -> bool {
        match *self {}
    }

    fn is_last(&self) -> bool {
        match *self {}
    }
}

impl malachite_types::SigningScheme for Ed25519 {
    type DecodingError = std::array::TryFromSliceError;
    type Signature = SignatureBytes;
    type PublicKey = [u8; 32];
    type PrivateKey = SigningKey;

    fn decode_signature(bytes: &[u8]) -> Result<SignatureBytes, Self::DecodingError> {
        bytes.try_into()
    }

    fn encode_signature(signature: &SignatureBytes) -> Vec<u8> {
        signature.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<[u8; 32], Self::DecodingError> {
        bytes.try_into()
    }

    fn encode_public_key(public_key: &[u8; 32]) -> Vec<u8> {
        public_key.to_vec()
    }
}
