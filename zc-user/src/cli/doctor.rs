//! `zc doctor`: what this kernel allows.

use super::{Exit, Failure, Outcome};
use crate::{
    doctor::diagnose,
    report::{
        self,
        output::Output,
        text::{Colour, harmless},
    },
};

/// Say what this kernel allows zc to see
///
/// Tries a probe of each tier and prints the kernel's own answer. Exit status 0 when the sites
/// tier works, which `zc lab` needs; 2 when it does not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sudo zc doctor\n  zc doctor --json | jq .tiers")]
pub(super) struct Args {
    /// Print JSON on stdout
    #[arg(long)]
    json: bool,
    /// Colour the text
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Colour,
}

/// Prints the diagnosis.
pub(super) fn main(args: &Args) -> Outcome {
    let diagnosis = diagnose();
    let report = if args.json {
        let json = serde_json::to_string_pretty(&diagnosis).map_err(Failure::unobserved)?;
        format!("{json}\n")
    } else {
        report::doctor::text(&diagnosis, args.color.on_stdout())
    };
    Output::Stdout.write(&report).map_err(Failure::unobserved)?;
    Ok(if diagnosis.sites_work() {
        Exit::Holds
    } else {
        let why = diagnosis.tiers.iter().find(|tier| tier.tier == crate::result::Tier::Sites);
        if let Some(tier) = why {
            eprintln!("zc: the sites tier does not work here: {}", harmless(&tier.answer));
        }
        Exit::Unobserved
    })
}
