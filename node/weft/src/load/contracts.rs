//! The contracts that a load needs, and the calls of their functions.

use super::client::{Client, RpcFailure};
use super::mix::{Kind, Mix};
use super::send::Plan;
use crate::failure::{ExitStatus, Failure};
use alloy_primitives::{Address, Bytes, U256, keccak256};
use serde_json::json;
use weft_replay::loads::contracts::{
    Contract, call_data, init_code, token_allowance, token_balance, word,
};

/// Most instances of a contract that keep senders apart.
const INSTANCES_MAX: usize = 16;

/// What a transaction calls.
pub(super) struct Call {
    pub(super) to: Address,
    pub(super) value: U256,
    pub(super) input: Bytes,
    pub(super) gas_limit: u64,
}

/// Where the contracts are. The first of each is the shared one; the others belong to senders.
pub(super) struct Contracts {
    conflict: f64,
    run: B256Seed,
    tokens: Vec<Address>,
    pairs: Vec<Address>,
    router: Address,
    collections: Vec<Address>,
    wrapped: Address,
}

/// Makes the recipients of this run different from those of an earlier one.
type B256Seed = alloy_primitives::B256;

impl Contracts {
    /// Deploys what the mix needs, from the first sender.
    pub(super) async fn deploy(
        mix: &Mix,
        conflict: f64,
        plan: &mut Plan,
        client: &mut Client,
        mine: bool,
    ) -> Result<Self, Failure> {
        let apart = if conflict >= 1.0 { 0 } else { plan.senders().len().min(INSTANCES_MAX) };
        let mut contracts = Self {
            conflict,
            run: keccak256(
                [plan.senders()[0].as_slice(), &plan.next_nonce(0).to_be_bytes()].concat(),
            ),
            tokens: Vec::new(),
            pairs: Vec::new(),
            router: Address::ZERO,
            collections: Vec::new(),
            wrapped: Address::ZERO,
        };
        let mut codes: Vec<Bytes> = Vec::new();
        contracts.plan(mix, apart, plan, &mut codes);
        let mut last = None;
        for code in codes {
            let raw = plan.creation(code);
            let failed = |error: RpcFailure| {
                Failure::new(ExitStatus::Unexpected, "a contract of the load was not deployed")
                    .fact("cause", error)
            };
            client.call("eth_sendRawTransaction", &json!([raw])).await.map_err(failed)?;
            let hash = keccak256(&raw);
            client.succeeded(hash, mine).await.map_err(failed)?;
            last = Some(hash);
        }
        tracing::debug!(?last, "contracts are deployed");
        Ok(contracts)
    }

    /// Addresses and creation codes, in the order of deployment.
    fn plan(&mut self, mix: &Mix, apart: usize, plan: &Plan, codes: &mut Vec<Bytes>) {
        let senders = plan.senders();
        let much = U256::from(1) << 120;
        let first = plan.next_nonce(0);
        let place = |codes: &Vec<Bytes>| senders[0].create(first + codes.len() as u64);
        if mix.has(Kind::Erc20) {
            self.tokens.push(place(codes));
            let storage: Vec<_> = senders.iter().map(|s| (token_balance(*s), much)).collect();
            codes.push(init_code(&Contract::Token.code(), &storage));
        }
        if mix.has(Kind::Deposit) {
            self.wrapped = place(codes);
            codes.push(init_code(&Contract::Wrapped.code(), &[]));
        }
        if mix.has(Kind::Mint) {
            for _ in 0..=apart {
                self.collections.push(place(codes));
                codes.push(init_code(&Contract::Collection.code(), &[]));
            }
        }
        if mix.has(Kind::Swap) {
            self.router = place(codes);
            codes.push(init_code(&Contract::Router.code(), &[]));
            for _ in 0..=apart {
                // Two tokens, then the pool of both.
                let [tokens @ .., pair] =
                    [0, 1, 2].map(|n| senders[0].create(first + codes.len() as u64 + n));
                for _ in tokens {
                    let users = senders.iter().flat_map(|s| {
                        [(token_balance(*s), much), (token_allowance(*s, self.router), U256::MAX)]
                    });
                    let storage: Vec<_> = users.chain([(token_balance(pair), much)]).collect();
                    codes.push(init_code(&Contract::Token.code(), &storage));
                }
                self.pairs.push(pair);
                let storage = [
                    (U256::ZERO, word(tokens[0])),
                    (U256::from(1), word(tokens[1])),
                    (U256::from(2), (much << 128) | much),
                    (U256::from(5), U256::from(1)),
                    (U256::from(6), U256::from(1)),
                ];
                codes.push(init_code(&Contract::Pair.code(), &storage));
            }
        }
    }

    /// The call of the `n`-th transaction, sent by the sender with this index and address.
    pub(super) fn call(&self, kind: Kind, n: u64, sender: usize, from: Address) -> Call {
        let hot = self.is_hot(n);
        let own = |all: &[Address]| if hot { all[0] } else { all[1 + sender % (all.len() - 1)] };
        let recipient = if hot { self.recipient(u64::MAX) } else { self.recipient(n) };
        let call = |to, signature: &str, arguments: &[U256], gas_limit| Call {
            to,
            value: U256::ZERO,
            input: call_data(signature, arguments),
            gas_limit,
        };
        match kind {
            Kind::Transfer => {
                Call { to: recipient, value: U256::from(1), input: Bytes::new(), gas_limit: 21_000 }
            }
            Kind::Erc20 => call(
                self.tokens[0],
                "transfer(address,uint256)",
                &[word(recipient), U256::from(1)],
                80_000,
            ),
            Kind::Deposit => {
                Call { value: U256::from(1), ..call(self.wrapped, "deposit()", &[], 60_000) }
            }
            Kind::Mint => call(own(&self.collections), "mint()", &[], 150_000),
            Kind::Swap => {
                let forever = U256::from(u64::MAX);
                let (reverse, sold) = (U256::from(n % 2), U256::from(1_000_000_000u64));
                let arguments =
                    [word(own(&self.pairs)), reverse, sold, U256::from(1), word(from), forever];
                call(
                    self.router,
                    "swapExact(address,bool,uint256,uint256,address,uint256)",
                    &arguments,
                    400_000,
                )
            }
        }
    }

    /// Hot ones are spread evenly.
    fn is_hot(&self, n: u64) -> bool {
        let upto = |n: u64| (n as f64 * self.conflict).floor();
        upto(n + 1) > upto(n)
    }

    /// An account of this run that nobody has the key of.
    fn recipient(&self, n: u64) -> Address {
        Address::from_word(keccak256([self.run.as_slice(), &n.to_be_bytes()].concat()))
    }
}
