//! Work that anybody may ask for and one thread at a time does.

use crate::sync::{AtomicUsize, Ordering};

/// A role that is taken by whoever asks for it while it is free, and kept until all that was asked for is done.
///
/// Nobody waits: who finds the role taken leaves the request to its owner.
pub(crate) struct Role {
    /// **Truth**: requests since the role was last free, 0 while it is. Raised by anybody; set to 0 by the owner, and only
    /// from the count that was there before the work, so that no request is lost that came while it was being done.
    requests: AtomicUsize,
}

impl Role {
    pub(crate) fn new() -> Self {
        Self { requests: AtomicUsize::new(0) }
    }

    /// Has `work` done, here or by the owner of the role, at least once from now on. Whatever the caller has written is
    /// visible to that work, and whatever an owner has written is visible to the next.
    pub(crate) fn request(&self, mut work: impl FnMut()) {
        // AcqRel: a request gives what its caller has written, and taking the role takes what the last owner has.
        if self.requests.fetch_add(1, Ordering::AcqRel) != 0 {
            return;
        }
        loop {
            // Acquire pairs with the Release of each request that is counted.
            let seen = self.requests.load(Ordering::Acquire);
            work();
            // On failure there are new requests; the load above acquires them.
            let freed =
                self.requests.compare_exchange(seen, 0, Ordering::Release, Ordering::Relaxed);
            if freed.is_ok() {
                return;
            }
        }
    }
}
