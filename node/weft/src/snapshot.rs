//! `weft snapshot …`: copies of a node's database that another node can start from.

pub(crate) mod automatic;

use crate::cli::{SnapshotCommand, SnapshotCreateArgs, SnapshotRestoreArgs, SnapshotVerifyArgs};
use crate::control::{self, Answer, Question};
use crate::database::{self, answer};
use crate::failure::{ExitStatus, Failure};
use crate::home::{Home, read_genesis};
use alloy_primitives::B256;
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use weft_genesis::Genesis;
use weft_store::{
    Maintenance, SnapshotManifest, StoreError, StoreOptions, Stream, read_manifest,
    restore_snapshot, verify_snapshot,
};
use weft_types::CommitCertificate;

/// What is said of a snapshot.
#[derive(Serialize)]
struct Summary {
    folder: PathBuf,
    height: u64,
    hash: B256,
    state_root: B256,
    genesis: B256,
    files: usize,
    bytes: u64,
    /// Why the block is one of the chain; `None` when nobody has said.
    trusted: Option<&'static str>,
}

/// What the caller knows of the chain.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trust {
    pub(crate) height: Option<u64>,
    pub(crate) hash: Option<B256>,
}

/// Runs one command; returns what it prints.
///
/// # Errors
/// [`Failure`] naming the file that does not fit, or why the snapshot is not trusted.
pub fn run(command: &SnapshotCommand) -> Result<String, Failure> {
    match command {
        SnapshotCommand::Create(args) => create(args),
        SnapshotCommand::Verify(args) => verify(args),
        SnapshotCommand::Restore(args) => restore(args),
        SnapshotCommand::Export(args) => crate::stream::export(args),
        SnapshotCommand::Import(args) => crate::stream::import(args),
        SnapshotCommand::List(args) => list(&Home::new(&args.home), args.json),
    }
}

/// From the database itself, or through the node that holds it.
fn create(args: &SnapshotCreateArgs) -> Result<String, Failure> {
    let home = Home::new(&args.home.home);
    let parent = args.out.clone().unwrap_or_else(|| home.snapshots());
    let (folder, manifest) = match Maintenance::open(&home.database(), &StoreOptions::node()) {
        Ok(database) => {
            database.snapshot(&parent).map_err(|error| database::failure(&home, &error))?
        }
        Err(StoreError::Locked { .. }) => ask(&home, &parent)?,
        Err(error) => return Err(database::failure(&home, &error)),
    };
    let summary = Summary::new(&folder, &manifest, None);
    Ok(answer(args.home.json, &summary, |summary| {
        format!("snapshot of block {} made\n{}", summary.height, lines(summary))
    }))
}

fn ask(home: &Home, parent: &Path) -> Result<(PathBuf, SnapshotManifest), Failure> {
    let folder = std::path::absolute(parent).unwrap_or_else(|_| parent.to_path_buf());
    match control::ask(home, &Question::Snapshot { folder }) {
        Ok(Answer::Snapshot { folder, manifest }) => Ok((folder, manifest)),
        other => Err(control::busy(home, "made no snapshot", other)),
    }
}

fn verify(args: &SnapshotVerifyArgs) -> Result<String, Failure> {
    let genesis = match (&args.genesis, &args.home) {
        (Some(file), _) => Some(read_genesis(file)?),
        (None, Some(home)) => Some(Home::new(home).read_genesis()?),
        (None, None) => None,
    };
    let trust = Trust { height: args.height, hash: args.hash };
    let stream = Stream::new(&args.snapshot);
    if stream.plan_path().exists() {
        return crate::stream::verify(&stream, genesis.as_ref(), trust, args.json);
    }
    let (manifest, trusted) = verified(&args.snapshot, genesis.as_ref(), trust)?;
    let summary = Summary::new(&args.snapshot, &manifest, trusted);
    Ok(answer(args.json, &summary, |summary| {
        let trust = match summary.trusted {
            Some(why) => format!("  trusted   {why}\n"),
            None => "  trusted   no: give --hash of a block that you trust, or --genesis\n".into(),
        };
        format!("the snapshot is whole\n{}{trust}", lines(summary))
    }))
}

/// Compares files, state and block with the manifest, and the block with what the caller trusts.
fn verified(
    snapshot: &Path,
    genesis: Option<&Genesis>,
    trust: Trust,
) -> Result<(SnapshotManifest, Option<&'static str>), Failure> {
    // What the manifest says is cheap to refuse.
    let manifest = read_manifest(snapshot).map_err(|error| broken(snapshot, &error))?;
    let trusted = trusted(snapshot, &manifest, genesis, trust)?;
    let manifest = verify_snapshot(snapshot).map_err(|error| broken(snapshot, &error))?;
    Ok((manifest, trusted))
}

fn trusted(
    snapshot: &Path,
    manifest: &SnapshotManifest,
    genesis: Option<&Genesis>,
    trust: Trust,
) -> Result<Option<&'static str>, Failure> {
    let refuse = |what: &str, found: String, expected: String| {
        Failure::new(ExitStatus::Unsafe, what)
            .fact("snapshot", snapshot.display())
            .fact("found", found)
            .fact("expected", expected)
            .fix("get the snapshot from somebody you trust (nothing was changed)")
    };
    if let Some(height) = trust.height.filter(|height| *height != manifest.height) {
        let (found, expected) = (manifest.height.to_string(), height.to_string());
        return Err(refuse("the snapshot is of another height", found, expected));
    }
    if let Some(hash) = trust.hash.filter(|hash| *hash != manifest.hash) {
        let (found, expected) = (manifest.hash.to_string(), hash.to_string());
        return Err(refuse("the snapshot is of another block", found, expected));
    }
    if let Some(genesis) = genesis {
        if genesis.hash() != manifest.genesis {
            let (found, expected) = (manifest.genesis.to_string(), genesis.hash().to_string());
            return Err(refuse("the snapshot is of another chain", found, expected));
        }
        let certificate = manifest.certificate().map_err(|error| broken(snapshot, &error))?;
        certified((manifest.height, manifest.hash), certificate.as_ref(), genesis).map_err(
            |why| {
                let expected = "a certificate of two thirds of the validators".to_owned();
                refuse("the block of the snapshot is not certified", why, expected)
            },
        )?;
    }
    Ok(match (trust.hash, genesis) {
        (Some(_), Some(_)) => Some("by the hash given and the validators' certificate"),
        (Some(_), None) => Some("by the hash given"),
        (None, Some(_)) => Some("by the validators' certificate"),
        (None, None) => None,
    })
}

/// Whether the validators have signed the block.
pub(crate) fn certified(
    (height, hash): (u64, B256),
    certificate: Option<&CommitCertificate>,
    genesis: &Genesis,
) -> Result<(), String> {
    if height == 0 {
        let same = hash == genesis.hash();
        return if same { Ok(()) } else { Err(format!("block 0 is {hash}")) };
    }
    let certificate = certificate.ok_or("there is no certificate")?;
    if (certificate.height.0, certificate.block) != (height, hash) {
        return Err(format!("it is for block {} {}", certificate.height, certificate.block));
    }
    certificate.verify(&genesis.validators, &genesis.hash()).map_err(|error| error.to_string())
}

fn restore(args: &SnapshotRestoreArgs) -> Result<String, Failure> {
    let home = Home::new(&args.home.home);
    let genesis = home.read_genesis()?;
    let target = home.database();
    if target.exists() {
        return Err(Failure::new(ExitStatus::Config, "this home has a database already")
            .fact("folder", target.display())
            .fix("restore into another home, or move this folder away first"));
    }
    let trust = Trust { height: args.height, hash: args.hash };
    let (_, trusted) = verified(&args.snapshot, Some(&genesis), trust)?;
    // Compared again while it is copied: the files may have changed since.
    let manifest = restore_snapshot(&args.snapshot, &target)
        .map_err(|error| broken(&args.snapshot, &error))?;
    let summary = Summary::new(&args.snapshot, &manifest, trusted);
    Ok(answer(args.home.json, &summary, |summary| {
        let next = format!("start it: weft node --home {}\n", home.root().display());
        format!("restored block {}\n{}\n{next}", summary.height, lines(summary))
    }))
}

fn list(home: &Home, json: bool) -> Result<String, Failure> {
    let mut found = Vec::new();
    let parents = [home.snapshots(), home.snapshots().join(automatic::FOLDER)];
    let entries = parents.iter().filter_map(|parent| std::fs::read_dir(parent).ok());
    let entries = entries.flatten().flatten();
    let folders =
        entries.map(|entry| entry.path()).filter(|path| path.join("manifest.json").exists());
    for folder in folders {
        let manifest = read_manifest(&folder).map_err(|error| broken(&folder, &error))?;
        found.push(Summary::new(&folder, &manifest, None));
    }
    found.sort_by(|a, b| (a.height, &a.folder).cmp(&(b.height, &b.folder)));
    Ok(answer(json, &found, |found| {
        if found.is_empty() {
            return format!("no snapshots in {}\n", home.snapshots().display());
        }
        let line = |s: &Summary| {
            let size = database::size(s.bytes);
            format!("{:>10}  {}  {size:>10}  {}\n", s.height, s.hash, s.folder.display())
        };
        found.iter().map(line).collect()
    }))
}

impl Summary {
    fn new(folder: &Path, manifest: &SnapshotManifest, trusted: Option<&'static str>) -> Self {
        Self {
            folder: folder.to_path_buf(),
            height: manifest.height,
            hash: manifest.hash,
            state_root: manifest.state_root,
            genesis: manifest.genesis,
            files: manifest.files.len(),
            bytes: manifest.bytes(),
            trusted,
        }
    }
}

fn lines(summary: &Summary) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "  {label:<9} {value}");
    };
    line("folder", summary.folder.display().to_string());
    line("block", format!("{} {}", summary.height, summary.hash));
    line("root", summary.state_root.to_string());
    line("size", format!("{} in {} files", database::size(summary.bytes), summary.files));
    text
}

fn broken(snapshot: &Path, error: &StoreError) -> Failure {
    let (path, cause) = match error {
        StoreError::Snapshot { path, reason } => (path.as_path(), reason.clone()),
        other => (snapshot, other.to_string()),
    };
    Failure::new(ExitStatus::Damaged, "the snapshot cannot be used")
        .fact("path", path.display())
        .fact("cause", cause)
        .fix("copy the snapshot again, or use another one (nothing was changed)")
}
