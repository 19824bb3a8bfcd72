//! What every method is, in words: the text behind `rpc.discover` and `docs/json-rpc.md`, and the
//! rule which listeners serve it.
//!
//! A method is registered in `methods/` and described here, one file per namespace. A test
//! compares the two and lists what is missing on either side, so neither exists without the other.

mod admin;
mod debug;
mod devnet;
mod eth;
mod eth_calls;
mod eth_filters;
mod eth_reads;
mod ots;
mod record;
mod trace;
mod txpool;
mod types;
mod web3;
mod weft;

pub(crate) use types::TYPES;

/// The tables, in the order of the reference. A new namespace adds its file here.
const TABLES: &[&[Method]] = &[
    eth::METHODS,
    eth_calls::METHODS,
    eth_filters::METHODS,
    eth_reads::METHODS,
    web3::METHODS,
    txpool::METHODS,
    weft::METHODS,
    record::METHODS,
    debug::METHODS,
    trace::METHODS,
    ots::METHODS,
    devnet::METHODS,
    admin::METHODS,
];

/// Description of one method.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method {
    pub(crate) name: &'static str,
    /// One or more sentences: what it does, and what is particular here.
    pub(crate) summary: &'static str,
    /// In the order of the call.
    pub(crate) parameters: &'static [Parameter],
    /// Type of the result, and what it holds.
    pub(crate) result: (&'static str, &'static str),
    /// Codes besides those that every method may answer with; each is in [`ERRORS`].
    pub(crate) errors: &'static [i32],
    /// Its limits in words; empty when only the general ones hold.
    pub(crate) limits: &'static str,
    /// Whether a public listener serves it too.
    pub(crate) public: bool,
}

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// Name of a type in [`TYPES`]; with `[]` at the end a list of it.
    pub(crate) kind: &'static str,
    pub(crate) required: bool,
    pub(crate) text: &'static str,
}

impl Method {
    /// A method without parameters that answers a value of any kind.
    pub(crate) const fn new(name: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            summary,
            parameters: &[],
            result: ("Any", ""),
            errors: &[],
            limits: "",
            public: true,
        }
    }

    pub(crate) const fn takes(self, parameters: &'static [Parameter]) -> Self {
        Self { parameters, ..self }
    }

    pub(crate) const fn gives(self, kind: &'static str, text: &'static str) -> Self {
        Self { result: (kind, text), ..self }
    }

    pub(crate) const fn fails(self, errors: &'static [i32]) -> Self {
        Self { errors, ..self }
    }

    pub(crate) const fn limits(self, limits: &'static str) -> Self {
        Self { limits, ..self }
    }

    /// Not for strangers: a public listener hides it.
    pub(crate) const fn private(self) -> Self {
        Self { public: false, ..self }
    }

    pub(crate) fn namespace(&self) -> &'static str {
        namespace_of(self.name)
    }
}

/// A parameter that must be given.
pub(crate) const fn required(
    name: &'static str,
    kind: &'static str,
    text: &'static str,
) -> Parameter {
    Parameter { name, kind, required: true, text }
}

/// A parameter that may be left out or `null`.
pub(crate) const fn optional(
    name: &'static str,
    kind: &'static str,
    text: &'static str,
) -> Parameter {
    Parameter { name, kind, required: false, text }
}

/// The block at the end of many calls.
pub(crate) const BLOCK: Parameter = optional("block", "BlockId", "after which block; `latest`");

/// Codes of errors and what they mean.
pub(crate) const ERRORS: &[(i32, &str)] = &[
    (-32700, "the request is not JSON"),
    (-32600, "the request is not JSON-RPC, or the batch is too large"),
    (-32601, "no such method, or this listener does not serve it"),
    (-32602, "a parameter is missing or malformed; the message names it"),
    (-32603, "the node failed"),
    (-32000, "refused; the message has geth's wording"),
    (-32001, "unknown block"),
    (-32004, "not supported on this chain; the message names what works instead"),
    (-32005, "a limit was exceeded, or the server is busy"),
    (1, "nonce too low"),
    (2, "nonce too high"),
    (3, "execution reverted; `data` is the revert data"),
    (4, "no receipt in time (EIP-7966); `data` is the hash"),
    (5, "queued, so there will be no receipt now (EIP-7966); `data` is the hash"),
    (800, "gas or fee refused (800 to 809); the message says which limit"),
    (1000, "already known; `data` is the hash"),
    (1001, "the pool is full or the replacement pays too little"),
    (4444, "pruned history unavailable; `data.oldest` is the oldest block kept"),
];

/// Codes that every method may answer with.
pub(crate) const GENERAL_ERRORS: &[i32] = &[-32602, -32603, -32005];

/// Every description.
pub(crate) fn methods() -> impl Iterator<Item = &'static Method> {
    TABLES.iter().copied().flatten()
}

/// The description of a method.
pub(crate) fn find(name: &str) -> Option<&'static Method> {
    methods().find(|method| method.name == name)
}

/// What stands before the underscore, or the dot of `rpc.discover`.
pub(crate) fn namespace_of(name: &str) -> &str {
    name.split(['_', '.']).next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_description_is_complete_and_names_known_types_and_codes() {
        let types: BTreeSet<&str> = TYPES.iter().map(|kind| kind.name).collect();
        let codes: BTreeSet<i32> = ERRORS.iter().map(|(code, _)| *code).collect();
        let mut names = BTreeSet::new();
        for method in methods() {
            let name = method.name;
            assert!(names.insert(name), "{name} is described twice");
            assert!(method.summary.len() > 15 && method.summary.ends_with('.'), "{name}: summary");
            assert!(!method.namespace().is_empty() && method.namespace() != name, "{name}");
            let kinds = method.parameters.iter().map(|parameter| parameter.kind);
            for kind in kinds.chain([method.result.0]) {
                assert!(types.contains(kind.trim_end_matches("[]")), "{name}: type {kind}");
            }
            for parameter in method.parameters {
                assert!(!parameter.text.is_empty(), "{name}: {}", parameter.name);
            }
            let optional_first =
                method.parameters.windows(2).find(|p| !p[0].required && p[1].required);
            assert!(optional_first.is_none(), "{name}: {optional_first:?}");
            for code in method.errors {
                assert!(codes.contains(code), "{name}: error {code} has no meaning");
            }
        }
    }
}
