//! Real nodes on loopback: what one sends, whether the others get it, and who is sent away.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};
use weft_p2p::{
    Command, Event, Events, Handle, Keypair, Multiaddr, NetworkConfig, NetworkError, NetworkLimits,
    Offence, PeerId, Request, RequestError, RequestKind, RequestToken, Response, StatusMessage,
    Topic, Verdict, limits, start,
};
use weft_types::B256;

/// No step of a test takes longer.
const STEP: Duration = Duration::from_secs(4);
/// Long enough for a message that must not arrive to arrive: several heartbeats and hops.
const QUIET: Duration = Duration::from_millis(600);

struct Node {
    handle: Handle,
    events: Events,
}

fn config(peers: Vec<Multiaddr>) -> NetworkConfig {
    let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    NetworkConfig {
        persistent_peers: peers,
        devnet: true,
        limits: NetworkLimits { heartbeat_ms: 200, ..NetworkLimits::default() },
        ..NetworkConfig::new(Keypair::generate_ed25519(), listen, B256::repeat_byte(7))
    }
}

impl Node {
    async fn start(config: NetworkConfig) -> Self {
        let (handle, events) = start(config).await.unwrap();
        Self { handle, events }
    }

    fn id(&self) -> PeerId {
        self.handle.peer_id()
    }

    fn address(&self) -> Multiaddr {
        self.handle.dial_address().unwrap()
    }

    /// Reads events until one is wanted.
    async fn wait<T>(&mut self, what: &str, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        let search = async {
            loop {
                let event = self.events.recv().await.expect("the network runs");
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        };
        timeout(STEP, search).await.unwrap_or_else(|_| panic!("no {what} in time"))
    }

    /// Waits until these peers have subscribed to a topic.
    async fn wait_subscribed(&mut self, topic: Topic, peers: &[PeerId]) {
        let mut missing: BTreeSet<_> = peers.iter().copied().collect();
        self.wait("subscription", |event| {
            if let Event::Subscribed { peer, topic: subscribed } = event
                && subscribed == topic
            {
                missing.remove(&peer);
            }
            missing.is_empty().then_some(())
        })
        .await;
    }

    async fn send(&self, command: Command) {
        self.handle.send(command).await.unwrap();
    }

    async fn publish(&self, topic: Topic, data: &[u8]) {
        self.send(Command::Publish { topic, data: data.to_vec() }).await;
    }

    /// Waits for a message, gives its verdict, returns its sender and payload.
    async fn judge(&mut self, verdict: Verdict) -> (PeerId, Vec<u8>) {
        let (from, data, message) = self
            .wait("message", |event| match event {
                Event::Message { from, data, token, .. } => Some((from, data, token)),
                _ => None,
            })
            .await;
        self.send(Command::Validated { message, verdict }).await;
        (from, data)
    }

    /// Reads events for a while; none of them may be a message.
    async fn hears_nothing(&mut self) {
        let hear = self.wait("end of the quiet time", |event| match event {
            Event::Message { data, .. } => Some(data),
            _ => None,
        });
        if let Ok(data) = timeout(QUIET, hear).await {
            panic!("expected nothing, heard {data:?}");
        }
    }

    async fn next_request(&mut self) -> (PeerId, Request, RequestToken) {
        self.wait("request", |event| match event {
            Event::Request { from, request, token } => Some((from, request, token)),
            _ => None,
        })
        .await
    }

    async fn wait_up(&mut self, expected: PeerId) {
        self.wait("peer", |event| {
            matches!(event, Event::PeerUp { peer } if peer == expected).then_some(())
        })
        .await;
    }

    async fn wait_down(&mut self, expected: PeerId) {
        self.wait("loss", |event| {
            matches!(event, Event::PeerDown { peer } if peer == expected).then_some(())
        })
        .await;
    }
}

/// `count` nodes, each with all earlier ones as persistent peers, all subscribed to all.
async fn full_mesh(count: usize) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for _ in 0..count {
        let peers = nodes.iter().map(Node::address).collect();
        nodes.push(Node::start(config(peers)).await);
    }
    let ids: Vec<_> = nodes.iter().map(Node::id).collect();
    for node in &mut nodes {
        let others: Vec<_> = ids.iter().copied().filter(|id| *id != node.id()).collect();
        node.wait_subscribed(Topic::Status, &others).await;
    }
    nodes
}

/// Three nodes in a line; the first and the last know only the middle one.
async fn line() -> [Node; 3] {
    let mut middle = Node::start(config(vec![])).await;
    let mut first = Node::start(config(vec![middle.address()])).await;
    let mut last = Node::start(config(vec![middle.address()])).await;
    middle.wait_subscribed(Topic::Status, &[first.id(), last.id()]).await;
    first.wait_subscribed(Topic::Status, &[middle.id()]).await;
    last.wait_subscribed(Topic::Status, &[middle.id()]).await;
    [first, middle, last]
}

fn status(height: u64) -> StatusMessage {
    StatusMessage { genesis_hash: B256::repeat_byte(7), height, hash: B256::repeat_byte(9) }
}

#[tokio::test]
async fn a_message_of_one_reaches_all_others_once() {
    for count in [2, 4] {
        let mut nodes = full_mesh(count).await;
        nodes[0].publish(Topic::Consensus, b"vote").await;
        for node in &mut nodes[1..] {
            assert_eq!(node.judge(Verdict::Accept).await.1, b"vote");
        }
        let mut sender = nodes.swap_remove(0);
        let mut last = nodes.pop().unwrap();
        tokio::join!(sender.hears_nothing(), last.hears_nothing());
    }
}

#[tokio::test]
async fn only_an_accepted_message_is_forwarded() {
    let [first, mut middle, mut last] = line().await;
    for (verdict, data) in [(Verdict::Reject, b"wrong"), (Verdict::Ignore, b"known")] {
        first.publish(Topic::Consensus, data).await;
        assert_eq!(middle.judge(verdict).await, (first.id(), data.to_vec()));
        last.hears_nothing().await;
    }
    first.publish(Topic::Consensus, b"right").await;
    assert_eq!(middle.judge(Verdict::Accept).await.0, first.id());
    assert_eq!(last.judge(Verdict::Accept).await, (middle.id(), b"right".to_vec()));
}

#[tokio::test]
async fn a_message_without_a_verdict_is_ignored_after_a_while() {
    let limits = NetworkLimits { validation_timeout_ms: 50, ..config(vec![]).limits };
    let mut receiver = Node::start(NetworkConfig { limits, ..config(vec![]) }).await;
    let mut sender = Node::start(config(vec![receiver.address()])).await;
    sender.wait_subscribed(Topic::Parts, &[receiver.id()]).await;
    sender.publish(Topic::Parts, b"part").await;
    let message = receiver
        .wait("message", |event| match event {
            Event::Message { token, .. } => Some(token),
            _ => None,
        })
        .await;
    let deadline = Instant::now() + STEP;
    while receiver.handle.stats().unjudged == 0 {
        assert!(Instant::now() < deadline, "the message is still waiting");
        sleep(Duration::from_millis(20)).await;
    }
    receiver.send(Command::Validated { message, verdict: Verdict::Accept }).await;
    sleep(Duration::from_millis(50)).await;
    assert_eq!(receiver.handle.stats().accepted, 0);
}

#[tokio::test]
async fn the_largest_message_of_every_topic_arrives_and_one_byte_more_is_refused() {
    let [mut sender, mut receiver] = <[Node; 2]>::try_from(full_mesh(2).await).ok().unwrap();
    for topic in Topic::ALL {
        let size_bytes_max = topic.size_bytes_max();
        // Twice in a row: the start of the second frame shares a buffer with the first.
        for fill in [1, 2] {
            sender.publish(topic, &vec![fill; size_bytes_max]).await;
        }
        for _ in 0..2 {
            assert_eq!(receiver.judge(Verdict::Accept).await.1.len(), size_bytes_max);
        }
        let data = vec![0; size_bytes_max + 1];
        let refused = sender.handle.send(Command::Publish { topic, data }).await;
        assert!(matches!(refused, Err(NetworkError::MessageTooLarge { .. })), "{refused:?}");
    }
    sender.hears_nothing().await;
}

#[tokio::test]
async fn publishing_to_nobody_or_twice_is_no_error() {
    let alone = Node::start(config(vec![])).await;
    alone.publish(Topic::Status, b"anyone?").await;
    let mut nodes = full_mesh(2).await;
    nodes[0].publish(Topic::Status, b"again").await;
    nodes[0].publish(Topic::Status, b"again").await;
    nodes[1].judge(Verdict::Ignore).await;
    nodes[1].hears_nothing().await;
    assert_eq!(alone.handle.stats().published_to_nobody, 1);
    assert_eq!(nodes[0].handle.stats().published, 1);
}

#[tokio::test]
async fn a_request_is_answered() {
    let [asking, mut asked] = <[Node; 2]>::try_from(full_mesh(2).await).ok().unwrap();
    let requests = [
        (Request::Status(status(1)), Response::Status(status(2))),
        (Request::Blocks { from: 1, count: 2 }, Response::Blocks(vec![vec![1; 500_000]; 2])),
        (
            Request::Parts { block: B256::ZERO, have: vec![1] },
            Response::Parts(vec![vec![3; 131_072]; 4]),
        ),
        (Request::Transactions(vec![B256::ZERO]), Response::Transactions(vec![vec![4; 100]])),
    ];
    for (request, response) in requests {
        let (handle, id) = (asking.handle.clone(), asked.id());
        let question = request.clone();
        let answer = tokio::spawn(async move { handle.request(id, question).await });
        let (from, received, token) = asked.next_request().await;
        assert_eq!((from, &received, token.kind()), (asking.id(), &request, request.kind()));
        asked.send(Command::Respond { token, response: response.clone() }).await;
        assert_eq!(timeout(STEP, answer).await.unwrap().unwrap(), Ok(response));
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_answered_says_why() {
    let limits = NetworkLimits { parts_request_timeout_ms: 300, ..config(vec![]).limits };
    let mut asked = Node::start(config(vec![])).await;
    let mut asking = Node::start(NetworkConfig { limits, ..config(vec![asked.address()]) }).await;
    asking.wait_up(asked.id()).await;
    let id = asked.id();
    let ask = |request| {
        let handle = asking.handle.clone();
        tokio::spawn(async move { handle.request(id, request).await })
    };

    let unanswered = ask(Request::Parts { block: B256::ZERO, have: vec![] });
    assert_eq!(timeout(STEP, unanswered).await.unwrap().unwrap(), Err(RequestError::Timeout));

    let refused = ask(Request::Blocks { from: 1, count: 1 });
    let token = asked
        .wait("block request", |event| match event {
            Event::Request { token, .. } if token.kind() == RequestKind::Blocks => Some(token),
            _ => None,
        })
        .await;
    asked.send(Command::Refuse { token }).await;
    assert_eq!(timeout(STEP, refused).await.unwrap().unwrap(), Err(RequestError::Refused));

    let too_much = ask(Request::Transactions(vec![B256::ZERO; 1000]));
    let answer = timeout(STEP, too_much).await.unwrap().unwrap();
    assert!(matches!(answer, Err(RequestError::Invalid(_))), "{answer:?}");

    let stranger = PeerId::random();
    let answer = asking.handle.request(stranger, Request::Status(status(1))).await;
    assert_eq!(answer, Err(RequestError::NotConnected { peer: stranger }));
}

#[tokio::test]
async fn a_response_over_its_limit_is_not_sent() {
    let [asking, mut asked] = <[Node; 2]>::try_from(full_mesh(2).await).ok().unwrap();
    let (handle, id) = (asking.handle.clone(), asked.id());
    let answer =
        tokio::spawn(
            async move { handle.request(id, Request::Transactions(vec![B256::ZERO])).await },
        );
    let (_, _, token) = asked.next_request().await;
    let response = Response::Transactions(vec![vec![0; limits::TRANSACTIONS_RESPONSE_BYTES_MAX]]);
    asked.send(Command::Respond { token, response }).await;
    assert_eq!(timeout(STEP, answer).await.unwrap().unwrap(), Err(RequestError::Refused));
}

#[tokio::test]
async fn a_peer_of_another_chain_is_sent_away() {
    let mut ours = Node::start(config(vec![])).await;
    let genesis_hash = B256::repeat_byte(8);
    let mut theirs =
        Node::start(NetworkConfig { genesis_hash, ..config(vec![ours.address()]) }).await;
    let wrong = |event| match event {
        Event::WrongGenesis { expected, found, .. } => Some((expected, found)),
        Event::PeerUp { .. } => panic!("a peer of another chain is up"),
        _ => None,
    };
    // The first to learn of the difference disconnects, maybe before the other has learned it.
    let said = tokio::select! {
        (expected, found) = ours.wait("verdict on the chain", wrong) => [expected, found],
        (expected, found) = theirs.wait("verdict on the chain", wrong) => [found, expected],
    };
    assert_eq!(said, ["/weft/07070707/1", "/weft/08080808/1"]);
    theirs.hears_nothing().await;
    assert!(ours.handle.peers().is_empty() && theirs.handle.peers().is_empty());
    let peer = theirs.id();
    let answer = ours.handle.request(peer, Request::Status(status(1))).await;
    assert_eq!(answer, Err(RequestError::NotConnected { peer }));
}

#[tokio::test]
async fn a_restarted_peer_is_connected_again_within_a_second_or_so() {
    let keypair = Keypair::generate_ed25519();
    let mut leaves =
        Node::start(NetworkConfig { keypair: keypair.clone(), ..config(vec![]) }).await;
    // Only the one that stays dials, so only its redialling can bring them together.
    let mut dials = Node::start(config(vec![leaves.address()])).await;
    dials.wait_up(leaves.id()).await;
    leaves.wait_up(dials.id()).await;
    let listen = leaves.handle.listen_addresses()[0].clone();

    let before = Instant::now();
    leaves.handle.shutdown().await;
    assert!(before.elapsed() < Duration::from_millis(200), "{:?}", before.elapsed());
    dials.wait_down(leaves.id()).await;
    // Long enough for the delays to have grown.
    sleep(Duration::from_millis(1500)).await;

    let restarted = NetworkConfig { keypair, listen, ..config(vec![]) };
    let mut back = Node::start(restarted).await;
    let before = Instant::now();
    dials.wait_up(back.id()).await;
    back.wait_up(dials.id()).await;
    assert!(before.elapsed() < Duration::from_millis(1500), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_peer_whose_messages_are_wrong_is_banned_and_may_come_back_later() {
    let limits = NetworkLimits { ban_ms: 1200, ..config(vec![]).limits };
    let mut judge = Node::start(NetworkConfig { limits, ..config(vec![]) }).await;
    let mut liar = Node::start(config(vec![judge.address()])).await;
    liar.wait_subscribed(Topic::Parts, &[judge.id()]).await;
    for lie in 0..limits::OFFENCE_POINTS_MAX / Offence::InvalidMessage.points() {
        liar.publish(Topic::Parts, &[lie as u8]).await;
        judge.judge(Verdict::Reject).await;
    }
    let banned = judge
        .wait("ban", |event| match event {
            Event::PeerBanned { peer, offence, ban_ms } => Some((peer, offence, ban_ms)),
            _ => None,
        })
        .await;
    assert_eq!(banned, (liar.id(), Offence::InvalidMessage, 1200));
    let since = Instant::now();
    judge.wait_down(liar.id()).await;
    judge.wait_up(liar.id()).await;
    assert!(since.elapsed() > Duration::from_millis(1000), "came back too soon");
}

#[tokio::test]
async fn a_persistent_peer_that_is_reported_is_banned_too() {
    let mut reported = Node::start(config(vec![])).await;
    let mut reporter = Node::start(config(vec![reported.address()])).await;
    reporter.wait_up(reported.id()).await;
    let (peer, offence) = (reported.id(), Offence::Proven);
    reporter.send(Command::Report { peer, offence }).await;
    reporter.wait_down(peer).await;
    reported.wait_up(reporter.id()).await;
    sleep(QUIET).await;
    assert!(reporter.handle.peers().is_empty());
    assert_eq!(reporter.handle.stats().bans, 1);
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let first = Node::start(config(vec![])).await;
    let listen = first.handle.listen_addresses()[0].clone();
    let error =
        start(NetworkConfig { listen: listen.clone(), ..config(vec![]) }).await.unwrap_err();
    assert!(matches!(error, NetworkError::ListenInUse { address } if address == listen));
}

#[tokio::test]
async fn a_stopped_network_says_so() {
    let mut node = Node::start(config(vec![])).await;
    node.handle.shutdown().await;
    while node.events.recv().await.is_some() {}
    for topic in [Topic::Consensus, Topic::Transactions] {
        let sent = node.handle.send(Command::Publish { topic, data: vec![] }).await;
        assert!(matches!(sent, Err(NetworkError::Stopped)), "{sent:?}");
    }
    let answer = node.handle.request(PeerId::random(), Request::Status(status(1))).await;
    assert_eq!(answer, Err(RequestError::Stopped));
}

#[tokio::test]
async fn dropping_the_events_stops_the_network() {
    let Node { handle, events } = Node::start(config(vec![])).await;
    drop(events);
    let deadline = Instant::now() + STEP;
    let ping = || Command::Publish { topic: Topic::Status, data: vec![] };
    while handle.send(ping()).await.is_ok() {
        assert!(Instant::now() < deadline, "the network still runs");
        sleep(Duration::from_millis(10)).await;
    }
}
