//! A chain of one validator that commits when a test says so, with a server in front.

use crate::client::{Socket, call};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use ed25519_dalek::{Signer, SigningKey};
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use weft_evm::{Executor, RecordLevel};
use weft_genesis::{ChainSpec, Genesis};
use weft_pool::{Pool, PoolLimits};
use weft_rpc::{
    Devnet, HeadEvent, RpcBackend, RpcConfig, RpcServer, SyncStatus, UnlockedAccounts,
    heads_channel, serve,
};
use weft_store::{BlockCommit, GenesisState, Store, StoreOptions};
use weft_types::command::check_commands;
use weft_types::header::next_header_under;
use weft_types::{
    CommitCertificate, RecoveredTransaction, Round, SealedBlock, Settings, Transaction, Validator,
};

/// Stores its first calldata word in slot 0, logs it under topic 0x42 and returns it.
pub(crate) const LOGGER: [u8; 22] = hex!("60003580600055600052604260206000a160206000f3");

pub(crate) const CHAIN_ID: u64 = 31_337;
const GWEI: u128 = 1_000_000_000;

pub(crate) struct World {
    pub(crate) server: RpcServer,
    pub(crate) store: Arc<Store>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) submitted: Arc<Mutex<Vec<B256>>>,
    /// What the node says about being behind.
    pub(crate) behind: Arc<Mutex<Option<SyncStatus>>>,
    backend: RpcBackend,
    chain: Chain,
    _directory: tempfile::TempDir,
}

/// What is needed to commit a block.
#[derive(Clone)]
struct Chain {
    genesis: Arc<Genesis>,
    executor: Arc<Executor>,
    validator: SigningKey,
    store: Arc<Store>,
    pool: Arc<Pool>,
    heads: tokio::sync::broadcast::Sender<Arc<HeadEvent>>,
}

pub(crate) fn alice() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(0xa1)).unwrap()
}

pub(crate) fn bob() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(0xb0)).unwrap()
}

/// The contract that Alice deploys in block 1.
pub(crate) fn logger() -> Address {
    alice().address().create(0)
}

impl World {
    /// Only genesis.
    pub(crate) async fn empty() -> Self {
        Self::with(|_| ()).await
    }

    /// Genesis with a changed configuration.
    pub(crate) async fn with(change: impl FnOnce(&mut RpcConfig)) -> Self {
        Self::with_store(StoreOptions::devnet(), change).await
    }

    /// Genesis in a store of these options.
    pub(crate) async fn with_store(
        options: StoreOptions,
        change: impl FnOnce(&mut RpcConfig),
    ) -> Self {
        Self::on_chain(options, false, RecordLevel::Full, change).await
    }

    /// A chain, with commands or without, whose node keeps records at a level.
    pub(crate) async fn recording(
        options: StoreOptions,
        cheats: bool,
        level: RecordLevel,
        change: impl FnOnce(&mut RpcConfig),
    ) -> Self {
        Self::on_chain(options, cheats, level, change).await
    }

    /// A development chain, whose commands are committed as they come.
    pub(crate) async fn development() -> Self {
        let (options, level) = (StoreOptions::devnet(), RecordLevel::Full);
        Self::on_chain(options, true, level, |config| config.devnet = true).await
    }

    async fn on_chain(
        options: StoreOptions,
        cheats: bool,
        level: RecordLevel,
        change: impl FnOnce(&mut RpcConfig),
    ) -> Self {
        let (wake, woken) = std::sync::mpsc::channel::<()>();
        let directory = tempfile::tempdir().unwrap();
        let validator = SigningKey::from_bytes(&[7; 32]);
        let rich = U256::from(1_000) * U256::from(GWEI) * U256::from(GWEI);
        let mut spec = ChainSpec::devnet(
            vec![Validator {
                name: "one".to_owned(),
                public_key: validator.verifying_key().to_bytes(),
                power: 1,
            }],
            &[(alice().address(), rich), (bob().address(), rich)],
        );
        spec.params.devnet_cheats = cheats;
        let genesis = Arc::new(Genesis::new(spec).unwrap());
        let state = GenesisState { block: &genesis.block, diff: &genesis.diff };
        let store = Store::open(directory.path(), state, options).unwrap();
        let pool = Arc::new(Pool::new(CHAIN_ID, PoolLimits::default()));
        let submitted = Arc::new(Mutex::new(Vec::new()));
        let heads = heads_channel();
        let behind = Arc::new(Mutex::new(None));
        let backend = RpcBackend {
            heads: heads.clone(),
            submit: {
                let submitted = Arc::clone(&submitted);
                Arc::new(move |new| submitted.lock().extend(new.iter().map(|tx| *tx.tx_hash())))
            },
            sync_status: {
                let behind = Arc::clone(&behind);
                Arc::new(move || *behind.lock())
            },
            peer_count: Arc::new(|| 3),
            devnet: Devnet {
                submit_command: cheats.then(|| {
                    Arc::new(move |_| {
                        let _ = wake.send(());
                    }) as _
                }),
                accounts: Arc::new(if cheats {
                    UnlockedAccounts::new(&[B256::repeat_byte(0xa1), B256::repeat_byte(0xb0)])
                } else {
                    UnlockedAccounts::default()
                }),
            },
            ..RpcBackend::offline(
                Arc::clone(&store),
                Arc::clone(&pool),
                &genesis.params,
                &genesis.validators,
            )
        };
        let mut config = RpcConfig::new("127.0.0.1:0".parse().unwrap());
        config.record_level = level;
        change(&mut config);
        let server = serve(config, backend.clone()).await.unwrap();
        let executor = Arc::new(Executor::new(1).with_record(level));
        let chain = Chain {
            genesis,
            executor,
            validator,
            store: Arc::clone(&store),
            pool: Arc::clone(&pool),
            heads,
        };
        let commands = chain.clone();
        std::thread::spawn(move || {
            while woken.recv().is_ok() {
                commands.commit_commands();
            }
        });
        Self { server, store, pool, submitted, behind, backend, chain, _directory: directory }
    }

    /// Block 1: Alice deploys the logger, Bob sends her 5 wei. Block 2: both call the logger, with
    /// 7 and 9. Block 3 is empty.
    pub(crate) async fn three_blocks() -> Self {
        let world = Self::empty().await;
        world.commit(vec![deploy(0), transfer(0, 5)]);
        world.commit(vec![call_logger(&alice(), 1, 7), access_list_call(1, 9)]);
        world.commit(vec![]);
        world
    }

    pub(crate) fn commit(&self, transactions: Vec<RecoveredTransaction>) -> SealedBlock {
        self.chain.commit(transactions.into_iter().map(Arc::new).collect())
    }

    /// Builds from the pool, as a proposer would.
    pub(crate) fn commit_pool(&self) -> SealedBlock {
        self.chain.commit_pool()
    }

    /// Commits a block from the pool as soon as there is something in it.
    pub(crate) fn commit_pool_once_filled(&self) {
        let chain = self.chain.clone();
        std::thread::spawn(move || {
            while chain.pool.is_empty() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            chain.commit_pool();
        });
    }

    /// The parts that a second server could be started with.
    pub(crate) fn backend(&self) -> RpcBackend {
        self.backend.clone()
    }

    /// Puts a transaction into the pool, where it stays.
    pub(crate) fn pool_one(&self, transaction: RecoveredTransaction) {
        let head = self.store.head();
        let origin = weft_pool::Origin::Rpc;
        self.pool.admit(transaction, origin, &*head.state, head.block.header()).unwrap();
    }

    /// The whole response to a call.
    pub(crate) async fn answer(&self, method: &str, params: Value) -> Value {
        call(self.server.local_addr(), method, params).await
    }

    /// Result of a method.
    pub(crate) async fn ok(&self, method: &str, params: Value) -> Value {
        let mut answer = call(self.server.local_addr(), method, params.clone()).await;
        assert!(answer.get("error").is_none(), "{method}({params}): {answer}");
        answer["result"].take()
    }

    /// Code and message of the error of a method.
    pub(crate) async fn error(&self, method: &str, params: Value) -> (i64, String) {
        let error = self.failure(method, params).await;
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }

    /// The error object of a method.
    pub(crate) async fn failure(&self, method: &str, params: Value) -> Value {
        let mut answer = call(self.server.local_addr(), method, params.clone()).await;
        assert!(answer.get("result").is_none(), "{method}({params}): {answer}");
        answer["error"].take()
    }

    pub(crate) async fn socket(&self) -> Socket {
        Socket::open(self.server.local_addr(), None).await.unwrap()
    }
}

impl Chain {
    /// As validators do: the commands that wait, then the blocks that they ask for.
    fn commit_commands(&self) {
        while !self.pool.commands().is_empty() {
            self.commit_pool();
            let settings = || {
                let head = self.store.head();
                (Settings::read(&self.genesis.params, &*head.state).unwrap(), head.block.height().0)
            };
            while settings().0.mines(settings().1 + 1) {
                self.commit_pool();
            }
        }
    }

    fn commit_pool(&self) -> SealedBlock {
        let head = self.store.head();
        let base_fee = self.pool.commands().next_base_fee(head.block.header());
        self.commit(self.pool.best(base_fee, self.genesis.params.gas_limit))
    }

    fn commit(&self, candidates: Vec<Arc<RecoveredTransaction>>) -> SealedBlock {
        let head = self.store.head();
        let parent = head.block.header();
        let params = &self.genesis.params;
        let now = parent.timestamp + 1;
        let fees = Address::repeat_byte(0xfe);
        let settings = Settings::read(params, &*head.state).unwrap();
        let commands = self.pool.commands().best(parent.number + 1);
        check_commands(&commands, parent.number + 1, params.devnet_cheats).unwrap();
        let (under, by) = ((&settings, commands.as_slice()), (Round(0), fees));
        let now = if params.devnet_cheats { unix_seconds() } else { now };
        let env = next_header_under(parent, head.block.hash(), params, under, by, now);
        let candidates =
            if settings.takes_transactions(env.number, &commands) { candidates } else { vec![] };
        let wanted = candidates.len();
        let executed =
            self.executor.build_after(&env, &commands, &candidates, &head.state, params).unwrap();
        assert_eq!(executed.transactions.len(), wanted, "{:?}", executed.skipped);
        let tree = head.tree.apply(&executed.diff);
        let block = executed.seal_after(env, tree.root(), commands);
        let senders: Vec<Address> = executed.transactions.iter().map(|tx| tx.signer()).collect();
        let event =
            HeadEvent { block: Arc::new(block.clone()), receipts: executed.receipts.clone() };
        let commit = BlockCommit {
            certificate: self.certificate(&block),
            block: block.clone(),
            senders,
            receipts: executed.receipts,
            access_list: executed.access_list,
            access_record: executed.access_record,
            profile: (self.executor.record_level() != RecordLevel::Off).then_some(executed.profile),
            diff: executed.diff,
            tree,
        };
        let head = self.store.commit(commit).unwrap();
        let included: Vec<_> = (executed.transactions.iter())
            .map(|tx| (*tx.tx_hash(), tx.signer(), alloy_consensus::Transaction::nonce(tx.inner())))
            .collect();
        let settings = Settings::read(params, &*head.state).unwrap();
        self.pool.commands().on_block(block.commands(), block.height().0, settings.base_fee);
        self.pool.obey(block.commands());
        self.pool.on_block(&included, &[], &*head.state, head.block.header());
        // Nobody may be listening.
        let _ = self.heads.send(Arc::new(event));
        block
    }

    fn certificate(&self, block: &SealedBlock) -> CommitCertificate {
        let unsigned =
            |votes| CommitCertificate::new(block.height(), Round(0), block.hash(), 1, votes);
        let vote = unsigned(vec![]).vote_of(&self.genesis.validators, 0).unwrap();
        let signature = self.validator.sign(&vote.sign_bytes(&self.genesis.block.hash()));
        unsigned(vec![(0, signature.to_bytes())])
    }
}

fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// A dynamic-fee transaction with room for every base fee of these tests.
pub(crate) fn dynamic(nonce: u64, to: TxKind, value: u64, input: Bytes) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 200_000,
        max_fee_per_gas: 20 * GWEI,
        max_priority_fee_per_gas: 2 * GWEI,
        to,
        value: U256::from(value),
        input,
        ..TxEip1559::default()
    }
}

pub(crate) fn sign<T>(tx: T, signer: &PrivateKeySigner) -> RecoveredTransaction
where
    T: SignableTransaction<alloy_primitives::Signature>,
    Transaction: From<alloy_consensus::Signed<T>>,
{
    let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
    RecoveredTransaction::new_unchecked(tx.into_signed(signature).into(), signer.address())
}

pub(crate) fn raw(tx: &RecoveredTransaction) -> String {
    hex::encode_prefixed(tx.inner().encoded_2718())
}

pub(crate) fn hash(tx: &RecoveredTransaction) -> String {
    tx.tx_hash().to_string()
}

/// Alice creates the logger.
pub(crate) fn deploy(nonce: u64) -> RecoveredTransaction {
    let length = u8::try_from(LOGGER.len()).unwrap();
    let mut init = vec![0x60, length, 0x60, 0x0c, 0x60, 0, 0x39, 0x60, length, 0x60, 0, 0xf3];
    init.extend_from_slice(&LOGGER);
    sign(dynamic(nonce, TxKind::Create, 0, init.into()), &alice())
}

/// Bob sends Alice some wei, in a legacy transaction.
pub(crate) fn transfer(nonce: u64, value: u64) -> RecoveredTransaction {
    let tx = TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: 10 * GWEI,
        gas_limit: 21_000,
        to: TxKind::Call(alice().address()),
        value: U256::from(value),
        input: Bytes::new(),
    };
    sign(tx, &bob())
}

pub(crate) fn call_logger(
    signer: &PrivateKeySigner,
    nonce: u64,
    word: u64,
) -> RecoveredTransaction {
    let input = U256::from(word).to_be_bytes_vec();
    sign(dynamic(nonce, TxKind::Call(logger()), 0, input.into()), signer)
}

/// Bob calls the logger in an EIP-2930 transaction.
fn access_list_call(nonce: u64, word: u64) -> RecoveredTransaction {
    let tx = TxEip2930 {
        chain_id: CHAIN_ID,
        nonce,
        gas_price: 10 * GWEI,
        gas_limit: 200_000,
        to: TxKind::Call(logger()),
        input: U256::from(word).to_be_bytes_vec().into(),
        ..TxEip2930::default()
    };
    sign(tx, &bob())
}
