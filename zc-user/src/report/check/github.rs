//! `zc check` as annotations of a GitHub workflow.

use std::fmt::Write;

use super::{because, change, name};
use crate::{
    check::{Verdict, report::CheckReport},
    report::text::harmless,
};

/// An annotation for each check that does not hold or was not observed; nothing where all hold.
///
/// The escapes are those of GitHub's own toolkit (`packages/core/src/command.ts`).
pub fn github(report: &CheckReport) -> String {
    let mut out = String::new();
    let target = harmless(&report.target);
    let mut annotate = |name: &str, verdict: Verdict, said: &str| {
        if verdict != Verdict::Holds {
            let separator = if said.is_empty() { "" } else { ": " };
            let message = data(&format!("{name}: {verdict}{separator}{said} ({target})"));
            // Writing to a String cannot fail.
            let _ = writeln!(out, "::error title={}::{message}", property("zc check"));
        }
    };
    for check in &report.checks {
        annotate(&name(check), check.verdict, &because(check));
    }
    for row in report.baseline.iter().flat_map(|baseline| &baseline.rows) {
        let name = format!("{} beside baseline", harmless(&row.quantity));
        annotate(&name, row.verdict, &change(row));
    }
    out
}

/// The text of an annotation. A line break would end it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property, which commas and colons would end.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_the_toolkit() {
        assert_eq!(data("5%\r\n:,"), "5%25%0D%0A:,");
        assert_eq!(property("5%\r\n:,"), "5%25%0D%0A%3A%2C");
        assert_eq!(data("%0A"), "%250A");
    }
}
