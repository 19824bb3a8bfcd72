//! Blocks one after the other in a file (`chain.rlp`), without reading the whole file.

use std::io::{self, Read};

/// Largest block that is read, in bytes; Ethereum's largest are far below.
pub const BLOCK_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The file does not hold blocks.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refused.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Not the beginning of a block.
    #[error("at byte {offset}: expected the beginning of an RLP list, found {found:#04x}")]
    NotAList {
        /// Where, in bytes.
        offset: u64,
        /// The byte found.
        found: u8,
    },
    /// Longer than any block.
    #[error("at byte {offset}: a list of {size} bytes, at most {BLOCK_BYTES_MAX} are read")]
    Oversized {
        /// Where, in bytes.
        offset: u64,
        /// Its length.
        size: u64,
    },
    /// The file ends within a block.
    #[error("at byte {offset}: the file ends within a block")]
    CutOff {
        /// Where the block begins, in bytes.
        offset: u64,
    },
}

/// Reads the RLP of one block after the other.
#[derive(Debug)]
pub struct BlockReader<R> {
    source: R,
    offset: u64,
}

impl<R: Read> BlockReader<R> {
    /// A reader from the beginning of `source`, which should be buffered.
    pub const fn new(source: R) -> Self {
        Self { source, offset: 0 }
    }

    /// Bytes read so far.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    fn next_block(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        let offset = self.offset;
        let mut first = [0u8];
        if self.source.read(&mut first)? == 0 {
            return Ok(None);
        }
        let mut bytes = first.to_vec();
        let size = match first[0] {
            short @ 0xc0..=0xf7 => u64::from(short - 0xc0),
            long @ 0xf8..=0xff => {
                let mut length = [0u8; 8];
                let part = &mut length[8 - usize::from(long - 0xf7)..];
                self.fill(part, offset)?;
                bytes.extend_from_slice(part);
                u64::from_be_bytes(length)
            }
            found => return Err(ReadError::NotAList { offset, found }),
        };
        if size > BLOCK_BYTES_MAX {
            return Err(ReadError::Oversized { offset, size });
        }
        let start = bytes.len();
        bytes.resize(start + size as usize, 0);
        self.fill(&mut bytes[start..], offset)?;
        self.offset += bytes.len() as u64;
        Ok(Some(bytes))
    }

    fn fill(&mut self, into: &mut [u8], offset: u64) -> Result<(), ReadError> {
        self.source.read_exact(into).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::CutOff { offset },
            _ => ReadError::Io(error),
        })
    }
}

impl<R: Read> Iterator for BlockReader<R> {
    type Item = Result<Vec<u8>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_block().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_every_length_come_out_as_they_went_in() {
        let lists: Vec<Vec<u8>> = [0usize, 1, 55, 56, 300, 70_000]
            .iter()
            .map(|count| {
                let mut out = Vec::new();
                alloy_rlp::Header { list: true, payload_length: *count }.encode(&mut out);
                out.resize(out.len() + count, 1);
                out
            })
            .collect();
        let file = lists.concat();
        let read: Result<Vec<_>, _> = BlockReader::new(&file[..]).collect();
        assert_eq!(read.unwrap(), lists);
    }

    #[test]
    fn what_is_no_block_is_named_by_its_place() {
        let read = |bytes: &[u8]| {
            let last = BlockReader::new(bytes).last();
            last.unwrap().unwrap_err().to_string()
        };
        assert!(read(&[0xc1, 0, 0x80]).starts_with("at byte 2: expected"));
        assert_eq!(read(&[0xc0, 0xc3, 1]), "at byte 1: the file ends within a block");
        assert!(read(&[0xff; 9]).contains("at most"), "a length of 2^64 - 1");
    }
}
