//! What a running node does when somebody on its machine asks: a Unix socket in its home, which only
//! the node's user can open. One line of JSON asks, one line answers.
//!
//! ```text
//! {"ask":"snapshot","folder":"/somewhere"}
//! {"answer":"snapshot","folder":"/somewhere/123-0a1b2c3d","manifest":{…}}
//! {"ask":"export","folder":"/somewhere","extend":false,"chunkLeaves":65536}
//! {"answer":"export","stream":{…}}
//! {"ask":"stats"}
//! {"answer":"stats","stats":{…}}
//! {"answer":"refused","reason":"…"}
//! ```

use crate::failure::{ExitStatus, Failure};
use crate::home::Home;
use crate::stream::{self, StreamSummary};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use weft_store::{DatabaseStats, SnapshotManifest, Store, StoreError};

/// Longest question, in bytes.
const QUESTION_BYTES_MAX: u64 = 8 * 1024;
/// Longest answer: the manifest of many files, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Time for a question to arrive.
const QUESTION_WITHIN: Duration = Duration::from_secs(5);
/// Longest path of a socket that the system takes, in bytes.
const PATH_BYTES_MAX: usize = 107;

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "ask",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Question {
    /// Make a snapshot in a new folder below this one.
    Snapshot {
        /// The folder; absolute.
        folder: PathBuf,
    },
    /// Write a stream in a new folder below this one, or add blocks to the one in it.
    Export {
        /// The folder; absolute.
        folder: PathBuf,
        /// Whether the folder is the stream, and only blocks are added.
        extend: bool,
        /// Most leaves of a chunk.
        chunk_leaves: u32,
    },
    /// Say how much room the database takes.
    Stats,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "camelCase")]
pub enum Answer {
    /// The snapshot is complete.
    Snapshot {
        /// Its folder.
        folder: PathBuf,
        /// What it holds.
        manifest: SnapshotManifest,
    },
    /// The stream is complete.
    Export {
        /// What it holds.
        stream: StreamSummary,
    },
    /// Room that the database takes.
    Stats {
        /// By column families.
        stats: DatabaseStats,
    },
    /// It was not done.
    Refused {
        /// Why.
        reason: String,
    },
}

/// The socket of a running node.
pub struct Control {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Control {
    /// Listens. A node without its socket works all the same: what is wrong goes to the log.
    pub fn start(home: &Home, store: Arc<Store>, chain_id: u64) -> Option<Self> {
        let path = home.control();
        match listen(&path) {
            Ok(listener) => {
                let task = tokio::spawn(serve(listener, store, chain_id));
                Some(Self { path, task })
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "no control socket");
                None
            }
        }
    }

    /// Stops listening.
    pub async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
        // The next start removes what is left.
        let _ = std::fs::remove_file(self.path);
    }
}

fn listen(path: &Path) -> std::io::Result<UnixListener> {
    if path.as_os_str().len() > PATH_BYTES_MAX {
        let text = format!("the path has more than {PATH_BYTES_MAX} bytes");
        return Err(std::io::Error::other(text));
    }
    if let Some(folder) = path.parent() {
        // Made for its user alone before the socket is in it.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // The database is locked by this process: whoever left the socket is gone.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(path),
    }
}

async fn serve(listener: UnixListener, store: Arc<Store>, chain_id: u64) {
    loop {
        match listener.accept().await {
            // One after the other: two snapshots at once gain nothing.
            Ok((stream, _)) => {
                if let Err(error) = converse(stream, &store, chain_id).await {
                    tracing::warn!(%error, "a question on the control socket failed");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket failed");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, store: &Arc<Store>, chain_id: u64) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = tokio::io::BufReader::new(reader.take(QUESTION_BYTES_MAX)).lines();
    let line = tokio::time::timeout(QUESTION_WITHIN, lines.next_line()).await??;
    let answer = match serde_json::from_str(&line.unwrap_or_default()) {
        Ok(question) => {
            let store = Arc::clone(store);
            let work = tokio::task::spawn_blocking(move || answer(&question, &store, chain_id));
            work.await.unwrap_or_else(|error| Answer::Refused { reason: error.to_string() })
        }
        Err(error) => Answer::Refused { reason: format!("not a question: {error}") },
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    writer.write_all(&text).await
}

fn answer(question: &Question, store: &Store, chain_id: u64) -> Answer {
    let refused = |error: StoreError| Answer::Refused { reason: error.to_string() };
    match question {
        Question::Snapshot { folder } | Question::Export { folder, .. }
            if !folder.is_absolute() =>
        {
            Answer::Refused { reason: format!("{} is not absolute", folder.display()) }
        }
        Question::Snapshot { folder } => match store.snapshot(folder) {
            Ok((folder, manifest)) => Answer::Snapshot { folder, manifest },
            Err(error) => refused(error),
        },
        Question::Export { folder, extend, chunk_leaves } => {
            let written = stream::write(store, chain_id, folder, *extend, *chunk_leaves);
            written.map_or_else(refused, |stream| Answer::Export { stream })
        }
        Question::Stats => store.stats().map_or_else(refused, |stats| Answer::Stats { stats }),
    }
}

/// Has the node that runs on a home write a stream.
///
/// # Errors
/// [`ExitStatus::Busy`] when it does not.
pub fn export(home: &Home, question: &Question) -> Result<StreamSummary, Failure> {
    match ask(home, question) {
        Ok(Answer::Export { stream }) => Ok(stream),
        other => Err(busy(home, "wrote no stream", other)),
    }
}

/// Asks the node that runs on a home how much room its database takes.
///
/// # Errors
/// [`ExitStatus::Busy`] when it does not say.
pub fn stats(home: &Home) -> Result<DatabaseStats, Failure> {
    match ask(home, &Question::Stats) {
        Ok(Answer::Stats { stats }) => Ok(stats),
        other => Err(busy(home, "did not say how much room it takes", other)),
    }
}

/// Why the node that runs on a home has not done what it was asked.
pub fn busy(home: &Home, what: &str, answer: std::io::Result<Answer>) -> Failure {
    let cause = match answer {
        Ok(Answer::Refused { reason }) => reason,
        Ok(_) => "it answered something else: is it of another version?".into(),
        Err(error) => format!("{}: {error}", home.control().display()),
    };
    Failure::new(ExitStatus::Busy, format!("the node that runs on this home {what}"))
        .fact("home", home.root().display())
        .fact("cause", cause)
        .fix("look at the node's log; or stop it and try again")
}

/// Asks the node that runs on a home.
///
/// # Errors
/// When no node listens there, or it does not answer.
pub fn ask(home: &Home, question: &Question) -> std::io::Result<Answer> {
    let mut stream = BlockingStream::connect(home.control())?;
    let mut text = serde_json::to_vec(question)?;
    text.push(b'\n');
    stream.write_all(&text)?;
    let mut line = String::new();
    BufReader::new(stream.take(ANSWER_BYTES_MAX)).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}
