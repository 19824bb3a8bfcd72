//! Reading fields of a JSON object, with errors that name them.

use super::error::{BlockError, Source};
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256};
use serde_json::{Map, Value};

/// Longest excerpt of a wrong value in an error, in characters.
const EXCERPT_CHARS_MAX: usize = 48;

/// A JSON object and the way to it.
pub(super) struct Object<'a> {
    pub(super) source: &'a Source,
    path: String,
    fields: &'a Map<String, Value>,
}

/// A value that JSON-RPC writes as a hexadecimal string.
pub(super) trait Hex: Sized {
    /// What an error calls it.
    const KIND: &'static str;

    fn parse(text: &str) -> Option<Self>;
}

macro_rules! hex {
    ($($kind:ty, $name:literal;)*) => {
        $(impl Hex for $kind {
            const KIND: &'static str = $name;

            fn parse(text: &str) -> Option<Self> {
                text.starts_with("0x").then(|| text.parse().ok())?
            }
        })*
    };
}

hex! {
    Address, "an address";
    B64, "8 bytes in hex";
    B256, "32 bytes in hex";
    Bloom, "256 bytes in hex";
    Bytes, "bytes in hex";
    U256, "a number of up to 256 bits in hex";
}

impl Hex for u64 {
    const KIND: &'static str = "a number of up to 64 bits in hex";

    fn parse(text: &str) -> Option<Self> {
        Self::from_str_radix(text.strip_prefix("0x")?, 16).ok()
    }
}

impl Hex for u128 {
    const KIND: &'static str = "a number of up to 128 bits in hex";

    fn parse(text: &str) -> Option<Self> {
        Self::from_str_radix(text.strip_prefix("0x")?, 16).ok()
    }
}

impl<'a> Object<'a> {
    /// `path` is the way to the object with the separator at its end; empty for the whole file.
    pub(super) fn new(
        source: &'a Source,
        path: impl Into<String>,
        value: &'a Value,
    ) -> Result<Self, BlockError> {
        let path = path.into();
        match value {
            Value::Object(fields) => Ok(Self { source, path, fields }),
            other => {
                let field = path.trim_end_matches('.');
                let field = if field.is_empty() { "content" } else { field };
                Err(source.malformed(field, "an object", excerpt(other)))
            }
        }
    }

    /// The way to a field.
    pub(super) fn path(&self, field: &str) -> String {
        format!("{}{field}", self.path)
    }

    /// Whether the field is there and not null.
    pub(super) fn has(&self, field: &str) -> bool {
        self.value(field).is_some()
    }

    /// A field that must be there.
    pub(super) fn get<T: Hex>(&self, field: &str) -> Result<T, BlockError> {
        self.optional(field)?.ok_or_else(|| self.source.missing(self.path(field)))
    }

    /// A field that may be absent or null.
    pub(super) fn optional<T: Hex>(&self, field: &str) -> Result<Option<T>, BlockError> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let parsed = value.as_str().and_then(T::parse);
        parsed.map(Some).ok_or_else(|| self.malformed(field, T::KIND, value))
    }

    /// A list that must be there.
    pub(super) fn list(&self, field: &str) -> Result<&'a Vec<Value>, BlockError> {
        match self.value(field) {
            None => Err(self.source.missing(self.path(field))),
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(self.malformed(field, "a list", other)),
        }
    }

    /// A field that deserialises as a whole; its default when absent.
    pub(super) fn whole<T: serde::de::DeserializeOwned + Default>(
        &self,
        field: &str,
    ) -> Result<T, BlockError> {
        let Some(value) = self.value(field) else { return Ok(T::default()) };
        serde_json::from_value(value.clone())
            .map_err(|error| self.malformed(field, &format!("a valid list ({error})"), value))
    }

    fn value(&self, field: &str) -> Option<&'a Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    fn malformed(&self, field: &str, expected: &str, found: &Value) -> BlockError {
        self.source.malformed(self.path(field), expected, excerpt(found))
    }
}

/// The beginning of a value, for an error.
pub(super) fn excerpt(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= EXCERPT_CHARS_MAX {
        return text;
    }
    text.chars().take(EXCERPT_CHARS_MAX).chain(['…']).collect()
}
