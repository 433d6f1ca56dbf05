//! Transfers that only serve to decide claims (`zc claims`): styles like the others, in a table of
//! their own.

use super::Style;

mod three_ways;
mod vmsplice_splice;

/// The table.
pub(super) static EXPERIMENTS: [Style; 2] = [three_ways::STYLE, vmsplice_splice::STYLE];
