//! Blocks from a seed.

use crate::seed::Numbers;

use super::{Op, Register, Toy};

/// What the transactions of a generated block have to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing: each has registers of its own, and all pay a fee into one.
    Independent,
    /// Each reads what the one before wrote.
    Chain,
    /// Some share of them reads and writes one register.
    HotKey,
    /// All add to and pay from a few registers, and some read these exactly.
    Deltas,
    /// What is read decides what is written, on few registers.
    Branches,
    /// As `Branches`, with transactions that may be invalid.
    Skips,
    /// As `Skips`, with transactions that may end the run.
    Stops,
    /// As `Skips`, with failures, panics, unreadable registers, and deltas that may not fit.
    Failures,
}

impl Shape {
    /// All shapes.
    pub const ALL: [Self; 8] = [
        Self::Independent,
        Self::Chain,
        Self::HotKey,
        Self::Deltas,
        Self::Branches,
        Self::Skips,
        Self::Stops,
        Self::Failures,
    ];
}

/// Blocks and numbers from a seed.
#[derive(Clone, Debug)]
pub struct Generator {
    numbers: Numbers,
}

/// Registers from here on cannot be read in blocks of shape `Failures`.
const UNREADABLE: Register = 1 << 40;
/// Few registers, so that transactions meet.
const FEW: u64 = 6;

impl Generator {
    /// A generator that always gives the same for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { numbers: Numbers::new(seed) }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.numbers.number()
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.numbers.below(bound)
    }

    /// A block of `transactions` programs.
    pub fn block(&mut self, shape: Shape, transactions: u64) -> Toy {
        let programs = (0..transactions).map(|index| self.program(shape, index)).collect();
        Toy::new(programs).with_seed(self.number()).with_unreadable_from(UNREADABLE)
    }

    fn program(&mut self, shape: Shape, index: u64) -> Vec<Op> {
        let own = 1000 + index;
        let mut ops = match shape {
            Shape::Independent => vec![
                Op::Read(own),
                Op::Work(50),
                Op::Set(own),
                Op::Pay(own + 100_000, 1),
                Op::Add(0, 3),
            ],
            Shape::Chain => vec![Op::Read(own), Op::Work(50), Op::Set(own + 1)],
            Shape::HotKey if self.below(3) == 0 => vec![Op::Read(1), Op::Set(1), Op::Add(0, 1)],
            Shape::HotKey => vec![Op::Read(own), Op::Set(own), Op::Add(0, 1)],
            _ => {
                let length = 1 + self.below(6);
                (0..length).map(|_| self.op(shape)).collect()
            }
        };
        // A yield at a random place, in some of the transactions.
        if self.below(3) == 0 {
            let at = self.below(ops.len() as u64 + 1);
            ops.insert(usize::try_from(at).unwrap_or(0), Op::Yield);
        }
        ops
    }

    fn op(&mut self, shape: Shape) -> Op {
        let register = self.below(FEW);
        let kinds = match shape {
            Shape::Deltas => 4,
            Shape::Branches => 8,
            Shape::Skips => 9,
            Shape::Stops => 10,
            _ => 14,
        };
        match self.below(kinds) {
            0 => Op::Read(register),
            1 => Op::Add(register, self.below(40)),
            2 | 3 => Op::Pay(register, self.below(60)),
            4 => Op::Set(register),
            5 => Op::SetAmong { first: register, count: 1 + self.below(FEW) },
            6 | 7 => Op::SkipIfOdd(register, 1 + usize::from(self.below(2) == 0)),
            8 => Op::InvalidIfOdd(register),
            // Failures and stops are rare enough for most of a block to be reached.
            9 => self.rarely(Op::StopIfOdd(register)),
            10 => self.rarely(Op::FailIfOdd(register)),
            11 => self.rarely(Op::PanicIfOdd(register)),
            12 => self.rarely(Op::Read(UNREADABLE + register)),
            _ => self.rarely(Op::Overdraw(register, 5)),
        }
    }

    fn rarely(&mut self, op: Op) -> Op {
        if self.below(4) == 0 { op } else { Op::Yield }
    }
}
