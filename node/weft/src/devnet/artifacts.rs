//! The compiler's output of a project, from which the record page takes names.

use crate::failure::{ExitStatus, Failure};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use weft_rpc::Artifact;

/// Contracts that are taken from a folder.
const ARTIFACTS_MAX: usize = 4096;
/// Files that are looked at.
const FILES_MAX: usize = 20_000;
/// Largest file, in bytes.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Deepest folder.
const DEPTH_MAX: usize = 8;

/// Reads every artifact of forge (`out`) or hardhat (`artifacts`) below a folder. Other files are left alone.
///
/// # Errors
/// When the folder cannot be read, or has none.
pub(super) fn read(folder: &Path) -> Result<Vec<Arc<Artifact>>, Failure> {
    let mut files = Vec::new();
    find(folder, 0, &mut files).map_err(|error| {
        Failure::new(ExitStatus::Config, format!("{} cannot be read", folder.display()))
            .fact("cause", error)
            .fix("weft devnet --artifacts out      (forge), or --artifacts artifacts (hardhat)")
    })?;
    files.sort();
    let found = files.iter().filter_map(|file| artifact(file)).take(ARTIFACTS_MAX);
    let artifacts: Vec<Arc<Artifact>> = found.collect();
    if artifacts.is_empty() {
        let what = format!("{} has no contracts of forge or hardhat", folder.display());
        return Err(Failure::new(ExitStatus::Config, what).fix(
            "forge build --extra-output storageLayout      (storageLayout gives slots their names)",
        ));
    }
    Ok(artifacts)
}

fn find(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // Links are not followed: they could lead in circles.
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < DEPTH_MAX {
            find(&path, depth + 1, files)?;
        } else if kind.is_file()
            && path.extension().is_some_and(|extension| extension == "json")
            && files.len() < FILES_MAX
        {
            files.push(path);
        }
    }
    Ok(())
}

fn artifact(file: &Path) -> Option<Arc<Artifact>> {
    if fs::metadata(file).ok()?.len() > FILE_BYTES_MAX {
        return None;
    }
    let json = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let name = file.file_stem()?.to_string_lossy();
    match Artifact::parse(&name, json) {
        Ok(found) => found.map(Arc::new),
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "artifact is left out");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contracts_are_found_in_folders_and_other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("Token.sol");
        fs::create_dir(&inner).unwrap();
        let token = r#"{"abi":[],"deployedBytecode":{"object":"0x6001"}}"#;
        fs::write(inner.join("Token.json"), token).unwrap();
        fs::write(inner.join("IToken.json"), r#"{"abi":[],"deployedBytecode":"0x"}"#).unwrap();
        fs::write(folder.path().join("cache.json"), "[1, 2").unwrap();
        let found = read(folder.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].matches(&[0x60, 0x01]));
    }

    #[test]
    fn a_folder_without_contracts_says_what_to_run() {
        let folder = tempfile::tempdir().unwrap();
        let failure = read(folder.path()).unwrap_err();
        assert!(failure.fix.is_some_and(|fix| fix.contains("forge build")));
        assert!(read(&folder.path().join("absent")).is_err());
    }
}
