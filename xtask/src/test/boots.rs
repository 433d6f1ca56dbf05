//! What to boot: a kernel, and arguments that make it another one to test on.

use std::ffi::{OsStr, OsString};

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::setup;
use crate::vm::kernel::{KernelSpec, UnknownKernel};

/// Besides every kernel of the set-up. What is not exact about a counter shows where the kernel may
/// be preempted anywhere.
const PREEMPTIBLE: &str = "6.12+preempt=full";

/// The tests that match the second need a machine that serves no other: here every device bounces.
const FOR_ONE_TEST: (&str, &str) = ("6.12+swiotlb=force", "a_device_that_bounces");

/// The word for all of them.
pub(crate) const ALL: &str = "all";

/// One start of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Boot {
    pub(crate) kernel: KernelSpec,
    /// For the kernel's command line; empty where there is nothing to add.
    pub(crate) arguments: String,
    /// Only tests whose names match; all if `None`.
    pub(crate) only: Option<&'static str>,
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
            let mut boots =
                words.map(|word| Boot::parse(word.as_ref())).collect::<Result<Vec<_>, _>>()?;
            let (machine, only) = FOR_ONE_TEST;
            boots.push(Boot { only: Some(only), ..Boot::parse(machine.as_ref())? });
            return Ok(Self(boots));
        }
        Boot::parse(text).map(|boot| Self(vec![boot]))
    }
}

impl Boot {
    /// Reads `KERNEL[+ARGUMENT]…`. The path of a kernel may have a `+` of its own.
    fn parse(text: &OsStr) -> Result<Self, UnknownKernel> {
        let unknown = match KernelSpec::parse(text) {
            Ok(kernel) => return Ok(Self { kernel, arguments: String::new(), only: None }),
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
        Boot { kernel, arguments: arguments.into(), only: None }
    }

    #[test]
    fn all_is_every_kernel_the_preemptible_one_and_one_that_bounces() {
        let expected = [("5.10", ""), ("6.1", ""), ("6.12", ""), ("7.3", "")];
        let mut expected = expected.map(|(kernel, arguments)| boot(kernel, arguments)).to_vec();
        expected.push(boot("6.12", "preempt=full"));
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
    fn a_path_may_have_a_plus() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vmlinuz-6.12+deb13");
        std::fs::write(&path, "kernel").unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(parse(path), [boot(path, "")]);
        assert_eq!(parse(&format!("{path}+quiet")), [boot(path, "quiet")]);
    }
}
