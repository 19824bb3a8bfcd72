//! `admin_*`: for the operator. Only a listener on a loopback address that is not public and not
//! open to every web page serves them.

use super::{Method, required};

pub(super) const METHODS: &[Method] = &[
    Method::new("admin_nodeInfo", "This node in geth's form: id, name, addresses, chain.")
        .gives("Object", "")
        .private(),
    Method::new("admin_peers", "The connected peers in geth's form.").gives("Object[]", "").private(),
    Method::new(
        "admin_addPeer",
        "Keeps a connection with a peer, until the node is restarted; `p2p.peers` in config.toml does so for good.",
    )
    .takes(&[required("peer", "Text", "multiaddress: /ip4/<address>/tcp/<port>/p2p/<peer id>")])
    .gives("Boolean", "whether it is new")
    .fails(&[-32000])
    .private(),
    Method::new("admin_removePeer", "Disconnects a peer and does not dial it any more.")
        .takes(&[required("peer", "Text", "its multiaddress or peer id")])
        .gives("Boolean", "whether it was known")
        .fails(&[-32000])
        .private(),
];
