//! What can be asked, as tables.

use comfy_table::Cell;

use crate::{
    check::{CLAIMS, QUANTITIES},
    report::text::{finished, head, table},
};

/// The table of quantities.
pub fn quantities(colour: bool) -> String {
    let mut rows = table(colour);
    rows.set_header(["quantity", "unit", "meaning"].map(head));
    for row in QUANTITIES {
        rows.add_row(vec![head(row.name), Cell::new(row.unit), Cell::new(row.meaning)]);
    }
    finished(&mut rows)
}

/// The table of claims.
pub fn claims(colour: bool) -> String {
    let mut rows = table(colour);
    rows.set_header(["claim", "meaning", "expression"].map(head));
    for claim in CLAIMS {
        rows.add_row(vec![head(claim.name), Cell::new(claim.meaning), Cell::new(claim.expression)]);
    }
    finished(&mut rows)
}
