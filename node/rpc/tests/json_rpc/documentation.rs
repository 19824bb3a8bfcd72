//! The reference says what the methods do.

use crate::world::World;
use serde_json::{Value, json};
use std::path::Path;

/// Answers without looking at its parameters, because it is refused or belongs to the server.
const UNREAD: [&str; 3] = ["eth_getProof", "eth_unsubscribe", "weft_unsubscribe"];

/// Whether a method looks at its parameters.
fn reads(method: &Value) -> bool {
    let refused = method["summary"].as_str().unwrap().starts_with("Refused: ");
    !refused && !UNREAD.contains(&method["name"].as_str().unwrap())
}

#[test]
fn the_reference_in_docs_is_up_to_date() {
    let file = Path::new("../../docs/json-rpc.md");
    let expected = weft_rpc::reference();
    if std::env::var_os("WEFT_WRITE_DOCS").is_some() {
        std::fs::write(file, &expected).unwrap();
    }
    let found = std::fs::read_to_string(file).unwrap_or_default();
    assert!(found == expected, "{} is stale: cargo xtask docs", file.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_as_many_parameters_as_the_methods_take() {
    let world = World::development().await;
    let document = world.ok("rpc.discover", json!([])).await;
    assert_eq!(document["openrpc"], "1.3.2");
    let mut socket = world.socket().await;
    let mut wrong = Vec::new();
    for method in document["methods"].as_array().unwrap() {
        let name = method["name"].as_str().unwrap();
        if !reads(method) {
            continue;
        }
        let answer = socket.call(name, json!(vec![Value::Null; 20])).await;
        let text = answer["error"]["message"].as_str().unwrap_or_default();
        let count = method["params"].as_array().unwrap().len();
        let expected = format!("too many arguments: expected at most {count}, found 20");
        if text != expected {
            wrong.push(format!("{name}: expected {expected:?}, found {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_parameter_has_the_name_of_the_document() {
    let world = World::development().await;
    let document = world.ok("rpc.discover", json!([])).await;
    let mut socket = world.socket().await;
    let mut wrong = Vec::new();
    for method in document["methods"].as_array().unwrap() {
        let name = method["name"].as_str().unwrap();
        let first = &method["params"][0];
        if !reads(method) || first["required"] != true {
            continue;
        }
        let answer = socket.call(name, json!([])).await;
        let text = answer["error"]["message"].as_str().unwrap_or_default();
        let parameter = first["name"].as_str().unwrap();
        let expected = format!("missing value for required argument 0 ({parameter})");
        if text != expected {
            wrong.push(format!("{name}: expected {expected:?}, found {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
