//! The document: claims by kernels, then what decided each.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

/// What of a report the document shows (docs/claims-json.md).
#[derive(Debug, Deserialize)]
struct Report {
    kernel: String,
    size_bytes: u64,
    chunk_bytes: u64,
    problems: Option<Vec<String>>,
    claims: Vec<Claim>,
}

#[derive(Debug, Deserialize)]
struct Claim {
    id: String,
    says: String,
    who: String,
    verdict: String,
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
struct Part {
    says: String,
    verdict: String,
    #[serde(default)]
    facts: Vec<Fact>,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Fact {
    what: String,
    measured: u64,
}

/// What begins the document: who made it, so that nobody types into it.
pub(crate) const HEAD: &str = "<!-- Made by `cargo xtask claims`. Do not edit. -->";

/// The document of `reports`, one a kernel.
pub(crate) fn markdown(reports: &[Value]) -> Result<String> {
    let reports = reports
        .iter()
        .map(|report| Report::deserialize(report).context("zc claims said what is not expected"))
        .collect::<Result<Vec<_>>>()?;
    let first = reports.first().context("no kernel decided anything")?;
    let mut out = format!(
        "{HEAD}\n# Public claims about copies, decided by zc\n\n\
         Each claim is decided on each kernel from zc's own counters, in transfers of {} bytes in chunks of {}:\n\
         confirmed, refuted, or not observable there. What decided it stands below the table.\n\n",
        first.size_bytes, first.chunk_bytes
    );
    // Writing to a String cannot fail.
    let kernels: Vec<_> = reports.iter().map(|report| short(&report.kernel)).collect();
    let _ = writeln!(out, "| claim | says | who | {} |", kernels.join(" | "));
    let _ = writeln!(out, "|---|---|---|{}", "---|".repeat(kernels.len()));
    for (place, claim) in first.claims.iter().enumerate() {
        let verdicts = reports
            .iter()
            .map(|report| report.claims.get(place).map_or("-", |claim| claim.verdict.as_str()));
        let verdicts: Vec<_> = verdicts.collect();
        let Claim { id, says, who, .. } = claim;
        let _ =
            writeln!(out, "| {id} | {} | {} | {} |", cell(says), cell(who), verdicts.join(" | "));
    }
    for (place, claim) in first.claims.iter().enumerate() {
        let _ = write!(out, "\n## {}: {}\n\n{}.\n", claim.id, claim.says, claim.who);
        for (number, part) in claim.parts.iter().enumerate() {
            let _ = write!(out, "\n**{}**\n\n", part.says);
            for (kernels, what) in by_outcome(&reports, place, number) {
                let _ = writeln!(out, "- {}: {what}", kernels.join(", "));
            }
        }
    }
    let problems = reports.iter().flat_map(|report| {
        let problems = report.problems.iter().flatten();
        problems.map(|problem| format!("- {}: {problem}\n", short(&report.kernel)))
    });
    let problems: String = problems.collect();
    if !problems.is_empty() {
        let _ = write!(out, "\n## Incomplete\n\n{problems}");
    }
    Ok(out)
}

/// What became of a part, and on which kernels: kernels with the same numbers share a line.
fn by_outcome(reports: &[Report], claim: usize, part: usize) -> Vec<(Vec<&str>, String)> {
    let mut order: Vec<String> = Vec::new();
    let mut kernels: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for report in reports {
        let Some(part) = report.claims.get(claim).and_then(|claim| claim.parts.get(part)) else {
            continue;
        };
        let what = outcome(part);
        if !order.contains(&what) {
            order.push(what.clone());
        }
        kernels.entry(what).or_default().push(short(&report.kernel));
    }
    order.into_iter().filter_map(|what| Some((kernels.remove(&what)?, what))).collect()
}

fn outcome(part: &Part) -> String {
    let facts = part.facts.iter().map(|fact| format!("{} {}", fact.measured, cell(&fact.what)));
    let facts: Vec<_> = facts.chain(part.reason.as_deref().map(cell)).collect();
    format!("{}: {}", part.verdict, facts.join("; "))
}

/// A kernel's version without what its packager added.
fn short(release: &str) -> &str {
    let end = release.find(['-', '+']).unwrap_or(release.len());
    &release[..end]
}

/// Text that ends no cell and begins no markup.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<").replace('`', "'")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(kernel: &str, verdict: &str, measured: u64) -> Value {
        json!({
            "kernel": kernel, "size_bytes": 8, "chunk_bytes": 4,
            "claims": [{
                "id": "9", "says": "tee does not copy", "who": "tee(2)", "verdict": verdict,
                "parts": [{ "says": "0 copies", "verdict": verdict, "facts": [
                    { "what": "bytes | copied", "measured": measured }
                ]}],
            }],
        })
    }

    #[test]
    fn kernels_with_the_same_numbers_share_a_line() {
        let reports = [
            report("5.10.0-1-cloud-amd64", "confirmed", 0),
            report("6.12.1+deb13", "confirmed", 0),
            report("7.3.4", "refuted", 8),
        ];
        let text = markdown(&reports).unwrap();
        assert!(text.starts_with(HEAD));
        assert!(
            text.contains("| 9 | tee does not copy | tee(2) | confirmed | confirmed | refuted |")
        );
        assert!(text.contains("- 5.10.0, 6.12.1: confirmed: 0 bytes \\| copied\n"), "{text}");
        assert!(text.contains("- 7.3.4: refuted: 8 bytes"), "{text}");
    }

    /// The document in this checkout is what the reports beside it make: nobody typed into it, and this
    /// program still makes it so.
    #[test]
    fn the_document_is_made_from_the_reports_beside_it() {
        let reports: Vec<Value> =
            serde_json::from_str(include_str!("../../../docs/claims.json")).unwrap();
        let made = markdown(&reports).unwrap();
        assert_eq!(include_str!("../../../docs/claims.md"), made, "run `cargo xtask claims` again");
    }
}
