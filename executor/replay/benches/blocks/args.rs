//! The command line of the benchmark.

use std::path::PathBuf;
use std::time::Duration;

pub(crate) const HELP: &str = "\
usage: cargo bench --workspace --bench blocks -- [flags]
  --load NAME        only this load; \"blocks\" for the real blocks
  --rounds N         runs of each way (default 11; more where a run takes less than a millisecond)
  --workers 1,2,4,8  numbers of workers
  --blocks DIR       folder of the real blocks (default ../shared/blocks beside the workspace)
  --pause-us N       sleep so long before each run of the plain loop, so that workers which still spin after the last
                     block do not disturb it (default 0)
  --quick            3 rounds, 1 and 2 workers, without the large loads and the later real blocks
  --memory           one run of the plain transfers (or of --load) in this process, and its peak memory; takes the last of
                     --workers";

pub(crate) struct Args {
    pub(crate) load: Option<String>,
    pub(crate) rounds: usize,
    pub(crate) workers: Vec<usize>,
    pub(crate) blocks: PathBuf,
    /// Nobody asked for this folder, so it may be missing.
    pub(crate) blocks_by_default: bool,
    pub(crate) pause: Duration,
    pub(crate) quick: bool,
    pub(crate) memory: bool,
}

impl Args {
    /// `None` when only help is asked for.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let blocks = PathBuf::from("../../../shared/blocks");
        let mut args = Self {
            load: None,
            rounds: 11,
            workers: vec![1, 2, 4, 8],
            blocks,
            blocks_by_default: true,
            pause: Duration::ZERO,
            quick: false,
            memory: false,
        };
        // Given explicitly, so `--quick` leaves them alone.
        let (mut rounds, mut workers) = (None, None);
        let mut words = words;
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                // What `cargo bench` adds.
                "--bench" => {}
                "--help" | "-h" => return Ok(None),
                "--load" => args.load = Some(value()?),
                "--rounds" => rounds = Some(number(&value()?)?.max(1)),
                "--workers" => {
                    workers = Some(value()?.split(',').map(number).collect::<Result<Vec<_>, _>>()?);
                }
                "--blocks" => {
                    args.blocks = value()?.into();
                    args.blocks_by_default = false;
                }
                "--pause-us" => args.pause = Duration::from_micros(number(&value()?)? as u64),
                "--quick" => args.quick = true,
                "--memory" => args.memory = true,
                other => return Err(format!("unknown flag {other}")),
            }
        }
        if args.quick {
            (args.rounds, args.workers) = (3, vec![1, 2]);
        }
        if args.memory {
            args.workers = vec![2];
        }
        args.rounds = rounds.unwrap_or(args.rounds);
        args.workers = workers.unwrap_or(args.workers);
        Ok(Some(args))
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("expected a number, found {text}"))
}
