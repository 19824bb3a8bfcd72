//! Positional parameters, read one by one, with errors that name them.

use crate::error::Failure;
use alloy_primitives::B256;
use jsonrpsee::types::Params;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The parameters of one call.
pub(crate) struct Args<'a> {
    values: Vec<&'a RawValue>,
    next: usize,
}

impl<'a> Args<'a> {
    /// Splits the parameters; absent ones and `null` are an empty list.
    ///
    /// # Errors
    /// [`Failure::Parameters`] when they are not a list, or one longer than `most`.
    pub(crate) fn new(params: &'a Params<'_>, most: usize) -> Result<Self, Failure> {
        let values: Vec<&RawValue> = match params.as_str() {
            None | Some("" | "null") => Vec::new(),
            Some(json) => serde_json::from_str(json).map_err(|_| Failure::Parameters {
                reason: "parameters must be a list, in the order of the method".to_owned(),
            })?,
        };
        if values.len() > most {
            let found = values.len();
            let reason = format!("too many arguments: expected at most {most}, found {found}");
            return Err(Failure::Parameters { reason });
        }
        Ok(Self { values, next: 0 })
    }

    /// The next parameter, which must be there.
    pub(crate) fn required<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<T, Failure> {
        let index = self.next;
        self.optional(name)?.ok_or(Failure::Missing { index, name })
    }

    /// The next parameter, if there is one that is not `null`.
    pub(crate) fn optional<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, Failure> {
        let index = self.next;
        self.next += 1;
        match self.values.get(index) {
            None => Ok(None),
            Some(raw) if raw.get() == "null" => Ok(None),
            Some(raw) => T::deserialize(&mut serde_json::Deserializer::from_str(raw.get()))
                .map(Some)
                .map_err(|error| Failure::Argument { index, name, reason: plain(&error) }),
        }
    }
}

/// The decoder's reason without its position, which refers to a fragment the caller never saw.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// A number that callers send as a hex quantity, a decimal string or a JSON number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantity(pub(crate) u64);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(u64),
            Text(String),
        }
        let expected = "expected a quantity such as \"0x1b4\" or 436";
        match Form::deserialize(deserializer).map_err(|_| serde::de::Error::custom(expected))? {
            Form::Number(number) => Ok(Self(number)),
            Form::Text(text) => {
                let parsed = match text.strip_prefix("0x") {
                    Some(digits) => u64::from_str_radix(digits, 16),
                    None => text.parse(),
                };
                parsed.map(Self).map_err(|_| serde::de::Error::custom(expected))
            }
        }
    }
}

/// A hash with its `0x`: without it, it may be something else that was cut out of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash(pub(crate) B256);

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !text.starts_with("0x") {
            return Err(serde::de::Error::custom("hex string without 0x prefix"));
        }
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Address;

    #[test]
    fn errors_name_the_parameter() {
        let params = Params::new(Some(r#"["0x12"]"#));
        let mut args = Args::new(&params, 2).unwrap();
        let error = args.required::<Address>("address").unwrap_err();
        assert!(error.to_string().starts_with("invalid argument 0 (address): "), "{error}");
        assert!(!error.to_string().contains("line"), "{error}");
        let error = args.required::<Address>("to").unwrap_err();
        assert_eq!(error.to_string(), "missing value for required argument 1 (to)");
        assert_eq!(error.code(), -32602);
    }

    #[test]
    fn null_is_absent_and_surplus_is_refused() {
        let params = Params::new(Some("[null, 1, 2]"));
        assert_eq!(Args::new(&params, 2).err().unwrap().code(), -32602);
        let mut args = Args::new(&params, 3).unwrap();
        assert_eq!(args.optional::<u64>("a").unwrap(), None);
        assert_eq!(args.optional::<u64>("b").unwrap(), Some(1));
    }

    #[test]
    fn quantities_come_in_three_forms() {
        for (text, value) in [("\"0x1b4\"", 436), ("436", 436), ("\"436\"", 436)] {
            assert_eq!(serde_json::from_str::<Quantity>(text).unwrap(), Quantity(value));
        }
        for text in ["\"0x\"", "-1", "\"\"", "[]", "\"0x1ffffffffffffffff\""] {
            assert!(serde_json::from_str::<Quantity>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn named_parameters_are_refused() {
        let params = Params::new(Some(r#"{"address":"0x12"}"#));
        assert_eq!(Args::new(&params, 1).err().unwrap().code(), -32602);
    }
}
