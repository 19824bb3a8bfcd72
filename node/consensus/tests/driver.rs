//! One driver, fed by hand, with the keys of all validators at hand.

use ed25519_dalek::{Signer, SigningKey};
use weft_consensus::{
    Consensus, ConsensusConfig, ConsensusMessage, Input, LivenessMessage, Output, ProposedBlock,
    SignGuard, SignedProposal, SignedVote, TimeoutId, TimeoutKind, WalEntry, WalEvent,
};
use weft_types::vote::{Proposal, Vote, VoteType};
use weft_types::{
    B256, CommitCertificate, Height, Round, Timeouts, Validator, ValidatorAddress, ValidatorSet,
};

const GENESIS: B256 = B256::repeat_byte(6);
const BLOCK: B256 = B256::repeat_byte(1);
const ONE: Height = Height(1);
const ZERO: Round = Round(0);
/// The node under test; validator 0 proposes at height 1.
const ME: usize = 3;

struct Chain {
    keys: Vec<SigningKey>,
    set: ValidatorSet,
}

impl Chain {
    fn new() -> Self {
        let keys: Vec<_> = (1..=4).map(|i| SigningKey::from_bytes(&[i; 32])).collect();
        let validators = keys.iter().map(|key| Validator {
            name: "v".into(),
            public_key: key.verifying_key().to_bytes(),
            power: 1,
        });
        let set = ValidatorSet::new(validators.collect()).unwrap();
        let mut keys = keys;
        keys.sort_by_key(|key| set.get(&address(key)).unwrap().0);
        Self { keys, set }
    }

    fn node(&self, decided: u64, guard: Option<SignGuard>) -> Consensus {
        Consensus::new(self.config(), Height(decided), guard)
    }

    fn config(&self) -> ConsensusConfig {
        ConsensusConfig {
            genesis_hash: GENESIS,
            validators: self.set.clone(),
            timeouts: Timeouts::devnet(),
            key: Some(self.keys[ME].clone()),
            sign_from: Height(0),
        }
    }

    fn vote(&self, who: usize, vote_type: VoteType, block: Option<B256>) -> SignedVote {
        let validator = address(&self.keys[who]);
        let vote = Vote { vote_type, height: ONE, round: ZERO, block, validator };
        let signature = self.keys[who].sign(&vote.sign_bytes(&GENESIS)).to_bytes();
        SignedVote { vote, signature }
    }

    fn proposal(&self) -> Input {
        let proposer = address(&self.keys[0]);
        let proposal =
            Proposal { height: ONE, round: ZERO, block: BLOCK, pol_round: None, proposer };
        let signature = self.keys[0].sign(&proposal.sign_bytes(&GENESIS)).to_bytes();
        Input::Message(ConsensusMessage::Proposal(SignedProposal { proposal, signature }))
    }

    fn value(&self, valid: bool) -> Input {
        let proposer = address(&self.keys[0]);
        let proposed =
            ProposedBlock { round: ZERO, valid_round: None, proposer, block: BLOCK, valid };
        Input::Value { height: ONE, proposed }
    }

    fn message(&self, who: usize, vote_type: VoteType) -> Input {
        Input::Message(ConsensusMessage::Vote(self.vote(who, vote_type, Some(BLOCK))))
    }

    fn certificate(&self) -> CommitCertificate {
        let votes = (0..3).map(|i| (i, self.vote(i, VoteType::Precommit, Some(BLOCK)).signature));
        CommitCertificate::new(ONE, ZERO, BLOCK, 4, votes.collect())
    }
}

fn address(key: &SigningKey) -> ValidatorAddress {
    ValidatorAddress::from_public_key(&key.verifying_key().to_bytes())
}

fn start(replay: Vec<WalEntry>) -> Input {
    Input::StartHeight { height: ONE, replay }
}

fn propose_timeout() -> Input {
    Input::Timeout(TimeoutId { height: ONE, round: ZERO, kind: TimeoutKind::Propose })
}

fn published(outputs: &[Output]) -> Vec<Vote> {
    let votes = outputs.iter().filter_map(|output| match output {
        Output::Publish(ConsensusMessage::Vote(signed)) => Some(signed.vote.clone()),
        _ => None,
    });
    votes.collect()
}

fn halts(outputs: &[Output]) -> bool {
    matches!(outputs.last(), Some(Output::Halt { .. }))
}

/// What a node leaves on its disk.
fn persisted(outputs: &[Output]) -> (Vec<WalEntry>, Option<SignGuard>) {
    let mut guard = None;
    let mut log = Vec::new();
    for output in outputs {
        match output {
            Output::Persist(entry) => log.push(entry.clone()),
            Output::Guard(next) => guard = Some(next.clone()),
            _ => {}
        }
    }
    (log, guard)
}

fn feed(node: &mut Consensus, inputs: impl IntoIterator<Item = Input>) -> Vec<Output> {
    inputs.into_iter().flat_map(|input| node.step(input)).collect()
}

#[test]
fn a_valid_block_gets_a_prevote_after_log_and_guard_are_flushed() {
    let chain = Chain::new();
    let mut node = chain.node(0, None);
    let outputs = feed(&mut node, [start(vec![]), chain.proposal(), chain.value(true)]);
    let [vote] = published(&outputs).try_into().unwrap();
    assert_eq!((vote.vote_type, vote.block), (VoteType::Prevote, Some(BLOCK)));
    let at = |wanted: fn(&Output) -> bool| outputs.iter().rposition(wanted).unwrap();
    let persist = at(|output| matches!(output, Output::Persist(_)));
    let guard = at(|output| matches!(output, Output::Guard(_)));
    let flush = at(|output| matches!(output, Output::Flush));
    let publish = at(|output| matches!(output, Output::Publish(_)));
    assert!(guard < persist && persist < flush && flush < publish);
}

#[test]
fn an_invalid_block_gets_a_nil_prevote() {
    let chain = Chain::new();
    let mut node = chain.node(0, None);
    let outputs = feed(&mut node, [start(vec![]), chain.proposal(), chain.value(false)]);
    let [vote] = published(&outputs).try_into().unwrap();
    assert_eq!((vote.vote_type, vote.block), (VoteType::Prevote, None));
}

#[test]
fn a_restarted_validator_repeats_its_vote_and_logs_nothing_twice() {
    let chain = Chain::new();
    let before =
        feed(&mut chain.node(0, None), [start(vec![]), chain.proposal(), chain.value(true)]);
    let (log, guard) = persisted(&before);

    let mut node = chain.node(0, guard);
    let after = node.step(start(log.clone()));
    assert_eq!(published(&after), published(&before));
    assert_eq!(persisted(&after), (vec![], None));
    // It goes on where it was: the propose timeout comes too late for another prevote.
    assert!(published(&node.step(propose_timeout())).is_empty());

    // A crash before the vote was logged: it is signed now, and logged behind the rest.
    let cut: Vec<_> =
        log.iter().filter(|entry| !matches!(&entry.event, WalEvent::Vote(_))).cloned().collect();
    let outputs = chain.node(0, None).step(start(cut.clone()));
    assert_eq!(published(&outputs), published(&before));
    let (added, guard) = persisted(&outputs);
    assert_eq!(added.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [cut.len() as u64]);
    assert!(guard.is_some());
}

#[test]
fn a_validator_that_lost_its_log_halts_before_it_contradicts_its_guard() {
    let chain = Chain::new();
    let before =
        feed(&mut chain.node(0, None), [start(vec![]), chain.proposal(), chain.value(true)]);
    let (_, guard) = persisted(&before);
    let mut node = chain.node(0, guard);
    let outputs = feed(&mut node, [start(vec![]), propose_timeout()]);
    assert!(halts(&outputs), "{outputs:?}");
    assert!(published(&outputs).is_empty());
    assert!(node.is_halted());
    assert!(node.step(chain.proposal()).is_empty());
}

#[test]
fn a_log_with_another_vote_than_the_derived_one_halts() {
    let chain = Chain::new();
    let before =
        feed(&mut chain.node(0, None), [start(vec![]), chain.proposal(), chain.value(true)]);
    let (mut log, _) = persisted(&before);
    let own = log.iter_mut().find_map(|entry| match &mut entry.event {
        WalEvent::Vote(signed) => Some(signed),
        _ => None,
    });
    *own.unwrap() = chain.vote(ME, VoteType::Prevote, None);
    let outputs = chain.node(0, None).step(start(log));
    assert!(halts(&outputs), "{outputs:?}");
    assert!(published(&outputs).is_empty());
}

#[test]
fn below_its_first_signing_height_a_validator_only_follows() {
    let chain = Chain::new();
    let config = ConsensusConfig { sign_from: Height(2), ..chain.config() };
    let mut node = Consensus::new(config, Height(0), None);
    let mut inputs = vec![start(vec![]), chain.proposal(), chain.value(true)];
    inputs.extend((0..3).map(|who| chain.message(who, VoteType::Precommit)));
    let outputs = feed(&mut node, inputs);
    assert!(published(&outputs).is_empty());
    assert_eq!(persisted(&outputs), (vec![], None));
    assert!(matches!(outputs.last(), Some(Output::Decide { .. })));
}

#[test]
fn a_validator_told_to_wait_does_not_sign_either() {
    let chain = Chain::new();
    let mut node = chain.node(0, None);
    node.sign_not_before(Height(2));
    // A lower height changes nothing.
    node.sign_not_before(Height(1));
    let outputs = feed(&mut node, vec![start(vec![]), chain.proposal(), chain.value(true)]);
    assert!(published(&outputs).is_empty());
}

#[test]
fn what_comes_before_the_first_height_is_kept_for_it() {
    let chain = Chain::new();
    let mut node = chain.node(0, None);
    let mut early = vec![chain.proposal(), chain.value(true)];
    early.extend((0..3).map(|who| chain.message(who, VoteType::Prevote)));
    early.extend((0..3).map(|who| chain.message(who, VoteType::Precommit)));
    assert_eq!(feed(&mut node, early), []);
    let outputs = node.step(start(vec![]));
    let Some(Output::Decide { certificate }) = outputs.last() else { panic!("{outputs:?}") };
    assert_eq!(certificate.block, BLOCK);
    assert_eq!(certificate.verify(&chain.set, &GENESIS), Ok(()));
    // Its own votes leave before the block is committed.
    assert_eq!(published(&outputs).len(), 2);
}

#[test]
fn forged_early_messages_are_not_kept() {
    let chain = Chain::new();
    let mut node = chain.node(0, None);
    let forged = (0..3).map(|who| {
        let mut signed = chain.vote(who, VoteType::Precommit, Some(BLOCK));
        signed.signature[0] ^= 1;
        Input::Message(ConsensusMessage::Vote(signed))
    });
    feed(&mut node, forged);
    let outputs = feed(&mut node, [start(vec![]), chain.proposal(), chain.value(true)]);
    assert!(!outputs.iter().any(|output| matches!(output, Output::Decide { .. })));
}

#[test]
fn a_synced_block_is_decided_by_its_certificate_and_a_forged_one_is_not() {
    let chain = Chain::new();
    let mut node = chain.node(0, None);
    feed(&mut node, [start(vec![])]);
    let mut forged = chain.certificate();
    forged.block = B256::repeat_byte(9);
    assert_eq!(node.step(Input::Decided { certificate: forged }), []);
    let mut short = chain.certificate();
    short.signatures.pop();
    assert_eq!(node.step(Input::Decided { certificate: short }), []);

    let certificate = chain.certificate();
    let outputs = node.step(Input::Decided { certificate: certificate.clone() });
    assert_eq!(outputs.last(), Some(&Output::Decide { certificate }));
}

#[test]
fn a_peer_that_works_on_a_decided_height_is_reported() {
    let chain = Chain::new();
    let mut node = chain.node(0, None);
    feed(&mut node, [start(vec![]), Input::Decided { certificate: chain.certificate() }]);
    let late = LivenessMessage::Vote(chain.vote(1, VoteType::Prevote, None));
    assert_eq!(node.step(Input::Liveness(late.clone())), [Output::PeerBehind { height: ONE }]);
    node.step(Input::StartHeight { height: Height(2), replay: vec![] });
    assert_eq!(node.step(Input::Liveness(late)), [Output::PeerBehind { height: ONE }]);
}

#[test]
fn heights_never_go_back() {
    let chain = Chain::new();
    let mut node = chain.node(5, None);
    let outputs = node.step(Input::StartHeight { height: Height(5), replay: vec![] });
    assert!(halts(&outputs));
}

#[test]
fn two_votes_of_one_validator_become_evidence() {
    let chain = Chain::new();
    let mut node = chain.node(0, None);
    let nil = Input::Message(ConsensusMessage::Vote(chain.vote(1, VoteType::Prevote, None)));
    let mut inputs = vec![start(vec![]), nil, chain.proposal(), chain.value(true)];
    inputs.extend((0..3).map(|who| chain.message(who, VoteType::Prevote)));
    inputs.extend((0..3).map(|who| chain.message(who, VoteType::Precommit)));
    let outputs = feed(&mut node, inputs);
    assert!(outputs.iter().any(|output| matches!(output, Output::Evidence(_))), "{outputs:?}");
}
