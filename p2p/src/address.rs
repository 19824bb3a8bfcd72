//! Reading the parts of a multiaddress that matter here.

use crate::error::NetworkError;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};

/// IP address at the front, if there is one; an IPv4 address inside IPv6 counts as IPv4.
pub(crate) fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip).to_canonical()),
        _ => None,
    }
}

/// Whether the address is on this machine.
pub(crate) fn is_loopback(address: &Multiaddr) -> bool {
    ip(address).is_some_and(|ip| ip.is_loopback())
}

/// Splits `/…/p2p/<id>` into the address and the id.
pub(crate) fn split_peer(mut address: Multiaddr) -> (Multiaddr, Option<PeerId>) {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => {
            address.pop();
            (address, Some(peer))
        }
        _ => (address, None),
    }
}

/// IP and TCP port of a plain TCP address.
pub(crate) fn socket(address: &Multiaddr) -> Option<SocketAddr> {
    let mut protocols = address.iter();
    let ip = match protocols.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    match (protocols.next(), protocols.next()) {
        (Some(Protocol::Tcp(port)), None) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

/// Makes sure that nobody listens on the address.
///
/// libp2p's listeners allow several sockets of one user on one port (`SO_REUSEPORT`), so two
/// nodes started on the same port would silently share its connections. A plain socket is bound
/// first, because it fails in that case.
///
/// # Errors
/// [`NetworkError::ListenInUse`], or [`NetworkError::Listen`] for an address that cannot be used.
pub(crate) fn probe(address: &Multiaddr) -> Result<(), NetworkError> {
    let listen = |reason: String| NetworkError::Listen { address: address.clone(), reason };
    let socket = socket(address)
        .ok_or_else(|| listen("expected /ip4/<address>/tcp/<port> or /ip6/...".into()))?;
    match TcpListener::bind(socket) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            Err(NetworkError::ListenInUse { address: address.clone() })
        }
        Err(error) => Err(listen(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn sockets_are_read_from_plain_tcp_addresses_only() {
        assert_eq!(socket(&address("/ip4/127.0.0.1/tcp/80")), Some(([127, 0, 0, 1], 80).into()));
        assert_eq!(socket(&address("/ip4/127.0.0.1/udp/80")), None);
        assert_eq!(socket(&address("/ip4/127.0.0.1/tcp/80/ws")), None);
    }

    #[test]
    fn loopback_is_seen_through_ipv6() {
        for text in ["/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1", "/ip6/::ffff:127.0.0.1/tcp/1"] {
            assert!(is_loopback(&address(text)), "{text}");
        }
        assert!(!is_loopback(&address("/ip4/10.0.0.1/tcp/1")));
    }

    #[test]
    fn a_peer_id_at_the_end_is_split_off() {
        let peer = PeerId::random();
        let plain = address("/ip4/10.0.0.1/tcp/1");
        assert_eq!(split_peer(plain.clone()), (plain.clone(), None));
        let full = plain.clone().with(Protocol::P2p(peer));
        assert_eq!(split_peer(full), (plain, Some(peer)));
    }

    #[test]
    fn an_occupied_port_is_named() {
        let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = occupied.local_addr().unwrap().port();
        let taken = address(&format!("/ip4/127.0.0.1/tcp/{port}"));
        assert!(
            matches!(probe(&taken), Err(NetworkError::ListenInUse { address }) if address == taken)
        );
        drop(occupied);
        probe(&taken).unwrap();
    }
}
