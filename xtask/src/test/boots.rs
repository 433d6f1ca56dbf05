//! What to boot: a kernel, arguments that make it another one to test on, and the tests to run there.

use std::ffi::{OsStr, OsString};
use std::iter;

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::setup;
use crate::vm::kernel::{self, KernelSpec, UnknownKernel};
use crate::vm::packages::{self, PackageSet};

/// Besides every kernel of the set-up. What is not exact about a counter shows where the kernel may
/// be preempted anywhere.
const PREEMPTIBLE: &str = "6.12+preempt=full";

/// The tests that match the second need a machine that serves no other: here every device bounces.
const FOR_ONE_TEST: (&str, &str) = ("6.12+swiotlb=force", "a_device_that_bounces");

/// Modules of zc's tests of what it makes of a command line, whom it traces, and what it makes of what it
/// has counted: the same on every kernel. What the kernel itself does on the way is tested in
/// other modules, on each.
const ON_ONE_KERNEL: &[&str] = &[
    "architectures::",
    "bad_input::",
    "check::",
    "docs::",
    "killed::",
    "lab_views::",
    "learn::",
    "pages::",
    "trace_command::",
    "trace_named::",
    "trace_namespaces::",
    "trace_safety::",
    "trace_views::",
];

/// Those of what zc says of a kernel and of its reports: the same however this kernel was started.
const HOWEVER_STARTED: &[&str] = &[
    "audit::",
    "bad_kernel::",
    "claims::",
    "doctor::",
    "launch::",
    "least_privilege::",
    "stacks::",
    "xfs::",
];

/// Of all kernels the one for tests that run on one; for real programs because it is the kernel of the
/// Debian release that they are from.
const DEFAULT: &str = kernel::DEFAULT;

/// Options of the test runner whose value follows as a word of its own, which is no filter.
const VALUED: [&str; 5] = ["--skip", "--test-threads", "--logfile", "--format", "--color"];

/// The word for all of them.
pub(crate) const ALL: &str = "all";

/// A test program and what it finds in its guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Suite {
    /// The tests of zc.
    Zc,
    /// Those of them that are the same on every kernel.
    ZcCommands,
    /// What zc says of Debian's programs.
    RealPrograms,
}

impl Suite {
    /// The name of the test program.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Zc | Self::ZcCommands => "guest",
            Self::RealPrograms => "programs",
        }
    }

    /// What a run of it is called.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Zc => "integration tests",
            Self::ZcCommands => "integration tests of commands",
            Self::RealPrograms => "real programs",
        }
    }

    /// What its guest has beside busybox.
    pub(crate) fn packages(self) -> Option<&'static PackageSet> {
        match self {
            Self::Zc | Self::ZcCommands => None,
            Self::RealPrograms => Some(&packages::PROGRAMS),
        }
    }

    /// Whether it has a test that `filter` may mean: those of real programs lie in a module
    /// `programs`, and any other one is found by [`Suite::Zc`].
    fn meant_by(self, filter: &str) -> bool {
        let programs = filter.starts_with("programs::");
        match self {
            Self::Zc => !programs,
            Self::ZcCommands => false,
            Self::RealPrograms => programs,
        }
    }
}

/// One start of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Boot {
    pub(crate) kernel: KernelSpec,
    /// For the kernel's command line; empty where there is nothing to add.
    pub(crate) arguments: String,
    /// Only tests whose names match; all if `None`.
    pub(crate) only: Option<&'static str>,
    pub(crate) suite: Suite,
}

/// What one word of `--kernels` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice(pub(crate) Vec<Boot>);

impl Choice {
    /// For a command line.
    pub(crate) fn parser() -> impl TypedValueParser<Value = Self> {
        OsStringValueParser::new().try_map(|text| Self::parse(&text))
    }

    fn parse(text: &OsStr) -> Result<Self, UnknownKernel> {
        if text == ALL {
            let words = setup::KERNELS.iter().copied().chain([PREEMPTIBLE]);
            let boots = words.map(|word| Self::parse(word.as_ref()).map(|choice| choice.0));
            let mut boots = boots.collect::<Result<Vec<_>, _>>()?.concat();
            // The longest first: all end sooner then.
            boots.sort_by_key(|boot| boot.suite);
            let (machine, only) = FOR_ONE_TEST;
            boots.push(Boot { only: Some(only), ..Boot::parse(machine.as_ref())? });
            return Ok(Self(boots));
        }
        let boot = Boot::parse(text)?;
        let more: &[Suite] =
            if text == DEFAULT { &[Suite::ZcCommands, Suite::RealPrograms] } else { &[] };
        let more = more.iter().map(|&suite| Boot { suite, ..boot.clone() }).collect::<Vec<_>>();
        Ok(Self([vec![boot], more].concat()))
    }
}

/// Those of the boots that have tests for these arguments of the test runner.
pub(crate) fn wanted<'a>(
    boots: impl Iterator<Item = &'a Boot>,
    runner: &[OsString],
) -> Vec<&'a Boot> {
    let takes_it = |before: &OsString| VALUED.iter().any(|option| before == option);
    let filters: Vec<&str> = iter::once(None)
        .chain(runner.iter().map(Some))
        .zip(runner)
        .filter(|(before, _)| !before.is_some_and(takes_it))
        .filter_map(|(_, argument)| argument.to_str())
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wanted = |boot: &Boot| {
        let for_filters =
            filters.is_empty() || filters.iter().any(|filter| boot.suite.meant_by(filter));
        let part = boot.only.is_some() || boot.suite == Suite::ZcCommands;
        (!part || runner.is_empty()) && for_filters
    };
    boots.filter(|boot| wanted(boot)).collect()
}

impl Boot {
    /// For the test runner: what to run here where the caller does not filter.
    pub(crate) fn selection(&self) -> Vec<&'static str> {
        let skip = |modules: &[&'static str]| -> Vec<_> {
            modules.iter().flat_map(|module| ["--skip", module]).collect()
        };
        match (self.suite, self.only) {
            (_, Some(only)) => vec![only],
            (Suite::RealPrograms, None) => Vec::new(),
            (Suite::ZcCommands, None) => ON_ONE_KERNEL.to_vec(),
            (Suite::Zc, None) if self.arguments.is_empty() => skip(ON_ONE_KERNEL),
            (Suite::Zc, None) => [skip(ON_ONE_KERNEL), skip(HOWEVER_STARTED)].concat(),
        }
    }

    /// Reads `KERNEL[+ARGUMENT]…`. The path of a kernel may have a `+` of its own.
    fn parse(text: &OsStr) -> Result<Self, UnknownKernel> {
        let unknown = match KernelSpec::parse(text) {
            Ok(kernel) => {
                let (arguments, only, suite) = (String::new(), None, Suite::Zc);
                return Ok(Self { kernel, arguments, only, suite });
            }
            Err(unknown) => unknown,
        };
        let Some((kernel, argument)) = text.to_str().and_then(|text| text.rsplit_once('+')) else {
            return Err(unknown);
        };
        let mut boot = Self::parse(&OsString::from(kernel))?;
        if !boot.arguments.is_empty() {
            boot.arguments.push(' ');
        }
        boot.arguments.push_str(argument);
        Ok(boot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<Boot> {
        Choice::parse(text.as_ref()).unwrap().0
    }

    fn boot(kernel: &str, arguments: &str) -> Boot {
        let kernel = KernelSpec::parse(kernel.as_ref()).unwrap();
        Boot { kernel, arguments: arguments.into(), only: None, suite: Suite::Zc }
    }

    fn programs() -> Boot {
        Boot { suite: Suite::RealPrograms, ..boot("6.12", "") }
    }

    fn commands() -> Boot {
        Boot { suite: Suite::ZcCommands, ..boot("6.12", "") }
    }

    #[test]
    fn all_is_every_kernel_the_preemptible_one_real_programs_and_one_that_bounces() {
        let mut expected = ["5.10", "6.1", "6.12", "7.3"].map(|kernel| boot(kernel, "")).to_vec();
        expected.extend([boot("6.12", "preempt=full"), commands(), programs()]);
        let bounces = boot("6.12", "swiotlb=force");
        expected.push(Boot { only: Some("a_device_that_bounces"), ..bounces });
        assert_eq!(parse("all"), expected);
    }

    #[test]
    fn arguments_follow_the_kernel() {
        assert_eq!(parse("6.1"), [boot("6.1", "")]);
        assert_eq!(parse("6.1+nokaslr+preempt=none"), [boot("6.1", "nokaslr preempt=none")]);
        for bad in ["6.13", "6.13+preempt=full", "+6.1", "all+nokaslr", ""] {
            assert!(Choice::parse(bad.as_ref()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_filter_starts_only_guests_that_may_have_its_tests() {
        let boots = parse("all");
        let wanted = |runner: &[&str]| -> Vec<Boot> {
            let runner: Vec<OsString> = runner.iter().map(OsString::from).collect();
            wanted(boots.iter(), &runner).into_iter().cloned().collect()
        };
        assert_eq!(wanted(&[]), boots);
        assert_eq!(wanted(&["--nocapture", "programs::files"]), [programs()]);
        let without = |boot: &&Boot| boot.suite == Suite::Zc && boot.only.is_none();
        let zc: Vec<Boot> = boots.iter().filter(without).cloned().collect();
        assert_eq!(wanted(&["lab::"]), zc);
        assert_eq!(wanted(&["lab::", "programs::"]).len(), zc.len() + 1);
        assert_eq!(wanted(&["--nocapture"]).len(), zc.len() + 1);
        assert_eq!(wanted(&["--skip", "programs::"]).len(), zc.len() + 1);
    }

    /// No module is left out on every kernel, and a name that no module has is noticed.
    #[test]
    fn what_is_skipped_on_one_kernel_runs_on_another() {
        let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/guest/main.rs");
        let tests = std::fs::read_to_string(tests).unwrap();
        for module in [ON_ONE_KERNEL, HOWEVER_STARTED].concat() {
            let line = format!("\nmod {};\n", module.trim_end_matches("::"));
            assert!(tests.contains(&line), "{module}");
        }
        assert_eq!(commands().selection(), ON_ONE_KERNEL);
        let skipped = |boot: Boot, module: &str| boot.selection().contains(&module);
        assert!(skipped(boot("6.1", ""), "docs::") && !skipped(boot("6.1", ""), "audit::"));
        assert!(skipped(boot("6.12", "preempt=full"), "audit::"));
        let bounces = Boot { only: Some("a_device"), ..boot("6.12", "swiotlb=force") };
        assert_eq!(bounces.selection(), ["a_device"]);
    }

    #[test]
    fn a_path_may_have_a_plus() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vmlinuz-6.12+deb13");
        std::fs::write(&path, "kernel").unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(parse(path), [boot(path, "")]);
        assert_eq!(parse(&format!("{path}+quiet")), [boot(path, "quiet")]);
    }
}
