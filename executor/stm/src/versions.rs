//! What a block wrote, location by location, once it is settled.

use std::fmt::{self, Debug};

use crate::memory::{CellId, Memory};
use crate::vm::{Field, Vm, Write};

/// All cells that a run touched, with every settled write to their fields in block order: the final values, and all values
/// in between. May be read by many threads at once.
pub struct Versions<'v, V: Vm> {
    vm: &'v V,
    memory: Memory<V>,
}

/// Outcome of one write: the transaction, and the value of the location after it (`None` if a delta did not fit, which a
/// machine that keeps its promises never causes).
pub type Version<T> = (u32, Option<T>);

impl<'v, V: Vm> Versions<'v, V> {
    pub(crate) fn new(vm: &'v V, memory: Memory<V>) -> Self {
        Self { vm, memory }
    }

    /// A number above those of all cells, for tables beside this one.
    #[must_use]
    pub fn end(&self) -> usize {
        self.memory.end()
    }

    /// All cells. Their order depends on the schedule: sort by key what leaves the process.
    pub fn cells(&self) -> impl Iterator<Item = CellId> + '_ {
        let all = 0..u32::try_from(self.end()).expect("cells are numbered in 32 bits");
        all.map(CellId).filter(|id| self.memory.is_cell(*id))
    }

    /// The cell with this key, if the block touched it.
    #[must_use]
    pub fn find(&self, key: &V::Key) -> Option<CellId> {
        self.memory.find(key)
    }

    /// Whether the block wrote to the field.
    #[must_use]
    pub fn is_written(&self, cell: CellId, field: Field) -> bool {
        self.memory.writes(cell, field, |writes| writes.next().is_some())
    }

    /// The key of a cell.
    #[must_use]
    pub fn key(&self, cell: CellId) -> &V::Key {
        self.memory.key(cell)
    }

    /// The cell before the block.
    #[must_use]
    pub fn base(&self, cell: CellId) -> &V::Base {
        self.memory.base(cell)
    }

    /// Shows every value that the field took, in block order, with the transaction that brought it.
    pub fn each(&self, cell: CellId, field: Field, mut visit: impl FnMut(Version<&V::Value>)) {
        let mut value = None;
        let base = || self.vm.field(self.memory.base(cell), field);
        self.memory.writes(cell, field, |writes| {
            for (index, write) in writes {
                let after = match write {
                    Write::Set(value) => Some(value.clone()),
                    Write::Add(delta) => self.vm.apply(&value.take().unwrap_or_else(base), delta),
                };
                visit((index, after.as_ref()));
                value = after;
            }
        });
    }

    /// The value of the field after the block, if the block wrote it.
    #[must_use]
    pub fn last(&self, cell: CellId, field: Field) -> Option<Version<V::Value>> {
        let mut last = None;
        self.each(cell, field, |(index, value)| last = Some((index, value.cloned())));
        last
    }

    /// The last transaction below `index` that wrote to the field.
    #[must_use]
    pub fn writer_below(&self, cell: CellId, field: Field, index: u32) -> Option<u32> {
        self.memory.writer_below(cell, field, index)
    }
}

impl<V: Vm> Debug for Versions<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Versions").field("end", &self.end()).finish_non_exhaustive()
    }
}
