//! The programs that the integration tests are, and the one that they test.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::build::{self, Executable};
use crate::progress::Step;

/// Static, so that the same run in a guest and on this machine.
pub(super) struct Programs {
    zc: PathBuf,
    tests: Vec<Executable>,
}

impl Programs {
    /// Builds them.
    pub(super) fn build() -> Result<Self> {
        let zc = build::static_program("zc", "zc")?;
        let mut command = build::cargo()?;
        command.args(["test", "--package", "zc-tests", "--no-run", "--release"]);
        let step = Step::new("building the integration tests");
        let tests = build::executables(build::as_static(&mut command), &step)?;
        Ok(Self { zc, tests })
    }

    /// `zc` itself.
    pub(super) fn zc(&self) -> &Path {
        &self.zc
    }

    /// The test program called `name`.
    pub(super) fn tests(&self, name: &str) -> Result<&Path> {
        let is_it = |test: &&Executable| {
            test.target.name == name && test.target.kind.iter().any(|kind| kind == "test")
        };
        let found = self.tests.iter().find(is_it);
        Ok(&found.with_context(|| format!("cargo built no test program {name}"))?.executable)
    }
}
