//! Logs: to stderr, never to stdout, which belongs to what a command answers.

use crate::config::{LogConfig, LogFormat};
use crate::failure::{ExitStatus, Failure};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// Libraries that tell every message at `info`, or warn of what is normal here (a message that is
/// gossiped again). A filter that names them overrides this.
const QUIET: &str =
    "arc_malachitebft_core_consensus=warn,arc_malachitebft_core_driver=warn,libp2p_gossipsub=error";

/// Starts logging for the process. `WEFT_LOG` overrides the level.
///
/// # Errors
/// [`ExitStatus::Config`] when the filter cannot be understood.
pub fn start(config: &LogConfig) -> Result<(), Failure> {
    let text = std::env::var("WEFT_LOG").unwrap_or_else(|_| config.level.clone());
    let filter = EnvFilter::try_new(format!("{QUIET},{text}")).map_err(|error| {
        Failure::new(ExitStatus::Config, "the log level cannot be understood")
            .fact("level", &text)
            .fact("cause", error)
            .fix("error, warn, info, debug, trace, or a filter such as weft=debug,weft_p2p=warn")
    })?;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours);
    // A second start in one process (tests) keeps the first subscriber.
    let _ = match config.format {
        LogFormat::Text => builder.finish().try_init(),
        LogFormat::Json => builder.json().finish().try_init(),
    };
    Ok(())
}
