//! What this machine lets zc see: each tier tried, with the kernel's own answer.

use serde::Serialize;

use crate::{
    kernel::{
        btf,
        caps::Caps,
        facts::{self, Kernel},
    },
    probes::attach::{Probes, sees},
    report::text::one_line,
    result::{
        SiteStatus, Tier,
        derive::site_statuses,
        meters::{self, MeterStatus},
    },
    transfer::{jobs, styles::in_textbooks},
};

mod breakpoint;

/// Name and version of the JSON format.
pub const SCHEMA: &str = "zc.doctor/1";

/// The result of `zc doctor`.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    /// Name and version of this format.
    pub schema: &'static str,
    /// zc's version.
    pub zc: &'static str,
    /// `uname -r`.
    pub kernel: String,
    /// `uname -v`.
    pub version: String,
    /// `uname -m`.
    pub architecture: String,
    /// What the machine is like.
    pub facts: Vec<Fact>,
    /// Each tier, tried.
    pub tiers: Vec<TierReport>,
    /// The best tier that `zc lab` can use; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// Every site, where the sites tier could be tried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<SiteStatus>,
    /// Every meter, likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub meters: Vec<MeterStatus>,
}

impl Diagnosis {
    /// Whether the tier that the lab needs works.
    pub fn sites_work(&self) -> bool {
        self.tiers.iter().any(|tier| tier.tier == Tier::Sites && tier.works)
    }
}

/// One thing about the machine.
#[derive(Debug, Serialize)]
pub struct Fact {
    /// What it is.
    pub name: &'static str,
    /// Its value, or why there is none.
    pub value: String,
}

/// A tier and what trying it gave.
#[derive(Debug, Serialize)]
pub struct TierReport {
    /// Which.
    pub tier: Tier,
    /// Whether it can be used.
    pub works: bool,
    /// The probe that was tried.
    pub probe: &'static str,
    /// The kernel's answer.
    pub answer: String,
}

/// Tries everything.
pub fn diagnose() -> Diagnosis {
    let kernel = Kernel::running();
    let (sites, statuses, meters) = try_sites();
    let tiers = vec![try_boundary(), sites, breakpoint::try_audit()];
    // The audit is an addition to the sites, not a tier that the lab runs on.
    let tier =
        tiers.iter().filter(|tier| tier.works && tier.tier != Tier::Audit).map(|t| t.tier).max();
    Diagnosis {
        schema: SCHEMA,
        zc: env!("CARGO_PKG_VERSION"),
        kernel: kernel.release,
        version: kernel.version,
        architecture: kernel.architecture,
        facts: facts(),
        tiers,
        tier,
        sites: statuses,
        meters,
    }
}

fn facts() -> Vec<Fact> {
    let setting = |name| facts::setting(name).unwrap_or_else(|| "not there".into());
    let caps = Caps::of_self();
    vec![
        Fact {
            name: "BTF",
            value: std::fs::metadata(btf::VMLINUX).map_or_else(
                |error| format!("{}: {error}", btf::VMLINUX),
                |file| format!("{}, {} bytes", btf::VMLINUX, file.len()),
            ),
        },
        Fact { name: "tracefs", value: facts::tracefs().unwrap_or("not mounted").into() },
        Fact {
            name: "lockdown",
            value: facts::lockdown().unwrap_or_else(|| "not shown by this kernel".into()),
        },
        Fact {
            name: "capabilities",
            value: match caps.missing() {
                None if caps.sys_admin => "CAP_SYS_ADMIN".into(),
                None => "CAP_BPF and CAP_PERFMON".into(),
                Some(missing) => format!("{missing} missing"),
            },
        },
        Fact {
            name: "kernel.unprivileged_bpf_disabled",
            value: setting("kernel/unprivileged_bpf_disabled"),
        },
        Fact { name: "kernel.perf_event_paranoid", value: setting("kernel/perf_event_paranoid") },
        Fact { name: "kernel.kptr_restrict", value: setting("kernel/kptr_restrict") },
    ]
}

fn try_boundary() -> TierReport {
    let (works, answer) = match Probes::try_raw_tracepoint() {
        Ok(()) => (true, "attached".into()),
        Err(error) => (false, one_line(&error)),
    };
    TierReport { tier: Tier::Boundary, works, probe: "raw tracepoint sys_exit", answer }
}

/// The sites tier works when the lab can see every job of every style.
fn try_sites() -> (TierReport, Vec<SiteStatus>, Vec<MeterStatus>) {
    let report = |works, answer| TierReport {
        tier: Tier::Sites,
        works,
        probe: "BTF tracepoints and fexit on every site",
        answer,
    };
    match Probes::attach(&[]) {
        Err(error) => (report(false, one_line(&error)), Vec::new(), Vec::new()),
        Ok(probes) => {
            let unseen = jobs(in_textbooks().iter())
                .into_iter()
                .find_map(|job| sees(&probes.sites, job).err());
            let statuses = site_statuses(&probes.sites);
            let answer = unseen.clone().unwrap_or_else(|| "attached".into());
            (report(unseen.is_none(), answer), statuses, meters::statuses(&probes.meters))
        }
    }
}
