//! What a node says about its network before it starts.

use crate::limits::NetworkLimits;
use libp2p::Multiaddr;
use libp2p::identity::Keypair;
use weft_types::B256;

/// Settings of the network. Build with [`NetworkConfig::new`] and change fields.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Names this node to its peers; see [`identity`](crate::identity).
    pub keypair: Keypair,
    /// TCP address to listen on, such as `/ip4/0.0.0.0/tcp/26600`; port 0 lets the system choose.
    pub listen: Multiaddr,
    /// Peers to stay connected with, such as `/ip4/10.0.0.2/tcp/26600`, with or without the
    /// peer's id as `/p2p/…` at the end.
    pub persistent_peers: Vec<Multiaddr>,
    /// Hash of block 0; peers of another chain are disconnected.
    pub genesis_hash: B256,
    /// Nodes expected in the network: up to 20 the gossip mesh is smaller.
    pub nodes_expected: usize,
    /// A development network: loopback addresses are not limited per address.
    pub devnet: bool,
    /// Limits that this node chooses for itself.
    pub limits: NetworkLimits,
}

impl NetworkConfig {
    /// Settings with default limits, no persistent peers, and a network of up to 20 nodes.
    pub fn new(keypair: Keypair, listen: Multiaddr, genesis_hash: B256) -> Self {
        Self {
            keypair,
            listen,
            persistent_peers: Vec::new(),
            genesis_hash,
            nodes_expected: 20,
            devnet: false,
            limits: NetworkLimits::default(),
        }
    }
}
