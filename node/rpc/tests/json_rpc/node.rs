use crate::client::call;
use crate::world::World;
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;
use weft_rpc::{
    ConsensusState, ConsensusStep, NodeInfo, NodeView, PeerInfo, RpcConfig, VoteKind, VotesSeen,
};
use weft_types::{Height, Round, ValidatorAddress};

/// A node with one peer that remembers what it was told.
#[derive(Default)]
struct Known {
    told: Mutex<Vec<String>>,
}

impl NodeView for Known {
    fn info(&self) -> NodeInfo {
        NodeInfo {
            moniker: "alice".into(),
            peer_id: "12D3me".into(),
            listen: vec!["/ip4/127.0.0.1/tcp/1".into()],
            validator: None,
        }
    }

    fn peers(&self) -> Vec<PeerInfo> {
        vec![PeerInfo {
            id: "12D3you".into(),
            address: "/ip4/10.0.0.7/tcp/2".into(),
            outbound: true,
            persistent: false,
            connected_ms: 12,
        }]
    }

    fn consensus(&self) -> Option<ConsensusState> {
        let votes = VotesSeen {
            round: Round(0),
            kind: VoteKind::Prevote,
            block: None,
            validators: vec![ValidatorAddress::from_public_key(&[1; 32])],
            power: 1,
        };
        Some(ConsensusState {
            height: Height(4),
            round: Round(0),
            step: ConsensusStep::Prevote,
            proposer: None,
            votes: vec![votes],
            quorum_power: 3,
            total_power: 4,
        })
    }

    fn add_peer(&self, address: &str) -> Result<bool, String> {
        if !address.starts_with('/') {
            return Err("not a multiaddress".into());
        }
        self.told.lock().push(format!("add {address}"));
        Ok(true)
    }

    fn remove_peer(&self, peer: &str) -> Result<bool, String> {
        self.told.lock().push(format!("remove {peer}"));
        Ok(false)
    }
}

#[tokio::test]
async fn the_node_its_peers_and_its_consensus_are_shown() {
    let world = World::three_blocks().await;
    let node = Arc::new(Known::default());
    let mut backend = world.backend();
    backend.node = Arc::clone(&node) as Arc<dyn NodeView>;
    let config = RpcConfig::new("127.0.0.1:0".parse().unwrap());
    let server = weft_rpc::serve(config, backend).await.unwrap();
    let ask = async |method: &str, params| call(server.local_addr(), method, params).await;

    let info = ask("weft_nodeInfo", json!([])).await["result"].clone();
    assert_eq!((&info["moniker"], &info["head"]), (&json!("alice"), &json!(3)));
    assert_eq!(info["genesisHash"], json!(world.store.hash_of(0).unwrap()));
    let geth = ask("admin_nodeInfo", json!([])).await["result"].clone();
    assert_eq!(geth["enode"], "/ip4/127.0.0.1/tcp/1/p2p/12D3me");
    assert_eq!(geth["protocols"]["weft"]["height"], "0x3");
    let peers = ask("weft_peers", json!([])).await["result"].clone();
    assert_eq!(peers[0]["id"], "12D3you");
    let peers = ask("admin_peers", json!([])).await["result"].clone();
    assert_eq!(peers[0]["network"]["inbound"], false);
    let state = ask("weft_consensusState", json!([])).await["result"].clone();
    assert_eq!((&state["step"], &state["height"]), (&json!("prevote"), &json!(4)));
    assert_eq!(state["votes"][0]["kind"], "prevote");

    assert_eq!(ask("admin_addPeer", json!(["/ip4/1.2.3.4/tcp/5/p2p/x"])).await["result"], true);
    assert_eq!(ask("admin_removePeer", json!(["12D3you"])).await["result"], false);
    assert_eq!(*node.told.lock(), ["add /ip4/1.2.3.4/tcp/5/p2p/x", "remove 12D3you"]);
    let bad = ask("admin_addPeer", json!(["enode://1"])).await;
    assert_eq!(bad["error"]["code"], -32000);
    assert_eq!(bad["error"]["message"], "not a multiaddress");
}

#[tokio::test]
async fn validators_and_certificates_are_given_for_every_height() {
    let world = World::three_blocks().await;
    let set = world.ok("weft_getValidators", json!([])).await;
    assert_eq!((&set["height"], &set["quorumPower"]), (&json!(4), &json!(1)));
    assert_eq!(set["validators"][0]["name"], "one");
    assert_eq!(world.ok("weft_getValidators", json!(["0x2"])).await["height"], 2);
    assert_eq!(world.error("weft_getValidators", json!([5])).await.0, -32001);
    let certificate = world.ok("weft_getCertificate", json!([2])).await;
    assert_eq!(certificate["signatures"][0]["address"], set["validators"][0]["address"]);
    let finality = world.ok("weft_chainInfo", json!([])).await["finality"].clone();
    assert!(finality.as_str().unwrap().contains("latest, safe and finalized"), "{finality}");
}
