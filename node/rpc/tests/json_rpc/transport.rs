use crate::client::{JSON, Socket, call, http, post, request, try_http};
use crate::world::World;
use serde_json::{Value, json};
use weft_rpc::{RpcConfig, RpcError};

#[tokio::test]
async fn one_call_and_a_batch_are_answered_in_order() {
    let world = World::empty().await;
    let address = world.server.local_addr();
    let one = post(address, &request(9, "eth_chainId", json!([]))).await;
    assert_eq!(one, json!({ "jsonrpc": "2.0", "id": 9, "result": "0x7a69" }));
    let batch = format!(
        "[{},{},{}]",
        request(1, "eth_blockNumber", json!([])),
        request(2, "no_such", json!([])),
        request(3, "net_version", json!([]))
    );
    let answers = post(address, &batch).await;
    let ids: Vec<_> = answers.as_array().unwrap().iter().map(|a| a["id"].clone()).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(answers[1]["error"]["code"], -32601);
    assert_eq!(answers[2]["result"], "31337");
}

#[tokio::test]
async fn a_batch_above_the_limit_is_refused_as_a_whole() {
    let world = World::empty().await;
    let calls = |count: u64| {
        let calls: Vec<_> = (0..count).map(|id| request(id, "eth_chainId", json!([]))).collect();
        format!("[{}]", calls.join(","))
    };
    let answers = post(world.server.local_addr(), &calls(100)).await;
    assert_eq!(answers.as_array().unwrap().len(), 100);
    let answer = post(world.server.local_addr(), &calls(101)).await;
    assert_eq!(answer["error"]["code"], -32600);
    let message = answer["error"]["message"].as_str().unwrap();
    assert_eq!(message, "batch too large: expected at most 100 calls, found 101");
    let mut socket = world.socket().await;
    socket.send(&calls(101)).await;
    assert_eq!(socket.call("eth_chainId", json!([])).await["error"]["code"], -32600);
}

#[tokio::test]
async fn unknown_methods_and_broken_requests_have_the_codes_of_the_standard() {
    let world = World::empty().await;
    let address = world.server.local_addr();
    for method in ["eth_noSuchMethod", "eth_getWork", "engine_newPayloadV4", ""] {
        assert_eq!(world.error(method, json!([])).await.0, -32601, "{method}");
    }
    for (body, code) in [
        ("{\"jsonrpc\":\"2.0\",\"id\":1,", -32700),
        ("nonsense", -32700),
        ("[{]", -32700),
        ("{\"jsonrpc\":\"2.0\",\"id\":1}", -32600),
        ("[]", -32600),
    ] {
        assert_eq!(post(address, body).await["error"]["code"], code, "{body}");
    }
    let named = post(address, &request(1, "eth_getBalance", json!({ "address": "0x00" }))).await;
    assert_eq!(named["error"]["code"], -32602);
}

#[tokio::test]
async fn an_oversized_request_is_refused_and_the_server_lives_on() {
    let world = World::with(|config| config.request_bytes_max = 2_000).await;
    let body = request(1, "web3_sha3", json!([format!("0x{}", "00".repeat(2_000))]));
    let response = http(world.server.local_addr(), "POST", &[JSON], body.as_bytes()).await;
    assert_eq!(response.status, 413);
    assert_eq!(world.ok("eth_chainId", json!([])).await, "0x7a69");
}

#[tokio::test]
async fn get_says_how_to_talk_to_the_server() {
    let world = World::empty().await;
    let response = http(world.server.local_addr(), "GET", &[], b"").await;
    assert_eq!(response.status, 405);
    assert!(response.head.contains("allow: post"), "{}", response.head);
    assert!(response.body.contains("eth_blockNumber"), "{}", response.body);
    assert_eq!(response.body.lines().count(), 1);
}

#[tokio::test]
async fn a_devnet_serves_its_page_where_it_serves_calls() {
    let world = World::with(|config| config.devnet = true).await;
    let page = http(world.server.local_addr(), "GET", &[], b"").await;
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-type: text/html"), "{}", page.head);
    assert!(page.head.contains("content-security-policy: default-src 'self'"), "{}", page.head);
    assert!(page.body.starts_with("<!doctype html>"), "{}", page.body);
    assert_eq!(world.ok("eth_chainId", json!([])).await, "0x7a69");
}

#[tokio::test]
async fn a_foreign_host_name_is_refused_on_loopback() {
    let world = World::with(|config| config.hosts = vec!["node.example".to_owned()]).await;
    let address = world.server.local_addr();
    let body = request(1, "eth_chainId", json!([]));
    for (host, status) in
        [("evil.example", 403), ("localhost:1", 200), ("127.0.0.1", 200), ("Node.Example", 200)]
    {
        let headers = [JSON, ("host", host)];
        let response = http(address, "POST", &headers, body.as_bytes()).await;
        assert_eq!(response.status, status, "{host}: {}", response.body);
    }
}

#[tokio::test]
async fn web_pages_of_other_origins_need_permission() {
    let closed = World::empty().await;
    let origin = "https://app.example";
    assert!(Socket::open(closed.server.local_addr(), Some(origin)).await.is_err());
    assert!(Socket::open(closed.server.local_addr(), None).await.is_ok());
    let preflight = [("origin", origin), ("access-control-request-method", "POST")];
    let response = http(closed.server.local_addr(), "OPTIONS", &preflight, b"").await;
    assert!(!response.head.contains("access-control-allow-origin"));

    let open = World::with(|config| config.cors = vec![origin.to_owned()]).await;
    assert!(Socket::open(open.server.local_addr(), Some(origin)).await.is_ok());
    assert!(Socket::open(open.server.local_addr(), Some("https://evil.example")).await.is_err());
    let response = http(open.server.local_addr(), "OPTIONS", &preflight, b"").await;
    assert!(response.head.contains("access-control-allow-origin: https://app.example"));
    assert_eq!(response.status, 200);
}

#[tokio::test]
async fn a_taken_port_and_a_malformed_origin_are_told_apart() {
    let world = World::empty().await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let backend = world.backend();
    let error = weft_rpc::serve(RpcConfig::new(address), backend.clone()).await.unwrap_err();
    assert!(matches!(error, RpcError::PortInUse { address: found } if found == address));
    let mut config = RpcConfig::new("127.0.0.1:0".parse().unwrap());
    config.cors = vec!["app.example".to_owned()];
    let error = weft_rpc::serve(config, backend).await.unwrap_err();
    assert!(matches!(error, RpcError::Origin { .. }));
}

#[tokio::test]
async fn connections_above_the_limit_are_closed_and_a_freed_place_is_used() {
    let world = World::with(|config| config.connections_max = 2).await;
    let address = world.server.local_addr();
    let (mut first, second) = (world.socket().await, world.socket().await);
    let body = request(1, "eth_chainId", json!([]));
    let refused = try_http(address, body.as_bytes()).await;
    // The reason may be lost when the connection is reset before it was read.
    if let Some(refused) = refused {
        assert!(refused.contains("503 ") && refused.contains("too many connections: limit 2"));
    }
    assert_eq!(first.call("eth_chainId", json!([])).await["result"], "0x7a69");
    drop(second);
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        if try_http(address, body.as_bytes()).await.is_some_and(|answer| answer.contains("0x7a69"))
        {
            return;
        }
    }
    panic!("the place was never freed");
}

#[tokio::test]
async fn stop_ends_the_server() {
    let world = World::empty().await;
    let address = world.server.local_addr();
    assert_eq!(call(address, "net_listening", json!([])).await["result"], Value::Bool(true));
    let open = world.socket().await;
    world.server.stop().await;
    drop(open);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_small_methods_answer() {
    let world = World::empty().await;
    let version = world.ok("web3_clientVersion", json!([])).await;
    assert!(version.as_str().unwrap().starts_with("weft/v0.1.0/linux-"), "{version}");
    let hash = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
    assert_eq!(world.ok("web3_sha3", json!(["0x"])).await, hash);
    assert_eq!(world.ok("net_peerCount", json!([])).await, "0x3");
    assert_eq!(world.ok("eth_accounts", json!([])).await, json!([]));
    assert_eq!(world.ok("eth_syncing", json!([])).await, json!(false));
    let too_many = world.error("eth_chainId", json!([1])).await;
    assert_eq!(too_many.0, -32602);
    let (code, message) = world.error("eth_getProof", json!(["0x00", [], "latest"])).await;
    assert_eq!(code, -32004);
    assert!(message.contains("BLAKE3") && message.contains("weft_getProof"), "{message}");
}

#[tokio::test]
async fn a_public_listener_of_a_devnet_serves_no_page() {
    let world = World::empty().await;
    let devnet = RpcConfig { devnet: true, ..RpcConfig::new("127.0.0.1:0".parse().unwrap()) };
    let public = RpcConfig { public: true, ..devnet.clone() };
    let server = weft_rpc::serve(devnet, world.backend()).await.unwrap();
    assert_eq!(http(server.local_addr(), "GET", &[], b"").await.status, 200);
    let server = weft_rpc::serve(public, world.backend()).await.unwrap();
    assert_eq!(http(server.local_addr(), "GET", &[], b"").await.status, 405);
}

#[tokio::test]
async fn a_deeply_nested_request_is_an_error_and_the_server_lives_on() {
    let world = World::empty().await;
    let address = world.server.local_addr();
    for depth in [100, 1_000, 1_000_000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for method in ["eth_call", "eth_getLogs", "eth_getBalance", "rpc_modules"] {
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[{nested}]}}"#);
            let answer = post(address, &body).await;
            assert_eq!(answer["error"]["code"], -32602, "{method} {depth}: {answer}");
        }
        let code = post(address, &nested).await["error"]["code"].as_i64();
        assert!(matches!(code, None | Some(-32700 | -32600)), "{depth}: {code:?}");
    }
    let objects = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{objects}]}}"#);
    assert_eq!(post(address, &body).await["error"]["code"], -32602);
    assert_eq!(world.ok("eth_chainId", json!([])).await, "0x7a69");
}

#[tokio::test]
async fn a_connection_is_pinged_and_one_that_never_answers_is_closed() {
    let world = World::with(|config| config.heartbeat_ms = 100).await;
    let mut socket = world.socket().await;
    assert!(socket.is_pinged().await);
    assert!(socket.is_closed_within(std::time::Duration::from_secs(3)).await);
}

#[tokio::test]
async fn subscriptions_in_a_batch_over_http_are_refused_in_words() {
    let world = World::empty().await;
    let batch = format!(
        "[{},{},7]",
        request(1, "eth_subscribe", json!(["newHeads"])),
        request(2, "eth_chainId", json!([]))
    );
    let answers = post(world.server.local_addr(), &batch).await;
    assert_eq!(answers[0]["error"]["code"], -32004);
    assert_eq!(answers[1]["result"], "0x7a69");
    assert_eq!(answers[2]["error"]["code"], -32600);
}

#[tokio::test]
async fn many_calls_at_once_on_one_socket_are_all_answered() {
    let world = World::three_blocks().await;
    let mut socket = world.socket().await;
    const CALLS: u64 = 2_000;
    for id in 1..=CALLS {
        socket.send(&request(10_000 + id, "eth_getBlockByNumber", json!(["0x2", true]))).await;
    }
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..CALLS {
        let answer = socket.answer().await;
        assert!(answer["result"]["hash"].is_string(), "{answer}");
        seen.insert(answer["id"].as_u64().unwrap());
    }
    assert_eq!(seen.len() as u64, CALLS);
}
