//! The first field in which two results of one block differ.

use std::fmt::Debug;
use weft_evm::Executed;

/// Longest value in a difference, in characters.
const VALUE_CHARS_MAX: usize = 160;

/// A field and its two values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field, with the way to it, in JSON-RPC spelling.
    pub field: String,
    /// The value that is held for right.
    pub expected: String,
    /// The other.
    pub found: String,
}

/// Compares everything that must not depend on how a block was executed: all but the local profile. The most telling fields
/// come first, a receipt before its root.
#[must_use]
pub fn difference(expected: &Executed, found: &Executed) -> Option<Difference> {
    let (a, b) = (expected, found);
    list("transactions", &a.transactions, &b.transactions)
        .or_else(|| list("skipped", &a.skipped, &b.skipped))
        .or_else(|| list("receipts", &a.receipts, &b.receipts))
        .or_else(|| field("gasUsed", &a.gas_used, &b.gas_used))
        .or_else(|| field("logsBloom", &a.logs_bloom, &b.logs_bloom))
        .or_else(|| field("receiptsRoot", &a.receipts_root, &b.receipts_root))
        .or_else(|| list("requests", &a.requests, &b.requests))
        .or_else(|| field("requestsHash", &a.requests_hash, &b.requests_hash))
        .or_else(|| list("wiped", &a.wiped, &b.wiped))
        .or_else(|| list("stateDiff.accounts", &a.diff.accounts, &b.diff.accounts))
        .or_else(|| list("stateDiff.code", &a.diff.code, &b.diff.code))
        .or_else(|| {
            let (a, b) = (&a.access_record.transactions, &b.access_record.transactions);
            list("accessRecord.transactions", a, b)
        })
        .or_else(|| field("blockAccessList", &a.access_list, &b.access_list))
        .or_else(|| field("blockAccessListHash", &a.access_list_hash, &b.access_list_hash))
}

/// Compares one field.
pub(crate) fn field<T: PartialEq + Debug>(
    name: &str,
    expected: &T,
    found: &T,
) -> Option<Difference> {
    (expected != found).then(|| Difference {
        field: name.to_owned(),
        expected: show(expected),
        found: show(found),
    })
}

/// Compares two lists, and names the first place where they part.
fn list<T: PartialEq + Debug>(name: &str, expected: &[T], found: &[T]) -> Option<Difference> {
    let place = expected.iter().zip(found).position(|(a, b)| a != b);
    match place {
        Some(place) => field(&format!("{name}[{place}]"), &expected[place], &found[place]),
        None => field(&format!("{name}.length"), &expected.len(), &found.len()),
    }
}

fn show(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text;
    }
    text.chars().take(VALUE_CHARS_MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loads::Kind;
    use weft_evm::{Executor, Mode, Products};
    use weft_types::{B256, Bytes};

    fn executed() -> Executed {
        let load = Kind::find("small-5").expect("it is in the table").make();
        let executor = Executor::new(1);
        executor
            .execute(&load.input(), &load.state, Mode::Oracle, Products::ALL)
            .expect("the load is valid")
    }

    #[test]
    fn equal_results_have_no_difference_whatever_their_profiles() {
        let (a, mut b) = (executed(), executed());
        b.profile.wall_us += 1;
        assert_eq!(difference(&a, &b), None);
    }

    #[test]
    fn every_field_is_compared_and_named() {
        type Change = fn(&mut Executed);
        let changes: [(&str, Change); 14] = [
            ("transactions.length", |e| drop(e.transactions.pop())),
            ("receipts[4]", |e| e.receipts[4] = e.receipts[3].clone()),
            ("receipts.length", |e| drop(e.receipts.pop())),
            ("gasUsed", |e| e.gas_used += 1),
            ("logsBloom", |e| e.logs_bloom = !e.logs_bloom),
            ("receiptsRoot", |e| e.receipts_root = B256::ZERO),
            ("requests.length", |e| e.requests.push(Bytes::new())),
            ("requestsHash", |e| e.requests_hash = B256::ZERO),
            ("wiped.length", |e| e.wiped.push(e.transactions[0].signer())),
            ("stateDiff.accounts[1]", |e| e.diff.accounts[1].before = None),
            ("stateDiff.code.length", |e| e.diff.code.push((B256::ZERO, Bytes::new()))),
            ("accessRecord.transactions[2]", |e| e.access_record.transactions[2].gas_used += 1),
            ("blockAccessList", |e| e.access_list = Bytes::new()),
            ("blockAccessListHash", |e| e.access_list_hash = B256::ZERO),
        ];
        let right = executed();
        for (name, change) in changes {
            let mut wrong = right.clone();
            change(&mut wrong);
            let found = difference(&right, &wrong).map(|difference| difference.field);
            assert_eq!(found.as_deref(), Some(name));
        }
    }
}
