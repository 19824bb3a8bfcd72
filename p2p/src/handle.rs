//! Starting the network and talking to it.

use crate::address;
use crate::command::{BulkQueue, Command};
use crate::config::NetworkConfig;
use crate::error::{NetworkError, RequestError};
use crate::event::{EventQueue, Events};
use crate::limits::COMMANDS_MAX;
use crate::message::{Request, Response};
use crate::service::{Inbox, Service};
use crate::stats::{Counters, NetworkStats};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

/// Time for the listener to report its address.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for the service to end by itself.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(150);

/// What the service and the handles share. The service writes, the handles read.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) peer_id: PeerId,
    /// Addresses listened on now.
    pub(crate) listening: Mutex<Vec<Multiaddr>>,
    /// Peers that are up now.
    pub(crate) peers: Mutex<BTreeSet<PeerId>>,
    /// The other ends of connections. Written by the service.
    pub(crate) connections: Mutex<BTreeMap<PeerId, Connected>>,
    /// Peers that are dialled again when lost. Written by handles and the service.
    pub(crate) persistent: Mutex<BTreeSet<PeerId>>,
    pub(crate) counters: Counters,
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Connected {
    pub(crate) address: Multiaddr,
    pub(crate) outbound: bool,
    pub(crate) since: Instant,
}

/// A peer that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerDetails {
    /// Its id.
    pub peer: PeerId,
    /// Where it is.
    pub address: Multiaddr,
    /// Whether this node dialled it.
    pub outbound: bool,
    /// Whether it is dialled again when lost.
    pub persistent: bool,
    /// How long there has been a connection.
    pub connected: Duration,
}

/// Talks to a running network; cheap to clone. The network stops when all handles are dropped.
#[derive(Clone, Debug)]
pub struct Handle {
    urgent: mpsc::Sender<Command>,
    bulk: Arc<BulkQueue>,
    shared: Arc<Shared>,
    stop: Arc<watch::Sender<bool>>,
    /// Closed when the service has ended.
    done: watch::Receiver<()>,
    abort: Arc<OnceLock<AbortHandle>>,
}

/// Starts the network: listens, dials the persistent peers and keeps them connected.
///
/// Returns when the node listens. Must be called inside a tokio runtime; the service runs as a
/// task of it.
///
/// # Errors
/// [`NetworkError::ListenInUse`] when the port is taken, [`NetworkError::Listen`] when the address
/// cannot be used, [`NetworkError::Setting`] when a setting is out of range.
pub async fn start(config: NetworkConfig) -> Result<(Handle, Events), NetworkError> {
    boxed(config).await
}

/// Behind a pointer, and never inlined, the whole network stack is compiled once, in this crate,
/// instead of again in every crate that starts a network.
#[inline(never)]
fn boxed(config: NetworkConfig) -> Starting {
    Box::pin(start_service(config))
}

type Starting = Pin<Box<dyn Future<Output = Result<(Handle, Events), NetworkError>> + Send>>;

async fn start_service(config: NetworkConfig) -> Result<(Handle, Events), NetworkError> {
    address::probe(&config.listen)?;
    let shared = Arc::new(Shared {
        peer_id: config.keypair.public().to_peer_id(),
        listening: Mutex::default(),
        peers: Mutex::default(),
        connections: Mutex::default(),
        persistent: Mutex::default(),
        counters: Counters::default(),
    });
    let events = EventQueue::new();
    let mut service = Service::new(&config, events.clone(), shared.clone())?;
    let listen = |reason: String| NetworkError::Listen { address: config.listen.clone(), reason };
    match tokio::time::timeout(LISTEN_TIMEOUT, service.listen(&config.listen)).await {
        Ok(listening) => listening.map_err(listen)?,
        Err(_) => return Err(listen("the listener did not start in time".into())),
    }

    let (urgent, urgent_receiver) = mpsc::channel(COMMANDS_MAX);
    let (stop, stop_receiver) = watch::channel(false);
    let (done_sender, done) = watch::channel(());
    let bulk = Arc::new(BulkQueue::new());
    let inbox = Inbox { urgent: urgent_receiver, bulk: bulk.clone(), stop: stop_receiver };
    let task = tokio::spawn(async move {
        // Dropped at the end, also when the task is aborted or panics.
        let _done = done_sender;
        service.run(inbox).await;
    });
    let abort = Arc::new(OnceLock::from(task.abort_handle()));
    let handle = Handle { urgent, bulk, shared, stop: Arc::new(stop), done, abort };
    Ok((handle, Events(events)))
}

impl Handle {
    /// Hands a command to the service. Waits while too many urgent ones wait; transactions and
    /// verdicts on them never wait: when too many do, the oldest is dropped and counted.
    ///
    /// # Errors
    /// [`NetworkError::MessageTooLarge`] for a message over its topic's limit, and
    /// [`NetworkError::Stopped`] after the network stopped. In both cases nothing was done.
    pub async fn send(&self, command: Command) -> Result<(), NetworkError> {
        if let Command::Publish { topic, data } = &command {
            let (size_bytes, size_bytes_max) = (data.len(), topic.size_bytes_max());
            if size_bytes > size_bytes_max {
                let topic = *topic;
                return Err(NetworkError::MessageTooLarge { topic, size_bytes, size_bytes_max });
            }
        }
        if !command.is_bulk() {
            return self.urgent.send(command).await.map_err(|_| NetworkError::Stopped);
        }
        if self.urgent.is_closed() {
            return Err(NetworkError::Stopped);
        }
        let dropped = self.bulk.push(command) as u64;
        self.shared.counters.commands_dropped.fetch_add(dropped, Relaxed);
        Ok(())
    }

    /// Asks a connected peer and waits for the answer.
    ///
    /// # Errors
    /// [`RequestError`] says why there is no answer.
    pub async fn request(&self, peer: PeerId, request: Request) -> Result<Response, RequestError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Request { peer, request, reply };
        self.send(command).await.map_err(|_| RequestError::Stopped)?;
        answer.await.unwrap_or(Err(RequestError::Stopped))
    }

    /// Id of this node.
    pub fn peer_id(&self) -> PeerId {
        self.shared.peer_id
    }

    /// Addresses that this node listens on, with real ports.
    pub fn listen_addresses(&self) -> Vec<Multiaddr> {
        self.shared.listening.lock().clone()
    }

    /// The first listen address with this node's id, as another node's persistent peer.
    pub fn dial_address(&self) -> Option<Multiaddr> {
        let address = self.shared.listening.lock().first().cloned()?;
        Some(address.with(Protocol::P2p(self.shared.peer_id)))
    }

    /// Peers that are up now, in order of their ids.
    pub fn peers(&self) -> Vec<PeerId> {
        self.shared.peers.lock().iter().copied().collect()
    }

    /// What is known of the peers that are up, in order of their ids.
    pub fn peer_details(&self) -> Vec<PeerDetails> {
        let up = self.shared.peers.lock().clone();
        let connections = self.shared.connections.lock();
        let persistent = self.shared.persistent.lock();
        let details = |peer| {
            let Connected { address, outbound, since } = connections.get(&peer)?.clone();
            let (persistent, connected) = (persistent.contains(&peer), since.elapsed());
            Some(PeerDetails { peer, address, outbound, persistent, connected })
        };
        up.into_iter().filter_map(details).collect()
    }

    /// The command that keeps a connection with the peer at `address`, which must end in its id;
    /// `None` when it is kept already. The command must be sent.
    ///
    /// # Errors
    /// [`NetworkError::Peer`] when the address cannot be dialled.
    pub fn add_peer(&self, address: Multiaddr) -> Result<Option<Command>, NetworkError> {
        let (plain, peer) = address::split_peer(address.clone());
        let Some(peer) = peer.filter(|_| address::socket(&plain).is_some()) else {
            return Err(NetworkError::Peer {
                address,
                reason: "expected /ip4/<address>/tcp/<port>/p2p/<peer id>",
            });
        };
        if peer == self.shared.peer_id {
            return Err(NetworkError::Peer { address, reason: "it is this node itself" });
        }
        let new = self.shared.persistent.lock().insert(peer);
        Ok(new.then_some(Command::AddPeer { address, peer }))
    }

    /// The command that disconnects a peer for good; `None` when it is neither connected nor kept.
    /// The command must be sent.
    pub fn remove_peer(&self, peer: PeerId) -> Option<Command> {
        let kept = self.shared.persistent.lock().remove(&peer);
        let connected = self.shared.connections.lock().contains_key(&peer);
        (kept || connected).then_some(Command::RemovePeer { peer })
    }

    /// Counters since the start.
    pub fn stats(&self) -> NetworkStats {
        let peers = self.shared.peers.lock().len() as u64;
        self.shared.counters.snapshot(peers)
    }

    /// Stops the network and waits until its listener and connections are gone, at most 200 ms.
    /// Of no effect when it is stopped already.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        let mut done = self.done.clone();
        // The sender never sends, so the wait ends with the service.
        let ended = async move { while done.changed().await.is_ok() {} };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, ended).await.is_err()
            && let Some(abort) = self.abort.get()
        {
            tracing::warn!("network did not stop in time and is aborted");
            abort.abort();
        }
    }
}
