//! Deposit requests out of the deposit contract's logs.
//!
//! Source: EIP-6110, `is_valid_deposit_event_data` and `get_deposit_request_data`.

use crate::error::ExecutionError;
use alloy_primitives::{Address, B256, Bytes, Log, U256, b256};

/// keccak256 of `DepositEvent(bytes,bytes,bytes,bytes,bytes)`.
const DEPOSIT_EVENT: B256 =
    b256!("649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5");

/// EIP-7685 type of a deposit request.
const DEPOSIT_REQUEST_TYPE: u8 = 0;

/// Where the event's five byte strings start, and how long they are: public key, withdrawal credentials, amount, signature,
/// index. Each is its length in a word, then its bytes, padded to words.
const LAYOUT: [(usize, usize); 5] = [(160, 48), (256, 32), (320, 8), (384, 96), (512, 8)];

/// Length of the event's data.
const DATA_BYTES: usize = 576;

/// The request of all deposits among `logs`, or `None` if there is none.
///
/// # Errors
/// A verdict when an event of the contract does not have the layout that the EIP demands.
pub(super) fn request<'l>(
    contract: Address,
    logs: impl Iterator<Item = &'l Log>,
) -> Result<Option<Bytes>, ExecutionError> {
    let mut request = Vec::new();
    let of_contract =
        |log: &&Log| log.address == contract && log.topics().first() == Some(&DEPOSIT_EVENT);
    for log in logs.filter(of_contract) {
        let data = log.data.data.as_ref();
        if !is_valid(data) {
            return Err(ExecutionError::Invalid {
                index: None,
                reason: format!("deposit event of {contract} has an invalid layout (EIP-6110)"),
            });
        }
        for (start, length) in LAYOUT {
            request.extend_from_slice(&data[start + 32..start + 32 + length]);
        }
    }
    if request.is_empty() {
        return Ok(None);
    }
    request.insert(0, DEPOSIT_REQUEST_TYPE);
    Ok(Some(request.into()))
}

fn is_valid(data: &[u8]) -> bool {
    let word = |at: usize| U256::from_be_slice(&data[at..at + 32]);
    data.len() == DATA_BYTES
        && LAYOUT.iter().enumerate().all(|(place, (start, length))| {
            word(32 * place) == U256::from(*start) && word(*start) == U256::from(*length)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTRACT: Address = Address::repeat_byte(0xde);

    /// An event whose byte strings are filled with 1, 2, 3, 4 and 5.
    fn event() -> Vec<u8> {
        let mut data = vec![0; DATA_BYTES];
        for (place, (start, length)) in LAYOUT.into_iter().enumerate() {
            data[32 * place..32 * place + 32]
                .copy_from_slice(&U256::from(start).to_be_bytes::<32>());
            data[start..start + 32].copy_from_slice(&U256::from(length).to_be_bytes::<32>());
            data[start + 32..start + 32 + length].fill(place as u8 + 1);
        }
        data
    }

    fn log(address: Address, data: Vec<u8>) -> Log {
        Log::new_unchecked(address, vec![DEPOSIT_EVENT], data.into())
    }

    #[test]
    fn deposits_follow_each_other_in_one_request() {
        let logs = [log(CONTRACT, event()), log(Address::ZERO, vec![1]), log(CONTRACT, event())];
        let found = request(CONTRACT, logs.iter()).unwrap().unwrap();
        assert_eq!(found.len(), 1 + 2 * 192);
        assert_eq!((found[0], found[1], found[48], found[49], found[192]), (0, 1, 1, 2, 5));
        assert_eq!(found[1..193], found[193..]);
        assert_eq!(request(CONTRACT, logs[1..2].iter()).unwrap(), None);
    }

    #[test]
    fn a_deposit_with_another_layout_makes_the_block_invalid() {
        for at in [31, 191, 575] {
            let mut data = event();
            if at == 575 {
                data.pop();
            } else {
                data[at] ^= 1;
            }
            let error = request(CONTRACT, [log(CONTRACT, data)].iter()).unwrap_err();
            assert!(error.is_verdict(), "{error}");
        }
    }
}
