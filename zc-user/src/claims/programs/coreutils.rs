//! GNU cp and cat.

use super::{
    super::{Assertion, Claim, Unobservable},
    Program, Seen,
    stage::Stage,
};

pub(in crate::claims) const COREUTILS: Claim = Claim {
    id: "25",
    says: "GNU cp and cat avoid copies to and from user space",
    who: "coreutils",
    needs: &[],
    parts: &[
        Assertion {
            says: "cp: the file gets to its copy without passing the memory of a process",
            decide: |evidence| evidence.program(&CP)?.in_the_kernel(),
        },
        Assertion {
            says: "cat to a file: so it does",
            decide: |evidence| evidence.program(&CAT)?.in_the_kernel(),
        },
    ],
};

pub(super) const CP: Program =
    Program { name: "cp", observe: |stage: &Stage<'_>| copy(stage, "cp", &["cp", "f", "g"]) };

pub(super) const CAT: Program = Program {
    name: "cat",
    observe: |stage: &Stage<'_>| copy(stage, "cat", &["sh", "-c", "cat f > g"]),
};

fn copy(stage: &Stage<'_>, program: &str, argv: &[&str]) -> Result<Seen, Unobservable> {
    if !stage.run(&[program, "--version"])?.contains("GNU coreutils") {
        return Err(Unobservable::Lacking(format!("the {program} that is installed is not GNU's")));
    }
    stage.copy(stage.version(program, "--version")?, argv)
}
