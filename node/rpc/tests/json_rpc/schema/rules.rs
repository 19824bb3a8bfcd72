//! As much of JSON Schema as the OpenRPC documents of execution-apis use.

use regex::Regex;
use serde_json::{Map, Value};
use std::path::Path;

/// The methods and the schemas that they refer to.
pub(crate) struct Schemas {
    components: Map<String, Value>,
    /// Method and the schema of its result.
    pub(crate) methods: Vec<(String, Value)>,
}

/// Keywords that are understood or say nothing about a value. Another one fails the test: it would be
/// skipped silently.
const KNOWN: [&str; 22] = [
    "$ref",
    "title",
    "description",
    "type",
    "required",
    "properties",
    "items",
    "oneOf",
    "anyOf",
    "allOf",
    "additionalProperties",
    "pattern",
    "minimum",
    "maximum",
    "enum",
    "const",
    "not",
    "patternProperties",
    "default",
    "example",
    "examples",
    "summary",
];

impl Schemas {
    /// Reads all YAML files below the folder.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut schemas = Self { components: Map::new(), methods: Vec::new() };
        for part in std::fs::read_dir(folder).unwrap() {
            let part = part.unwrap().path();
            for file in std::fs::read_dir(&part).unwrap() {
                let file = file.unwrap().path();
                if file.extension().is_none_or(|suffix| suffix != "yaml") {
                    continue;
                }
                let text = std::fs::read_to_string(&file).unwrap();
                let value: Value = serde_yaml_ng::from_str(&text)
                    .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
                match value {
                    Value::Object(all) if part.ends_with("schemas") => {
                        schemas.components.extend(all);
                    }
                    Value::Array(all) => {
                        schemas.methods.extend(all.iter().map(|method| {
                            let name = method["name"].as_str().unwrap().to_owned();
                            (name, method["result"]["schema"].clone())
                        }));
                    }
                    _ => {}
                }
            }
        }
        schemas.methods.sort_by(|a, b| a.0.cmp(&b.0));
        schemas
    }

    /// Why `value` is not of this schema; `None` when it is.
    pub(crate) fn fault(&self, schema: &Value, value: &Value, path: &str) -> Option<String> {
        let Value::Object(rules) = schema else { return None };
        let unknown = rules.keys().find(|key| !KNOWN.contains(&key.as_str()));
        assert_eq!(unknown, None, "a keyword that the walk does not understand at {path}");
        if let Some(reference) = rules.get("$ref").and_then(Value::as_str) {
            let name = reference.rsplit('/').next().unwrap();
            let target = self.components.get(name);
            let target = target.unwrap_or_else(|| panic!("{reference} is not defined"));
            if let Some(fault) = self.fault(target, value, path) {
                return Some(fault);
            }
        }
        Self::scalar_fault(rules, value, path)
            .or_else(|| self.object_fault(rules, value, path))
            .or_else(|| self.items_fault(rules, value, path))
            .or_else(|| self.branches_fault(rules, value, path))
    }

    fn scalar_fault(rules: &Map<String, Value>, value: &Value, path: &str) -> Option<String> {
        let differs = |what: String| Some(format!("{path}: {what}, found {}", short(value)));
        if let Some(types) = rules.get("type") {
            let one = [types.clone()];
            let types = types.as_array().map_or(&one[..], Vec::as_slice);
            if !types.iter().any(|name| is_of_type(value, name.as_str().unwrap())) {
                return differs(format!("expected type {types:?}"));
            }
        }
        if let (Some(pattern), Some(text)) = (rules.get("pattern"), value.as_str()) {
            let pattern = pattern.as_str().unwrap();
            if !Regex::new(pattern).unwrap().is_match(text) {
                return differs(format!("expected pattern {pattern}"));
            }
        }
        if let Some(allowed) = rules.get("enum").and_then(Value::as_array)
            && !allowed.contains(value)
        {
            return differs(format!("expected one of {allowed:?}"));
        }
        if let Some(expected) = rules.get("const")
            && expected != value
        {
            return differs(format!("expected {expected}"));
        }
        let number = value.as_f64()?;
        let bound = |key: &str| rules.get(key).and_then(Value::as_f64);
        if bound("minimum").is_some_and(|least| number < least)
            || bound("maximum").is_some_and(|most| number > most)
        {
            return differs("a number out of range".to_owned());
        }
        None
    }

    fn object_fault(
        &self,
        rules: &Map<String, Value>,
        value: &Value,
        path: &str,
    ) -> Option<String> {
        let object = value.as_object()?;
        let required = rules.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                return Some(format!("{path}: no field {name}"));
            }
        }
        let nothing = Map::new();
        let map = |key: &str| rules.get(key).and_then(Value::as_object).unwrap_or(&nothing);
        let (named, patterns) = (map("properties"), map("patternProperties"));
        for (name, field) in object {
            let below = format!("{path}.{name}");
            let mut known = false;
            if let Some(schema) = named.get(name) {
                known = true;
                if let Some(fault) = self.fault(schema, field, &below) {
                    return Some(fault);
                }
            }
            for (pattern, schema) in patterns {
                if Regex::new(pattern).unwrap().is_match(name) {
                    known = true;
                    if let Some(fault) = self.fault(schema, field, &below) {
                        return Some(fault);
                    }
                }
            }
            match rules.get("additionalProperties") {
                Some(Value::Bool(false)) if !known => {
                    return Some(format!("{below}: a field that the schema does not have"));
                }
                Some(schema) if !known => {
                    if let Some(fault) = self.fault(schema, field, &below) {
                        return Some(fault);
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn items_fault(&self, rules: &Map<String, Value>, value: &Value, path: &str) -> Option<String> {
        let (schema, items) = (rules.get("items")?, value.as_array()?);
        let mut places = items.iter().enumerate();
        places.find_map(|(place, item)| self.fault(schema, item, &format!("{path}[{place}]")))
    }

    fn branches_fault(
        &self,
        rules: &Map<String, Value>,
        value: &Value,
        path: &str,
    ) -> Option<String> {
        let branches = |key: &str| rules.get(key).and_then(Value::as_array);
        for schema in branches("allOf").into_iter().flatten() {
            if let Some(fault) = self.fault(schema, value, path) {
                return Some(fault);
            }
        }
        for (key, most) in [("oneOf", 1), ("anyOf", usize::MAX)] {
            let Some(schemas) = branches(key) else { continue };
            let faults: Vec<String> =
                schemas.iter().filter_map(|schema| self.fault(schema, value, path)).collect();
            let fitting = schemas.len() - faults.len();
            if fitting == 0 {
                return Some(format!("{path}: none of {key} fits: {}", faults.join(" | ")));
            }
            // A list without elements is of every kind of list.
            let any_list = value.as_array().is_some_and(Vec::is_empty);
            if fitting > most && !any_list {
                return Some(format!("{path}: {fitting} of {key} fit {}", short(value)));
            }
        }
        let refused = rules.get("not")?;
        let fits = self.fault(refused, value, path).is_none();
        fits.then(|| format!("{path}: is what it must not be"))
    }
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(120).collect()
}
