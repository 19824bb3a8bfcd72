//! The node as RPC sees it: its peers and its consensus.

use crate::network::Network;
use crate::watch::ConsensusWatch;
use std::sync::Arc;
use weft_rpc::{ConsensusState, NodeInfo, NodeView, PeerInfo};
use weft_types::ValidatorAddress;

/// See the module.
pub struct View {
    /// The way to the peers.
    pub network: Network,
    /// The consensus.
    pub watch: Arc<ConsensusWatch>,
    /// The node's name.
    pub moniker: String,
    /// Its validator, if it signs.
    pub validator: Option<ValidatorAddress>,
}

impl NodeView for View {
    fn info(&self) -> NodeInfo {
        let (peer_id, listen) = self.network.own_addresses();
        NodeInfo { moniker: self.moniker.clone(), peer_id, listen, validator: self.validator }
    }

    fn peers(&self) -> Vec<PeerInfo> {
        let info = |peer: weft_p2p::PeerDetails| PeerInfo {
            id: peer.peer.to_string(),
            address: peer.address.to_string(),
            outbound: peer.outbound,
            persistent: peer.persistent,
            connected_ms: u64::try_from(peer.connected.as_millis()).unwrap_or(u64::MAX),
        };
        self.network.peer_details().into_iter().map(info).collect()
    }

    fn consensus(&self) -> Option<ConsensusState> {
        Some(self.watch.state())
    }

    fn add_peer(&self, address: &str) -> Result<bool, String> {
        self.network.add_peer(address)
    }

    fn remove_peer(&self, peer: &str) -> Result<bool, String> {
        self.network.remove_peer(peer)
    }
}
