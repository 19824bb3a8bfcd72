//! The rules of the house that a machine can see.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Longest file, in lines of code before its tests.
const FILE_LINES_MAX: usize = 600;
/// Longest function, in lines. A test that is a table may be longer.
const FUNCTION_LINES_MAX: usize = 70;

/// Crates and what each may depend on. A new edge needs a paragraph in ARCHITECTURE.md.
const EDGES: [(&str, &[&str]); 14] = [
    ("types", &[]),
    ("executor/stm", &[]),
    ("executor/evm", &["weft-types", "weft-stm"]),
    ("executor/replay", &["weft-types", "weft-evm", "weft-commitment"]),
    ("executor/trace", &["weft-types", "weft-evm"]),
    ("executor/record", &["weft-types"]),
    ("state/commitment", &["weft-types"]),
    ("state/store", &["weft-types", "weft-commitment"]),
    ("p2p", &["weft-types"]),
    ("genesis", &["weft-types", "weft-commitment"]),
    ("node/consensus", &["weft-types"]),
    ("node/pool", &["weft-types"]),
    (
        "node/rpc",
        &["weft-types", "weft-pool", "weft-store", "weft-evm", "weft-trace", "weft-record"],
    ),
    ("scripts/xtask", &[]),
];

/// Every breach, one line each.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn faults(root: &Path) -> io::Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut files = Vec::new();
    sources(root, &mut files)?;
    files.sort();
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let text = fs::read_to_string(&file)?;
        // A module of tests beside its code, and the tests of a crate.
        let tests = name.ends_with("tests.rs") || name.contains("/tests/");
        sizes(&name, &text, tests, &mut faults);
        if file.file_name().is_some_and(|n| n == "mod.rs") {
            faults.push(format!("{name}: use foo.rs beside foo/, not mod.rs"));
        }
    }
    for (folder, allowed) in EDGES {
        let manifest = fs::read_to_string(root.join(folder).join("Cargo.toml"))?;
        for edge in edges(&manifest).filter(|edge| !allowed.contains(edge)) {
            faults.push(format!("{folder}: may not depend on {edge}"));
        }
        sentence(root, folder, &manifest, &mut faults)?;
    }
    Ok(faults)
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                sources(&path, files)?;
            }
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn sizes(name: &str, text: &str, tests: bool, faults: &mut Vec<String>) {
    if tests {
        return;
    }
    let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
    if code > FILE_LINES_MAX {
        faults.push(format!("{name}: {code} lines, limit {FILE_LINES_MAX}"));
    }
    let lines: Vec<&str> = text.lines().take(code).collect();
    for (start, line) in lines.iter().enumerate() {
        let Some(function) = function_name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        // The code is formatted: a function ends with the first closing brace of its own depth.
        let end = lines[start..].iter().position(|l| *l == format!("{indent}}}"));
        let one_line = line.trim_end().ends_with('}') || line.trim_end().ends_with(';');
        match end {
            Some(length) if !one_line && length + 1 > FUNCTION_LINES_MAX => faults.push(format!(
                "{name}:{}: {function} has {} lines, limit {FUNCTION_LINES_MAX}",
                start + 1,
                length + 1
            )),
            _ => {}
        }
    }
}

fn function_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    for word in ["pub(crate) ", "pub(super) ", "pub ", "const ", "async "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let rest = rest.strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

/// Crates of this house under `[dependencies]`; tests may use more.
fn edges(manifest: &str) -> impl Iterator<Item = &str> {
    manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| name.starts_with("weft"))
}

/// A crate says the same one sentence in its manifest and in its documentation.
fn sentence(root: &Path, folder: &str, manifest: &str, faults: &mut Vec<String>) -> io::Result<()> {
    let library = root.join(folder).join("src").join("lib.rs");
    if !library.exists() {
        return Ok(());
    }
    let said = manifest.lines().find_map(|line| line.strip_prefix("description = \""));
    let said = said.and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
    let text = fs::read_to_string(library)?;
    let first = text.lines().next().and_then(|l| l.strip_prefix("//! ")).unwrap_or_default();
    if said != first {
        faults.push(format!("{folder}: Cargo.toml says \"{said}\", lib.rs says \"{first}\""));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_function_and_a_long_file_are_seen() {
        let body = "    let x = 1;\n".repeat(FUNCTION_LINES_MAX);
        let mut faults = Vec::new();
        sizes("a.rs", &format!("pub(crate) async fn long<T>() {{\n{body}}}\n"), false, &mut faults);
        assert_eq!(faults, ["a.rs:1: long has 72 lines, limit 70"]);
        faults.clear();
        sizes("b.rs", &"// x\n".repeat(FILE_LINES_MAX + 1), false, &mut faults);
        assert_eq!(faults, ["b.rs: 601 lines, limit 600"]);
        faults.clear();
        let tests = format!("#[cfg(test)]\n{}", "// x\n".repeat(FILE_LINES_MAX));
        sizes("c.rs", &tests, false, &mut faults);
        assert!(faults.is_empty());
    }

    #[test]
    fn edges_are_those_of_the_dependencies_alone() {
        let manifest = "[dependencies]\nweft-types.workspace = true\nserde = \"1\"\n\n[dev-dependencies]\nweft-evm.workspace = true\n";
        assert_eq!(edges(manifest).collect::<Vec<_>>(), ["weft-types"]);
    }
}
