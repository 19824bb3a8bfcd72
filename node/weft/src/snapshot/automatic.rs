//! Snapshots that a node takes by itself, every so many blocks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use weft_store::Store;

/// The folder below the snapshots of a home: what is in it is removed again.
pub(crate) const FOLDER: &str = "automatic";

/// Says which heights are due.
pub(crate) struct Due {
    interval: u64,
    sender: SyncSender<()>,
}

impl Due {
    /// A block was committed. Never waits: while a snapshot is made, the next one is passed over.
    pub(crate) fn on_head(&self, height: u64) {
        if height.is_multiple_of(self.interval) {
            let _ = self.sender.try_send(());
        }
    }
}

/// Starts the thread that takes them; it ends when what is returned beside it is dropped.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn start(
    parent: PathBuf,
    store: Arc<Store>,
    interval: u64,
    keep: usize,
) -> std::io::Result<(Due, JoinHandle<()>)> {
    let (sender, due) = sync_channel(1);
    let run = move || run(&parent, &store, &due, keep);
    let thread = std::thread::Builder::new().name("weft-snapshots".into()).spawn(run)?;
    Ok((Due { interval, sender }, thread))
}

fn run(parent: &Path, store: &Store, due: &Receiver<()>, keep: usize) {
    while due.recv().is_ok() {
        match store.snapshot(parent) {
            Ok((folder, manifest)) => {
                tracing::info!(height = manifest.height, folder = %folder.display(), "snapshot");
                remove_older(parent, keep);
            }
            // The node goes on without: what is stored is not concerned.
            Err(error) => tracing::error!(%error, "no snapshot was made"),
        }
    }
}

/// Removes all but the newest ones.
fn remove_older(parent: &Path, keep: usize) {
    let mut found: Vec<(u64, PathBuf)> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((height_of(entry.file_name().to_str()?)?, entry.path())))
        .collect();
    found.sort_unstable();
    let older = found.len().saturating_sub(keep);
    for (_, folder) in found.into_iter().take(older) {
        // First what says that it is complete.
        let _ = std::fs::remove_file(folder.join("manifest.json"));
        if let Err(error) = std::fs::remove_dir_all(&folder) {
            tracing::warn!(folder = %folder.display(), %error, "an old snapshot is left over");
        }
    }
}

/// The height in the name of a snapshot, `HEIGHT-HASH`.
fn height_of(name: &str) -> Option<u64> {
    let (height, hash) = name.split_once('-')?;
    let is_hash = hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| height.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_stay_and_what_is_no_snapshot_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["9-0a1b2c3d", "100-0a1b2c3d", "20-0a1b2c3d", "mine", "7-other", ".partial-1"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        remove_older(folder.path(), 2);
        let mut left: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort_unstable();
        assert_eq!(left, [".partial-1", "100-0a1b2c3d", "20-0a1b2c3d", "7-other", "mine"]);
    }
}
