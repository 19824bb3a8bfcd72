//! Methods that cannot mean here what they mean elsewhere: they say so, and what to use instead.

use super::Module;
use crate::error::Failure;

/// Method, and why it is refused.
const REFUSED: [(&str, &str); 1] = [(
    "eth_getProof",
    "weft commits state with BLAKE3, not with a Merkle-Patricia trie, so there is no proof in the \
     format of eth_getProof; weft_getProof serves proofs of this chain's tree, and weft_getCertificate \
     the certificate of the block that commits to it",
)];

pub(super) fn register(module: &mut Module) {
    for (name, reason) in REFUSED {
        module
            .register_method(name, move |_, _, _| {
                let failure = Failure::Unsupported { reason: reason.to_owned() };
                Err::<(), _>(jsonrpsee::types::ErrorObjectOwned::from(failure))
            })
            .expect("every method is registered once");
    }
}
