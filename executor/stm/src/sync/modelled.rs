//! The names as a model checker knows them: each operation is a step at which another thread may go on.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;

#[cfg(loom)]
use loom::sync as checked;
#[cfg(shuttle)]
use shuttle::sync as checked;

pub(crate) use checked::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

#[cfg(loom)]
pub(crate) use loom::hint::spin_loop;
#[cfg(shuttle)]
pub(crate) use shuttle::hint::spin_loop;

/// Looks that a worker without work takes before it sleeps: none. A look is a yield, after which a checker lets the others go
/// on first, and never tries what happens if they do not.
pub(crate) const SPINS: u32 = 0;

/// A lock that passes no panic on.
#[derive(Debug)]
pub(crate) struct Mutex<T> {
    inner: checked::Mutex<T>,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { inner: checked::Mutex::new(value) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { inner: Some(self.inner.lock().unwrap_or_else(PoisonError::into_inner)) }
    }

    pub(crate) fn into_inner(self) -> T {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A held lock. `None` only while a [`Condvar`] has it.
pub(crate) struct MutexGuard<'a, T> {
    inner: Option<checked::MutexGuard<'a, T>>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inner.as_ref().expect("held")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect("held")
    }
}

/// Where threads sleep.
#[derive(Debug)]
pub(crate) struct Condvar {
    inner: checked::Condvar,
}

impl Condvar {
    pub(crate) fn new() -> Self {
        Self { inner: checked::Condvar::new() }
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let held = guard.inner.take().expect("held");
        guard.inner = Some(self.inner.wait(held).unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn notify_one(&self) {
        self.inner.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.inner.notify_all();
    }
}

/// Most buckets of an index: one, so that a checker meets the same steps whatever the hasher's seed.
pub(crate) const BUCKETS_MAX: usize = 1;

/// Calls `task(0), ..., task(threads - 1)` at once, number 0 on the calling thread, and returns when all have.
#[cfg(shuttle)]
pub(crate) fn on_threads(threads: u32, task: impl Fn(u32) + Sync) {
    let task = &task;
    shuttle::thread::scope(|scope| {
        for thread in 1..threads {
            scope.spawn(move || task(thread));
        }
        task(0);
    });
}
