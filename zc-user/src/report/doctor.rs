//! The text view of `zc doctor`.

use std::fmt::Write;

use comfy_table::{Cell, Color};

use super::text::{finished, head, table};
use crate::{doctor::Diagnosis, probes::attach::Status};

/// The whole diagnosis.
pub fn text(diagnosis: &Diagnosis, colour: bool) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "kernel {} ({}), tier {}",
        diagnosis.kernel,
        diagnosis.architecture,
        diagnosis.tier.map_or("none", crate::result::Tier::name)
    );
    let mut facts = table(colour);
    for fact in &diagnosis.facts {
        facts.add_row(vec![head(fact.name), Cell::new(&fact.value)]);
    }
    out.push_str(&finished(&mut facts));
    out.push('\n');
    let mut tiers = table(colour);
    tiers.set_header(["tier", "works", "probe that was tried", "the kernel's answer"].map(head));
    for tier in &diagnosis.tiers {
        tiers.add_row(vec![
            head(tier.tier.name()),
            works(tier.works),
            Cell::new(tier.probe),
            Cell::new(&tier.answer),
        ]);
    }
    out.push_str(&finished(&mut tiers));
    if !diagnosis.sites.is_empty() {
        let mut sites = table(colour);
        sites.set_header(["site", "what it counts", "read from", "in this kernel"].map(head));
        for site in &diagnosis.sites {
            sites.add_row(vec![
                head(site.site),
                Cell::new(site.meaning),
                Cell::new(site.source),
                Cell::new(status(&site.status)),
            ]);
        }
        out.push('\n');
        out.push_str(&finished(&mut sites));
    }
    if !diagnosis.meters.is_empty() {
        let mut meters = table(colour);
        meters.set_header(["meter", "what it counts", "read from", "in this kernel"].map(head));
        for meter in &diagnosis.meters {
            meters.add_row(vec![
                head(meter.meter),
                Cell::new(meter.meaning),
                Cell::new(meter.source),
                Cell::new(status(&meter.status)),
            ]);
        }
        out.push('\n');
        out.push_str(&finished(&mut meters));
    }
    out
}

fn works(works: bool) -> Cell {
    if works { Cell::new("yes").fg(Color::Green) } else { Cell::new("no").fg(Color::Red) }
}

fn status(status: &Status) -> String {
    match status {
        Status::Attached { function } => format!("attached to {function}"),
        Status::Absent => "absent".into(),
        Status::Refused { function, reason } => format!("{function} refused: {reason}"),
        Status::Miscounts { function, moved, counted } => {
            format!("{function} miscounts: {moved} bytes passed, {counted} counted")
        }
        Status::Disabled => "disabled".into(),
        Status::Unneeded => "not needed".into(),
    }
}
