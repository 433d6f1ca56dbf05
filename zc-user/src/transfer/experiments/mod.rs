//! Transfers that only serve to decide claims (`zc claims`): styles like the others, in a table of
//! their own.

use super::Style;

mod pread_at_random;
mod receive_plain;
mod records;
mod splice_direct;
mod splice_move;
mod three_ways;
mod vmsplice_splice;

/// The table.
pub(super) static EXPERIMENTS: [Style; 7] = [
    pread_at_random::STYLE,
    receive_plain::STYLE,
    records::STYLE,
    splice_direct::STYLE,
    splice_move::STYLE,
    three_ways::STYLE,
    vmsplice_splice::STYLE,
];
