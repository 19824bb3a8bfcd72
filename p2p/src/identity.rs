//! The key that names this node to its peers, kept in a file that only its owner may read.
//!
//! The file holds the ed25519 secret as 64 hex digits and a newline. It is not the validator key.

use crate::error::IdentityError;
use libp2p::identity::Keypair;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Most bytes read from a key file.
const KEY_FILE_BYTES_MAX: u64 = 256;

/// Reads the node key at `path`, or creates one there, with its folder.
///
/// # Errors
/// [`IdentityError`] when the file cannot be read or written, is open to others, or is not a key.
/// An existing file is never overwritten.
pub fn load_or_create(path: &Path) -> Result<Keypair, IdentityError> {
    match fs::metadata(path) {
        Ok(metadata) => load(path, &metadata),
        Err(error) if error.kind() == ErrorKind::NotFound => create(path),
        Err(source) => Err(io("read", path, source)),
    }
}

fn load(path: &Path, metadata: &fs::Metadata) -> Result<Keypair, IdentityError> {
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(IdentityError::Open { path: path.to_owned(), mode });
    }
    let format = |found: String| IdentityError::Format { path: path.to_owned(), found };
    if metadata.len() > KEY_FILE_BYTES_MAX {
        return Err(format(format!("found {} bytes", metadata.len())));
    }
    let text = fs::read_to_string(path).map_err(|source| io("read", path, source))?;
    let mut secret = hex::decode(text.trim()).map_err(|error| format(error.to_string()))?;
    let length = secret.len();
    Keypair::ed25519_from_bytes(&mut secret)
        .map_err(|_| format(format!("found {} digits", length * 2)))
}

fn create(path: &Path) -> Result<Keypair, IdentityError> {
    let keypair = Keypair::generate_ed25519();
    let ed25519 = keypair.clone().try_into_ed25519().expect("it was generated as ed25519");
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| io("create", folder, source))?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| io("create", path, source))?;
    let text = format!("{}\n", hex::encode(ed25519.secret()));
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|source| io("write", path, source))?;
    Ok(keypair)
}

fn io(action: &'static str, path: &Path, source: std::io::Error) -> IdentityError {
    IdentityError::Io { path: path.to_owned(), action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_created_key_is_private_and_loads_as_the_same_peer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("home/keys/node.key");
        let created = load_or_create(&path).unwrap();
        let folder = fs::metadata(path.parent().unwrap()).unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let loaded = load_or_create(&path).unwrap();
        assert_eq!(created.public().to_peer_id(), loaded.public().to_peer_id());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.key");
        load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = load_or_create(&path).unwrap_err();
        assert!(matches!(error, IdentityError::Open { mode: 0o644, .. }), "{error}");
    }

    #[test]
    fn a_damaged_key_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.key");
        for damaged in ["abcd", "not hex at all", &"ab".repeat(200)] {
            fs::write(&path, damaged).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let error = load_or_create(&path).unwrap_err();
            assert!(matches!(error, IdentityError::Format { .. }), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "in the way").unwrap();
        let error = load_or_create(&file.join("keys/node.key")).unwrap_err();
        assert!(error.to_string().contains("file/keys"), "{error}");
    }
}
