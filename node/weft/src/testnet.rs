//! `weft testnet init`: the homes of a network of validators.

use crate::accounts::{derive, ether};
use crate::cli::TestnetInitArgs;
use crate::config::Config;
use crate::failure::{ExitStatus, Failure};
use crate::home::Home;
use ed25519_dalek::SigningKey;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use weft_genesis::{ChainSpec, Genesis};
use weft_types::Validator;

/// Balance of each funded account of a testnet, in ether.
const BALANCE_ETHER: u64 = 10_000;

/// A new signing key from the operating system's randomness.
#[must_use]
pub fn new_signing_key() -> SigningKey {
    let mut seed = zeroize::Zeroizing::new([0u8; 32]);
    rand::RngCore::fill_bytes(&mut rand::rng(), seed.as_mut_slice());
    SigningKey::from_bytes(&seed)
}

/// The validators of some keys, all with power 1, named `validator0`, `validator1`, ….
#[must_use]
pub fn validators(keys: &[SigningKey]) -> Vec<Validator> {
    let one = |(index, key): (usize, &SigningKey)| Validator {
        name: format!("validator{index}"),
        public_key: key.verifying_key().to_bytes(),
        power: 1,
    };
    keys.iter().enumerate().map(one).collect()
}

/// Writes the homes and prints how to start them.
///
/// # Errors
/// [`ExitStatus::Config`] when a folder is taken or an argument does not fit.
pub fn init(args: &TestnetInitArgs) -> Result<String, Failure> {
    let count = usize::from(args.validators);
    if !args.hosts.is_empty() && args.hosts.len() != count {
        return Err(Failure::new(ExitStatus::Config, "the number of hosts does not fit")
            .fact("hosts", args.hosts.len())
            .fact("validators", count)
            .fix("give one host per validator, or none for all on this machine"));
    }
    if let Some(host) = args.hosts.iter().find(|host| host.parse::<Ipv4Addr>().is_err()) {
        return Err(Failure::new(ExitStatus::Config, "a host is not an IPv4 address")
            .fact("host", host)
            .fix("give addresses such as 10.0.0.2; names are not looked up by the network layer"));
    }
    let keys: Vec<SigningKey> = (0..count).map(|_| new_signing_key()).collect();
    let funded: Vec<_> = derive(&args.mnemonic, args.accounts)?
        .iter()
        .map(|account| (account.address, ether(BALANCE_ETHER)))
        .collect();
    let mut spec = ChainSpec::devnet(validators(&keys), &funded);
    spec.params.chain_id = args.chain_id;
    if !args.hosts.is_empty() {
        spec.params.timeouts = weft_types::Timeouts::network();
        spec.params.block_interval_ms = 500;
        spec.params.empty_block_interval_ms = 2000;
    }
    spec.timestamp = crate::chain::now_seconds();
    let genesis = Genesis::new(spec.clone()).map_err(|error| {
        Failure::new(ExitStatus::Config, "this genesis cannot be").fact("cause", error)
    })?;
    write_homes(args, &keys, &spec)?;
    Ok(next_steps(args, &genesis))
}

fn write_homes(
    args: &TestnetInitArgs,
    keys: &[SigningKey],
    spec: &ChainSpec,
) -> Result<(), Failure> {
    let home = |index: usize| Home::new(args.out.join(format!("node{index}")));
    let mut peers = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let mut config = Config::default();
        config.node.moniker = format!("validator{index}");
        let (host, offset) = match args.hosts.get(index) {
            Some(host) => (host.as_str(), 0),
            None => ("127.0.0.1", index as u16),
        };
        let (rpc, p2p) = (args.rpc_port + offset, args.p2p_port + offset);
        config.rpc.listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), rpc);
        let listen = if args.hosts.is_empty() { "127.0.0.1" } else { "0.0.0.0" };
        config.p2p.listen = format!("/ip4/{listen}/tcp/{p2p}");
        let home = home(index);
        home.create(&config, spec, Some(key))?;
        let node_key = crate::network::load_node_key(&home.node_key())?;
        peers.push(format!("/ip4/{host}/tcp/{p2p}/p2p/{}", node_key.public().to_peer_id()));
    }
    for index in 0..keys.len() {
        let home = home(index);
        let mut config = Config::read(&home.config())?;
        config.p2p.peers =
            peers.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, p)| p.clone()).collect();
        std::fs::write(home.config(), config.to_toml()).map_err(|error| {
            Failure::new(ExitStatus::Config, "a configuration cannot be written")
                .fact("cause", error)
        })?;
    }
    Ok(())
}

fn next_steps(args: &TestnetInitArgs, genesis: &Genesis) -> String {
    use std::fmt::Write;
    let mut text = format!(
        "wrote {} homes to {}\n  chain     {}\n  genesis   {}\n\nstart them, one terminal each:\n",
        args.validators,
        args.out.display(),
        args.chain_id,
        genesis.hash()
    );
    for index in 0..args.validators {
        let home: &Path = &args.out.join(format!("node{index}"));
        let _ = writeln!(text, "  weft node --home {}", home.display());
    }
    text
}
