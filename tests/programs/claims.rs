//! Public claims about these programs, decided by what zc counted.

use std::io::{Write as _, stderr};

use super::{
    files, network, nginx,
    observe::Seen,
    report::{Copied, Flow},
    room::SIZE,
};

/// Says what became of a claim, in a line that `cargo xtask test` shows.
fn decide(number: u32, claim: &str, findings: &[String]) {
    // One write: the test runner keeps what `eprintln!` says of a test that passes.
    let line = format!("CLAIM {number}: {claim}: {}\n", findings.join("; "));
    stderr().write_all(line.as_bytes()).expect("standard error is open");
}

/// What a finding is worth.
fn verdict(holds: bool) -> &'static str {
    if holds { "confirmed" } else { "refuted" }
}

/// Whether the CPU copied no byte between the process and the kernel.
fn spares_the_process(copied: Copied) -> bool {
    copied.user_to_kernel == 0 && copied.kernel_to_user == 0
}

/// A copy of a file by one call between files.
fn by_one_call(seen: &'static Seen, call: &str, sink: &str) -> &'static Flow {
    let flow = seen.trace.flow(call, "regular file", sink);
    assert_eq!(flow.bytes, SIZE, "{flow:?}");
    flow
}

#[test]
fn claim_20_nginx_with_sendfile_is_zero_copy() {
    let finding = |what: &str, served: &nginx::Served| {
        let trace = &served.seen.trace;
        let (holds, body) = (trace.uncopied() == served.body, served.body);
        let sent = format!("{} of {body} body bytes sent without a copy", trace.uncopied());
        let all = trace.total.copied;
        (holds, format!("{} {what} ({sent}; with request, header and log {all})", verdict(holds)))
    };
    let (for_a_file, file) = finding("for a plain file", nginx::with_sendfile());
    let (with_gzip, gzip) = finding("with gzip", nginx::with_gzip());
    decide(20, "nginx with `sendfile on` is zero copy", &[file, gzip]);
    assert_eq!((for_a_file, with_gzip), (true, false));
}

#[test]
fn claim_23_python_copies_files_in_the_kernel_and_sends_them_without_a_copy() {
    let copyfile = by_one_call(files::copyfile(), "sendfile", "regular file");
    let sendfile = by_one_call(network::socket_sendfile(), "sendfile", "TCP");
    let holds = [copyfile.copied == files::ONCE_IN_THE_KERNEL, sendfile.copied == network::NO_COPY];
    let finding = |what: &str, holds, flow: &Flow| {
        format!("{} for {what} ({}, of {})", verdict(holds), flow.copied, flow.bytes)
    };
    decide(
        23,
        "Python copies files in the kernel, once, and sends them without a copy",
        &[
            finding("shutil.copyfile", holds[0], copyfile),
            finding("socket.sendfile", holds[1], sendfile),
        ],
    );
    assert_eq!(holds, [true, true]);
}

#[test]
fn claim_25_cp_and_cat_avoid_user_space_copies() {
    let programs = [("cp", files::cp()), ("cat to a file", files::cat())];
    let (mut findings, mut all) = (Vec::new(), Vec::new());
    for (name, seen) in programs {
        let flow = by_one_call(seen, "copy_file_range", "regular file");
        let holds = spares_the_process(flow.copied);
        findings.push(format!(
            "{} for {name} (copy_file_range {}, of {})",
            verdict(holds),
            flow.copied,
            flow.bytes
        ));
        all.push(holds);
    }
    decide(25, "GNU cp and cat avoid user-space copies", &findings);
    assert_eq!(all, [true, true]);
}

#[test]
fn claim_26_rsync_and_curl_upload_are_zero_copy() {
    let programs = [("rsync", files::rsync()), ("curl --upload-file", network::upload())];
    let (mut findings, mut all) = (Vec::new(), Vec::new());
    for (name, seen) in programs {
        let (uncopied, copied) = (seen.trace.uncopied(), seen.trace.total.copied);
        let holds = uncopied == SIZE;
        findings.push(format!(
            "{} for {name} ({uncopied} of {SIZE} bytes without a copy; in all {copied})",
            verdict(holds)
        ));
        all.push(holds);
    }
    decide(26, "rsync and curl upload are zero copy", &findings);
    assert_eq!(all, [false, false]);
}
