//! Limits how many inbound connections one IPv4 address or one IPv6 /64 may hold.

use crate::address;
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::task::{Context, Poll};

/// An address has all the connections it may have.
#[derive(Debug, thiserror::Error)]
#[error("{ip} has {found} connections, limit {limit}")]
pub(crate) struct Exceeded {
    ip: IpAddr,
    found: u32,
    limit: u32,
}

/// Denies inbound connections over the limit of their address.
pub(crate) struct Behaviour {
    limit: u32,
    loopback_free: bool,
    inbound: HashMap<IpAddr, u32>,
}

impl Behaviour {
    /// `loopback_free` leaves loopback addresses unlimited, for networks on one machine.
    pub(crate) fn new(limit: u32, loopback_free: bool) -> Self {
        Self { limit, loopback_free, inbound: HashMap::new() }
    }

    /// What connections from this address are counted under; `None` when they are not counted.
    fn group(&self, remote: &Multiaddr) -> Option<IpAddr> {
        match address::ip(remote)? {
            ip if self.loopback_free && ip.is_loopback() => None,
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                Some(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
            ip => Some(ip),
        }
    }

    fn admit(&self, remote: &Multiaddr) -> Result<(), Exceeded> {
        let Some(ip) = self.group(remote) else { return Ok(()) };
        let found = self.inbound.get(&ip).copied().unwrap_or(0);
        if found >= self.limit {
            return Err(Exceeded { ip, found, limit: self.limit });
        }
        Ok(())
    }

    fn opened(&mut self, remote: &Multiaddr) {
        if let Some(ip) = self.group(remote) {
            *self.inbound.entry(ip).or_default() += 1;
        }
    }

    fn closed(&mut self, remote: &Multiaddr) {
        let Some(ip) = self.group(remote) else { return };
        if let Some(count) = self.inbound.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.inbound.remove(&ip);
            }
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.admit(remote).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(remote).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                if let ConnectedPoint::Listener { send_back_addr, .. } = event.endpoint {
                    self.opened(send_back_addr);
                }
            }
            FromSwarm::ConnectionClosed(event) => {
                if let ConnectedPoint::Listener { send_back_addr, .. } = event.endpoint {
                    self.closed(send_back_addr);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_is_limited_and_another_is_not_affected() {
        let mut limits = Behaviour::new(2, false);
        let busy = address("/ip4/10.0.0.1/tcp/1000");
        limits.opened(&busy);
        limits.opened(&address("/ip4/10.0.0.1/tcp/1001"));
        assert!(limits.admit(&busy).is_err());
        assert!(limits.admit(&address("/ip4/10.0.0.2/tcp/1000")).is_ok());
        limits.closed(&busy);
        assert!(limits.admit(&busy).is_ok());
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let mut limits = Behaviour::new(1, false);
        limits.opened(&address("/ip6/2001:db8::1/tcp/1"));
        assert!(limits.admit(&address("/ip6/2001:db8::2/tcp/1")).is_err());
        assert!(limits.admit(&address("/ip6/2001:db8:0:1::2/tcp/1")).is_ok());
    }

    #[test]
    fn loopback_is_free_only_when_asked_for() {
        let local = address("/ip4/127.0.0.1/tcp/1");
        for (free, admitted) in [(true, true), (false, false)] {
            let mut limits = Behaviour::new(1, free);
            limits.opened(&local);
            assert_eq!(limits.admit(&local).is_ok(), admitted);
        }
    }
}
