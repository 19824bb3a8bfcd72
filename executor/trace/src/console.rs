//! `console.log` of Solidity test frameworks: calls to an address without code, whose calldata is the line.
//!
//! Source: the layout of Hardhat's `console.sol`: `log` with up to four arguments of four types, and a few with one of
//! another type. Older versions hash `uint` and `int` where newer ones hash `uint256` and `int256`; both are known.

use alloy_primitives::{Address, B256, I256, U256, address, hex, keccak256};
use revm::context_interface::ContextTr;
use revm::inspector::Inspector;
use revm::interpreter::{CallInputs, CallOutcome};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

/// Where contracts log to.
pub const CONSOLE: Address = address!("000000000000000000636F6e736F6c652e6c6f67");

/// Most lines of one transaction.
const LINES_MAX: usize = 256;
/// Longest line, in bytes.
const LINE_BYTES_MAX: usize = 4096;

/// Type of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Uint,
    Int,
    Text,
    Bool,
    Address,
    Bytes,
    /// So many bytes, at the beginning of a word.
    Fixed(usize),
}

static SIGNATURES: LazyLock<HashMap<[u8; 4], Vec<Kind>>> = LazyLock::new(signatures);

/// Selectors of all forms of `log`.
fn signatures() -> HashMap<[u8; 4], Vec<Kind>> {
    let mut known = HashMap::new();
    let mut add = |name: &str, kinds: &[(&str, Kind)]| {
        let types: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
        let hash = keccak256(format!("{name}({})", types.join(",")));
        let (selector, _) = hash.split_first_chunk().expect("a hash is longer than a selector");
        known.insert(*selector, kinds.iter().map(|(_, kind)| *kind).collect());
    };
    for uint in ["uint256", "uint"] {
        let kinds = [
            (uint, Kind::Uint),
            ("string", Kind::Text),
            ("bool", Kind::Bool),
            ("address", Kind::Address),
        ];
        for count in 0..=4u32 {
            for mut choice in 0..4usize.pow(count) {
                let mut picked = Vec::new();
                for _ in 0..count {
                    picked.push(kinds[choice % 4]);
                    choice /= 4;
                }
                add("log", &picked);
            }
        }
        add("logUint", &[(uint, Kind::Uint)]);
    }
    for int in ["int256", "int"] {
        add("log", &[(int, Kind::Int)]);
        add("log", &[("string", Kind::Text), (int, Kind::Int)]);
        add("logInt", &[(int, Kind::Int)]);
    }
    add("log", &[("bytes", Kind::Bytes)]);
    add("logString", &[("string", Kind::Text)]);
    add("logBool", &[("bool", Kind::Bool)]);
    add("logAddress", &[("address", Kind::Address)]);
    add("logBytes", &[("bytes", Kind::Bytes)]);
    for size in 1..=32 {
        let name = format!("bytes{size}");
        add("log", &[(&name, Kind::Fixed(size))]);
        add(&format!("logBytes{size}"), &[(&name, Kind::Fixed(size))]);
    }
    known
}

/// The line that calldata of a call to [`CONSOLE`] means; `None` for what is no form of `log`.
#[must_use]
pub fn console_line(input: &[u8]) -> Option<String> {
    let (selector, data) = input.split_first_chunk::<4>()?;
    let kinds = SIGNATURES.get(selector)?;
    let mut arguments = Vec::with_capacity(kinds.len());
    for (place, kind) in kinds.iter().enumerate() {
        arguments.push((*kind, text(*kind, place, data)?));
    }
    let mut line = join(&arguments);
    if line.len() > LINE_BYTES_MAX {
        let mut end = LINE_BYTES_MAX;
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line.push('…');
    }
    Some(line)
}

/// One argument as text.
fn text(kind: Kind, place: usize, data: &[u8]) -> Option<String> {
    let word = data.get(place * 32..place * 32 + 32)?;
    let number = U256::from_be_slice(word);
    Some(match kind {
        Kind::Uint => number.to_string(),
        Kind::Int => I256::from_raw(number).to_string(),
        Kind::Bool => (!number.is_zero()).to_string(),
        Kind::Address => Address::from_word(B256::from_slice(word)).to_string(),
        Kind::Fixed(size) => hex::encode_prefixed(&word[..size]),
        Kind::Text | Kind::Bytes => {
            let at = usize::try_from(number).ok()?;
            let length = data.get(at..at.checked_add(32)?)?;
            let length = usize::try_from(U256::from_be_slice(length)).ok()?;
            let bytes = data.get(at + 32..(at + 32).checked_add(length)?)?;
            if kind == Kind::Text {
                String::from_utf8_lossy(bytes).into_owned()
            } else {
                hex::encode_prefixed(bytes)
            }
        }
    })
}

/// As in JavaScript's console: placeholders of a first string take the arguments behind it, the rest follows.
fn join(arguments: &[(Kind, String)]) -> String {
    let mut rest = arguments.iter();
    let mut line = String::new();
    if let Some((Kind::Text, format)) = arguments.first() {
        rest.next();
        let mut letters = format.chars().peekable();
        while let Some(letter) = letters.next() {
            match (letter, letters.peek()) {
                ('%', Some('%')) => {
                    letters.next();
                    line.push('%');
                }
                ('%', Some('s' | 'd' | 'i' | 'o' | 'O' | 'f')) if rest.len() > 0 => {
                    letters.next();
                    line.push_str(rest.next().map_or("", |(_, text)| text));
                }
                ('%', Some('x')) if rest.len() > 0 => {
                    letters.next();
                    let text = rest.next().map_or("", |(_, text)| text);
                    match text.parse::<U256>() {
                        Ok(number) if !text.starts_with("0x") => {
                            let _ = write!(line, "{number:#x}");
                        }
                        _ => line.push_str(text),
                    }
                }
                _ => line.push(letter),
            }
        }
    }
    for (index, (_, text)) in rest.enumerate() {
        if index > 0 || !line.is_empty() {
            line.push(' ');
        }
        line.push_str(text);
    }
    // A line is one line, whatever a contract puts into it.
    line.replace('\n', "\\n").replace(|letter: char| letter.is_control(), "")
}

/// Collects the console lines of a transaction, those of calls that revert included.
#[derive(Clone, Debug, Default)]
pub struct ConsoleLines {
    lines: Vec<String>,
}

impl ConsoleLines {
    /// The lines, in order.
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.lines
    }
}

impl<C: ContextTr> Inspector<C> for ConsoleLines {
    fn call(&mut self, context: &mut C, inputs: &mut CallInputs) -> Option<CallOutcome> {
        if inputs.target_address == CONSOLE
            && self.lines.len() < LINES_MAX
            && let Some(line) = console_line(&inputs.input.bytes(context))
        {
            self.lines.push(line);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_sol_types::{SolCall, sol};

    mod newer {
        alloy_sol_types::sol! {
            function log(string memory a, uint256 b, bool c, address d) external;
        }
    }

    sol! {
        function log(string memory a) external;
        function logBytes4(bytes4 a) external;
        function logInt(int256 a) external;
        function log(bool a, string memory b) external;
    }

    #[test]
    fn arguments_are_joined_and_placeholders_filled() {
        let line = |call: Vec<u8>| console_line(&call).unwrap();
        assert_eq!(line(log_0Call { a: "hello %s".into() }.abi_encode()), "hello %s");
        let who = Address::repeat_byte(0x11);
        let four = |text: &str| {
            newer::logCall { a: text.into(), b: U256::from(255), c: true, d: who }.abi_encode()
        };
        let name = who.to_string();
        assert_eq!(line(four("%d of %s, %%")), format!("255 of true, % {name}"));
        assert_eq!(line(four("%x")), format!("0xff true {name}"));
        assert_eq!(line(four("a\nb")), format!("a\\nb 255 true {name}"));
        assert_eq!(line(logIntCall { a: I256::try_from(-7).unwrap() }.abi_encode()), "-7");
        assert_eq!(line(logBytes4Call { a: [1, 2, 3, 4].into() }.abi_encode()), "0x01020304");
        assert_eq!(line(log_1Call { a: false, b: "x".into() }.abi_encode()), "false x");
    }

    #[test]
    fn the_old_name_of_the_type_is_known() {
        let mut call = keccak256("log(uint)")[..4].to_vec();
        call.extend(U256::from(9).to_be_bytes_vec());
        assert_eq!(console_line(&call).as_deref(), Some("9"));
    }

    #[test]
    fn what_is_no_log_or_cut_off_is_no_line() {
        assert_eq!(console_line(&[]), None);
        assert_eq!(console_line(&[1, 2, 3, 4]), None);
        let call = log_0Call { a: "hello".into() }.abi_encode();
        for end in 0..=4 + 64 {
            assert_eq!(console_line(&call[..end]), None, "{end}");
        }
        let mut wild = call;
        wild[4..36].fill(0xff);
        assert_eq!(console_line(&wild), None);
    }
}
