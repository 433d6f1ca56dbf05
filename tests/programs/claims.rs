//! Public claims about these programs, decided by what zc counted.

use std::io::{Write as _, stderr};

use super::{files, network, nginx, observe::Seen, report::Copied, room::SIZE};

/// What became of a claim for one program.
struct Finding {
    holds: bool,
    text: String,
}

impl Finding {
    /// `numbers` are what it is based on.
    fn new(holds: bool, program: &str, numbers: &str) -> Self {
        let verdict = if holds { "confirmed" } else { "refuted" };
        Self { holds, text: format!("{verdict} for {program} ({numbers})") }
    }
}

/// Says what became of a claim, in a line that `cargo xtask test` closes with, and fails unless that
/// was `expected`.
fn decide<const N: usize>(number: u32, claim: &str, findings: [Finding; N], expected: [bool; N]) {
    let texts = findings.each_ref().map(|finding| finding.text.as_str());
    // One write: the test runner keeps what `eprintln!` says of a test that passes.
    let line = format!("{}{number}: {claim}: {}\n", zc_guest::CLAIM, texts.join("; "));
    stderr().write_all(line.as_bytes()).expect("standard error is open");
    assert_eq!(findings.map(|finding| finding.holds), expected, "{line}");
}

/// What the CPU copied where one call moved the whole file.
fn copied_by(seen: &Seen, call: &str, sink: &str) -> Copied {
    let flow = seen.trace.flow(call, "regular file", sink);
    assert_eq!(flow.bytes, Some(SIZE), "{flow:?}");
    flow.copied.all().expect("it was observed")
}

#[test]
fn claim_20_nginx_with_sendfile_is_zero_copy() {
    let finding = |what: &str, served: &nginx::Served| {
        let (trace, body) = (&served.seen.trace, served.body);
        let (uncopied, all) = (trace.uncopied(), trace.total.copied);
        let numbers = format!(
            "{uncopied} of {body} body bytes sent without a copy; with request, header and log {all}"
        );
        Finding::new(uncopied == body, what, &numbers)
    };
    let findings = [
        finding("a plain file", nginx::with_sendfile()),
        finding("a body that gzip made", nginx::with_gzip()),
    ];
    decide(20, "nginx with `sendfile on` is zero copy", findings, [true, false]);
}

#[test]
fn claim_23_python_copies_files_in_the_kernel_and_sends_them_without_a_copy() {
    let copyfile = copied_by(files::copyfile(), "sendfile", "regular file");
    let sendfile = copied_by(network::socket_sendfile(), "sendfile", "TCP");
    let finding = |program: &str, copied: Copied, claimed| {
        Finding::new(copied == claimed, program, &format!("{copied}, of {SIZE} bytes"))
    };
    let findings = [
        finding("shutil.copyfile", copyfile, files::ONCE_IN_THE_KERNEL),
        finding("socket.sendfile", sendfile, Copied::NONE),
    ];
    let claim = "Python copies files once, in the kernel, and sends them without a copy";
    decide(23, claim, findings, [true, true]);
}

#[test]
fn claim_25_cp_and_cat_avoid_user_space_copies() {
    let finding = |program: &str, seen: &Seen| {
        let copied = copied_by(seen, "copy_file_range", "regular file");
        let holds = copied.user_to_kernel == 0 && copied.kernel_to_user == 0;
        Finding::new(holds, program, &format!("copy_file_range {copied}, of {SIZE} bytes"))
    };
    let findings = [finding("cp", files::cp()), finding("cat to a file", files::cat())];
    decide(25, "GNU cp and cat avoid user-space copies", findings, [true, true]);
}

#[test]
fn claim_26_rsync_and_curl_upload_are_zero_copy() {
    let finding = |program: &str, seen: &Seen| {
        let (uncopied, all) = (seen.trace.uncopied(), seen.trace.total.copied);
        let numbers = format!("{uncopied} of {SIZE} bytes moved without a copy; in all {all}");
        Finding::new(uncopied == SIZE, program, &numbers)
    };
    let findings =
        [finding("rsync", files::rsync()), finding("curl --upload-file", network::upload())];
    decide(26, "rsync and curl upload are zero copy", findings, [false, false]);
}
