//! Files of a snapshot and their hashes.

use super::failure;
use crate::StoreError;
use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Component, Path};

/// Bytes read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotFile {
    /// Its name, without a folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// BLAKE3 of its content.
    pub blake3: B256,
}

impl SnapshotFile {
    /// Whether the name cannot lead out of a folder.
    pub(super) fn has_plain_name(&self) -> bool {
        let mut parts = Path::new(&self.name).components();
        matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
            && !self.name.contains(['/', '\\', '\0'])
    }

    /// Compares the file in `directory` with length and hash.
    pub(super) fn verify(&self, directory: &Path) -> Result<(), StoreError> {
        let path = directory.join(&self.name);
        let mut file = File::open(&path).map_err(|e| failure(&path, &e))?;
        self.compare(&path, pump(&mut file, &mut std::io::sink()).map_err(|e| failure(&path, &e))?)
    }

    /// Copies the file, comparing what was copied.
    pub(super) fn copy(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        let (source, target) = (from.join(&self.name), to.join(&self.name));
        let mut input = File::open(&source).map_err(|e| failure(&source, &e))?;
        let mut output = File::create_new(&target).map_err(|e| failure(&target, &e))?;
        let copied = pump(&mut input, &mut output).map_err(|e| failure(&target, &e))?;
        output.sync_all().map_err(|e| failure(&target, &e))?;
        self.compare(&source, copied)
    }

    fn compare(&self, path: &Path, (bytes, blake3): (u64, B256)) -> Result<(), StoreError> {
        if bytes != self.bytes {
            return Err(failure(path, &format!("{bytes} bytes, expected {}", self.bytes)));
        }
        if blake3 != self.blake3 {
            return Err(failure(path, &format!("BLAKE3 is {blake3}, expected {}", self.blake3)));
        }
        Ok(())
    }
}

/// Names of the files of a folder, ascending.
pub(super) fn names(directory: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |error: &std::io::Error| failure(directory, error);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|e| failed(&e))? {
        let name = entry.map_err(|e| failed(&e))?.file_name();
        let name = name.into_string().map_err(|name| failure(directory, &format!("{name:?}")))?;
        names.push(name);
    }
    names.sort_unstable();
    Ok(names)
}

/// Every file of a folder with its hash; each is on disk when this returns.
pub(super) fn hash_files(directory: &Path) -> Result<Vec<SnapshotFile>, StoreError> {
    let one = |name: String| {
        let path = directory.join(&name);
        let mut file = File::open(&path).map_err(|e| failure(&path, &e))?;
        let hashed = pump(&mut file, &mut std::io::sink()).map_err(|e| failure(&path, &e))?;
        file.sync_all().map_err(|e| failure(&path, &e))?;
        Ok(SnapshotFile { name, bytes: hashed.0, blake3: hashed.1 })
    };
    names(directory)?.into_iter().map(one).collect()
}

/// Writes a file that is on disk when this returns.
pub(crate) fn write_durably(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let mut file = File::create_new(path).map_err(|e| failure(path, &e))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(|e| failure(path, &e))
}

/// The entries of a folder are on disk when this returns.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(|e| failure(directory, &e))
}

/// Copies everything; returns length and hash.
fn pump(input: &mut File, output: &mut impl Write) -> std::io::Result<(u64, B256)> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bytes = 0;
    loop {
        let read = input.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, B256::from(*hasher.finalize().as_bytes())));
        }
        bytes += read as u64;
        hasher.update(&buffer[..read]);
        output.write_all(&buffer[..read])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_does_not_lead_out_of_its_folder() {
        let plain = |name: &str| {
            SnapshotFile { name: name.into(), bytes: 0, blake3: B256::ZERO }.has_plain_name()
        };
        assert!(plain("000012.sst") && plain("CURRENT"));
        for name in ["", ".", "..", "../x", "a/b", "/etc/passwd", "a/", "a\\b", "a\0b"] {
            assert!(!plain(name), "{name:?}");
        }
    }
}
