//! Files whose responses differ on purpose: the table in docs/rpc-differences.md, and nothing else.

const DOCUMENT: &str = include_str!("../../../../../docs/rpc-differences.md");

/// Why the responses of this file (`METHOD/NAME`) may differ; `None` when they may not.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    rows().find(|(pattern, _)| matches(pattern, name)).map(|(_, reason)| reason)
}

/// The rows of the table whose first cell is code: pattern and reason.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    DOCUMENT.lines().filter_map(|line| {
        let (pattern, reason) = line.strip_prefix("| `")?.split_once("` | ")?;
        pattern.contains('/').then(|| (pattern, reason.trim_end_matches(['|', ' '])))
    })
}

/// A star at the end stands for any rest.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_files_and_reasons() {
        assert!(rows().count() >= 2);
        assert!(rows().all(|(_, reason)| reason.len() > 20), "{:?}", rows().collect::<Vec<_>>());
        let proof = reason("eth_getProof/get-account-proof-latest").unwrap();
        assert!(proof.contains("weft_getProof"), "{proof}");
        assert_eq!(reason("eth_blockNumber/simple-test"), None);
    }
}
