//! What the transactions of a load do.

use std::fmt;

/// A kind of transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One wei to an account.
    Transfer,
    /// A transfer of an ERC-20 token.
    Erc20,
    /// A swap on a constant-product pool, through a router.
    Swap,
    /// A mint of a collection that numbers its pieces with a counter.
    Mint,
    /// A deposit of ether for a token.
    Deposit,
}

/// Kinds with their weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    weights: Vec<(Kind, u32)>,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Transfer, Self::Erc20, Self::Swap, Self::Mint, Self::Deposit];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Erc20 => "erc20",
            Self::Swap => "swap",
            Self::Mint => "mint",
            Self::Deposit => "deposit",
        }
    }
}

impl Mix {
    /// Reads `transfer=60,erc20=30,swap=10`; a kind without a weight weighs 1.
    ///
    /// # Errors
    /// What is wrong, for the command line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut weights = Vec::new();
        for part in text.split(',') {
            let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
            let kind =
                Kind::ALL.into_iter().find(|kind| kind.name() == name.trim()).ok_or_else(|| {
                    let names = Kind::ALL.map(Kind::name).join(", ");
                    format!("unknown kind {name:?}; there are: {names}")
                })?;
            let weight: u32 = weight
                .trim()
                .parse()
                .ok()
                .filter(|weight| (1..=1_000_000).contains(weight))
                .ok_or_else(|| {
                    format!("the weight of {name} must be 1 to 1000000, found {weight:?}")
                })?;
            if weights.iter().any(|(known, _)| *known == kind) {
                return Err(format!("{name} is named twice"));
            }
            weights.push((kind, weight));
        }
        Ok(Self { weights })
    }

    /// Whether the mix has this kind.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.weights.iter().any(|(known, _)| *known == kind)
    }

    /// The kind of the `n`-th transaction. Kinds are spread evenly: among any stretch as long as the
    /// sum of the weights each has its share.
    #[must_use]
    pub fn kind(&self, n: u64) -> Kind {
        let total: u64 = self.weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
        // A step that shares no factor with the total visits every place once per round.
        let step = (total / 2..=total).find(|step| gcd(*step, total) == 1).unwrap_or(1);
        let mut place = (n % total) * step % total;
        for (kind, weight) in &self.weights {
            if place < u64::from(*weight) {
                return *kind;
            }
            place -= u64::from(*weight);
        }
        self.weights[0].0
    }
}

const fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.weights.iter().map(|(kind, weight)| format!("{}={weight}", kind.name())).collect();
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_of_the_mix_has_each_kind_by_its_weight() {
        let mix = Mix::parse("transfer=6,erc20=3,swap").unwrap();
        for round in 0..5u64 {
            let kinds: Vec<Kind> = (0..10).map(|n| mix.kind(round * 10 + n)).collect();
            let count = |kind| kinds.iter().filter(|k| **k == kind).count();
            assert_eq!([count(Kind::Transfer), count(Kind::Erc20), count(Kind::Swap)], [6, 3, 1]);
        }
        assert_eq!(mix.to_string(), "transfer=6,erc20=3,swap=1");
        assert!(mix.has(Kind::Swap) && !mix.has(Kind::Mint));
    }

    #[test]
    fn a_wrong_mix_is_told_what_there_is() {
        assert!(
            Mix::parse("transfers=1").unwrap_err().contains("transfer, erc20, swap, mint, deposit")
        );
        assert!(Mix::parse("transfer=0").unwrap_err().contains("1 to 1000000"));
        assert!(Mix::parse("mint,mint").unwrap_err().contains("twice"));
        assert!(Mix::parse("").is_err());
    }
}
