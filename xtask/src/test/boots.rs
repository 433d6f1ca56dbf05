//! What to boot: a kernel, and arguments that make it another one to test on.

use std::ffi::{OsStr, OsString};

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::setup;
use crate::vm::kernel::{KernelSpec, UnknownKernel};

/// Every kernel of the set-up, and these: what is not exact about a counter shows where the kernel
/// may be preempted anywhere.
const VARIANTS: [&str; 1] = ["6.12+preempt=full"];

/// The word for all of them.
pub(crate) const ALL: &str = "all";

/// One start of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Boot {
    pub(crate) kernel: KernelSpec,
    /// For the kernel's command line; empty where there is nothing to add.
    pub(crate) arguments: String,
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
            let words = setup::KERNELS.iter().chain(&VARIANTS).map(OsStr::new);
            return words.map(Boot::parse).collect::<Result<_, _>>().map(Self);
        }
        Boot::parse(text).map(|boot| Self(vec![boot]))
    }
}

impl Boot {
    /// Reads `KERNEL[+ARGUMENT]…`. The path of a kernel may have a `+` of its own.
    fn parse(text: &OsStr) -> Result<Self, UnknownKernel> {
        let unknown = match KernelSpec::parse(text) {
            Ok(kernel) => return Ok(Self { kernel, arguments: String::new() }),
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
        Boot { kernel, arguments: arguments.into() }
    }

    #[test]
    fn all_is_every_kernel_and_the_preemptible_one() {
        let expected = [("5.10", ""), ("6.1", ""), ("6.12", ""), ("7.3", "")];
        let mut expected = expected.map(|(kernel, arguments)| boot(kernel, arguments)).to_vec();
        expected.push(boot("6.12", "preempt=full"));
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
