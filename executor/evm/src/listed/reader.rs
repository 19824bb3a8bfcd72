//! Strict RLP: what is not the one encoding of what it says is refused while it is read, so that nothing has to be encoded
//! again for comparison.

use super::Flaw;
use alloy_primitives::U256;
use alloy_rlp::Header;

/// Reads items one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'l> {
    rest: &'l [u8],
}

impl<'l> Reader<'l> {
    pub(super) fn new(bytes: &'l [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes that are left.
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    /// The items of the list that is next. Headers are as short as they can be: `alloy-rlp` takes no others.
    pub(super) fn list(&mut self) -> Result<Self, Flaw> {
        match Header::decode_bytes(&mut self.rest, true) {
            Ok(rest) => Ok(Self { rest }),
            Err(error) => Err(undecodable(error)),
        }
    }

    /// The byte string that is next.
    pub(super) fn bytes(&mut self) -> Result<&'l [u8], Flaw> {
        Header::decode_bytes(&mut self.rest, false).map_err(undecodable)
    }

    /// The number that is next: big-endian without zeros in front, of 32 bytes at most.
    pub(super) fn number(&mut self) -> Result<U256, Flaw> {
        let bytes = self.bytes()?;
        match bytes {
            [] => Ok(U256::ZERO),
            [0, ..] => Err(undecodable(alloy_rlp::Error::LeadingZero)),
            bytes if bytes.len() <= 8 => Ok(U256::from(small(bytes))),
            bytes => {
                let mut word = [0; 32];
                let Some(front) = word.len().checked_sub(bytes.len()) else {
                    return Err(undecodable(alloy_rlp::Error::Overflow));
                };
                word[front..].copy_from_slice(bytes);
                Ok(U256::from_be_bytes(word))
            }
        }
    }

    /// The number that is next, of 64 bits at most.
    pub(super) fn short_number(&mut self) -> Result<u64, Flaw> {
        match self.bytes()? {
            [0, ..] => Err(undecodable(alloy_rlp::Error::LeadingZero)),
            bytes if bytes.len() <= 8 => Ok(small(bytes)),
            _ => Err(undecodable(alloy_rlp::Error::Overflow)),
        }
    }

    /// Refuses items beyond those that were read.
    pub(super) fn end(&self) -> Result<(), Flaw> {
        if self.rest.is_empty() { Ok(()) } else { Err("an item has too many parts".to_owned()) }
    }
}

fn small(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn undecodable(error: alloy_rlp::Error) -> Flaw {
    format!("it cannot be decoded: {error}")
}
