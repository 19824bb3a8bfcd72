//! Why a block or a transaction is rejected, and whether that is why the suite expects it to be.

use std::fmt;
use weft_types::HeaderError;

/// How far a block came before it was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its bytes are not a block.
    Decoding,
    /// Header or body break a rule that needs no execution.
    Rules,
    /// A signature does not give a sender.
    Sender,
    /// A transaction or a system call is invalid on this state.
    Execution,
    /// Everything ran, but the header says something else.
    Outcome,
}

/// Why a block was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{stage}: {reason}")]
pub struct Rejection {
    /// How far it came.
    pub stage: Stage,
    /// Names of the header fields that are wrong, where that is the reason.
    pub fields: Vec<&'static str>,
    /// The reason, with the values expected and found.
    pub reason: String,
}

/// Exceptions of the suites that name one field, and that field's name.
const FIELDS_BY_EXCEPTION: [(&str, &[&str]); 20] = [
    ("INVALID_BLOCK_ACCESS_LIST", &["blockAccessListHash"]),
    ("INVALID_BAL", &["blockAccessListHash"]),
    // Only said of blocks whose list names an account twice.
    ("INCORRECT_BLOCK_FORMAT", &["blockAccessListHash"]),
    ("INVALID_STATE_ROOT", &["stateRoot"]),
    ("INVALID_RECEIPTS_ROOT", &["receiptsRoot"]),
    ("INVALID_LOG_BLOOM", &["logsBloom"]),
    ("INVALID_REQUESTS", &["requestsHash"]),
    ("INVALID_GAS_USED", &["gasUsed", "receiptsRoot"]),
    ("GAS_USED_OVERFLOW", &["gasUsed"]),
    ("INVALID_TRANSACTIONS_ROOT", &["transactionsRoot"]),
    ("INVALID_WITHDRAWALS_ROOT", &["withdrawalsRoot"]),
    ("INVALID_BASEFEE_PER_GAS", &["baseFeePerGas"]),
    ("INVALID_GASLIMIT", &["gasLimit"]),
    ("INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT", &["timestamp"]),
    ("EXTRA_DATA_TOO_BIG", &["extraData"]),
    ("UNKNOWN_PARENT", &["parentHash"]),
    ("IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS", &["uncles", "sha3Uncles"]),
    ("INCORRECT_EXCESS_BLOB_GAS", &["excessBlobGas"]),
    ("INCORRECT_BLOB_GAS_USED", &["blobGasUsed"]),
    ("RLP_BLOCK_LIMIT_EXCEEDED", &["size"]),
];

impl Rejection {
    pub(crate) fn new(stage: Stage, reason: impl fmt::Display) -> Self {
        Self { stage, fields: Vec::new(), reason: reason.to_string() }
    }

    /// Whether one of the suite's alternatives (separated by `|`) is what this is.
    ///
    /// An exception that names a field wants exactly that field. Any other, above all one about a transaction, must have been
    /// found before the outcome was compared: a wrong root is not a reason to refuse an invalid transaction.
    #[must_use]
    pub fn answers(&self, exception: &str) -> bool {
        exception.split('|').any(|alternative| {
            let name = alternative.rsplit('.').next().unwrap_or(alternative);
            match FIELDS_BY_EXCEPTION.iter().find(|(known, _)| *known == name) {
                Some((_, fields)) => {
                    !self.fields.is_empty() && self.fields.iter().all(|f| fields.contains(f))
                }
                None => self.stage != Stage::Outcome,
            }
        })
    }
}

impl From<HeaderError> for Rejection {
    fn from(error: HeaderError) -> Self {
        let fields = match &error {
            HeaderError::Field { field, .. } => vec![*field],
            HeaderError::TimestampBeforeParent { .. } | HeaderError::TimestampAhead { .. } => {
                vec!["timestamp"]
            }
        };
        Self { stage: Stage::Rules, fields, reason: error.to_string() }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decoding => "decoding",
            Self::Rules => "header rules",
            Self::Sender => "sender",
            Self::Execution => "execution",
            Self::Outcome => "outcome",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_field(stage: Stage, field: &'static str) -> Rejection {
        Rejection { stage, fields: vec![field], reason: String::new() }
    }

    #[test]
    fn a_wrong_root_does_not_answer_for_an_invalid_transaction() {
        let nonce = "TransactionException.NONCE_MISMATCH_TOO_LOW";
        assert!(!of_field(Stage::Outcome, "stateRoot").answers(nonce));
        assert!(Rejection::new(Stage::Execution, "nonce too low").answers(nonce));
    }

    #[test]
    fn an_exception_about_a_field_wants_that_field_and_no_other() {
        let list = "BlockException.INVALID_BLOCK_ACCESS_LIST";
        assert!(of_field(Stage::Outcome, "blockAccessListHash").answers(list));
        assert!(!of_field(Stage::Outcome, "stateRoot").answers(list));
        let both = Rejection {
            fields: vec!["gasUsed", "blockAccessListHash"],
            ..of_field(Stage::Outcome, "gasUsed")
        };
        assert!(!both.answers(list));
        assert!(!Rejection::new(Stage::Execution, "").answers(list));
    }

    #[test]
    fn one_of_several_alternatives_suffices() {
        let either = "BlockException.INVALID_GASLIMIT|TransactionException.INTRINSIC_GAS_TOO_LOW";
        assert!(of_field(Stage::Rules, "gasLimit").answers(either));
        assert!(Rejection::new(Stage::Execution, "").answers(either));
        assert!(!of_field(Stage::Outcome, "gasUsed").answers(either));
    }
}
