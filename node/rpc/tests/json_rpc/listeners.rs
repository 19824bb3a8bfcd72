use crate::client::{call, post, request};
use crate::world::World;
use serde_json::{Value, json};
use weft_rpc::{RpcConfig, RpcError};

async fn modules(world: &World) -> Vec<String> {
    let modules = world.ok("rpc_modules", json!([])).await;
    modules.as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn a_listener_serves_its_namespaces_and_says_so() {
    let world = World::with(|config| config.namespaces = vec!["eth".into(), "net".into()]).await;
    assert_eq!(modules(&world).await, ["eth", "net", "rpc"]);
    assert_eq!(world.ok("net_version", json!([])).await, "31337");
    let (code, text) = world.error("weft_chainInfo", json!([])).await;
    assert_eq!(code, -32601);
    assert!(text.contains("weft_chainInfo") && text.contains("rpc.namespaces"), "{text}");
    let batch = format!(
        "[{},{}]",
        request(1, "txpool_status", json!([])),
        request(2, "eth_chainId", json!([]))
    );
    let answers = post(world.server.local_addr(), &batch).await;
    assert_eq!(answers[0]["error"]["code"], -32601, "in a batch too");
    assert_eq!(answers[1]["result"], "0x7a69");
    let document = world.ok("rpc.discover", json!([])).await;
    let names: Vec<&str> = names(&document);
    assert!(names.contains(&"eth_call") && !names.iter().any(|name| name.starts_with("weft_")));
}

fn names(document: &Value) -> Vec<&str> {
    let methods = document["methods"].as_array().unwrap();
    methods.iter().map(|method| method["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_public_listener_beside_the_own_one_hides_pool_peers_and_the_operators_methods() {
    let world = World::empty().await;
    assert!(modules(&world).await.contains(&"admin".to_owned()));
    let public = RpcConfig { public: true, ..RpcConfig::new("127.0.0.1:0".parse().unwrap()) };
    let server = weft_rpc::serve(public, world.backend()).await.unwrap();
    let address = server.local_addr();
    for hidden in
        ["txpool_status", "weft_peers", "admin_peers", "weft_consensusState", "admin_addPeer"]
    {
        let answer = call(address, hidden, json!([])).await;
        assert_eq!(answer["error"]["code"], -32601, "{hidden}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("listener"), "{answer}");
    }
    assert_eq!(call(address, "weft_chainInfo", json!([])).await["result"]["public"], true);
    let served = call(address, "rpc_modules", json!([])).await["result"].clone();
    assert_eq!(
        served,
        json!({ "eth": "1.0", "net": "1.0", "rpc": "1.0", "web3": "1.0", "weft": "1.0" })
    );
    let document = call(address, "rpc.discover", json!([])).await["result"].clone();
    assert!(!names(&document).contains(&"weft_peers"));
    for name in names(&document) {
        let code = call(address, name, json!([0, 0, 0, 0, 0, 0, 0])).await["error"]["code"].clone();
        assert_ne!(code, -32601, "{name} is in the document but not served");
    }
}

#[tokio::test]
async fn a_namespace_that_does_not_exist_stops_the_server_from_starting() {
    let world = World::empty().await;
    let mut config = RpcConfig::new("127.0.0.1:0".parse().unwrap());
    config.namespaces = vec!["engine".to_owned()];
    let error = weft_rpc::serve(config, world.backend()).await.unwrap_err();
    assert!(matches!(error, RpcError::Namespace { namespace, .. } if namespace == "engine"));
}
