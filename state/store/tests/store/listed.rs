//! Blocks by their lists and states in chunks, made up so that one check alone refuses each.

use crate::chain::{Chain, Step, certificate, code};
use crate::maintenance::grown;
use crate::sync::{chunk, exporting, listed, options};
use alloy_eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, CodeChange, NonceChange, StorageChange,
};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Decodable;
use std::path::Path;
use std::sync::Arc;
use weft_commitment::sync::{CHUNK_BYTES_MAX, ChunkWriter, CodeGroup, Origin, Section, SyncLeaf};
use weft_commitment::{AccountKey, TreeBuilder, TreeKey};
use weft_store::{Anchor, Import, ListedBlock, Store, StoreError, Stream};
use weft_types::command::{Action, Command};
use weft_types::{Block, CommitCertificate, Header, Transaction};

const BLOCKS: u64 = 6;
const EARLIER: BlockAccessIndex = BlockAccessIndex(0);

/// A store and a block for it, in which everything happens that a list can say.
fn world(path: &Path) -> (Chain, Arc<Store>, ListedBlock) {
    let mut chain = grown(path, BLOCKS);
    let store = chain.open(path).expect("it opens");
    let commit = chain.grow(&[
        Step::Account { who: 1, nonce: 90, balance: 91 },
        Step::Slot { who: 2, slot: 300, value: 92 },
        Step::Slot { who: 2, slot: 63, value: 93 },
        code(3, &[0x60, 0x07, 0x50]),
        Step::Delete { who: 0 },
        Step::Delete { who: 7 },
        Step::Account { who: 9, nonce: 1, balance: 2 },
    ]);
    assert_eq!(commit.block.transactions().len(), 3);
    (chain, store, listed(&commit))
}

/// The block after a change of its header, certified again.
fn resealed(mut listed: ListedBlock, change: impl FnOnce(&mut Block)) -> ListedBlock {
    let mut block = listed.block.into_block();
    change(&mut block);
    listed.block = block.seal();
    listed.certificate = certificate(listed.block.height().0, listed.block.hash());
    listed
}

fn with_list(listed: &ListedBlock, list: Bytes) -> ListedBlock {
    let hash = keccak256(&list);
    let listed = ListedBlock { access_list: list, ..listed.clone() };
    resealed(listed, |block| block.header.block_access_list_hash = Some(hash))
}

fn decoded(listed: &ListedBlock) -> Vec<AccountChanges> {
    Decodable::decode(&mut &listed.access_list[..]).expect("a list")
}

/// Before each change another one of the same place.
fn change_twice(account: &mut AccountChanges) {
    let at = EARLIER;
    if !account.balance_changes.is_empty() {
        let earlier = BalanceChange { block_access_index: at, post_balance: U256::from(12_345) };
        account.balance_changes.insert(0, earlier);
    }
    if !account.nonce_changes.is_empty() {
        account.nonce_changes.insert(0, NonceChange { block_access_index: at, new_nonce: 12_345 });
    }
    if !account.code_changes.is_empty() {
        let new_code = Bytes::from_static(&[1, 2, 3, 4, 5]);
        account.code_changes.insert(0, CodeChange { block_access_index: at, new_code });
    }
    for slot in &mut account.storage_changes {
        let new_value = U256::from(12_345);
        slot.changes.insert(0, StorageChange { block_access_index: at, new_value });
    }
}

#[test]
fn of_several_changes_of_one_place_the_last_one_counts() {
    let directory = tempfile::tempdir().expect("a directory");
    let (chain, store, block) = world(directory.path());
    let mut list = decoded(&block);
    list.iter_mut().for_each(change_twice);
    let changes = |count: fn(&AccountChanges) -> usize| list.iter().any(|a| count(a) == 2);
    assert!(changes(|a| a.balance_changes.len()) && changes(|a| a.nonce_changes.len()));
    assert!(changes(|a| a.code_changes.len()));
    assert!(changes(|a| a.storage_changes.first().map_or(0, |slot| slot.changes.len())));
    let block = with_list(&block, alloy_rlp::encode(&list).into());
    let head = store.commit_listed(block).expect("its list leads to its root");
    chain.states.last().expect("a state").assert_read_by(head.state.as_ref(), BLOCKS + 1);
    assert_eq!(store.verify().expect("whole"), head.block.header().state_root);
}

#[test]
fn a_list_of_another_form_is_refused_whatever_its_hash() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_, store, block) = world(directory.path());
    let mut descending = decoded(&block);
    descending.reverse();
    let doubled = [decoded(&block), decoded(&block)].concat();
    let longer = [&block.access_list[..], &[0]].concat();
    for (list, words) in [
        (alloy_rlp::encode(&descending), "do not ascend"),
        (alloy_rlp::encode(&doubled), "do not ascend"),
        (longer, "1 bytes too many"),
    ] {
        let error = store.commit_listed(with_list(&block, list.into())).expect_err(words);
        assert!(matches!(error, StoreError::NoList { .. }), "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    let empty = with_list(&block, alloy_rlp::encode(Vec::<AccountChanges>::new()).into());
    assert!(matches!(store.commit_listed(empty), Err(StoreError::WrongRoot { .. })));
    assert_eq!(store.head().block.height().0, BLOCKS);
    store.commit_listed(block).expect("the honest one");
}

#[test]
fn what_does_not_belong_to_the_header_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_, store, block) = world(directory.path());
    let contents = |change: fn(&mut Block)| {
        let mut changed = block.block.clone().into_block();
        change(&mut changed);
        ListedBlock { block: changed.seal(), ..block.clone() }
    };
    let mut receipts = block.receipts.clone();
    receipts.reverse();
    for (changed, words) in [
        (contents(|block| block.transactions.reverse()), "its transactions are not"),
        (
            contents(|block| {
                let action = Action::DropTransactions;
                block.commands.push(Command { salt: 1, last_height: 99, action });
            }),
            "its commands are not",
        ),
        (ListedBlock { receipts, ..block.clone() }, "receipts have root"),
    ] {
        assert_eq!(changed.block.hash(), block.block.hash(), "the header says nothing new");
        let error = store.commit_listed(changed).expect_err(words);
        assert!(matches!(error, StoreError::Inconsistent { .. }), "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    let head = store.commit_listed(block).expect("the honest one");
    let export = store.export(40).expect("exportable");
    let to = tempfile::tempdir().expect("a directory");
    let refused = |anchor: Anchor, words: &str| {
        let error = Import::begin(to.path(), anchor, export.plan(), &options()).expect_err(words);
        assert!(matches!(error, StoreError::Inconsistent { .. }), "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
    };
    let mut transactions = export.anchor().block.clone().into_block();
    transactions.transactions.reverse();
    let transactions = transactions.seal();
    assert_eq!(transactions.hash(), head.block.hash());
    refused(
        Anchor { block: transactions, ..export.anchor().clone() },
        "its transactions are not those of its header",
    );
    let mut receipts = export.anchor().receipts.clone();
    receipts.reverse();
    refused(Anchor { receipts, ..export.anchor().clone() }, "receipts have root");
}

/// What the layout of a listed block is: see `sync::wire`.
type Wire = (u8, Vec<u8>, Vec<u8>, Vec<u8>, Option<CommitCertificate>);
type WireChange = fn(&mut Wire);

#[test]
fn bytes_behind_a_part_of_a_block_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_, _store, block) = world(directory.path());
    let senders = |transactions: &[Transaction]| Ok(vec![Address::ZERO; transactions.len()]);
    let wire: Wire = borsh::from_slice(&block.encode()).expect("the layout");
    let decode = |wire: &Wire| ListedBlock::decode(&borsh::to_vec(wire).expect("memory"), &senders);
    assert!(decode(&wire).is_ok());
    let changes: [(WireChange, &str); 4] = [
        (|wire| wire.1.push(0), "header: 1 bytes too many"),
        (|wire| wire.2.push(0), ""),
        (|wire| wire.3.push(0), "receipts: 1 bytes too many"),
        (|wire| wire.4 = None, "there is no certificate"),
    ];
    for (change, words) in changes {
        let mut wire = wire.clone();
        change(&mut wire);
        let error = decode(&wire).map(|_| ()).expect_err(words);
        assert!(error.contains(words), "{words}: {error}");
    }
}

/// The chunk with other sizes of its codes, which no hash covers.
fn with_sizes(section: &Section, chunk: &[u8], size: impl Fn(u32) -> u32) -> Vec<u8> {
    let mut writer = ChunkWriter::default();
    for leaf in section.verify(chunk).expect("honest") {
        let origin = match leaf.origin {
            Origin::Code(group) => Origin::Code(CodeGroup { size: size(group.size), ..group }),
            other => other,
        };
        writer.push(&SyncLeaf { origin, ..leaf });
    }
    writer.finish()
}

#[test]
fn sizes_of_codes_that_cannot_be_are_refused_with_their_chunk() {
    let from = tempfile::tempdir().expect("a directory");
    let (chain, _source, export) = exporting(from.path(), 1 << 16);
    let sections = export.plan().sections(export.anchor().block.header().state_root).expect("own");
    let to = tempfile::tempdir().expect("a directory");
    let mut import = Import::begin(to.path(), export.anchor().clone(), export.plan(), &options())
        .expect("empty");
    let honest = chunk(&export, 0);
    for size in [(1 << 20) + 1, u32::MAX, 1, 31] {
        let wrong = with_sizes(&sections[0], &honest, |_| size);
        let error = import.take(0, &wrong).expect_err("no code is so long");
        assert!(error.to_string().contains(&format!("of {size} bytes")), "{error}");
    }
    import.take(0, &honest).expect("honest");
    import.finish(chain.genesis()).expect("complete");
}

#[test]
fn a_code_has_one_size_in_all_chunks() {
    let from = tempfile::tempdir().expect("a directory");
    let (_chain, _source, export) = exporting(from.path(), 40);
    let sections = export.plan().sections(export.anchor().block.header().state_root).expect("own");
    let to = tempfile::tempdir().expect("a directory");
    let mut import = Import::begin(to.path(), export.anchor().clone(), export.plan(), &options())
        .expect("empty");
    let (mut known, mut refused) = (false, 0);
    for section in &sections {
        let honest = chunk(&export, section.place);
        let wrong = with_sizes(section, &honest, |size| size + 1);
        if known && wrong != honest && import.take(section.place, &wrong).is_err() {
            refused += 1;
        }
        known |= wrong != honest;
        import.take(section.place, &honest).ok();
    }
    assert!(refused > 0, "codes reach over the borders of chunks");
}

/// Validators signed a root of leaves that are no account.
#[test]
fn half_an_account_is_refused_at_the_end() {
    let account = AccountKey::new(&Address::repeat_byte(5));
    let (key, value) = (TreeKey::code_hash(account.hash()), B256::repeat_byte(9));
    let mut builder = TreeBuilder::new();
    builder.push(key, &value).expect("the first");
    let tree = builder.finish();
    let header = Header { state_root: tree.root(), ..Header::default() };
    let block = Block { header, transactions: vec![], commands: vec![] }.seal();
    let anchor =
        Anchor { block, senders: vec![], receipts: vec![], certificate: None, ancestors: vec![] };
    let to = tempfile::tempdir().expect("a directory");
    let plan = tree.plan(16).expect("small");
    let mut import = Import::begin(to.path(), anchor, &plan, &options()).expect("empty");
    let mut writer = ChunkWriter::default();
    writer.push(&SyncLeaf { key, value, origin: Origin::Header });
    import.take(0, &writer.finish()).expect("the leaf that the root names");
    let error = import.finish(Chain::new(1).genesis()).expect_err("no account");
    assert!(error.to_string().contains("has no basic leaf or no code hash"), "{error}");
}

#[test]
fn a_file_of_a_stream_that_is_too_long_is_not_read() {
    let folder = tempfile::tempdir().expect("a directory");
    let stream = Stream::new(folder.path());
    let path = stream.chunk_path(3);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let file = std::fs::File::create(&path).expect("made");
    file.set_len(CHUNK_BYTES_MAX as u64).expect("it takes no room");
    assert_eq!(stream.chunk(3).expect("as long as it may be").len(), CHUNK_BYTES_MAX);
    file.set_len(CHUNK_BYTES_MAX as u64 + 1).expect("it takes no room");
    let error = stream.chunk(3).expect_err("too long").to_string();
    assert!(error.contains("more than 12582912 bytes") && error.contains("00003"), "{error}");
}
