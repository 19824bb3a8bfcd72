//! A small machine to try the engine with: programs over registers of `u64`.
//!
//! It has everything that makes a real machine hard to run in parallel: reads that decide which locations are written,
//! commutative changes with a lower bound, transactions that are invalid only on some values, snapshots that fail for some
//! locations, and panics. [`Ledger`] is a settler that writes down all it is shown, so that two runs can be compared whole.
//!
//! ```
//! use weft_stm::{Options, Pool, run, run_sequential};
//! use weft_stm::toy::{Ledger, Op, Toy, histories};
//!
//! // Each transaction pays a fee of 2 into register 9 and copies what it finds in its own register.
//! let block = Toy::new((0..50).map(|i| vec![Op::Read(100 + i), Op::Set(200 + i), Op::Add(9, 2)]).collect());
//!
//! let mut expected = Ledger::new(&block);
//! run_sequential(&block, &mut expected)?;
//! let mut ledger = Ledger::new(&block);
//! let (report, versions) = run(&Pool::new(2)?, &block, &mut ledger, &Options::default())?;
//!
//! assert_eq!(ledger, expected);
//! assert_eq!(ledger.value(9), block.initial(9) + 50 * 2);
//! assert_eq!(report.re_executions, 0, "fees are deltas: nobody conflicts");
//! // Every value that a register took is still there, with the transaction that brought it.
//! assert_eq!(histories(&versions), ledger.histories);
//! assert_eq!(ledger.histories[&9][1], (1, block.initial(9) + 4));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;

use crate::seed::mix;
use crate::settle::Verdict;
use crate::view::View;
use crate::vm::{Execution, Field, Put, Stop, Vm, Write};

mod generate;
mod ledger;

pub use generate::{Generator, Shape};
pub use ledger::{Entry, Histories, Ledger, histories};

/// Name of a register. Two neighbours share a cell: 4 and 5 are its fields 0 and 1.
pub type Register = u64;

/// The cell of a register, and its field there.
fn place(register: Register) -> (u64, Field) {
    (register / 2, (register % 2) as Field)
}

/// One step of a program. Every program has an accumulator that starts at the transaction index.
///
/// "Reads exactly" means: observes the value of the register as it is, and mixes it into the accumulator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Reads the register exactly.
    Read(Register),
    /// Sets the register to the accumulator (modulo 1000, so that deltas stay in range).
    Set(Register),
    /// Sets one of the `count` registers from `first` on, chosen by the accumulator: the write set depends on reads.
    SetAmong {
        /// First register of the range.
        first: Register,
        /// Length of the range; 0 does nothing.
        count: u64,
    },
    /// Adds to the register, reading nothing.
    Add(Register, u64),
    /// Subtracts from the register if it holds enough, observing no more than that it does (or exactly what, if not).
    Pay(Register, u64),
    /// Subtracts from the register without looking: breaks the machine's contract if it does not hold enough.
    Overdraw(Register, u64),
    /// Reads the register exactly, and skips the next `count` steps if it is odd.
    SkipIfOdd(Register, usize),
    /// Reads the register exactly; if it is odd the transaction is invalid: the settler skips it.
    InvalidIfOdd(Register),
    /// Reads the register exactly; if it is odd the settler ends the run here.
    StopIfOdd(Register),
    /// Reads the register exactly; if it is odd the machine fails.
    FailIfOdd(Register),
    /// Reads the register exactly; if it is odd the machine panics.
    PanicIfOdd(Register),
    /// Gives other threads the chance to run: more schedules are tried on few cores.
    Yield,
    /// Computes for a while: this many rounds of mixing the accumulator.
    Work(u32),
}

/// A block of programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toy {
    programs: Vec<Vec<Op>>,
    seed: u64,
    broken_from: Register,
}

/// What was seen of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// This value.
    Exactly(u64),
    /// This value or more.
    AtLeast(u64),
}

/// The result of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The accumulator at the end.
    pub accumulator: u64,
    /// What the settler is asked to do.
    pub verdict: Verdict,
    /// What it depends on, in the order in which it was seen.
    pub reads: Vec<(Register, Seen)>,
    /// What it wrote, by register.
    pub writes: Vec<(Register, Write<u64, i128>)>,
}

/// The toy's operational failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToyFailure {
    /// The snapshot has no answer for this register.
    #[error("register {0} cannot be read")]
    Unreadable(Register),
    /// The program said so.
    #[error("the program failed on register {0}")]
    Program(Register),
}

impl Toy {
    /// A block of these programs, over registers whose first values are derived from their names.
    #[must_use]
    pub fn new(programs: Vec<Vec<Op>>) -> Self {
        Self { programs, seed: 0, broken_from: Register::MAX }
    }

    /// The same programs over other first values.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same block with a snapshot that cannot read registers from `first` on.
    #[must_use]
    pub fn with_unreadable_from(self, first: Register) -> Self {
        Self { broken_from: first, ..self }
    }

    /// The programs.
    #[must_use]
    pub fn programs(&self) -> &[Vec<Op>] {
        &self.programs
    }

    /// Value of a register before the block, below 100.
    #[must_use]
    pub fn initial(&self, register: Register) -> u64 {
        mix(register ^ self.seed) % 100
    }
}

/// One running program.
struct Program<'p, 'v> {
    view: &'p mut View<'v, Toy>,
    /// Own writes so far; deltas to one register are summed.
    writes: &'p mut BTreeMap<Register, Write<u64, i128>>,
    reads: Vec<(Register, Seen)>,
    accumulator: u64,
    verdict: Verdict,
}

impl Program<'_, '_> {
    /// The value that the program sees, which state of the register that is, and how much of it is its own delta.
    fn look(&mut self, register: Register) -> Result<(u64, u32, Option<i128>), Stop<ToyFailure>> {
        let own = match self.writes.get(&register) {
            Some(Write::Set(value)) => return Ok((*value, 0, None)),
            Some(Write::Add(own)) => *own,
            None => 0,
        };
        let (key, field) = place(register);
        let cell = self.view.cell(&key)?;
        let read = self.view.read(cell, field)?;
        Ok((read.value, read.seen, Some(own)))
    }

    /// Hands an observation to the engine.
    fn observe(
        &mut self,
        register: Register,
        seen: u32,
        what: Seen,
    ) -> Result<(), Stop<ToyFailure>> {
        let (key, field) = place(register);
        let cell = self.view.cell(&key)?;
        self.view.observe(cell, field, seen, what);
        self.reads.push((register, what));
        Ok(())
    }

    /// Reads exactly.
    fn read(&mut self, register: Register) -> Result<u64, Stop<ToyFailure>> {
        let (below, seen, own) = self.look(register)?;
        let mut value = below;
        if let Some(own) = own {
            self.observe(register, seen, Seen::Exactly(below))?;
            // Out of range only where the machine guessed wrong or was told to break its contract.
            value = u64::try_from(i128::from(below) + own).unwrap_or(0);
        }
        self.accumulator = mix(self.accumulator ^ value.rotate_left(17));
        Ok(value)
    }

    /// Adds `delta` to what the program wrote to the register.
    fn add(&mut self, register: Register, delta: i128) {
        match self.writes.entry(register).or_insert(Write::Add(0)) {
            Write::Set(value) => *value = u64::try_from(i128::from(*value) + delta).unwrap_or(0),
            Write::Add(own) => *own += delta,
        }
    }

    /// Subtracts if the register holds enough.
    fn pay(&mut self, register: Register, amount: u64) -> Result<(), Stop<ToyFailure>> {
        let (below, seen, own) = self.look(register)?;
        let needed = i128::from(amount) - own.unwrap_or(0);
        let enough = i128::from(below) >= needed;
        if own.is_some() {
            let needed = u64::try_from(needed.max(0)).unwrap_or(u64::MAX);
            let what = if enough { Seen::AtLeast(needed) } else { Seen::Exactly(below) };
            self.observe(register, seen, what)?;
        }
        if enough {
            self.add(register, -i128::from(amount));
        }
        self.accumulator = mix(self.accumulator ^ u64::from(enough));
        Ok(())
    }

    /// One step; returns how many steps to skip after it.
    fn step(&mut self, op: &Op) -> Result<usize, Stop<ToyFailure>> {
        match *op {
            Op::Read(register) => {
                self.read(register)?;
            }
            Op::Set(register) => {
                self.writes.insert(register, Write::Set(self.accumulator % 1000));
            }
            Op::SetAmong { count: 0, .. } => {}
            Op::SetAmong { first, count } => {
                let register = first + self.accumulator % count;
                self.writes.insert(register, Write::Set(self.accumulator % 1000));
            }
            Op::Add(register, amount) => self.add(register, i128::from(amount)),
            Op::Pay(register, amount) => self.pay(register, amount)?,
            Op::Overdraw(register, amount) => self.add(register, -i128::from(amount)),
            Op::SkipIfOdd(register, count) => {
                return Ok(count * usize::from(self.is_odd(register)?));
            }
            Op::InvalidIfOdd(register) if self.is_odd(register)? => self.verdict = Verdict::Skip,
            Op::StopIfOdd(register) if self.is_odd(register)? => self.verdict = Verdict::Stop,
            Op::FailIfOdd(register) if self.is_odd(register)? => {
                return Err(Stop::Fatal(ToyFailure::Program(register)));
            }
            Op::PanicIfOdd(register) => {
                assert!(!self.is_odd(register)?, "register {register} is odd");
            }
            Op::InvalidIfOdd(_) | Op::StopIfOdd(_) | Op::FailIfOdd(_) => {}
            Op::Yield => std::thread::yield_now(),
            Op::Work(rounds) => {
                for _ in 0..rounds {
                    self.accumulator = mix(self.accumulator);
                }
            }
        }
        Ok(0)
    }

    fn is_odd(&mut self, register: Register) -> Result<bool, Stop<ToyFailure>> {
        Ok(self.read(register)? % 2 == 1)
    }
}

impl Vm for Toy {
    type Key = u64;
    type Base = [u64; 2];
    type Value = u64;
    type Delta = i128;
    type Observation = Seen;
    type Output = Output;
    type Fatal = ToyFailure;
    type Location = Register;
    type Worker<'r> = BTreeMap<Register, Write<u64, i128>>;

    fn transactions(&self) -> u32 {
        u32::try_from(self.programs.len()).expect("a toy block has fewer than 2^32 programs")
    }

    fn worker(&self) -> BTreeMap<Register, Write<u64, i128>> {
        BTreeMap::new()
    }

    fn base(&self, key: &u64) -> Result<[u64; 2], ToyFailure> {
        let first = 2 * *key;
        if first >= self.broken_from {
            Err(ToyFailure::Unreadable(first))
        } else {
            Ok([self.initial(first), self.initial(first + 1)])
        }
    }

    fn field(&self, base: &[u64; 2], field: Field) -> u64 {
        base[usize::from(field)]
    }

    fn location(&self, key: &u64, field: Field) -> Register {
        2 * key + u64::from(field)
    }

    fn apply(&self, value: &u64, delta: &i128) -> Option<u64> {
        u64::try_from(i128::from(*value).checked_add(*delta)?).ok()
    }

    fn holds(&self, observation: &Seen, value: &u64) -> bool {
        match observation {
            Seen::Exactly(seen) => value == seen,
            Seen::AtLeast(least) => value >= least,
        }
    }

    fn execute<'r>(
        &'r self,
        worker: &mut BTreeMap<Register, Write<u64, i128>>,
        view: &mut View<'r, Self>,
    ) -> Result<Execution<Self>, Stop<ToyFailure>> {
        worker.clear();
        let index = view.index();
        let mut program = Program {
            view,
            writes: worker,
            reads: Vec::new(),
            accumulator: mix(u64::from(index)),
            verdict: Verdict::Include,
        };
        let ops = &self.programs[index as usize];
        let mut at = 0;
        while at < ops.len() && !program.view.cancelled() {
            at += 1 + program.step(&ops[at])?;
        }
        let Program { reads, accumulator, verdict, .. } = program;
        let writes: Vec<_> = std::mem::take(worker).into_iter().collect();
        let mut puts = Vec::with_capacity(writes.len());
        for (register, write) in &writes {
            let (key, field) = place(*register);
            puts.push(Put { cell: view.cell(&key)?, field, write: *write });
        }
        Ok(Execution { writes: puts, output: Output { accumulator, verdict, reads, writes } })
    }
}
