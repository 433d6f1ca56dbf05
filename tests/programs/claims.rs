//! What `zc claims` decides of these programs, which the tests beside this one compare with strace.

use std::{env, process::Command};

use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Report {
    complete: bool,
    claims: Vec<Claim>,
}

#[derive(Debug, Deserialize)]
struct Claim {
    id: String,
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
struct Part {
    verdict: String,
    #[serde(default)]
    facts: Vec<Fact>,
}

#[derive(Debug, Deserialize)]
struct Fact {
    what: String,
    measured: u64,
}

impl Part {
    /// The one number that is about this.
    fn fact(&self, about: &str) -> u64 {
        let found: Vec<_> = self.facts.iter().filter(|fact| fact.what.contains(about)).collect();
        let [fact] = found[..] else { panic!("{about}: {self:?}") };
        fact.measured
    }
}

/// The file's size, in bytes.
const SIZE: u64 = 1 << 20;

const UNCOPIED: &str = "in calls in which the CPU copied none";
const FROM_USER: &str = "copied from user to kernel";
const IN_KERNEL: &str = "copied in the kernel";

#[test]
fn claims_about_programs_are_decided_by_what_they_do() {
    const CLAIMS: [&str; 7] = ["T3", "20", "23", "24", "25", "26", "27"];
    let zc = env::var_os("ZC").unwrap_or_else(|| "/bin/zc".into());
    let output = Command::new(zc).args(["claims", "--json"]).args(CLAIMS).output();
    let output = output.expect("zc starts");
    assert_eq!(output.status.code(), Some(1), "one that was named is refuted: {output:?}");
    let report: Report = serde_json::from_slice(&output.stdout).expect("it is zc's JSON");
    assert!(report.complete, "{report:?}");
    let ids: Vec<_> = report.claims.iter().map(|claim| &*claim.id).collect();
    assert_eq!(ids, CLAIMS);
    let verdicts =
        |claim: &Claim| -> Vec<_> { claim.parts.iter().map(|part| part.verdict.clone()).collect() };
    let [shell, nginx, python, rust, coreutils, uploads, haproxy] = &report.claims[..] else {
        panic!("{report:?}");
    };

    assert_eq!(verdicts(shell), ["confirmed"; 3], "{shell:?}");
    assert_eq!(shell.parts[0].fact("processes that sh started"), 2);
    assert_eq!(shell.parts[2].fact("took out of it"), SIZE);

    assert_eq!(verdicts(nginx), ["confirmed", "refuted"], "{nginx:?}");
    assert_eq!([0, 1].map(|part| nginx.parts[part].fact(UNCOPIED)), [SIZE, 0]);

    assert_eq!(verdicts(python), ["confirmed"; 2], "{python:?}");
    assert_eq!([0, 1].map(|part| python.parts[part].fact(IN_KERNEL)), [SIZE, 0]);

    for claim in [rust, coreutils] {
        assert_eq!(verdicts(claim), ["confirmed"; 2], "{claim:?}");
        for part in &claim.parts {
            assert_eq!((part.fact(FROM_USER), part.fact(IN_KERNEL)), (0, SIZE), "{part:?}");
        }
    }

    assert_eq!(verdicts(uploads), ["refuted"; 2], "{uploads:?}");
    let [rsync, curl] = [0, 1].map(|part| uploads.parts[part].fact(FROM_USER));
    assert_eq!(rsync, SIZE);
    assert!((SIZE + 1..SIZE + 1000).contains(&curl), "a header and the file: {curl}");

    assert_eq!(verdicts(haproxy)[..3], ["refuted", "confirmed", "refuted"], "{haproxy:?}");
    assert_eq!(haproxy.parts[0].fact("splice moved"), 0);
}
