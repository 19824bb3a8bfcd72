//! `txpool_*`: what waits to be included.

use super::{Method, required};

pub(super) const METHODS: &[Method] = &[
    Method::new("txpool_status", "How many transactions the pool holds.")
        .gives("Object", "`{pending, queued}`: ready for the next block, and waiting"),
    Method::new("txpool_content", "Every transaction that the pool holds.")
        .gives("Object", "`{pending, queued}`: by sender and nonce"),
    Method::new("txpool_contentFrom", "The transactions of one sender that the pool holds.")
        .takes(&[required("address", "Address", "the sender")])
        .gives("Object", "`{pending, queued}`: by nonce"),
    Method::new("txpool_inspect", "A line of text for each transaction that the pool holds.")
        .gives("Object", "`{pending, queued}`: by sender and nonce"),
];
