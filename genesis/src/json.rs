//! How numbers, addresses, keys and maps are written in the file.
//!
//! Reading is strict about repetition (two spellings of one address are a repetition too) and
//! generous about spelling: quantities may be `"0x"`-hex, decimal strings or JSON numbers, as in
//! geth's files. Writing always uses one spelling.

use alloy_primitives::{Address, Bytes, U256, hex};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// Longest piece of a bad value that an error repeats, in characters.
const SHOWN_MAX: usize = 80;

/// A value of the file, cut to what a message should repeat.
pub(crate) fn shown(text: &str) -> String {
    if text.chars().count() <= SHOWN_MAX {
        return text.to_owned();
    }
    let head: String = text.chars().take(SHOWN_MAX).collect();
    format!("{head}…")
}

/// A value that can be the key or the value of an alloc map.
pub(crate) trait FromText: Sized {
    /// What a message calls it.
    const EXPECTED: &'static str;
    /// Reads it; `None` when the text is something else.
    fn from_text(text: &str) -> Option<Self>;
}

impl FromText for U256 {
    const EXPECTED: &'static str =
        "a quantity of at most 256 bits: \"0x\" and hex digits, or decimal digits";

    fn from_text(text: &str) -> Option<Self> {
        let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => (digits, 16),
            None => (text, 10),
        };
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if !plain {
            return None;
        }
        Self::from_str_radix(digits, radix).ok()
    }
}

impl FromText for Address {
    const EXPECTED: &'static str = "an address: 40 hex digits, with or without \"0x\"";

    fn from_text(text: &str) -> Option<Self> {
        fixed(text).map(Self::from)
    }
}

fn fixed<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut out = [0; N];
    hex::decode_to_slice(digits, &mut out).ok()?;
    // `hex` strips a prefix of its own: without this line "0x0x…" would pass.
    (digits.len() == 2 * N).then_some(out)
}

fn bad<E: de::Error>(text: &str, expected: &str) -> E {
    E::custom(format_args!("found {:?}, expected {expected}", shown(text)))
}

/// Reads a quantity: hex string, decimal string or JSON number.
pub(crate) fn quantity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<U256, D::Error> {
    struct Quantity;
    impl Visitor<'_> for Quantity {
        type Value = U256;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(U256::EXPECTED)
        }
        fn visit_u64<E: de::Error>(self, value: u64) -> Result<U256, E> {
            Ok(U256::from(value))
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<U256, E> {
            U256::from_text(text).ok_or_else(|| bad(text, U256::EXPECTED))
        }
    }
    deserializer.deserialize_any(Quantity)
}

/// Reads a quantity of 64 bits.
pub(crate) fn quantity_u64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = quantity(deserializer)?;
    value.try_into().map_err(|_| {
        de::Error::custom(format_args!("found {value}, expected a quantity of at most 64 bits"))
    })
}

/// Writes a 64-bit quantity as a hex string.
pub(crate) fn write_u64<S: serde::Serializer>(
    value: &u64,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:#x}"))
}

/// Reads code: hex with or without `0x`.
pub(crate) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    let decoded = if digits.starts_with("0x") { None } else { hex::decode(digits).ok() };
    decoded
        .map(Bytes::from)
        .ok_or_else(|| bad(&text, "code: an even number of hex digits, with or without \"0x\""))
}

/// An ed25519 public key: `0x` and 64 hex digits.
pub(crate) mod public_key {
    use super::{Deserialize, Deserializer, bad, fixed};
    use alloy_primitives::hex;

    pub(crate) fn serialize<S: serde::Serializer>(key: &[u8; 32], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex::encode_prefixed(key))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(d)?;
        text.starts_with("0x")
            .then(|| fixed(&text))
            .flatten()
            .ok_or_else(|| bad(&text, "an ed25519 public key: \"0x\" and 64 hex digits"))
    }
}

/// A key of an alloc map.
struct Key<K>(K);

impl<'de, K: FromText> Deserialize<'de> for Key<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        K::from_text(&text).map(Key).ok_or_else(|| bad(&text, K::EXPECTED))
    }
}

/// A quantity as the value of a map.
pub(crate) struct Quantity(pub(crate) U256);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        quantity(deserializer).map(Self)
    }
}

impl From<Quantity> for U256 {
    fn from(quantity: Quantity) -> Self {
        quantity.0
    }
}

/// Reads a map whose keys, once read, must all be different. `V` is how a value is written.
pub(crate) fn unique_map<'de, D, K, V, T>(deserializer: D) -> Result<BTreeMap<K, T>, D::Error>
where
    D: Deserializer<'de>,
    K: FromText + Ord + fmt::Display,
    V: Deserialize<'de>,
    T: From<V>,
{
    struct Unique<K, V, T>(PhantomData<(K, V, T)>);
    impl<'de, K, V, T> Visitor<'de> for Unique<K, V, T>
    where
        K: FromText + Ord + fmt::Display,
        V: Deserialize<'de>,
        T: From<V>,
    {
        type Value = BTreeMap<K, T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "an object whose names are each {}", K::EXPECTED)
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut out = BTreeMap::new();
            while let Some(Key(key)) = map.next_key::<Key<K>>()? {
                if out.contains_key(&key) {
                    let text = format_args!("{key} is given twice, expected once: remove one");
                    return Err(de::Error::custom(text));
                }
                out.insert(key, map.next_value::<V>()?.into());
            }
            Ok(out)
        }
    }
    deserializer.deserialize_map(Unique(PhantomData))
}
