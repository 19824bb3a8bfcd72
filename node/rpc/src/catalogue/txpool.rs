//! `txpool_*`: what waits to be included.

use super::Method;

pub(super) const METHODS: &[Method] =
    &[Method::new("txpool_status", "How many transactions the pool holds.")
        .gives("Object", "`{pending, queued}`: ready for the next block, and waiting")];
