//! The point evaluation precompile (EIP-4844) without its large tables.

use revm::precompile::interface::{Crypto, install_crypto};
use revm::precompile::{PrecompileHalt, kzg_point_evaluation::blst};
use std::sync::Once;

/// revm's cryptography, but for one proof: revm checks it with a library whose tables for whole blobs
/// take seconds to make at the first call, and a hundred megabytes. One point of the trusted setup is
/// enough to check one proof.
#[derive(Debug)]
struct Points;

impl Crypto for Points {
    fn verify_kzg_proof(
        &self,
        z: &[u8; 32],
        y: &[u8; 32],
        commitment: &[u8; 48],
        proof: &[u8; 48],
    ) -> Result<(), PrecompileHalt> {
        if blst::verify_kzg_proof(commitment, z, y, proof) {
            Ok(())
        } else {
            Err(PrecompileHalt::BlobVerifyKzgProofFailed)
        }
    }
}

/// Has effect once in a process, before anything is executed.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // Somebody else in this process may have chosen before: theirs gives the same answers.
        let _ = install_crypto(Points);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;
    use revm::precompile::kzg_point_evaluation::verify_kzg_proof;

    const ORDER: [u8; 32] =
        hex!("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001");
    const INFINITY: [u8; 48] = {
        let mut point = [0; 48];
        point[0] = 0xc0;
        point
    };

    /// From the vectors of the consensus specification: correct_proof_4_4.
    fn valid() -> ([u8; 48], [u8; 32], [u8; 32], [u8; 48]) {
        (
            hex!(
                "8f59a8d2a1a625a17f3fea0fe5eb8c896db3764f3185481bc22f91b4aaffcca25f26936857bc3a7c2539ea8ec3a952b7"
            ),
            hex!("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000"),
            hex!("1522a4a7f34e1ea350ae07c29c96c7e79655aa926122e95fe69fcbd932ca49e9"),
            hex!(
                "a62ad71d14c5719385c0686f1871430475bf3a00f0aa3f7b8dd99a9abc2160744faf0070725e00b60ad9a026a15b1a8c"
            ),
        )
    }

    #[test]
    fn both_ways_to_check_a_proof_say_the_same() {
        let (commitment, z, y, proof) = valid();
        let (zero, mut one) = ([0u8; 32], [0u8; 32]);
        one[31] = 1;
        let mut not_on_curve = [0x11; 48];
        not_on_curve[0] = 0x8f;
        let (mut negative, mut not_infinity) = (proof, INFINITY);
        negative[0] ^= 0x20;
        not_infinity[47] = 1;
        let cases = [
            (commitment, z, y, proof, true),
            (INFINITY, z, zero, INFINITY, true),
            (INFINITY, zero, zero, INFINITY, true),
            (INFINITY, z, one, INFINITY, false),
            (INFINITY, z, ORDER, INFINITY, false),
            (commitment, ORDER, y, proof, false),
            (commitment, [0xff; 32], y, proof, false),
            (commitment, z, one, proof, false),
            (commitment, zero, y, proof, false),
            (commitment, z, y, INFINITY, false),
            (commitment, z, y, negative, false),
            (commitment, z, y, commitment, false),
            (proof, z, y, proof, false),
            (commitment, z, y, not_on_curve, false),
            (not_on_curve, z, y, proof, false),
            (commitment, z, y, [0; 48], false),
            (commitment, z, y, [0xff; 48], false),
            (not_infinity, z, zero, INFINITY, false),
        ];
        for (place, (commitment, z, y, proof, expected)) in cases.iter().enumerate() {
            let ours = Points.verify_kzg_proof(z, y, commitment, proof).is_ok();
            assert_eq!(ours, *expected, "case {place}");
            assert_eq!(ours, verify_kzg_proof(commitment, z, y, proof), "case {place}");
        }
    }
}
