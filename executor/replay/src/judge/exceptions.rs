//! Tests that this executor is not meant to pass, and why.

use super::amsterdam;

const CREATION_OVER_STORAGE: &str = "EIP-7610: creation over an account with storage but neither code nor nonce, which no \
     chain of ours can have";

const AUTHORISATION_GAS: &str = "EIP-8037 as of the fixtures charges the state gas of EIP-7702 authorisations with the \
     intrinsic gas; revm charges it later, by EIP-2780";

const CREATION_GAS: &str = "EIP-8037 as of the fixtures charges the state gas of a creation, and gives it back, at other \
     moments than revm, which does so by EIP-2780";

/// A part of the test's name, a part of the fork's, and the reason.
///
/// A test that matches and differs from its suite is reported as excepted, never as passed; one that passes all the same is
/// passed. A contradiction of the executor with itself is never excepted.
const EXCEPTIONS: [(&str, &str, &str); 8] = [
    ("eip7610", "", CREATION_OVER_STORAGE),
    ("::test_bal_7702_", amsterdam::NAME, AUTHORISATION_GAS),
    ("_to_7702_delegation[", amsterdam::NAME, AUTHORISATION_GAS),
    ("::test_bal_all_transaction_types[", amsterdam::NAME, AUTHORISATION_GAS),
    ("::test_bal_create_transaction_empty_code[", amsterdam::NAME, CREATION_GAS),
    ("::test_bal_withdrawal_and_new_contract[", amsterdam::NAME, CREATION_GAS),
    ("::test_bal_create2_collision[", amsterdam::NAME, CREATION_GAS),
    ("::test_bal_create_selfdestruct_to_self_with_call[", amsterdam::NAME, CREATION_GAS),
];

/// Why the test of this name is excepted in this fork, if it is.
pub(crate) fn reason(test: &str, fork: &str) -> Option<&'static str> {
    let matches = |part: &str, of: &str| test.contains(part) && fork.contains(of);
    EXCEPTIONS.iter().find(|(part, of, _)| matches(part, of)).map(|(_, _, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_tests_are_excepted_and_only_in_their_fork() {
        let collision = "tests/paris/eip7610_create_collision/test_x";
        assert_eq!(reason(collision, "Osaka"), Some(CREATION_OVER_STORAGE));
        assert_eq!(reason("tests/paris/eip3675/test_x", "Osaka"), None);
        let delegation = "test_block_access_lists_eip7702.py::test_bal_7702_delegation_clear[x]";
        assert_eq!(reason(delegation, "Amsterdam"), Some(AUTHORISATION_GAS));
        assert_eq!(reason(delegation, "Osaka"), None);
    }
}
