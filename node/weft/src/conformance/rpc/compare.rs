//! Two responses side by side.

use serde_json::{Map, Value};

/// Characters of a value that are shown.
const SHOWN_CHARS: usize = 200;

/// Differences after which more tell nothing.
const DIFFERENCES_MAX: usize = 50;

/// Fields that are in the files and that the schemas of their methods do not ask for.
const OPTIONAL: [&str; 1] = ["deleteStrategy"];

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// Where, as `result.transactions[0].v`.
    pub(super) path: String,
    pub(super) expected: String,
    pub(super) found: String,
}

/// What differs in any way. The text of an error is for people, and not compared.
pub(super) fn exact(expected: &Value, found: &Value) -> Vec<Difference> {
    let both_failed = expected.get("error").is_some() && found.get("error").is_some();
    let plain = |value: &Value| {
        let mut value = value.clone();
        if let Some(error) = value.get_mut("error").and_then(Value::as_object_mut)
            && both_failed
        {
            error.remove("message");
        }
        value
    };
    let mut differences = Vec::new();
    walk(&plain(expected), &plain(found), String::new(), Depth::Values, &mut differences);
    differences
}

/// What differs in kind: result or error, types, fields that are missing.
pub(super) fn shape(expected: &Value, found: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    walk(expected, found, String::new(), Depth::Shape, &mut differences);
    differences
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Values,
    Shape,
}

fn walk(expected: &Value, found: &Value, path: String, depth: Depth, out: &mut Vec<Difference>) {
    if out.len() >= DIFFERENCES_MAX {
        return;
    }
    match (expected, found) {
        (Value::Object(a), Value::Object(b)) => objects(a, b, &path, depth, out),
        (Value::Array(a), Value::Array(b)) => {
            // Of a list only the first element shows its shape.
            let count = if depth == Depth::Shape { 1 } else { usize::MAX };
            for (place, (a, b)) in a.iter().zip(b).take(count).enumerate() {
                walk(a, b, format!("{path}[{place}]"), depth, out);
            }
            if a.len() != b.len() && depth == Depth::Values {
                differ(out, format!("{path}.length"), &a.len().into(), &b.len().into());
            }
        }
        (a, b) => {
            let equal = match depth {
                Depth::Values => a == b,
                Depth::Shape => kind(a) == kind(b),
            };
            if !equal {
                differ(out, path, a, b);
            }
        }
    }
}

fn objects(
    expected: &Map<String, Value>,
    found: &Map<String, Value>,
    path: &str,
    depth: Depth,
    out: &mut Vec<Difference>,
) {
    if depth == Depth::Shape && expected.keys().chain(found.keys()).all(|key| is_value(key)) {
        // A map by addresses or numbers, which name no fields.
        if let (Some((_, a)), Some((key, b))) = (expected.iter().next(), found.iter().next()) {
            walk(a, b, format!("{path}.{key}"), depth, out);
        }
        return;
    }
    let nothing = Value::String("(no field)".into());
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for (key, value) in expected {
        match found.get(key) {
            Some(found) => walk(value, found, below(key), depth, out),
            None if depth == Depth::Shape && OPTIONAL.contains(&key.as_str()) => {}
            None => differ(out, below(key), value, &nothing),
        }
    }
    for (key, value) in found {
        if !expected.contains_key(key) && depth == Depth::Values {
            differ(out, below(key), &nothing, value);
        }
    }
}

/// The type of a value, with hexadecimal text apart from other text.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(text) if text.starts_with("0x") => "hex",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

fn is_value(key: &str) -> bool {
    key.starts_with("0x") || key.bytes().all(|byte| byte.is_ascii_digit())
}

fn differ(out: &mut Vec<Difference>, path: String, expected: &Value, found: &Value) {
    let show = |value: &Value| {
        let text = value.to_string();
        match text.char_indices().nth(SHOWN_CHARS) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    };
    out.push(Difference { path, expected: show(expected), found: show(found) });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(differences: &[Difference]) -> Vec<&str> {
        differences.iter().map(|difference| difference.path.as_str()).collect()
    }

    #[test]
    fn the_order_of_fields_and_the_text_of_errors_do_not_count() {
        let a = json!({ "id": 1, "result": { "x": 1, "y": 2 } });
        let b = serde_json::from_str("{\"result\":{\"y\":2,\"x\":1},\"id\":1}").unwrap();
        assert_eq!(exact(&a, &b), []);
        let error =
            |code: i32, message: &str| json!({ "error": { "code": code, "message": message } });
        assert_eq!(exact(&error(3, "a"), &error(3, "b")), []);
        assert_eq!(paths(&exact(&error(3, "a"), &error(4, "a"))), ["error.code"]);
        assert_eq!(paths(&exact(&error(3, "a"), &json!({ "result": 1 }))), ["error", "result"]);
    }

    #[test]
    fn every_value_counts_where_the_file_is_exact() {
        let a = json!({ "result": [{ "v": "0x1" }, { "v": "0x2" }] });
        let b = json!({ "result": [{ "v": "0x1", "w": null }, { "v": "0x3" }, {}] });
        assert_eq!(paths(&exact(&a, &b)), ["result[0].w", "result[1].v", "result.length"]);
    }

    #[test]
    fn the_shape_is_types_and_fields_and_not_keys_of_maps() {
        let a = json!({ "result": { "0xaa": { "0": { "nonce": "0x1", "to": null } } } });
        let b =
            json!({ "result": { "0xbb": { "7": { "nonce": "0x5", "to": null, "extra": 1 } } } });
        assert_eq!(shape(&a, &b), []);
        let c = json!({ "result": { "0xbb": { "7": { "nonce": 5 } } } });
        assert_eq!(paths(&shape(&a, &c)), ["result.0xbb.7.nonce", "result.0xbb.7.to"]);
        assert_eq!(paths(&shape(&a, &json!({ "error": {} }))), ["result"]);
    }
}
