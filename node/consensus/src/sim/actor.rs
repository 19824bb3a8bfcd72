//! Peers that do not keep the rules.

use super::random::Random;
use super::world::Packet;
use crate::message::{ConsensusMessage, SignedProposal, SignedVote};
use crate::proposer::proposer;
use crate::wal::ProposedBlock;
use alloy_primitives::B256;
use ed25519_dalek::{Signer, SigningKey};
use std::collections::BTreeSet;
use weft_types::vote::{Proposal, Vote, VoteType};
use weft_types::{Height, Round, ValidatorAddress, ValidatorSet};

/// First byte of a block that no honest node finds valid.
pub(super) const INVALID_MARK: u8 = 0xff;

/// A validator that tells the even nodes one thing and the odd nodes another: two proposals when
/// it is its turn (one of them invalid now and then), and two votes in every step that it hears of.
#[derive(Debug)]
pub(super) struct Equivocator {
    key: SigningKey,
    address: ValidatorAddress,
    genesis_hash: B256,
    proposed: BTreeSet<(Height, Round)>,
    voted: BTreeSet<(Height, Round, VoteType)>,
}

/// Packets with the group of nodes (0 even, 1 odd) that gets them.
type Sent = Vec<(usize, Packet)>;

impl Equivocator {
    pub(super) fn new(key: SigningKey, genesis_hash: B256) -> Self {
        let address = ValidatorAddress::from_public_key(&key.verifying_key().to_bytes());
        Self { key, address, genesis_hash, proposed: BTreeSet::new(), voted: BTreeSet::new() }
    }

    /// What it sends on hearing a packet.
    pub(super) fn react(
        &mut self,
        packet: &Packet,
        validators: &ValidatorSet,
        random: &mut Random,
    ) -> Sent {
        let mut sent = Sent::new();
        match packet {
            Packet::Consensus(bytes) => match ConsensusMessage::decode(bytes) {
                Ok(ConsensusMessage::Vote(SignedVote { vote, .. })) => {
                    self.vote_twice(&vote, random, &mut sent);
                    // What comes after this round or this height may be its turn.
                    let next_round = Round(vote.round.0 + 1);
                    self.propose_twice(vote.height, next_round, validators, random, &mut sent);
                }
                Ok(ConsensusMessage::Proposal(SignedProposal { proposal, .. })) => {
                    let vote = Vote {
                        vote_type: VoteType::Prevote,
                        height: proposal.height,
                        round: proposal.round,
                        block: Some(proposal.block),
                        validator: self.address,
                    };
                    self.vote_twice(&vote, random, &mut sent);
                }
                Err(_) => {}
            },
            Packet::Status { height } => {
                self.propose_twice(Height(height + 1), Round(0), validators, random, &mut sent);
            }
            _ => {}
        }
        sent
    }

    fn vote_twice(&mut self, heard: &Vote, random: &mut Random, sent: &mut Sent) {
        if !self.voted.insert((heard.height, heard.round, heard.vote_type)) {
            return;
        }
        let other = if random.one_in(2) { None } else { Some(B256::repeat_byte(2)) };
        for (group, block) in [(0, heard.block), (1, other)] {
            let vote = Vote { block, validator: self.address, ..heard.clone() };
            let signature = self.key.sign(&vote.sign_bytes(&self.genesis_hash)).to_bytes();
            let message = ConsensusMessage::Vote(SignedVote { vote, signature });
            sent.push((group, Packet::Consensus(message.encode())));
            if random.one_in(3) {
                // Some nodes hear both, so that it can be proved.
                sent.push((1 - group, Packet::Consensus(message.encode())));
            }
        }
    }

    fn propose_twice(
        &mut self,
        height: Height,
        round: Round,
        validators: &ValidatorSet,
        random: &mut Random,
        sent: &mut Sent,
    ) {
        let turn = proposer(validators, &self.genesis_hash, height, round).address();
        if turn != self.address || !self.proposed.insert((height, round)) {
            return;
        }
        for group in 0..2 {
            let mut block = B256::from(alloy_primitives::U256::from(random.next()));
            block[0] = if random.one_in(3) { INVALID_MARK } else { 1 };
            let proposer = self.address;
            let proposal = Proposal { height, round, block, pol_round: None, proposer };
            let signature = self.key.sign(&proposal.sign_bytes(&self.genesis_hash)).to_bytes();
            let message = ConsensusMessage::Proposal(SignedProposal { proposal, signature });
            let proposed = ProposedBlock { round, valid_round: None, proposer, block, valid: true };
            sent.push((group, Packet::Consensus(message.encode())));
            sent.push((group, Packet::Parts { height, proposed }));
        }
    }
}
