//! `weft_*` and `admin_*` about the node itself: its consensus and its peers.

use super::web3::client_version;
use super::{Module, blocking, quick};
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::params::{Args, Quantity};
use crate::{NodeInfo, PeerInfo};
use alloy_primitives::{U64, hex};
use serde_json::{Value, json};
use weft_types::ValidatorSet;

pub(super) fn register(module: &mut Module) {
    quick(module, "weft_getValidators", 1, validators_at);
    quick(module, "weft_consensusState", 0, |context, _| Ok(context.backend.node.consensus()));
    quick(module, "weft_peers", 0, |context, _| Ok(context.backend.node.peers()));
    blocking(module, "weft_nodeInfo", 0, Work::Read, |context, _| node_info(context));
    blocking(module, "admin_nodeInfo", 0, Work::Read, |context, _| geth_node_info(context));
    quick(module, "admin_peers", 0, |context, _| {
        Ok(context.backend.node.peers().iter().map(geth_peer).collect::<Vec<_>>())
    });
    quick(module, "admin_addPeer", 1, |context, args| {
        let peer: String = args.required("peer")?;
        context.backend.node.add_peer(&peer).map_err(|reason| Failure::Refused { reason })
    });
    quick(module, "admin_removePeer", 1, |context, args| {
        let peer: String = args.required("peer")?;
        context.backend.node.remove_peer(&peer).map_err(|reason| Failure::Refused { reason })
    });
}

/// The validators, in the order in which certificates count them.
pub(super) fn validators(set: &ValidatorSet) -> Vec<Value> {
    let object = |validator: &weft_types::Validator| {
        json!({
            "name": validator.name,
            "address": validator.address(),
            "publicKey": hex::encode_prefixed(validator.public_key),
            "power": validator.power,
        })
    };
    set.as_slice().iter().map(object).collect()
}

/// Every height has the validators of genesis: the set does not change yet.
fn validators_at(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let next = context.backend.store.head().block.height().0 + 1;
    let height = args.optional::<Quantity>("height")?.map_or(next, |height| height.0);
    if height > next {
        return Err(Failure::UnknownBlock);
    }
    let set = &context.backend.validators;
    Ok(json!({
        "height": height,
        "totalPower": set.total_power(),
        "quorumPower": set.quorum_power(),
        "validators": validators(set),
    }))
}

fn node_info(context: &Context) -> Result<Value, Failure> {
    let backend = &context.backend;
    let NodeInfo { moniker, peer_id, listen, validator } = backend.node.info();
    Ok(json!({
        "version": client_version(),
        "moniker": moniker,
        "peerId": peer_id,
        "listen": listen,
        "validator": validator,
        "chainId": backend.params.chain_id,
        "genesisHash": backend.store.hash_of(0)?,
        "head": backend.store.head().block.height(),
        "peers": (backend.peer_count)(),
    }))
}

fn geth_node_info(context: &Context) -> Result<Value, Failure> {
    let backend = &context.backend;
    let NodeInfo { peer_id, listen, .. } = backend.node.info();
    let head = backend.store.head();
    let dial = listen.first().map(|address| format!("{address}/p2p/{peer_id}"));
    Ok(json!({
        "id": peer_id,
        "name": client_version(),
        "enode": dial,
        "listenAddr": listen.first(),
        "protocols": {
            "weft": {
                "network": backend.params.chain_id,
                "genesis": backend.store.hash_of(0)?,
                "head": head.block.hash(),
                "height": U64::from(head.block.height().0),
            }
        },
    }))
}

fn geth_peer(peer: &PeerInfo) -> Value {
    json!({
        "id": peer.id,
        "name": "",
        "enode": format!("{}/p2p/{}", peer.address, peer.id),
        "network": {
            "remoteAddress": peer.address,
            "inbound": !peer.outbound,
            "static": peer.persistent,
        },
        "protocols": { "weft": { "connectedMs": peer.connected_ms } },
    })
}
