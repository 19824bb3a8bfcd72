//! What peers send: judged before it is forwarded or believed.

use super::Network;
use crate::assembly::{Arrival, PartsMessage, REPAIR_AFTER};
use crate::driver::Event;
use libp2p::PeerId;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use weft_consensus::{ConsensusMessage, LivenessMessage, verify_liveness, verify_message};
use weft_p2p::{Command, Events, MessageToken, Request, Response, StatusMessage, Topic, Verdict};
use weft_pool::{Blame, Origin};
use weft_store::Head;
use weft_types::impersonation::impersonated_sender;
use weft_types::parts::{Part, SignedPartsInit};
use weft_types::transaction::decode_transaction;
use weft_types::{Address, B256, Height, RecoveredTransaction, Round, Settings, Transaction};

/// Heights ahead of ours for which votes are taken.
const HEIGHTS_AHEAD: u64 = 16;
/// Rounds ahead of ours for which announcements of proposals are taken.
const ROUNDS_AHEAD: u64 = 3;
/// Batches of transactions that are recovered and admitted at the same time.
const ADMISSIONS_CONCURRENT: usize = 2;
/// Batches that may wait for it or be under way; further ones are ignored.
pub(super) const ADMISSIONS_WAITING: usize = 256;
/// Most transactions in one gossip message.
pub(super) const BATCH_MAX: usize = 256;
/// After this time the first height starts with a quorum, without waiting for everybody.
const CONNECT_PATIENCE: Duration = Duration::from_millis(700);
/// After this time the first height starts whoever is there.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Reads events until the network stops.
pub(super) async fn run(network: Network, mut events: Events, persistent: usize) {
    let mut inbound = Inbound {
        admissions: Arc::new(Semaphore::new(ADMISSIONS_CONCURRENT)),
        subscribed: BTreeSet::new(),
        last_asked: None,
        announced: false,
        since: Instant::now(),
        persistent,
        network,
    };
    let mut repair = tokio::time::interval(REPAIR_AFTER);
    repair.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    inbound.announce_connection();
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => inbound.on_event(event),
                None => return,
            },
            _ = repair.tick() => {
                inbound.announce_connection();
                inbound.repair();
            }
        }
    }
}

struct Inbound {
    network: Network,
    admissions: Arc<Semaphore>,
    /// Peers that take votes; the repair asks them in turn.
    subscribed: BTreeSet<PeerId>,
    last_asked: Option<PeerId>,
    announced: bool,
    since: Instant,
    persistent: usize,
}

impl Inbound {
    fn on_event(&mut self, event: weft_p2p::Event) {
        use weft_p2p::Event as E;
        match event {
            E::Message { topic, from, data, token } => self.on_message(topic, from, data, token),
            E::Request { from, request, token } => self.network.serve(from, request, token),
            E::PeerUp { peer } => {
                self.ask_status(peer);
            }
            E::PeerDown { peer } => {
                self.subscribed.remove(&peer);
                self.network.tell(Event::PeerDown(peer));
            }
            E::Subscribed { peer, topic: Topic::Consensus } => {
                self.subscribed.insert(peer);
                self.announce_connection();
            }
            E::Subscribed { .. } => {}
            E::Listening { address } => tracing::info!(%address, "listening for peers"),
            E::WrongGenesis { peer, expected, found } => {
                tracing::warn!(%peer, expected, found, "a peer belongs to another chain");
            }
            E::PeerBanned { peer, offence, ban_ms } => {
                tracing::warn!(%peer, ?offence, ban_ms, "a peer is kept away");
            }
        }
    }

    /// Tells the driver once that enough of the others are there to start.
    fn announce_connection(&mut self) {
        if self.announced {
            return;
        }
        let validators = self.network.inner.genesis.validators.len();
        let everybody = self.persistent.min(validators.saturating_sub(1));
        let quorum = (validators * 2 / 3).min(everybody);
        let (there, waited) = (self.subscribed.len(), self.since.elapsed());
        let enough = there >= everybody || (there >= quorum && waited >= CONNECT_PATIENCE);
        if enough || waited >= CONNECT_LIMIT {
            self.announced = self.network.inner.events.try_send(Event::Connected).is_ok();
        }
    }

    fn on_message(&mut self, topic: Topic, from: PeerId, data: Vec<u8>, token: MessageToken) {
        let verdict = match topic {
            Topic::Consensus => self.consensus(&data),
            Topic::Liveness => self.liveness(&data),
            Topic::Parts => self.parts(&data),
            Topic::Status => self.status(from, &data),
            Topic::Transactions => return self.transactions(data, token),
        };
        self.network.send(Command::Validated { message: token, verdict });
    }

    fn working_height(&self) -> u64 {
        self.network.inner.working_height.load(Ordering::Acquire)
    }

    fn consensus(&self, data: &[u8]) -> Verdict {
        let Ok(message) = ConsensusMessage::decode(data) else { return Verdict::Reject };
        let (height, working) = (message.height().0, self.working_height());
        if height + 1 < working || height > working + HEIGHTS_AHEAD {
            return Verdict::Ignore;
        }
        let genesis = &self.network.inner.genesis;
        match verify_message(&message, &genesis.validators, &genesis.hash()) {
            Ok(verified) => {
                self.network.tell(Event::Message(message, verified));
                Verdict::Accept
            }
            Err(_) => Verdict::Reject,
        }
    }

    fn liveness(&self, data: &[u8]) -> Verdict {
        let Ok(message) = LivenessMessage::decode(data) else { return Verdict::Reject };
        let (height, working) = (message.height().0, self.working_height());
        if height > working + HEIGHTS_AHEAD {
            return Verdict::Ignore;
        }
        if height < working {
            // Old ones can be repeated by anybody for ever: they are not worth a verification.
            self.network.tell(Event::Behind(message.height()));
            return Verdict::Ignore;
        }
        let genesis = &self.network.inner.genesis;
        match verify_liveness(&message, &genesis.validators, &genesis.hash()) {
            Ok(verified) => {
                self.network.tell(Event::Liveness(message, verified));
                Verdict::Accept
            }
            Err(_) => Verdict::Reject,
        }
    }

    fn status(&self, from: PeerId, data: &[u8]) -> Verdict {
        let Ok((status, _nonce)) = borsh::from_slice::<(StatusMessage, u64)>(data) else {
            return Verdict::Reject;
        };
        self.network.on_status(from, &status);
        // Only neighbours need it: it is not forwarded.
        Verdict::Ignore
    }

    fn parts(&self, data: &[u8]) -> Verdict {
        match borsh::from_slice::<PartsMessage>(data) {
            Ok(PartsMessage::Init { init, .. }) => self.announcement(*init),
            Ok(PartsMessage::Part(part)) => self.network.on_part(part),
            Err(_) => Verdict::Reject,
        }
    }

    fn announcement(&self, signed: SignedPartsInit) -> Verdict {
        let init = &signed.init;
        let inner = &self.network.inner;
        let working = (self.working_height(), inner.working_round.load(Ordering::Acquire));
        if !is_near(init.height, init.round, working) {
            return Verdict::Ignore;
        }
        // One announcer for each height and round, so that nobody takes up another one's place.
        let (validators, hash) = (&inner.genesis.validators, inner.genesis.hash());
        let turn = weft_consensus::proposer(validators, &hash, init.height, init.round);
        if turn.address() != init.proposer || signed.verify(&hash, &turn.public_key).is_err() {
            return Verdict::Reject;
        }
        let arrival = inner.assembly.lock().announce(signed, Instant::now());
        self.network.on_arrivals(vec![arrival])
    }

    fn transactions(&self, data: Vec<u8>, token: MessageToken) {
        let (network, admissions) = (self.network.clone(), Arc::clone(&self.admissions));
        let Ok(place) = Arc::clone(&network.inner.admissions).try_acquire_owned() else {
            // More than this node can take: whoever sent them will send them again.
            let verdict = Verdict::Ignore;
            return network.send(Command::Validated { message: token, verdict });
        };
        tokio::spawn(async move {
            let Ok(_permit) = admissions.acquire_owned().await else { return };
            let judge = network.clone();
            let verdict = tokio::task::spawn_blocking(move || judge.admit_batch(&data)).await;
            let verdict = verdict.unwrap_or(Verdict::Ignore);
            network.send(Command::Validated { message: token, verdict });
            drop(place);
        });
    }

    fn ask_status(&self, peer: PeerId) {
        let network = self.network.clone();
        tokio::spawn(async move {
            let own = network.status_of(&network.inner.store.head());
            let answer = network.inner.handle.request(peer, Request::Status(own)).await;
            if let Ok(Response::Status(status)) = answer {
                network.on_status(peer, &status);
            }
        });
    }

    /// Asks two peers for parts of proposals that stopped arriving; others the next time.
    fn repair(&mut self) {
        let height = Height(self.working_height());
        let stalled = self.network.inner.assembly.lock().stalled(height, Instant::now());
        for (block, have) in stalled {
            for _ in 0..2.min(self.subscribed.len()) {
                let Some(peer) = next_after(&self.subscribed, self.last_asked) else { return };
                self.last_asked = Some(peer);
                tokio::spawn(self.network.clone().pull(peer, block, have.clone()));
            }
        }
    }
}

/// Good for one announcement of a block is good, and only what fits none of them is wrong. When
/// announcements of a block differ in its body, an honest peer may know only one of them.
fn verdict(arrivals: &[Arrival]) -> Verdict {
    if arrivals.iter().any(|arrival| matches!(arrival, Arrival::New(_))) {
        return Verdict::Accept;
    }
    match arrivals {
        [Arrival::Wrong] => Verdict::Reject,
        _ => Verdict::Ignore,
    }
}

/// Whether an announcement for this height and round is of use to a node that works on `working`.
fn is_near(height: Height, round: Round, working: (u64, u64)) -> bool {
    let (round, ahead) = (u64::from(round.0), height.0.checked_sub(working.0));
    match ahead {
        Some(0) => round + 1 >= working.1 && round <= working.1 + ROUNDS_AHEAD,
        Some(1) => round <= ROUNDS_AHEAD,
        _ => false,
    }
}

/// The first peer after `last`, starting over at the end.
fn next_after(peers: &BTreeSet<PeerId>, last: Option<PeerId>) -> Option<PeerId> {
    let after = last.and_then(|last| peers.range((Bound::Excluded(last), Bound::Unbounded)).next());
    after.or_else(|| peers.first()).copied()
}

impl Network {
    pub(super) fn on_status(&self, peer: PeerId, status: &StatusMessage) {
        if status.genesis_hash == self.inner.genesis.hash() {
            self.tell(Event::PeerStatus(peer, status.height));
        }
    }

    /// Asks one peer for parts. One that does not fit is no fault: the peer may know another
    /// announcement of the same block.
    async fn pull(self, peer: PeerId, block: B256, have: Vec<u8>) {
        let request = Request::Parts { block, have };
        let Ok(Response::Parts(parts)) = self.inner.handle.request(peer, request).await else {
            return;
        };
        for bytes in parts {
            let Ok(part) = borsh::from_slice::<Part>(&bytes) else {
                return self.blame(peer, "a part that cannot be decoded");
            };
            self.on_part(part);
        }
    }

    fn on_part(&self, part: Part) -> Verdict {
        let arrivals = self.inner.assembly.lock().part(part, Instant::now());
        self.on_arrivals(arrivals)
    }

    /// Hands complete bodies on; the verdict on the message that completed or extended them.
    fn on_arrivals(&self, arrivals: Vec<Arrival>) -> Verdict {
        let verdict = verdict(&arrivals);
        for arrival in arrivals {
            if let Arrival::New(Some(complete)) = arrival {
                self.tell(Event::Proposal(complete));
            }
        }
        verdict
    }

    /// Admits a gossiped batch: forwarded when at least one transaction is new and good, rejected
    /// when one of them is wrong whatever the state.
    fn admit_batch(&self, data: &[u8]) -> Verdict {
        let Ok(batch) = borsh::from_slice::<Vec<Vec<u8>>>(data) else { return Verdict::Reject };
        if batch.is_empty() || batch.len() > BATCH_MAX {
            return Verdict::Reject;
        }
        let pool = &self.inner.pool;
        let head = self.inner.store.head();
        let mut verdict = Verdict::Ignore;
        let mut fresh = Vec::with_capacity(batch.len());
        for bytes in batch {
            if weft_types::Command::is_command(&bytes) {
                match self.admit_command(&bytes, head.block.height().0 + 1) {
                    Verdict::Reject => return Verdict::Reject,
                    Verdict::Accept => verdict = Verdict::Accept,
                    Verdict::Ignore => {}
                }
                continue;
            }
            let Ok(transaction) = decode_transaction(&bytes) else { return Verdict::Reject };
            if pool.contains(transaction.tx_hash()) {
                continue;
            }
            let recovered = match self.impersonated(&transaction, &head) {
                Some(Some(sender)) => RecoveredTransaction::new_unchecked(transaction, sender),
                // This node may not know yet that its sender is impersonated, or not any more.
                Some(None) => continue,
                None => match pool.recover(transaction) {
                    Ok(recovered) => recovered,
                    Err(_) => return Verdict::Reject,
                },
            };
            fresh.push(recovered);
        }
        let state = head.state.as_ref();
        for outcome in pool.admit_all(fresh, Origin::Peer, state, head.block.header()) {
            match outcome {
                Ok(_) => verdict = Verdict::Accept,
                Err(error) if error.blame() == Blame::Peer => return Verdict::Reject,
                Err(_) => {}
            }
        }
        if verdict == Verdict::Accept {
            self.inner.pool_changed.send_replace(());
            self.tell(Event::Transactions);
        }
        verdict
    }

    /// Takes a gossiped command, on a chain that takes any.
    fn admit_command(&self, bytes: &[u8], height: u64) -> Verdict {
        if !self.inner.genesis.params.devnet_cheats {
            return Verdict::Reject;
        }
        let Ok(command) = weft_types::Command::decode(bytes) else { return Verdict::Reject };
        match self.inner.pool.commands().admit(command, height) {
            Ok(true) => Verdict::Accept,
            // What is too old or too new here may be right elsewhere.
            Ok(false) | Err(_) => Verdict::Ignore,
        }
    }

    /// The sender that a transaction names in place of a signature, on a chain that knows such: `Some(None)` when it is not
    /// impersonated at the head, `None` for a transaction that is to be signed.
    fn impersonated(&self, transaction: &Transaction, head: &Head) -> Option<Option<Address>> {
        let params = &self.inner.genesis.params;
        let sender = impersonated_sender(transaction).filter(|_| params.devnet_cheats)?;
        let settings = Settings::read(params, &*head.state).ok()?;
        let on = settings.impersonates(sender, &*head.state).unwrap_or(false);
        Some(on.then_some(sender))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_taken_for_near_rounds_of_this_and_the_next_height() {
        let near = |height, round| is_near(Height(height), Round(round), (7, 5));
        assert!(near(7, 4) && near(7, 5) && near(7, 8) && near(8, 0) && near(8, 3));
        assert!(!near(7, 3) && !near(7, 9) && !near(7, u32::MAX));
        assert!(!near(6, 5) && !near(8, 4) && !near(9, 0));
    }

    #[test]
    fn the_repair_asks_every_peer_in_turn() {
        let peers: BTreeSet<PeerId> = (0..3).map(|_| PeerId::random()).collect();
        let mut last = None;
        for peer in peers.iter().chain(&peers) {
            last = next_after(&peers, last);
            assert_eq!(last.as_ref(), Some(peer));
        }
        assert_eq!(next_after(&BTreeSet::new(), last), None);
    }

    #[test]
    fn a_part_is_wrong_only_when_it_fits_no_announcement_of_its_block() {
        assert_eq!(verdict(&[Arrival::Wrong]), Verdict::Reject);
        assert_eq!(verdict(&[Arrival::Wrong, Arrival::New(None)]), Verdict::Accept);
        assert_eq!(verdict(&[Arrival::Known, Arrival::Wrong]), Verdict::Ignore);
        assert_eq!(verdict(&[Arrival::Wrong, Arrival::Wrong]), Verdict::Ignore);
        assert_eq!(verdict(&[Arrival::Unknown]), Verdict::Ignore);
    }
}
