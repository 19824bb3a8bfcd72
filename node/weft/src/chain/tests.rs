//! Building and judging blocks on a store of their own, without consensus.

use super::*;
use alloy_consensus::{SignableTransaction, TxEip1559};
use weft_genesis::{ChainSpec, Genesis};
use weft_pool::{Origin, PoolLimits};
use weft_store::{GenesisState, StoreOptions};
use weft_types::command::Clock;
use weft_types::impersonation::impersonated_signature;
use weft_types::{Action, U256, Validator};

const SOMEONE: Address = Address::repeat_byte(0x5e);

struct Node {
    chain: Chain,
    pool: Arc<Pool>,
    _folder: tempfile::TempDir,
}

fn node(cheats: bool) -> Node {
    node_with(cheats, weft_evm::RecordLevel::Full)
}

fn node_with(cheats: bool, level: weft_evm::RecordLevel) -> Node {
    let validator = Validator { name: "one".into(), public_key: [7; 32], power: 1 };
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let validator = Validator { public_key: key.verifying_key().to_bytes(), ..validator };
    let ether = U256::from(10).pow(U256::from(18));
    let mut spec = ChainSpec::devnet(vec![validator], &[(SOMEONE, ether)]);
    spec.params.devnet_cheats = cheats;
    let genesis = Genesis::new(spec).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let state = GenesisState { block: &genesis.block, diff: &genesis.diff };
    let store = Store::open(folder.path(), state, StoreOptions::devnet()).unwrap();
    let pool = Arc::new(Pool::new(genesis.params.chain_id, PoolLimits::default()));
    let (executor, params) = (Executor::new(1).with_record(level), genesis.params.clone());
    let chain = Chain::new(store, Arc::new(executor), Arc::clone(&pool), params, Address::ZERO);
    Node { chain, pool, _folder: folder }
}

impl Node {
    fn command(&self, salt: u64, action: Action) -> Command {
        let command = Command { salt, last_height: 50, action };
        let height = self.chain.head().block.height().0 + 1;
        assert_eq!(self.pool.commands().admit(command.clone(), height), Ok(true));
        command
    }

    fn commit(&self, prepared: Prepared) {
        let (hash, height) = (prepared.hash(), prepared.block.height());
        let certificate = CommitCertificate::new(height, Round(0), hash, 1, vec![]);
        self.chain.commit(Arc::new(prepared), certificate).unwrap();
    }

    fn judge(&self, prepared: &Prepared) -> Result<Prepared, PrepareError> {
        self.chain.verify(&prepared.header_rlp, prepared.body.clone(), false)
    }

    /// Judges the same block with another header and body.
    fn judge_changed(
        &self,
        prepared: &Prepared,
        change: impl FnOnce(&mut Header, &mut BlockBody),
    ) -> PrepareError {
        let mut header = prepared.block.header().clone();
        let mut body = BlockBody::decode(&prepared.body).unwrap();
        change(&mut header, &mut body);
        let judged = self.chain.verify(&header_rlp(&header), body.encode(), false);
        judged.map(drop).unwrap_err()
    }
}

fn set_balance(address: Address, wei: u64) -> Action {
    Action::SetBalance { address, balance: U256::from(wei) }
}

fn unsigned(chain_id: u64, sender: Address) -> RecoveredTransaction {
    let transaction = TxEip1559 {
        chain_id,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        to: Address::ZERO.into(),
        ..TxEip1559::default()
    };
    let signed = transaction.into_signed(impersonated_signature(sender));
    RecoveredTransaction::new_unchecked(signed.into(), sender)
}

#[test]
fn a_block_with_commands_is_valid_where_cheats_are_on_and_its_settings_hold_for_the_next() {
    let (one, two) = (node(true), node(true));
    let command = one.command(1, set_balance(Address::repeat_byte(9), 5));
    one.command(2, Action::Coinbase { address: Some(SOMEONE) });
    let built = one.chain.build(Round(0)).unwrap();
    assert_eq!(built.block.commands().len(), 2);
    let judged = two.judge(&built).unwrap();
    assert_eq!(judged.hash(), built.hash());
    one.commit(built);
    two.commit(judged);
    assert!(one.pool.commands().is_empty(), "they are done");
    assert_eq!(two.pool.commands().admit(command, 2), Ok(false), "everywhere");
    let next = one.chain.build(Round(0)).unwrap();
    assert_eq!(next.block.header().beneficiary, SOMEONE);
    two.judge(&next).unwrap();
    let error = two.judge_changed(&next, |header, _| header.beneficiary = Address::ZERO);
    assert!(error.to_string().contains("header field miner"), "{error}");
}

#[test]
fn a_node_with_cheats_off_refuses_a_block_that_carries_commands() {
    let plain = node(false);
    let built = plain.chain.build(Round(0)).unwrap();
    let command = Command { salt: 1, last_height: 50, action: set_balance(SOMEONE, 5) };
    let error = plain.judge_changed(&built, |header, body| {
        body.commands = vec![command];
        header.parent_beacon_block_root = Some(commands_root(&body.commands));
    });
    assert!(matches!(error, PrepareError::Invalid { .. }), "{error}");
    assert!(error.to_string().contains("this chain takes no commands"), "{error}");
    // Nor does it say that there are some when there are none.
    let root = Some(B256::repeat_byte(1));
    let error = plain.judge_changed(&built, |header, _| header.parent_beacon_block_root = root);
    assert!(!matches!(error, PrepareError::Operational { .. }), "{error}");
    // And it keeps none for its own blocks.
    plain.command(1, set_balance(SOMEONE, 5));
    assert!(plain.chain.build(Round(0)).unwrap().block.commands().is_empty());
}

#[test]
fn commands_other_than_those_of_the_header_are_a_wrong_body() {
    let (one, two) = (node(true), node(true));
    one.command(1, set_balance(SOMEONE, 5));
    let built = one.chain.build(Round(0)).unwrap();
    let left_out = two.judge_changed(&built, |_, body| body.commands.clear());
    assert!(matches!(left_out, PrepareError::WrongBody { .. }), "{left_out}");
    let changed =
        two.judge_changed(&built, |_, body| body.commands[0].action = set_balance(SOMEONE, 6));
    assert!(matches!(changed, PrepareError::WrongBody { .. }), "{changed}");
    let both = two.judge_changed(&built, |header, body| {
        body.commands[0].action = set_balance(SOMEONE, 6);
        header.parent_beacon_block_root = Some(commands_root(&body.commands));
    });
    assert!(matches!(both, PrepareError::Invalid { .. }), "another state: {both}");
}

#[test]
fn a_transaction_without_a_signature_needs_an_impersonated_sender() {
    let (one, two) = (node(true), node(true));
    let transaction = unsigned(one.chain.params.chain_id, SOMEONE);
    let admit = |node: &Node| {
        let head = node.chain.head();
        let (state, header) = (&*head.state, head.block.header());
        node.pool.admit(transaction.clone(), Origin::Rpc, state, header)
    };
    admit(&one).unwrap();
    assert!(one.chain.build(Round(0)).unwrap().block.transactions().is_empty(), "not yet");
    one.command(1, Action::Impersonate { address: SOMEONE, on: true });
    let allowed = one.chain.build(Round(0)).unwrap();
    two.commit(two.judge(&allowed).unwrap());
    one.commit(allowed);
    admit(&one).unwrap();
    let block = one.chain.build(Round(0)).unwrap();
    assert_eq!(block.executed.transactions[0].signer(), SOMEONE);
    assert_eq!(two.judge(&block).unwrap().executed.receipts, block.executed.receipts);
    let stranger = unsigned(one.chain.params.chain_id, Address::repeat_byte(1));
    let error = two.judge_changed(&block, |header, body| {
        body.transactions = vec![stranger.inner().clone()];
        header.transactions_root = transactions_root(&body.transactions);
    });
    assert!(error.to_string().contains("is not impersonated"), "{error}");
}

#[test]
fn a_timestamp_that_was_set_is_the_only_one_and_time_goes_on_from_it() {
    let (one, two) = (node(true), node(true));
    let now = now_seconds();
    let clock = Clock { timestamp: now + 100_000, now };
    one.command(1, Action::NextTimestamp { clock });
    let first = one.chain.build(Round(0)).unwrap();
    two.commit(two.judge(&first).unwrap());
    one.commit(first);
    let second = one.chain.build(Round(0)).unwrap();
    assert_eq!(second.block.header().timestamp, now + 100_000);
    let error = two.judge_changed(&second, |header, _| header.timestamp += 1);
    assert!(error.to_string().contains("header field timestamp"), "{error}");
    two.commit(two.judge(&second).unwrap());
    one.commit(second);
    let third = one.chain.build(Round(0)).unwrap();
    assert!((now + 100_000..now + 100_060).contains(&third.block.header().timestamp));
    two.judge(&third).unwrap();
}

#[test]
fn by_hand_a_block_that_nobody_asked_for_has_no_transactions() {
    let node = node(true);
    node.command(1, Action::Automine { on: false });
    node.command(2, Action::Interval { ms: 0 });
    node.command(3, Action::Impersonate { address: SOMEONE, on: true });
    node.commit(node.chain.build(Round(0)).unwrap());
    let transaction = unsigned(node.chain.params.chain_id, SOMEONE);
    let head = node.chain.head();
    node.pool.admit(transaction, Origin::Rpc, &*head.state, head.block.header()).unwrap();
    assert!(node.chain.build(Round(0)).unwrap().block.transactions().is_empty());
    let mine = node.command(4, Action::Mine { blocks: 1, interval_s: 0, clock: None });
    let asked = node.chain.build(Round(0)).unwrap();
    assert_eq!(asked.block.transactions().len(), 1);
    node.judge(&asked).unwrap();
    let error = node.judge_changed(&asked, |header, body| {
        assert_eq!(body.commands, [mine]);
        body.commands.clear();
        header.parent_beacon_block_root = Some(B256::ZERO);
    });
    assert!(error.to_string().contains("automine is off"), "{error}");
}

#[test]
fn commands_of_earlier_blocks_are_known_again_after_a_start() {
    let node = node(true);
    let command = node.command(1, set_balance(SOMEONE, 5));
    node.commit(node.chain.build(Round(0)).unwrap());
    let Node { chain, _folder, .. } = node;
    let pool = Arc::new(Pool::new(chain.params.chain_id, PoolLimits::default()));
    let chain = Chain { pool: Arc::clone(&pool), ..chain };
    assert_eq!(pool.commands().admit(command.clone(), 2), Ok(true), "a new pool knows nothing");
    chain.recall_commands();
    assert!(pool.commands().is_empty());
    assert_eq!(pool.commands().admit(command, 2), Ok(false));
}

#[test]
fn a_made_up_body_does_not_belong_to_the_header() {
    let list = Bytes::from_static(&[0xc0]);
    let header = header_rlp(&Header {
        transactions_root: transactions_root(&[]),
        base_fee_per_gas: Some(1),
        withdrawals_root: Some(B256::ZERO),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(B256::ZERO),
        block_access_list_hash: Some(keccak256(&list)),
        ..Header::default()
    });
    assert!(decode_header(&header).is_ok());
    let body = |access_list| BlockBody { access_list, ..BlockBody::default() }.encode();
    assert!(belongs(&header, &body(list.clone())));
    assert!(belongs(&header, &body(Bytes::new())), "a list may be left out");
    assert!(!belongs(&header, &body(Bytes::from_static(&[0xc1, 1]))));
    assert!(!belongs(&header, b"rubbish"));
    let commands = vec![Command { salt: 0, last_height: 1, action: Action::DropTransactions }];
    let commanded = BlockBody { commands, access_list: list, ..BlockBody::default() };
    assert!(!belongs(&header, &commanded.encode()));
}

#[test]
fn what_the_record_level_leaves_out_is_not_kept_and_the_block_is_the_same() {
    use weft_evm::RecordLevel;
    let mut hashes = Vec::new();
    for level in [RecordLevel::Off, RecordLevel::Counts, RecordLevel::Full] {
        let node = node_with(true, level);
        node.command(1, Action::Impersonate { address: SOMEONE, on: true });
        node.commit(node.chain.build(Round(0)).unwrap());
        let head = node.chain.head();
        let transaction = unsigned(node.chain.params.chain_id, SOMEONE);
        node.pool.admit(transaction, Origin::Rpc, &*head.state, head.block.header()).unwrap();
        let block = node.chain.build(Round(0)).unwrap();
        hashes.push((block.block.header().state_root, block.block.header().receipts_root));
        node.commit(block);
        let store = &node.chain.store;
        let (record, profile) = (store.access_record(2).unwrap(), store.profile(2).unwrap());
        assert_eq!(
            record.map(|record| record.transactions.len()),
            match level {
                RecordLevel::Full => Some(1),
                // Derived when somebody asks.
                _ => None,
            }
        );
        assert_eq!(
            profile.map(|profile| profile.incarnations.len()),
            match level {
                RecordLevel::Off => None,
                RecordLevel::Counts => Some(0),
                RecordLevel::Full => Some(1),
            }
        );
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]));
}
