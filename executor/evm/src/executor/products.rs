//! What is made of a block besides the verdict on it.

/// What to compute besides verdict, gas used and requests. What is left out is empty in
/// [`Executed`](super::Executed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Products {
    /// `receipts`, with their blooms; implied by `receipts_root`.
    pub receipts: bool,
    /// `access_list` and `access_list_hash`.
    pub access_list: bool,
    /// `access_record`.
    pub access_record: bool,
    /// `receipts_root` and `logs_bloom`.
    pub receipts_root: bool,
    /// `diff` and `wiped`.
    pub diff: bool,
    /// `profile.incarnations`; without it the profile has counts only.
    pub incarnations: bool,
}

/// How much of an execution a node records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordLevel {
    /// Nothing.
    Off,
    /// The sums of the run. Who read and wrote what is a function of the block and of the state before it: it is derived when
    /// somebody asks, not made while the block is on its way.
    Counts,
    /// The access record, and each execution with its times, its worker and its end.
    Full,
}

impl RecordLevel {
    /// Its name in configurations and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Counts => "counts",
            Self::Full => "full",
        }
    }
}

impl Products {
    /// Everything that a node keeps of a block.
    pub const ALL: Self = Self {
        receipts: true,
        access_list: true,
        access_record: true,
        receipts_root: true,
        diff: true,
        incarnations: true,
    };

    /// What a node makes of a block that keeps records at this level.
    #[must_use]
    pub const fn of_node(level: RecordLevel) -> Self {
        Self {
            access_record: matches!(level, RecordLevel::Full),
            incarnations: matches!(level, RecordLevel::Full),
            ..Self::ALL
        }
    }

    /// The access record alone: what is derived of a block that is committed already.
    pub const RECORD: Self = Self { access_record: true, ..Self::NONE };

    /// None of it: what a plain loop of the machine gives.
    pub const NONE: Self = Self {
        receipts: false,
        access_list: false,
        access_record: false,
        receipts_root: false,
        diff: false,
        incarnations: false,
    };
}
