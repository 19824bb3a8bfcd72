//! What the operator may ask about the peers, and change.

use super::Network;
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use weft_p2p::PeerDetails;

impl Network {
    /// Id of this node, and where it listens.
    #[must_use]
    pub fn own_addresses(&self) -> (String, Vec<String>) {
        let handle = &self.inner.handle;
        let listen = handle.listen_addresses().iter().map(ToString::to_string).collect();
        (handle.peer_id().to_string(), listen)
    }

    /// The peers that are up.
    #[must_use]
    pub fn peer_details(&self) -> Vec<PeerDetails> {
        self.inner.handle.peer_details()
    }

    /// Keeps a connection with one more peer, until the node is restarted. Whether it is new.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the address.
    pub fn add_peer(&self, address: &str) -> Result<bool, String> {
        let parsed: Multiaddr =
            address.parse().map_err(|error| format!("not a multiaddress: {error}"))?;
        let command = self.inner.handle.add_peer(parsed).map_err(|error| error.to_string())?;
        let is_new = command.is_some();
        command.into_iter().for_each(|command| self.send(command));
        Ok(is_new)
    }

    /// Disconnects a peer, given by id or by an address that ends in it. Whether it was known.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn remove_peer(&self, peer: &str) -> Result<bool, String> {
        let id = peer.parse::<PeerId>().ok().or_else(|| {
            let address: Multiaddr = peer.parse().ok()?;
            match address.iter().last() {
                Some(Protocol::P2p(id)) => Some(id),
                _ => None,
            }
        });
        let id = id.ok_or("expected a peer id, or a multiaddress that ends in one")?;
        let command = self.inner.handle.remove_peer(id);
        let was_known = command.is_some();
        command.into_iter().for_each(|command| self.send(command));
        Ok(was_known)
    }
}
