//! Where a devnet keeps its data: a new temporary folder each time, remembered for `--resume`.

use crate::cli::DevnetArgs;
use crate::failure::{ExitStatus, Failure};
use std::path::{Path, PathBuf};

/// Remembers the folder of the last run.
const POINTER: &str = "weft-devnet.last";

/// The folder for this run. It exists afterwards.
///
/// # Errors
/// [`ExitStatus::Config`] when there is nothing to resume or the folder cannot be made.
pub(super) fn choose(args: &DevnetArgs) -> Result<PathBuf, Failure> {
    let pointer = std::env::temp_dir().join(POINTER);
    let folder = match (&args.resume, &args.data) {
        (Some(Some(folder)), _) => existing(folder.clone())?,
        (Some(None), _) => existing(remembered(&pointer)?)?,
        (None, Some(folder)) => folder.clone(),
        (None, None) => new_folder()?,
    };
    std::fs::create_dir_all(&folder).map_err(|error| {
        Failure::new(ExitStatus::Config, "the data folder cannot be made")
            .fact("folder", folder.display())
            .fact("cause", error)
    })?;
    // Only a convenience: without it, --resume asks for the folder.
    let _ = std::fs::write(pointer, folder.display().to_string());
    Ok(folder)
}

fn remembered(pointer: &Path) -> Result<PathBuf, Failure> {
    std::fs::read_to_string(pointer).map(|text| PathBuf::from(text.trim())).map_err(|_| {
        Failure::new(ExitStatus::Config, "there is no earlier devnet to resume")
            .fix("start one without --resume, or name its folder: weft devnet --resume DIR")
    })
}

fn existing(folder: PathBuf) -> Result<PathBuf, Failure> {
    if folder.join("validator0").join("genesis.json").exists() {
        return Ok(folder);
    }
    Err(Failure::new(ExitStatus::Config, "this folder holds no devnet")
        .fact("folder", folder.display())
        .fix("name the folder that weft devnet printed as Data, or start without --resume"))
}

fn new_folder() -> Result<PathBuf, Failure> {
    let temp = std::env::temp_dir();
    for _ in 0..64 {
        let folder = temp.join(format!("weft-{:06x}", rand::random::<u32>() & 0x00ff_ffff));
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(Failure::new(ExitStatus::Config, "no data folder can be made")
                    .fact("folder", folder.display())
                    .fact("cause", error)
                    .fix("set TMPDIR to a writable folder, or use --data DIR"));
            }
        }
    }
    Err(Failure::new(ExitStatus::Config, "no free name for a data folder")
        .fact("folder", temp.display())
        .fix("remove old weft-* folders, or use --data DIR"))
}
