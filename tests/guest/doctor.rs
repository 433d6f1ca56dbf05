//! `zc doctor` on a stock kernel.

use crate::support::{run, status, stderr, stdout};

#[test]
fn a_stock_kernel_has_every_tier() {
    let output = run(&["doctor", "--json"]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["schema"], "zc.doctor/1");
    assert_eq!(report["tier"], "sites");
    let tiers: Vec<_> = report["tiers"].as_array().unwrap().iter().collect();
    let names: Vec<_> = tiers.iter().map(|tier| tier["tier"].as_str().unwrap()).collect();
    assert_eq!(names, ["boundary", "sites", "audit"]);
    for tier in tiers {
        assert_eq!(tier["works"], true, "{tier}");
        assert!(tier["probe"].as_str().is_some_and(|probe| !probe.is_empty()), "{tier}");
    }
    // No site is refused: each is attached, or this kernel does not have it, or it stands in for
    // others that are attached.
    for site in report["sites"].as_array().unwrap() {
        let expected: &[&str] = match site["site"].as_str().unwrap() {
            "datagram_tracepoint" => &["unneeded"],
            _ => &["attached", "absent"],
        };
        assert!(expected.contains(&site["status"].as_str().unwrap()), "{site}");
    }
}

#[test]
fn the_text_names_kernel_tiers_and_sites() {
    let output = run(&["doctor"]);
    assert_eq!(status(&output), 0);
    let text = stdout(&output);
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert!(text.starts_with(&format!("kernel {}", release.trim())), "{text}");
    for word in ["BTF", "lockdown", "capabilities", "tracefs", "boundary", "audit", "filemap_read"]
    {
        assert!(text.contains(word), "no {word} in {text}");
    }
}
