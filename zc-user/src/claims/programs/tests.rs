use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::claims::{Claim, claim};

const BYTES: u64 = 1000;

/// A flow with the copies user to kernel, kernel to user and in the kernel, or that were not observed.
fn flow(call: &str, [source, sink]: [&str; 2], bytes: u64, copied: Option<[u64; 3]>) -> Value {
    let copied = copied.map_or(json!({}), |[into, out, inside]| {
        json!({ "user_to_kernel": into, "kernel_to_user": out, "kernel_to_kernel": inside })
    });
    let reason = "7 of 9 bytes passed a known site";
    json!({
        "call": call, "source": source, "sink": sink, "bytes": bytes, "copied": copied, "reason": reason,
    })
}

fn report(flows: &[Value], processes: &[Value]) -> Trace {
    let report = json!({
        "complete": true, "completeness": {}, "run": { "exit_status": 0 },
        "flows": flows, "processes": processes,
    });
    serde_json::from_value(report).unwrap()
}

/// What a program did that brought [`BYTES`] somewhere.
fn seen(flows: &[Value]) -> Seen {
    Seen { who: "it 1.0".into(), payload: BYTES, trace: report(flows, &[]) }
}

/// What became of each part of a claim whose programs did this.
fn parts(claim: &Claim, programs: &[&Program], seen: Seen) -> Vec<Result<bool, String>> {
    let evidence = Evidence::new(Programs::new(PathBuf::new(), Running::default()));
    let seen = Rc::new(seen);
    for program in programs {
        evidence.programs.seen.borrow_mut().insert(program.name, Ok(Rc::clone(&seen)));
    }
    let decide = |part: &super::super::Assertion| {
        (part.decide)(&evidence).map(|decided| decided.holds).map_err(|why| why.to_string())
    };
    claim.parts.iter().map(decide).collect()
}

const INSIDE: Option<[u64; 3]> = Some([0, 0, BYTES]);
const NONE: Option<[u64; 3]> = Some([0; 3]);

#[test]
fn a_file_is_copied_in_the_kernel_or_through_a_process() {
    let between = flow("copy_file_range", [FILE, FILE], BYTES, INSIDE);
    let elsewhere = flow("read", [FILE, "memory"], 9, None);
    let cp = seen(&[between, elsewhere]);
    assert!(cp.in_the_kernel().unwrap().holds, "how it reads its libraries does not bear on it");
    let written = flow("write", ["memory", FILE], BYTES, Some([BYTES, 0, 0]));
    let decided = seen(&[written]).in_the_kernel().unwrap();
    assert!(!decided.holds);
    let facts = decided.facts.iter().map(|fact| (&*fact.what, fact.measured));
    let copied = ("it 1.0: bytes of them copied from user to kernel", BYTES);
    assert!(facts.clone().any(|fact| fact == copied), "{:?}", facts.collect::<Vec<_>>());
}

#[test]
fn what_was_not_seen_is_not_decided() {
    let unseen = seen(&[flow("sendfile", [FILE, FILE], BYTES, None)]).in_the_kernel().unwrap_err();
    assert_eq!(
        unseen.to_string(),
        "it 1.0: sendfile to regular file: 7 of 9 bytes passed a known site"
    );
    let by_mapping = seen(&[]).in_the_kernel().unwrap_err();
    assert!(by_mapping.to_string().contains("0 bytes were seen"), "{by_mapping}");
    let between = flow("sendfile", [FILE, FILE], BYTES, INSIDE);
    let log = flow("write", ["memory", FILE], 1, Some([1, 0, 0]));
    let more = seen(&[between, log]).in_the_kernel().unwrap_err();
    assert!(more.to_string().contains("1001 bytes were seen"), "{more}");
}

#[test]
fn headers_are_no_part_of_what_is_sent_and_later_copies_count() {
    let header = flow("writev", ["memory", TCP], 5, Some([5, 0, 0]));
    let body = flow("sendfile", [FILE, TCP], BYTES, NONE);
    let sent = |flows: &[Value]| seen(flows).uncopied(TCP).unwrap().holds;
    assert!(sent(&[header.clone(), body.clone()]));
    assert!(!sent(&[flow("writev", ["memory", TCP], BYTES + 5, Some([BYTES + 5, 0, 0]))]));
    let later = json!({
        "call": "(network stack)", "source": "", "sink": "",
        "copied": { "user_to_kernel": 0, "kernel_to_user": 0, "kernel_to_kernel": 1 },
    });
    assert!(!sent(&[header, body, later]), "a card that does not gather");
}

#[test]
fn what_splice_moves_is_told_from_what_it_copies() {
    let pipe = |copied| flow("splice", [TCP, PIPE], 900, copied);
    let out = flow("splice", [PIPE, TCP], 900, NONE);
    let first = flow("sendto", ["memory", TCP], 100, Some([100, 0, 0]));
    let relay = |copied| seen(&[pipe(copied), out.clone(), first.clone()]);
    let most = |spliced, all| spliced > all / 2;
    assert!(relay(NONE).spliced(most).unwrap().holds);
    assert!(!relay(NONE).spliced(|spliced, all| spliced == all).unwrap().holds);
    assert!(relay(None).spliced(most).unwrap().holds, "the calls say so themselves");
    assert!(relay(NONE).spliced_uncopied().unwrap().holds);
    assert!(!relay(Some([0, 0, 1])).spliced_uncopied().unwrap().holds);
    assert!(relay(None).spliced_uncopied().is_err());
    assert!(
        !seen(&[flow("sendto", ["memory", TCP], BYTES, NONE)]).spliced_uncopied().unwrap().holds
    );
}

fn process(name: &str, forks: u64, execs: u64, flows: &[Value]) -> Value {
    let total = json!({ "syscalls": 9, "tasks": { "forks": forks, "execs": execs, "exits": 1 } });
    json!({ "name": name, "total": total, "flows": flows })
}

#[test]
fn a_pipeline_is_three_processes() {
    let write = flow("write", ["memory", PIPE], BYTES, Some([BYTES, 0, 0]));
    let read = flow("read", [PIPE, "memory"], BYTES, Some([0, BYTES, 0]));
    let cat = process("cat", 0, 1, std::slice::from_ref(&write));
    let count = process("wc", 0, 1, std::slice::from_ref(&read));
    let decide = |processes: &[Value]| {
        let trace = report(&[], processes);
        parts(&T3, &[&shell::PIPELINE], Seen { who: "x".into(), payload: BYTES, trace })
    };
    let shell = process("sh", 2, 1, &[]);
    assert_eq!(
        decide(&[shell.clone(), cat.clone(), count.clone()]),
        [Ok(true), Ok(true), Ok(true)]
    );
    let nosy = process("sh", 2, 1, &[read, write]);
    assert_eq!(decide(&[nosy, cat.clone(), count])[2], Ok(false));
    // As of a shell that has cat and wc built in.
    let why = Err("0 processes called wc were seen".to_owned());
    assert_eq!(decide(&[shell, cat]), [why.clone(), why.clone(), why]);
}

/// What a claim asserts is asked of the programs that it is about.
#[test]
fn claims_ask_the_programs_that_they_are_about() {
    let between = flow("copy_file_range", [FILE, FILE], BYTES, INSIDE);
    let sent = flow("sendfile", [FILE, TCP], BYTES, NONE);
    let both = || seen(&[between.clone(), sent.clone()]);
    let all: [(&str, &[&Program], usize); 5] = [
        ("20", &[&nginx::PLAIN, &nginx::GZIP], 2),
        ("21", &[&java::TRANSFER], 1),
        ("23", &[&python::COPYFILE, &python::SENDFILE], 2),
        ("24", &[&rust::FILES, &rust::BUFFERED], 2),
        ("25", &[&coreutils::CP, &coreutils::CAT], 2),
    ];
    for (id, programs, count) in all {
        assert_eq!(parts(claim(id).unwrap(), programs, both()), vec![Ok(true); count], "{id}");
    }
    let uploads = [&uploads::RSYNC, &uploads::CURL];
    let decided = parts(claim("26").unwrap(), &uploads, both());
    assert_eq!(decided, [Ok(false), Ok(true)], "a file that is copied in the kernel is copied");
}

static TRIED: AtomicUsize = AtomicUsize::new(0);

/// Loses counts at its first `lossy` runs.
fn lossy(lossy: usize) -> Result<Seen, Unobservable> {
    let complete = TRIED.fetch_add(1, Ordering::Relaxed) >= lossy;
    let report = json!({
        "complete": complete, "completeness": { "problems": ["1 count was skipped"] },
        "run": {}, "flows": [], "processes": [],
    });
    let trace = serde_json::from_value(report).unwrap();
    Ok(Seen { who: String::new(), payload: 0, trace })
}

#[test]
fn a_trace_that_lost_counts_is_made_again_and_not_believed() {
    let programs = Programs::new(std::env::temp_dir(), Running::default());
    let once = Program { name: "once", observe: |_| lossy(1) };
    assert!(programs.seen(&once).is_ok());
    assert!(programs.seen(&once).is_ok());
    assert_eq!(TRIED.swap(0, Ordering::Relaxed), 2, "once more, and then it is known");
    let always = Program { name: "always", observe: |_| lossy(TRIES) };
    let why = programs.seen(&always).unwrap_err();
    assert_eq!(why.to_string(), "always: incomplete: 1 count was skipped");
    assert_eq!(
        (TRIED.load(Ordering::Relaxed), programs.problems()),
        (TRIES, vec![why.to_string()])
    );
}
