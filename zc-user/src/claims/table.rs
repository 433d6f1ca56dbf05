//! The table.

use super::{Claim, pipes};

/// Every claim, in the order of reports.
pub static CLAIMS: &[Claim] = &[
    pipes::VMSPLICE_MAPS,
    pipes::VMSPLICE_BACK_COPIES,
    pipes::GIFT,
    pipes::TEE,
    pipes::PROCESS_VM,
    pipes::PIPES_COPY_TWICE,
];
