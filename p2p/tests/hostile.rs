//! A peer with its own idea of the protocols: what it sends is refused, and it is sent away.

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, MessageId, ValidationMode};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{PeerId, StreamProtocol, SwarmBuilder, noise, ping, tcp, yamux};
use std::io;
use std::time::Duration;
use tokio::time::timeout;
use weft_p2p::{
    Event, Events, Handle, Keypair, NetworkConfig, Offence, Request, RequestError, Topic, start,
};
use weft_types::B256;

/// No step of a test takes longer.
const STEP: Duration = Duration::from_secs(4);
/// Announces a frame of 4 GiB and sends nothing of it.
const HUGE: [u8; 4] = [0xff; 4];

/// Writes whatever bytes it is given.
#[derive(Clone, Default)]
struct Raw;

impl request_response::Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await.map(|_| bytes)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await.map(|_| bytes)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }
}

#[derive(NetworkBehaviour)]
struct Hostile {
    gossip: gossipsub::Behaviour,
    parts: request_response::Behaviour<Raw>,
    /// A peer that does not answer pings is disconnected at once.
    ping: ping::Behaviour,
}

/// Knows the names of the chain and nothing of its limits.
fn hostile() -> Swarm<Hostile> {
    let settings = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(|message| MessageId::new(&message.data[..1]))
        .max_transmit_size(1024 * 1024)
        .build()
        .unwrap();
    let gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, settings).unwrap();
    let protocol = (StreamProtocol::new("/weft/07070707/parts/1"), ProtocolSupport::Full);
    let parts = request_response::Behaviour::new([protocol], request_response::Config::default());
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::new(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| Hostile { gossip, parts, ping: ping::Behaviour::default() })
        .unwrap()
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(Duration::MAX))
        .build()
}

async fn node() -> (Handle, Events) {
    let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    let config = NetworkConfig {
        devnet: true,
        ..NetworkConfig::new(Keypair::generate_ed25519(), listen, B256::repeat_byte(7))
    };
    start(config).await.unwrap()
}

/// Reads events until the peer is banned; no message may come before.
async fn wait_banned(events: &mut Events) -> (PeerId, Offence) {
    let search = async {
        loop {
            match events.recv().await.expect("the network runs") {
                Event::PeerBanned { peer, offence, .. } => return (peer, offence),
                Event::Message { .. } | Event::Request { .. } => panic!("it was let through"),
                _ => {}
            }
        }
    };
    timeout(STEP, search).await.expect("the peer is banned")
}

/// Connects to the node and runs until `act` says that it is done.
async fn connect(
    node: &Handle,
    mut act: impl FnMut(&mut Swarm<Hostile>, SwarmEvent<HostileEvent>) -> bool,
) -> Swarm<Hostile> {
    let mut swarm = hostile();
    swarm.dial(node.dial_address().unwrap()).unwrap();
    let run = async {
        loop {
            let event = swarm.select_next_some().await;
            if act(&mut swarm, event) {
                break;
            }
        }
    };
    timeout(STEP, run).await.expect("the hostile peer gets its chance");
    swarm
}

#[tokio::test]
async fn requests_that_announce_too_much_ban_their_sender() {
    let (handle, mut events) = node().await;
    let id = handle.peer_id();
    let hostile = connect(&handle, |swarm, event| {
        if matches!(event, SwarmEvent::ConnectionEstablished { .. }) {
            for _ in 0..5 {
                swarm.behaviour_mut().parts.send_request(&id, HUGE.to_vec());
            }
        }
        matches!(event, SwarmEvent::ConnectionClosed { .. })
    });
    let (hostile, banned) = tokio::join!(hostile, wait_banned(&mut events));
    assert_eq!(banned, (*hostile.local_peer_id(), Offence::BadFrame));
}

#[tokio::test]
async fn a_response_that_announces_too_much_is_an_error() {
    let (handle, _events) = node().await;
    let mut hostile =
        connect(&handle, |_, event| matches!(event, SwarmEvent::ConnectionEstablished { .. }))
            .await;
    let id = *hostile.local_peer_id();
    let serve = async {
        loop {
            if let SwarmEvent::Behaviour(HostileEvent::Parts(request_response::Event::Message {
                message: request_response::Message::Request { channel, .. },
                ..
            })) = hostile.select_next_some().await
            {
                hostile.behaviour_mut().parts.send_response(channel, HUGE.to_vec()).unwrap();
            }
        }
    };
    // The hostile end may see the connection first.
    let ask = async {
        loop {
            let request = Request::Parts { block: B256::ZERO, have: vec![] };
            match handle.request(id, request).await {
                Err(RequestError::NotConnected { .. }) => tokio::task::yield_now().await,
                answer => return answer,
            }
        }
    };
    let answer = tokio::select! {
        answer = timeout(STEP, ask) => answer.expect("an answer in time"),
        () = serve => unreachable!("it serves for ever"),
    };
    assert!(matches!(answer, Err(RequestError::BadResponse { .. })), "{answer:?}");
    assert_eq!(handle.stats().offences, 1);
}

#[tokio::test]
async fn messages_over_their_topics_size_ban_their_sender() {
    let (handle, mut events) = node().await;
    let topic = IdentTopic::new("/weft/07070707/consensus/1");
    let hostile = connect(&handle, |swarm, event| {
        if let SwarmEvent::Behaviour(HostileEvent::Gossip(gossipsub::Event::Subscribed {
            topic: subscribed,
            ..
        })) = &event
            && *subscribed == topic.hash()
        {
            for fill in 0..8 {
                let data = vec![fill; Topic::Consensus.size_bytes_max() + 1000];
                swarm.behaviour_mut().gossip.publish(topic.clone(), data).unwrap();
            }
        }
        matches!(event, SwarmEvent::ConnectionClosed { .. })
    });
    let (hostile, banned) = tokio::join!(hostile, wait_banned(&mut events));
    assert_eq!(banned, (*hostile.local_peer_id(), Offence::GossipScore));
}
