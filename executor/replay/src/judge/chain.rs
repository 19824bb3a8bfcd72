//! Blockchain tests: imports blocks as a node would, each onto the parent that it names.

use super::block::DecodedBlock;
use super::execution::{Fault, compare_header};
use super::fork::Schedule;
use super::rejection::{Rejection, Stage};
use super::world::World;
use super::{Difference, Finding, Judge};
use crate::fixture::{BlockCase, BlockchainTest};
use crate::header_rules::{verify_body, verify_header};
use alloy_consensus::Header;
use alloy_primitives::{B256, keccak256};
use std::collections::BTreeMap;
use std::sync::Arc;
use weft_evm::BlockInput;
use weft_types::StateReader;

/// An accepted block and the state after it.
#[derive(Clone, Debug)]
struct Accepted {
    header: Header,
    world: Arc<World>,
}

/// The blocks accepted so far, on all branches.
#[derive(Debug)]
struct Tree {
    schedule: Schedule,
    blocks: BTreeMap<B256, Accepted>,
    head: B256,
}

impl Judge {
    /// Judges one blockchain test; gives the rejections that were expected.
    pub(crate) fn judge_chain(&self, test: &BlockchainTest) -> Result<Vec<Rejection>, Finding> {
        let mut tree = Tree::new(test)?;
        let mut rejections = Vec::new();
        for (index, case) in test.blocks.iter().enumerate() {
            let place = format!("block {} of {}", index + 1, test.blocks.len());
            let differs = |expected: &str, found: &dyn ToString| {
                Finding::Differs(Difference::new("verdict", expected, found.to_string()).at(&place))
            };
            match (self.import(&mut tree, case, test), &case.expect_exception) {
                (Ok(()), None) => {}
                (Ok(()), Some(exception)) => return Err(differs(exception, &"accepted")),
                (Err(Fault::Rejected(rejection)), Some(exception)) => {
                    if !rejection.answers(exception) {
                        return Err(differs(exception, &rejection));
                    }
                    rejections.push(rejection);
                }
                (Err(Fault::Rejected(rejection)), None) => {
                    return Err(differs("accepted", &rejection));
                }
                (Err(Fault::Failed(finding)), _) => return Err(finding.at(&place)),
            }
        }
        tree.compare_head(test)?;
        Ok(rejections)
    }

    /// Imports one block.
    fn import(
        &self,
        tree: &mut Tree,
        case: &BlockCase,
        test: &BlockchainTest,
    ) -> Result<(), Fault> {
        let decoded = DecodedBlock::decode(&case.rlp)?;
        let header = decoded.header();
        let parent = tree.blocks.get(&header.parent_hash).ok_or_else(|| Rejection {
            stage: Stage::Rules,
            fields: vec!["parentHash"],
            reason: format!("header field parentHash: no block {}", header.parent_hash),
        })?;
        let fork = tree.schedule.at(header.timestamp);
        verify_header(&parent.header, header.parent_hash, header, fork).map_err(Rejection::from)?;
        verify_body(header, decoded.body(), fork).map_err(Rejection::from)?;
        let transactions = decoded.recover(fork)?;

        let rules = fork.rules();
        let withdrawals = decoded.body().withdrawals.map_or(&[][..], |list| list.as_slice());
        let input = BlockInput {
            header,
            transactions: &transactions,
            ommers: decoded.body().ommers,
            withdrawals,
            commands: &[],
            rules: &rules,
        };
        let state: Arc<dyn StateReader> = Arc::<World>::clone(&parent.world);
        let executed = self.execute(&input, &state, fork)?;
        if let Some(list) = case.access_list().map(|list| list.encode()) {
            let (ours, theirs) = (executed.access_list_hash, keccak256(&list));
            if Some(theirs) != header.block_access_list_hash {
                let expected = header.block_access_list_hash.unwrap_or_default();
                let difference = Difference::new("list of the suite", expected, theirs);
                return Err(Finding::Differs(difference).into());
            }
            if ours != theirs {
                self.refuse_list(&input, &state, &list)?;
            }
        }

        let mut world = World::clone(&parent.world);
        world.apply(&executed.wiped, &executed.diff);
        compare_header(header, &executed, world.root(), fork).map_err(|mut rejection| {
            // The suite lists the state of the last block only.
            let post = test.post_state.as_ref().filter(|_| test.lastblockhash == decoded.hash);
            if let Some((what, expected, found)) = post.and_then(|s| world.first_difference(s)) {
                rejection.reason += &format!("; {what}: expected {expected}, found {found}");
            }
            rejection
        })?;
        world.set_block_hash(header.number, decoded.hash);
        tree.accept(decoded, world);
        Ok(())
    }
}

impl Tree {
    /// The tree with genesis alone.
    fn new(test: &BlockchainTest) -> Result<Self, Difference> {
        let schedule = Schedule::parse(&test.network, &test.config)
            .ok_or_else(|| Difference::new("network", "one from Paris on", &test.network))?;
        let genesis = DecodedBlock::decode(&test.genesis_rlp)
            .map_err(|rejection| Difference::new("genesis", "a block", rejection))?;
        let mut world = World::new(&test.pre);
        let (expected, found) = (genesis.header().state_root, world.root());
        if expected != found {
            return Err(Difference::new("genesis: stateRoot", expected, found));
        }
        world.set_block_hash(genesis.header().number, genesis.hash);
        let (header, head) = (genesis.header().clone(), genesis.hash);
        let blocks = BTreeMap::from([(head, Accepted { header, world: Arc::new(world) })]);
        Ok(Self { schedule, blocks, head })
    }

    /// Adds a block. It becomes the head when its branch is now the longest.
    fn accept(&mut self, decoded: DecodedBlock, world: World) {
        if decoded.header().number > self.blocks[&self.head].header.number {
            self.head = decoded.hash;
        }
        let header = decoded.block.header;
        self.blocks.insert(decoded.hash, Accepted { header, world: Arc::new(world) });
    }

    /// Compares the head and its state with what the test says.
    fn compare_head(&self, test: &BlockchainTest) -> Result<(), Difference> {
        if self.head != test.lastblockhash {
            return Err(Difference::new("lastblockhash", test.lastblockhash, self.head));
        }
        let world = &self.blocks[&self.head].world;
        let difference = test.post_state.as_ref().and_then(|state| world.first_difference(state));
        if let Some((what, expected, found)) = difference {
            return Err(Difference::new(format!("postState: {what}"), expected, found));
        }
        let root = world.root();
        match test.post_state_hash {
            Some(expected) if expected != root => {
                Err(Difference::new("postStateHash", expected, root))
            }
            _ => Ok(()),
        }
    }
}
