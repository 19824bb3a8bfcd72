//! Key files. Written with mode 0600; secrets are wiped from memory after use and never printed.

use crate::failure::{ExitStatus, Failure};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use zeroize::{Zeroize, Zeroizing};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ValidatorKeyFile {
    public_key: String,
    secret_key: String,
}

impl Drop for ValidatorKeyFile {
    fn drop(&mut self) {
        self.secret_key.zeroize();
    }
}

/// Writes a validator's key. Refuses to overwrite a file.
///
/// # Errors
/// [`ExitStatus::Config`] when the file exists or cannot be written.
pub fn write_validator_key(path: &Path, key: &SigningKey) -> Result<(), Failure> {
    let file = ValidatorKeyFile {
        public_key: format!("0x{}", hex::encode(key.verifying_key().to_bytes())),
        secret_key: format!("0x{}", hex::encode(key.to_bytes())),
    };
    let text =
        Zeroizing::new(serde_json::to_string_pretty(&file).expect("two strings have a JSON form"));
    write_secret(path, text.as_bytes())
}

/// Reads a validator's key and checks that both halves belong together.
///
/// # Errors
/// [`ExitStatus::Config`] naming the file and what is wrong with it.
pub fn read_validator_key(path: &Path) -> Result<SigningKey, Failure> {
    let bad = |cause: String| {
        Failure::new(ExitStatus::Config, "the validator key cannot be used")
            .fact("file", path.display())
            .fact("cause", cause)
            .fix("restore keys/validator.json from its backup; a new key is a new validator")
    };
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?);
    let mode = std::fs::metadata(path).map_err(|e| bad(e.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Failure::new(ExitStatus::Config, "the validator key is readable by others")
            .fact("file", path.display())
            .fact("mode", format!("{:o}, expected 600", mode & 0o777))
            .fix(format!("chmod 600 {}", path.display())));
    }
    // The error of the parser may quote the text, which holds a secret: it is not passed on.
    let file: ValidatorKeyFile = serde_json::from_str(&text)
        .map_err(|e| bad(format!("not a key file (line {}, column {})", e.line(), e.column())))?;
    let mut secret = Zeroizing::new([0u8; 32]);
    hex::decode_to_slice(strip(&file.secret_key), secret.as_mut_slice())
        .map_err(|_| bad("secretKey is not 32 bytes of hex".into()))?;
    let key = SigningKey::from_bytes(&secret);
    if strip(&file.public_key) != hex::encode(key.verifying_key().to_bytes()) {
        return Err(bad("publicKey does not belong to secretKey".into()));
    }
    Ok(key)
}

/// Writes a file that only its owner may read. Refuses to overwrite one.
///
/// # Errors
/// [`ExitStatus::Config`] when the file exists or cannot be written.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| {
        Failure::new(ExitStatus::Config, "a key file cannot be written")
            .fact("file", path.display())
            .fact("cause", error)
            .fix("choose a new folder; existing keys are never overwritten")
    })
}

fn strip(text: &str) -> &str {
    text.strip_prefix("0x").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_reads_back_and_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("validator.json");
        let key = SigningKey::from_bytes(&[7; 32]);
        write_validator_key(&path, &key).unwrap();
        assert_eq!(read_validator_key(&path).unwrap().to_bytes(), key.to_bytes());
        assert!(write_validator_key(&path, &key).is_err());
    }

    #[test]
    fn a_damaged_key_file_is_refused_without_showing_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("validator.json");
        let secret = hex::encode([7u8; 32]);
        write_secret(
            &path,
            format!("{{\"publicKey\":\"0x00\",\"secretKey\":\"0x{secret}\"}}").as_bytes(),
        )
        .unwrap();
        let text = read_validator_key(&path).unwrap_err().to_string();
        assert!(text.contains("does not belong") && !text.contains(&secret), "{text}");
        std::fs::write(&path, format!("{{\"secretKey\": {secret}")).unwrap();
        let text = read_validator_key(&path).unwrap_err().to_string();
        assert!(!text.contains(&secret), "{text}");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("validator.json");
        write_validator_key(&path, &SigningKey::from_bytes(&[7; 32])).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read_validator_key(&path).unwrap_err().to_string().contains("chmod 600"));
    }
}
