//! `rpc.discover`: the methods as an OpenRPC document, and the same as a reference to read.

use crate::catalogue::{ERRORS, GENERAL_ERRORS, Method, TYPES, methods};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// What stands before the methods in the reference.
const PREFACE: &str = "\
# JSON-RPC

Every method that a node serves, generated from the descriptions beside the code: `cargo xtask docs`
writes this file, and `rpc.discover` serves the same as an OpenRPC document. How the methods differ
from what other Ethereum nodes do is told in [differences-from-ethereum.md](differences-from-ethereum.md).

HTTP POST and WebSocket share one port. A request may be 15 MiB and a batch 100 calls. Parameters are
given by position. Every method may answer -32602 (a parameter is missing or malformed), -32603 (the
node failed) and -32005 (a limit was exceeded, or the server is busy).

A listener serves the namespaces of its configuration (`rpc.namespaces`); other methods answer -32601
and say why. A public listener (`--public`, `rpc.public`) serves `eth`, `net`, `web3` and what of `weft`
is not marked *local only*. `admin` is served on loopback addresses only.
";

/// The OpenRPC document of the given methods.
pub(crate) fn document(methods: impl Iterator<Item = &'static Method>) -> Value {
    let methods: Vec<Value> = methods.map(method).collect();
    let mut schemas = Map::new();
    for kind in TYPES {
        let mut schema: Value =
            serde_json::from_str(kind.schema).unwrap_or_else(|_| Value::Object(Map::new()));
        schema["title"] = json!(kind.name);
        schema["description"] = json!(kind.text);
        schemas.insert(kind.name.to_owned(), schema);
    }
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "Weft JSON-RPC",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "methods": methods,
        "components": { "schemas": schemas },
    })
}

fn method(method: &'static Method) -> Value {
    let parameters: Vec<Value> = (method.parameters.iter())
        .map(|parameter| {
            json!({
                "name": parameter.name,
                "description": parameter.text,
                "required": parameter.required,
                "schema": schema(parameter.kind),
            })
        })
        .collect();
    let (kind, text) = method.result;
    let errors: Vec<Value> = (GENERAL_ERRORS.iter().chain(method.errors))
        .map(|code| json!({ "code": code, "message": meaning(*code) }))
        .collect();
    let mut object = json!({
        "name": method.name,
        "summary": method.summary,
        "tags": [{ "name": method.namespace() }],
        "paramStructure": "by-position",
        "params": parameters,
        "result": { "name": "result", "description": text, "schema": schema(kind) },
        "errors": errors,
    });
    if !method.limits.is_empty() {
        object["description"] = json!(format!("Limits: {}.", method.limits));
    }
    object
}

/// A reference to a type, or to a list of it.
fn schema(kind: &str) -> Value {
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    match kind.strip_suffix("[]") {
        Some(item) => json!({ "type": ["array", "null"], "items": reference(item) }),
        None => reference(kind),
    }
}

fn meaning(code: i32) -> &'static str {
    ERRORS.iter().find(|(known, _)| *known == code).map_or("", |(_, text)| text)
}

/// The reference of all methods, in Markdown: `docs/json-rpc.md`.
#[must_use]
pub fn reference() -> String {
    let mut text = PREFACE.to_owned();
    let mut namespaces: Vec<&str> = Vec::new();
    for method in methods() {
        if !namespaces.contains(&method.namespace()) {
            namespaces.push(method.namespace());
        }
    }
    for namespace in namespaces {
        let _ = write!(text, "\n## {namespace}\n");
        for method in methods().filter(|method| method.namespace() == namespace) {
            write_method(&mut text, method);
        }
    }
    text.push_str("\n## Types\n\n| type | what |\n|---|---|\n");
    for kind in TYPES {
        let _ = writeln!(text, "| {} | {} |", kind.name, cell(kind.text));
    }
    text.push_str("\n## Errors\n\n| code | meaning |\n|---|---|\n");
    for (code, meaning) in ERRORS {
        let _ = writeln!(text, "| {code} | {} |", cell(meaning));
    }
    text
}

fn write_method(text: &mut String, method: &Method) {
    let local = if method.public { "" } else { " *Local only.*" };
    let _ = write!(text, "\n### {}\n\n{}{local}\n\n", method.name, method.summary);
    for (place, parameter) in method.parameters.iter().enumerate() {
        let optional = if parameter.required { "" } else { ", optional" };
        let _ = writeln!(
            text,
            "{}. `{}` ({}{optional}): {}.",
            place + 1,
            parameter.name,
            parameter.kind,
            parameter.text,
        );
    }
    if !method.parameters.is_empty() {
        text.push('\n');
    }
    let (kind, about) = method.result;
    let _ = write!(text, "Result: {kind}");
    if !about.is_empty() {
        let _ = write!(text, ", {about}");
    }
    text.push_str(".\n");
    if !method.errors.is_empty() {
        let codes: Vec<String> = method.errors.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "Errors: {}.", codes.join(", "));
    }
    if !method.limits.is_empty() {
        let _ = writeln!(text, "Limits: {}.", method.limits);
    }
}

/// A text within a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_of_the_document_leads_somewhere_and_every_schema_is_json() {
        for kind in TYPES {
            assert!(
                serde_json::from_str::<Value>(kind.schema).is_ok_and(|v| v.is_object()),
                "{}",
                kind.name
            );
        }
        let document = document(methods());
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
        assert_eq!(document["methods"].as_array().unwrap().len(), methods().count());
    }

    #[test]
    fn the_reference_names_every_method() {
        let text = reference();
        for method in methods() {
            assert!(text.contains(&format!("\n### {}\n", method.name)), "{}", method.name);
        }
    }
}
