//! Block-STM over any VM: the parallel result equals the sequential one.

mod settle;
mod view;
mod vm;

pub use settle::{Settle, Settled, Verdict};
pub use view::{Blocked, Observed, View};
pub use vm::{Execution, Stop, Vm, Write};
