//! The files: comments, requests (`>>`) and responses (`<<`).

use crate::failure::{ExitStatus, Failure};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// One file.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) file: PathBuf,
    /// `METHOD/NAME`, without the suffix.
    pub(super) name: String,
    pub(super) method: String,
    /// Only the shape of the responses counts.
    pub(super) spec_only: bool,
    pub(super) exchanges: Vec<Exchange>,
}

/// A request and the response that should come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) request: String,
    pub(super) response: Value,
}

/// Reads the files below `folder`, ascending by path, of which the path contains `filter`.
///
/// # Errors
/// [`ExitStatus::Config`] when there is none or one of them is not of this kind.
pub(super) fn read(folder: &Path, filter: Option<&str>) -> Result<Vec<Case>, Failure> {
    let mut files = Vec::new();
    for method in entries(folder)? {
        if method.is_dir() {
            files.extend(entries(&method)?.into_iter().filter(|file| has_suffix(file)));
        }
    }
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let method = file.parent().and_then(Path::file_name).unwrap_or_default();
        let method = method.to_string_lossy().into_owned();
        let name = format!("{method}/{}", file.file_stem().unwrap_or_default().to_string_lossy());
        if filter.is_some_and(|text| !name.contains(text)) {
            continue;
        }
        let text = std::fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
        let (spec_only, exchanges) = parse(&text).map_err(|error| unreadable(&file, &error))?;
        cases.push(Case { file, name, method, spec_only, exchanges });
    }
    if cases.is_empty() {
        let what = format!("no .io file below {} matches", folder.display());
        return Err(Failure::new(ExitStatus::Config, what).fix(
            "weft conformance rpc DIR, where DIR holds genesis.json, chain.rlp and METHOD/NAME.io",
        ));
    }
    Ok(cases)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: std::io::Error| unreadable(folder, &error);
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

fn has_suffix(file: &Path) -> bool {
    file.extension().is_some_and(|suffix| suffix == "io")
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(ExitStatus::Config, format!("cannot read {}: {error}", path.display()))
}

fn parse(text: &str) -> Result<(bool, Vec<Exchange>), String> {
    let mut spec_only = false;
    let mut exchanges = Vec::new();
    let mut request: Option<String> = None;
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix("//") {
            spec_only |= comment.trim_start().starts_with("speconly");
        } else if let Some(sent) = line.strip_prefix(">>") {
            if request.replace(sent.trim().to_owned()).is_some() {
                return Err(format!("line {number}: a request before the last one was answered"));
            }
        } else if let Some(received) = line.strip_prefix("<<") {
            let request =
                request.take().ok_or_else(|| format!("line {number}: a response to nothing"))?;
            let response =
                serde_json::from_str(received).map_err(|e| format!("line {number}: {e}"))?;
            exchanges.push(Exchange { request, response });
        } else if !line.is_empty() {
            return Err(format!("line {number}: neither a comment nor >> nor <<"));
        }
    }
    match (request, exchanges.is_empty()) {
        (None, false) => Ok((spec_only, exchanges)),
        _ => Err("a request without a response, or none at all".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn comments_requests_and_responses_are_told_apart() {
        let text = "// what\n// speconly: shape\n>> {\"id\":1}\n<< {\"id\":1}\n>> {\"id\":2}\n<< {\"id\":2}\n";
        let (spec_only, exchanges) = parse(text).unwrap();
        assert!(spec_only);
        assert_eq!(exchanges.len(), 2);
        assert_eq!(exchanges[1].request, "{\"id\":2}");
        assert_eq!(exchanges[1].response, json!({ "id": 2 }));
        assert!(!parse(">> {}\n<< {}").unwrap().0);
    }

    #[test]
    fn a_file_that_is_cut_off_is_refused() {
        for text in
            ["", "// only words", ">> {}", "<< {}", ">> {}\n>> {}\n<< {}", ">> {}\n<< {", "x"]
        {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
