//! What the devnet prints: the banner, a row per block, the last line.

use crate::accounts::{FundedAccount, TEST_MNEMONIC};
use crate::cli::DevnetArgs;
use crate::report::{BlockReport, TABLE_HEAD};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;
use weft_genesis::Genesis;
use weft_types::Height;

/// Accounts shown in the banner; the others are in `--json`.
const ACCOUNTS_SHOWN: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    Quiet,
}

impl Form {
    const fn of(args: &DevnetArgs) -> Self {
        match (args.json, args.quiet) {
            (true, _) => Self::Json,
            (false, true) => Self::Quiet,
            (false, false) => Self::Text,
        }
    }
}

/// Prints what happens once.
pub(super) struct Screen<'a> {
    form: Form,
    args: &'a DevnetArgs,
    accounts: &'a [FundedAccount],
    genesis: &'a Genesis,
    folder: &'a Path,
}

impl<'a> Screen<'a> {
    pub(super) const fn new(
        args: &'a DevnetArgs,
        accounts: &'a [FundedAccount],
        genesis: &'a Genesis,
        folder: &'a Path,
    ) -> Self {
        Self { form: Form::of(args), args, accounts, genesis, folder }
    }

    /// Everything answers now.
    pub(super) fn ready(&self, addresses: &[SocketAddr], after: Duration) {
        match self.form {
            Form::Text => out(&self.text(addresses, after)),
            Form::Json => out(&format!("{}\n", self.json(addresses, after))),
            Form::Quiet => {}
        }
    }

    fn secrets_are_public(&self) -> bool {
        self.args.mnemonic == TEST_MNEMONIC
    }

    fn json(&self, addresses: &[SocketAddr], after: Duration) -> serde_json::Value {
        let accounts: Vec<_> = self
            .accounts
            .iter()
            .map(|account| {
                let secret = self.secrets_are_public().then_some(account.secret);
                json!({ "address": account.address, "privateKey": secret })
            })
            .collect();
        json!({
            "event": "ready",
            "version": env!("CARGO_PKG_VERSION"),
            "chainId": self.genesis.params.chain_id,
            "genesis": self.genesis.hash(),
            "cheats": self.genesis.params.devnet_cheats,
            "rpc": addresses.iter().map(|a| format!("http://{a}")).collect::<Vec<_>>(),
            "data": self.folder,
            "readyMs": after.as_millis() as u64,
            "accounts": accounts,
        })
    }

    fn text(&self, addresses: &[SocketAddr], after: Duration) -> String {
        let count = addresses.len();
        let mut text = format!(
            "weft {}  ·  devnet  ·  {count} validator{} in this process  ·  chain {}  ·  ready in {:.1} s\n\n",
            env!("CARGO_PKG_VERSION"),
            if count == 1 { "" } else { "s" },
            self.genesis.params.chain_id,
            after.as_secs_f64(),
        );
        let others: Vec<String> = addresses[1..].iter().map(|a| a.port().to_string()).collect();
        let others = match count {
            1 => String::new(),
            _ => format!("        (validators 2-{count}: {})", others.join(" ")),
        };
        text += &format!("  RPC + WebSocket   http://{}{others}\n", addresses[0]);
        text += &format!(
            "  Record page       http://{}/       what ran in parallel, what collided, why\n",
            addresses[0]
        );
        text += &format!(
            "  Data              {}        kept after exit: weft devnet --resume\n\n",
            self.folder.display()
        );
        text += &self.accounts_text();
        text += "  Finality is instant: latest = safe = finalized.";
        if self.genesis.params.devnet_cheats {
            text += "   Cheats on: anvil_* evm_* hardhat_*";
        }
        text.push('\n');
        text += &self.try_text(addresses);
        text += TABLE_HEAD;
        text.push('\n');
        text
    }

    fn accounts_text(&self) -> String {
        let (count, balance) = (self.accounts.len(), self.args.balance);
        if !self.secrets_are_public() {
            return format!("  Accounts  {count} x {balance} ETH   from your mnemonic\n\n");
        }
        let mut text =
            format!("  Accounts  {count} x {balance} ETH   mnemonic: {}\n", self.args.mnemonic);
        for (index, account) in self.accounts.iter().take(ACCOUNTS_SHOWN).enumerate() {
            text += &format!("  ({index}) {}  {}\n", account.address, account.secret);
        }
        if count > ACCOUNTS_SHOWN {
            text += "  …   (all keys: weft devnet --json)";
        }
        text += "       PUBLIC KEYS: never use on a real network\n\n";
        text
    }

    fn try_text(&self, addresses: &[SocketAddr]) -> String {
        let [from, to, ..] = self.accounts else { return "\n".into() };
        if !self.secrets_are_public() {
            return "\n".into();
        }
        let rpc = match addresses[0].port() {
            8545 => String::new(),
            port => format!(" --rpc-url http://127.0.0.1:{port}"),
        };
        format!(
            "  Try   cast send {} --value 1ether --private-key {}{rpc}\n\n",
            to.address, from.secret
        )
    }

    /// The chain has stopped.
    pub(super) fn stopped(&self, height: Height, folder: &Path) {
        match self.form {
            Form::Text => out(&format!(
                "\nstopped at block {height}; state kept in {}\n  go on     weft devnet --resume\n",
                folder.display()
            )),
            Form::Json => {
                out(&format!(
                    "{}\n",
                    json!({ "event": "stopped", "height": height, "data": folder })
                ));
            }
            Form::Quiet => {}
        }
    }
}

/// Prints a row per block. On a terminal, empty blocks share one line that is updated; elsewhere
/// only the first empty block after others is printed.
pub(super) struct BlockPrinter {
    form: Form,
    terminal: bool,
    empty: Mutex<bool>,
}

impl BlockPrinter {
    pub(super) fn new(args: &DevnetArgs) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { form: Form::of(args), terminal, empty: Mutex::new(false) }
    }

    /// Whether anything is printed at all.
    pub(super) fn speaks(&self) -> bool {
        !matches!(self.form, Form::Quiet)
    }

    /// Prints what a contract logged.
    pub(super) fn console(&self, line: &str) {
        match self.form {
            Form::Quiet => {}
            Form::Json => out(&format!("{}\n", json!({ "event": "console", "line": line }))),
            Form::Text => {
                // The next empty block must not be written over it.
                let mut last_was_empty =
                    self.empty.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *last_was_empty = false;
                out(&format!("  console  {line}\n"));
            }
        }
    }

    pub(super) fn print(&self, report: &BlockReport) {
        match self.form {
            Form::Quiet => {}
            Form::Json => out(&format!("{}\n", json!({ "event": "block", "block": report }))),
            Form::Text => self.print_text(report),
        }
    }

    fn print_text(&self, report: &BlockReport) {
        let mut last_was_empty =
            self.empty.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let again = report.transactions == 0 && *last_was_empty;
        *last_was_empty = report.transactions == 0;
        if again && !self.terminal {
            return;
        }
        let up = if again { "\x1b[1A\x1b[2K" } else { "" };
        out(&format!("{up}{}\n", report.line()));
    }
}

fn out(text: &str) {
    // A closed pipe must not end the chain.
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}
