//! What the textbook says of the shell: a pipeline, traced over fork and exec.

use std::rc::Rc;

use super::{
    super::{Assertion, Claim, Decided, Evidence, Unobservable, textbook::TEXTBOOK},
    Program, Seen,
    stage::Stage,
    trace::{PIPE, Process},
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
                let (seen, pipeline) = pipeline(evidence)?;
                let facts = vec![
                    seen.fact("processes that sh started", pipeline.started),
                    seen.fact("programs that cat's process ran", pipeline.ran[0]),
                    seen.fact("programs that wc's process ran", pipeline.ran[1]),
                ];
                Ok(Decided { holds: (pipeline.started, pipeline.ran) == (2, [1, 1]), facts })
            },
        },
        Assertion {
            says: "sh, cat and wc make system calls of their own",
            decide: |evidence| {
                let (seen, Pipeline { calls, .. }) = pipeline(evidence)?;
                let names = ["sh", "cat", "wc"].into_iter().zip(calls);
                let fact = |(name, calls)| seen.fact(&format!("system calls of {name}"), calls);
                let facts = names.map(fact).collect();
                Ok(Decided { holds: calls.iter().all(|calls| *calls > 0), facts })
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
            return Err(Unobservable::Lacking(format!("wc counted {count} bytes of {payload}")));
        }
        Ok(Seen { who: "cat f | wc -c".into(), payload, trace })
    },
};

/// What was counted of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pipeline {
    /// Processes that the shell started.
    pub(crate) started: u64,
    /// Programs that the processes of `cat` and `wc` ran.
    pub(crate) ran: [u64; 2],
    /// System calls of `sh`, `cat` and `wc`.
    pub(crate) calls: [u64; 3],
    /// Bytes of the file.
    pub(crate) payload: u64,
    /// Bytes that `cat` put into the pipe.
    pub(crate) put: u64,
    /// Bytes that `wc` took out of it.
    pub(crate) taken: u64,
    /// Bytes that `sh` put into it or took out.
    pub(crate) through_shell: u64,
}

/// Runs the pipeline, unless it was, and tells what each process did.
///
/// # Errors
/// Why that is not known.
pub(crate) fn counted(evidence: &Evidence) -> Result<Pipeline, Unobservable> {
    pipeline(evidence).map(|(_, pipeline)| pipeline)
}

fn pipeline(evidence: &Evidence) -> Result<(Rc<Seen>, Pipeline), Unobservable> {
    let seen = evidence.program(&PIPELINE)?;
    let of = |name: &str| seen.trace.process(name);
    let (sh, cat, wc) = (of("sh")?, of("cat")?, of("wc")?);
    let calls = |process: &Process| {
        let calls = process.total.syscalls;
        calls.ok_or_else(|| Unobservable::Lacking("calls are not counted".into()))
    };
    let ([shell_took, shell_gave], [_, put], [taken, _]) =
        (sh.moved(PIPE), cat.moved(PIPE), wc.moved(PIPE));
    let pipeline = Pipeline {
        started: sh.total.tasks.forks,
        ran: [cat.total.tasks.execs, wc.total.tasks.execs],
        calls: [calls(sh)?, calls(cat)?, calls(wc)?],
        payload: seen.payload,
        put,
        taken,
        through_shell: shell_took + shell_gave,
    };
    Ok((seen, pipeline))
}

fn through_the_pipe(evidence: &Evidence) -> Result<Decided, Unobservable> {
    let (seen, Pipeline { payload, put, taken, through_shell, .. }) = pipeline(evidence)?;
    let facts = vec![
        seen.fact("bytes of the file", payload),
        seen.fact("bytes that cat put into the pipe", put),
        seen.fact("bytes that wc took out of it", taken),
        seen.fact("bytes that sh put into it or took out", through_shell),
    ];
    Ok(Decided { holds: (put, taken, through_shell) == (payload, payload, 0), facts })
}
