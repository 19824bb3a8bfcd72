//! The advice in words.

use super::{Advice, Rule, Speedup};
use crate::names::Namer;
use alloy_primitives::U256;
use serde::Serialize;
use weft_types::Location;

/// A piece of advice for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Words {
    /// What is the case, in one line.
    pub title: String,
    /// What it means and what would help.
    pub remedy: String,
    /// The place by name.
    pub place: Option<String>,
    /// The place's name is a guess.
    pub guessed: bool,
}

impl Speedup {
    /// With one decimal, rounded down: `3.4x`.
    #[must_use]
    pub fn text(&self) -> String {
        let tenths = self.work_gas.saturating_mul(10) / self.path_gas.max(1);
        format!("{}.{}x", tenths / 10, tenths % 10)
    }
}

impl Words {
    /// Puts advice into words.
    #[must_use]
    pub fn new(advice: &Advice, namer: &mut Namer<'_>) -> Self {
        let name = advice.location.map(|place| namer.location(&place, &advice.transactions));
        let function = advice.function.map(|function| namer.function(&function));
        let place = name.as_ref().map(|name| name.text.clone());
        let text = Text {
            place: place.as_deref().unwrap_or("the place"),
            function: function.as_deref().unwrap_or("the same function"),
            account: advice.location.map(|place| namer.account_or_short(place.address())),
            advice,
        };
        let guessed = name.is_some_and(|name| name.guessed);
        Self { title: text.title(), remedy: text.remedy(), place, guessed }
    }
}

struct Text<'a> {
    place: &'a str,
    function: &'a str,
    account: Option<String>,
    advice: &'a Advice,
}

impl Text<'_> {
    fn title(&self) -> String {
        let (place, function) = (self.place, self.function);
        let Advice { count, of, .. } = self.advice;
        let account = self.account.as_deref().unwrap_or("one account");
        match self.advice.rule {
            Rule::GlobalCounter => {
                format!(
                    "global counter: {place} changes by {} in {count} of {of} calls of {function}",
                    self.step()
                )
            }
            Rule::MintSequence => {
                format!("every mint changes {place}: {count} of {of} calls of {function}")
            }
            Rule::SharedBalance => {
                format!("one balance in every transfer: {place} changes in {count} transactions")
            }
            Rule::PoolReserves => format!("one pool: {count} transactions trade on {place}"),
            Rule::NonceChain => format!("nonce chain: {count} transactions of {account}"),
            Rule::FactoryNonce => {
                format!("factory: {count} transactions create contracts from {account}")
            }
            Rule::EtherBalance => format!("{place}: {count} transactions depend on it"),
            Rule::FreshCode => {
                format!(
                    "{place} was set in this block and used by {} transactions",
                    count.saturating_sub(1)
                )
            }
            Rule::SetOnce => {
                format!(
                    "{place} was set once, and {} transactions waited for it",
                    count.saturating_sub(1)
                )
            }
            Rule::HotSlot => format!("hot slot: {count} transactions meet at {place}"),
            Rule::OneTransaction => format!(
                "nothing to fix: the path is one transaction of {}",
                gas(self.advice.now.path_gas)
            ),
            Rule::NothingToFix if *count == 0 => {
                "nothing to fix: no transaction waits for another".to_owned()
            }
            Rule::NothingToFix => {
                format!("nothing to fix: {count} of {of} transactions wait, and not for long")
            }
        }
    }

    fn remedy(&self) -> String {
        let account = self.account.as_deref().unwrap_or("The account");
        let remedy = match self.advice.rule {
            Rule::GlobalCounter => {
                "Each call reads what the call before wrote, so they run one by one. Count per user or per shard and add up \
                 when reading, or emit an event and count off-chain.".to_owned()
            }
            Rule::MintSequence => {
                "Mints run one by one because each needs the total or the next identifier of the one before. Give each \
                 minter a range or derive the identifier from the minter and a number of their own; keep totals per \
                 shard, or mint in batches.".to_owned()
            }
            Rule::SharedBalance => {
                "Transfers that all pay into one balance run one by one. Accumulate fees per payer and sweep them later, or \
                 spread them over several accounts.".to_owned()
            }
            Rule::PoolReserves => {
                "Inherent to one pool: each trade needs the price that the one before left. Trades on different pools run \
                 beside each other.".to_owned()
            }
            Rule::NonceChain => {
                "Transactions of one sender are ordered by their nonces, whatever they do. Use several senders, or batch the \
                 calls into one transaction (a multicall contract, or EIP-7702).".to_owned()
            }
            Rule::FactoryNonce => {
                "CREATE and CREATE2 raise the nonce of the account that creates. Create from several factories, or create \
                 later, on first use.".to_owned()
            }
            Rule::EtherBalance => {
                "A payment into an account makes nobody wait; looking at the balance does (address(this).balance, \
                 BALANCE, or spending more than the account had before the block). Keep an account of deposits in storage \
                 per user instead of reading the whole balance.".to_owned()
            }
            Rule::FreshCode => {
                format!("{account} got its code in this block, and its callers waited for that. It happens once.")
            }
            Rule::SetOnce => {
                "It is set once and read afterwards, so only the first block pays. Initialise it when the contract is \
                 created. A guard that is put back within each transaction costs nobody any waiting here, and as transient \
                 storage (EIP-1153) it costs less gas.".to_owned()
            }
            Rule::HotSlot => {
                "Each of them reads what another one wrote there. Split the variable by user, or move what is only informative \
                 into events.".to_owned()
            }
            Rule::OneTransaction => {
                "No number of cores makes one transaction faster. Split its work if it is yours.".to_owned()
            }
            Rule::NothingToFix => {
                format!("The block could run {} as fast with enough cores.", self.advice.now.text())
            }
        };
        match self.advice.location {
            Some(_) if self.advice.without.path_gas < self.advice.now.path_gas => format!(
                "{remedy} Without it this block could run {} as fast as one by one, now {}.",
                self.advice.without.text(),
                self.advice.now.text()
            ),
            Some(Location::Nonce { .. } | Location::Storage { .. } | Location::Balance { .. }) => {
                format!(
                    "{remedy} By itself this would not shorten the path: other places bind the same transactions."
                )
            }
            _ => remedy,
        }
    }

    fn step(&self) -> String {
        let (size, falls) = self.advice.delta.unwrap_or((U256::ZERO, false));
        format!("{}{size}", if falls { "−" } else { "+" })
    }
}

/// Gas with a unit.
fn gas(gas: u64) -> String {
    if gas >= 100_000 {
        format!("{}.{:02} Mgas", gas / 1_000_000, gas % 1_000_000 / 10_000)
    } else {
        format!("{gas} gas")
    }
}
