//! Where accounts and slots begin in an encoded list: found by a walk over headers, so that all workers can decode.

use super::Flaw;
use super::reader::Reader;
use alloy_primitives::Address;
use std::ops::Range;

/// Accounts that are decoded together.
pub(super) const ACCOUNTS_A_PIECE: usize = 32;
/// Slots of a large account that are decoded together.
pub(super) const SLOTS_A_PIECE: usize = 128;
/// Bytes from which the slots of one account are cut into pieces.
pub(super) const LARGE_BYTES: usize = 8 * 1024;

/// The outline of a list.
pub(super) struct Outline {
    /// Where each account begins, then the end.
    pub(super) starts: Vec<u32>,
    /// The accounts by their addresses.
    pub(super) accounts: Directory,
    /// The slots of large accounts, in the order of the list.
    pub(super) runs: Vec<LargeRun>,
    /// The pieces of all `runs`.
    pub(super) cuts: Vec<Cut>,
}

/// Many slots of one account, which are written or else only read.
pub(super) struct LargeRun {
    /// Place of the account.
    pub(super) account: u32,
    pub(super) written: bool,
    /// Number of the first of its cuts.
    pub(super) first_cut: u32,
    pub(super) slots: Directory,
}

/// Slots of a large account that are decoded together.
pub(super) struct Cut {
    pub(super) address: Address,
    pub(super) written: bool,
    /// The slots, after the one before them if there is one.
    pub(super) bytes: Range<u32>,
    /// The first slot in `bytes` is there to be compared with only.
    pub(super) follows: bool,
}

/// A sorted run of keys, by the four bytes that they begin with.
///
/// A bucket is a range of places; keys that a block's author chose to begin alike share one, which is then searched by
/// halving. So a lookup costs one read in general and never more than a binary search.
#[derive(Debug)]
pub(super) struct Directory {
    shift: u32,
    /// Where each bucket begins, then the end.
    buckets: Vec<u32>,
    heads: Vec<u32>,
}

impl Directory {
    /// Of keys that begin so, ascending.
    pub(super) fn new(heads: Vec<u32>) -> Self {
        // Between one and two buckets for each key.
        let bits = heads.len().checked_ilog2().map_or(0, |bits| (bits + 1).min(24));
        let shift = 32 - bits;
        let mut buckets = Vec::with_capacity((1 << bits) + 1);
        for (place, head) in (0..).zip(&heads) {
            let bucket = (u64::from(*head) >> shift) as usize;
            while buckets.len() <= bucket {
                buckets.push(place);
            }
        }
        buckets.resize((1 << bits) + 1, heads.len() as u32);
        Self { shift, buckets, heads }
    }

    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// The places of all keys that begin so, and perhaps of one or two others.
    pub(super) fn alike(&self, head: u32) -> Range<usize> {
        let bucket = (u64::from(head) >> self.shift) as usize;
        let (begin, end) = (self.buckets[bucket] as usize, self.buckets[bucket + 1] as usize);
        if end - begin <= 2 {
            // Whoever asks looks at the keys anyway.
            return begin..end;
        }
        let heads = &self.heads[begin..end];
        if heads.len() <= 8 {
            let below = heads.iter().take_while(|at| **at < head).count();
            let alike = heads[below..].iter().take_while(|at| **at == head).count();
            return begin + below..begin + below + alike;
        }
        let below = heads.partition_point(|at| *at < head);
        let until = heads.partition_point(|at| *at <= head);
        begin + below..begin + until
    }
}

/// The four bytes that an address begins with.
pub(super) fn head_of_address(address: &[u8]) -> u32 {
    u32::from_be_bytes([address[0], address[1], address[2], address[3]])
}

/// The four bytes that a slot of 32 bytes begins with.
pub(super) fn head_of_slot(slot: &alloy_primitives::U256) -> u32 {
    (slot.as_limbs()[3] >> 32) as u32
}

impl Outline {
    /// Walks over a list.
    ///
    /// # Errors
    /// What is wrong with it: the encoding of what is walked over, or the order of accounts.
    pub(super) fn of(list: &[u8]) -> Result<Self, Flaw> {
        u32::try_from(list.len()).map_err(|_| "it has 4 GiB or more".to_owned())?;
        // 64 bytes are about a plain transfer's share of an account.
        let expected = list.len() / 48;
        let mut starts = Vec::with_capacity(expected + 1);
        let mut heads = Vec::with_capacity(expected);
        let mut runs = Vec::new();
        let mut cuts = Vec::new();
        let mut whole = Reader::new(list);
        let mut accounts = whole.list()?;
        if !whole.is_empty() {
            return Err("something follows it".to_owned());
        }
        let mut last: &[u8] = &[];
        while !accounts.is_empty() {
            let start = list.len() - accounts.len();
            let mut fields = accounts.list()?;
            let address = fields.bytes()?;
            if address.len() != 20 {
                return Err(format!("an address has {} bytes", address.len()));
            }
            if last >= address {
                return Err(format!("{} is out of order", Address::from_slice(address)));
            }
            last = address;
            if fields.len() > LARGE_BYTES {
                let account = starts.len() as u32;
                let address = Address::from_slice(address);
                for written in [true, false] {
                    let slots = fields.list()?;
                    if slots.len() > LARGE_BYTES {
                        let end = list.len() - accounts.len() - fields.len();
                        runs.push(run(account, address, written, slots, end, &mut cuts)?);
                    }
                }
            }
            starts.push(start as u32);
            heads.push(head_of_address(address));
        }
        starts.push(list.len() as u32);
        Ok(Self { starts, accounts: Directory::new(heads), runs, cuts })
    }

    /// The run of a large account, if it has one of this kind.
    pub(super) fn run(&self, account: u32, written: bool) -> Option<u32> {
        let found =
            self.runs.binary_search_by_key(&(account, !written), |run| (run.account, !run.written));
        found.ok().map(|at| at as u32)
    }
}

/// Cuts slots that end at `end` of the list into pieces.
fn run(
    account: u32,
    address: Address,
    written: bool,
    slots: Reader<'_>,
    end: usize,
    cuts: &mut Vec<Cut>,
) -> Result<LargeRun, Flaw> {
    let first_cut = cuts.len() as u32;
    let mut heads: Vec<u32> = Vec::with_capacity(slots.len() / 32);
    let (mut rest, mut before) = (slots, None);
    while !rest.is_empty() {
        let start = (end - rest.len()) as u32;
        if heads.len().is_multiple_of(SLOTS_A_PIECE) {
            if let Some(last) = cuts.last_mut().filter(|_| !heads.is_empty()) {
                last.bytes.end = start;
            }
            let bytes = before.unwrap_or(start)..end as u32;
            cuts.push(Cut { address, written, bytes, follows: before.is_some() });
        }
        before = Some(start);
        let slot = if written { rest.list()?.bytes()? } else { rest.bytes()? };
        let head = match slot.len() {
            32 => head_of_address(slot),
            // Zeros in front are not written.
            length @ 29..32 => {
                slot[..length - 28].iter().fold(0, |head, byte| head << 8 | u32::from(*byte))
            }
            _ => 0,
        };
        if heads.last().is_some_and(|last| *last > head) {
            return Err(format!("a slot of {address} is out of order"));
        }
        heads.push(head);
    }
    Ok(LargeRun { account, written, first_cut, slots: Directory::new(heads) })
}
