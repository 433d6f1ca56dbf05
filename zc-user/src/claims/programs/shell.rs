//! What the textbook says of the shell: a pipeline, traced over fork and exec.

use super::{
    super::{Assertion, Claim, Decided, Evidence, Unobservable, textbook::TEXTBOOK},
    Program, Seen,
    stage::Stage,
    trace::PIPE,
};

pub(in crate::claims) const T3: Claim = Claim {
    id: "T3",
    says: "the shell is an ordinary program that talks to the kernel through system calls",
    who: TEXTBOOK,
    needs: &[],
    parts: &[
        Assertion {
            says: "it starts both programs of a pipeline as processes, and each runs its program by a call",
            decide: |evidence| {
                let seen = evidence.program(&PIPELINE)?;
                let of = |name: &str| seen.trace.process(name).map(|process| &process.total.tasks);
                let (shell, cat, count) = (of("sh")?, of("cat")?, of("wc")?);
                let facts = vec![
                    seen.fact("processes that sh started", shell.forks),
                    seen.fact("programs that cat's process ran", cat.execs),
                    seen.fact("programs that wc's process ran", count.execs),
                ];
                let holds = [shell.forks, cat.execs, count.execs] == [2, 1, 1];
                Ok(Decided { holds, facts })
            },
        },
        Assertion {
            says: "sh, cat and wc make system calls of their own",
            decide: |evidence| {
                let seen = evidence.program(&PIPELINE)?;
                let mut facts = Vec::new();
                for name in ["sh", "cat", "wc"] {
                    let calls = seen.trace.process(name)?.total.syscalls;
                    let calls =
                        calls.ok_or_else(|| Unobservable("calls are not counted".into()))?;
                    facts.push(seen.fact(&format!("system calls of {name}"), calls));
                }
                Ok(Decided { holds: facts.iter().all(|fact| fact.measured > 0), facts })
            },
        },
        Assertion {
            says: "the bytes go from cat through the pipe to wc, and none through sh",
            decide: through_the_pipe,
        },
    ],
};

pub(super) const PIPELINE: Program = Program {
    name: "a pipeline",
    observe: |stage: &Stage<'_>| {
        let trace = stage.trace(&["sh", "-c", "cat f | wc -c > count"])?;
        let count = String::from_utf8_lossy(&stage.read("count")?).trim().to_owned();
        let payload = stage.payload()?.len() as u64;
        if count != payload.to_string() {
            return Err(Unobservable(format!("wc counted {count} bytes of {payload}")));
        }
        Ok(Seen { who: "cat f | wc -c".into(), payload, trace })
    },
};

fn through_the_pipe(evidence: &Evidence) -> Result<Decided, Unobservable> {
    let seen = evidence.program(&PIPELINE)?;
    let of = |name: &str| seen.trace.process(name).map(|process| process.moved(PIPE));
    let ([shell_took, shell_gave], [_, cat_gave], [took, _]) = (of("sh")?, of("cat")?, of("wc")?);
    let facts = vec![
        seen.fact("bytes of the file", seen.payload),
        seen.fact("bytes that cat put into the pipe", cat_gave),
        seen.fact("bytes that wc took out of it", took),
        seen.fact("bytes that sh put into it or took out", shell_took + shell_gave),
    ];
    let holds = [cat_gave, took] == [seen.payload; 2] && shell_took + shell_gave == 0;
    Ok(Decided { holds, facts })
}
