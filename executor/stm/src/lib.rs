//! Block-STM over any VM: the parallel result equals the sequential one.

mod engine;
mod error;
mod memory;
mod pool;
mod report;
mod scheduler;
mod sequential;
mod settle;
mod sync;
pub mod toy;
mod view;
mod vm;

pub use engine::{Options, run};
pub use error::{PoolError, RunError};
pub use pool::Pool;
pub use report::{Fallback, Incarnation, Outcome, Reason, Report};
pub use sequential::run_sequential;
pub use settle::{Settle, Settled, Verdict};
pub use view::{Blocked, Observed, View};
pub use vm::{Execution, Stop, Vm, Write};
