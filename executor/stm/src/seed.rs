//! Numbers from a seed: the same on every machine, for ever.

/// Numbers from a seed (SplitMix64, Steele et al. 2014).
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    state: u64,
}

/// One scrambling step of SplitMix64.
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number.
    pub(crate) fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(1);
        mix(mix(self.state))
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }
}
