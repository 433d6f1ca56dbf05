//! `zc check`: each exit status, and what stands beside it.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::{
    support::{scratch, status, stderr, stdout, zc},
    trace_named::HOSTILE,
    trace_processes::assert_refused,
    tracing::unskipped_text,
};

fn check(arguments: &[&str]) -> Command {
    let mut command = zc();
    command.arg("check").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The output of a check in which the kernel skipped no program.
fn answered(mut make: impl FnMut() -> Command) -> Output {
    unskipped_text(|| make().output().unwrap())
}

/// A folder with a file of 100 000 bytes called `in`.
fn folder() -> tempfile::TempDir {
    let folder = scratch();
    fs::write(folder.path().join("in"), vec![1; 100_000]).unwrap();
    folder
}

/// Copies that file in pieces of `block` bytes.
fn copies(folder: &Path, block: u64) -> [String; 6] {
    let path = folder.join("in").display().to_string();
    [
        "--".into(),
        "dd".into(),
        "status=none".into(),
        format!("bs={block}"),
        format!("if={path}"),
        format!("of={path}.out"),
    ]
}

/// Copying by reading and writing copies twice; a baseline of it holds beside itself, and does not
/// beside one with ten times as many calls.
#[test]
fn check_says_what_holds_and_compares_with_an_earlier_run() {
    let folder = folder();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (before, junit) = (file("before.json"), file("junit.xml"));
    let holds = answered(|| {
        let expression = "syscalls.read.bytes == 100000 and copied = 2 * moved and moved == 100kB";
        let mut command = check(&["--json", "--expect", expression, "--junit", &junit]);
        command.args(copies(folder.path(), 10_000));
        command
    });
    assert_eq!((status(&holds), stderr(&holds)), (0, String::new()), "{}", stdout(&holds));
    let report: Value = serde_json::from_slice(&holds.stdout).unwrap();
    assert_eq!((&report["verdict"], &report["schema"]), (&"holds".into(), &"zc.check/1".into()));
    for (quantity, bytes) in [
        ("moved", 100_000),
        ("copied", 200_000),
        ("user_to_kernel", 100_000),
        ("kernel_to_kernel", 0),
    ] {
        assert_eq!(report["quantities"][quantity], bytes, "{quantity}");
    }
    let xml = fs::read_to_string(&junit).unwrap();
    assert!(xml.contains("tests=\"1\"") && xml.contains("failures=\"0\""), "{xml}");
    fs::write(&before, &holds.stdout).unwrap();

    let compared = |block| {
        answered(|| {
            let mut command = check(&["--baseline", &before, "--max-regression", "20%"]);
            command.args(copies(folder.path(), block));
            command
        })
    };
    let same = compared(10_000);
    assert_eq!(status(&same), 0, "{}", stdout(&same));
    let dearer = compared(1000);
    let text = stdout(&dearer);
    assert_eq!(status(&dearer), 1, "{text}");
    // The same copies, more switches.
    let row = |name: &str| text.lines().find(|line| line.contains(name)).unwrap_or_default();
    assert!(row("copies_per_byte").contains("holds"), "{text}");
    assert!(row("switches_per_mib").contains("does not hold"), "{text}");
}

#[test]
fn check_blames_who_copied_and_no_output_takes_harm_from_a_name() {
    let folder = folder();
    let junit = folder.path().join("junit.xml");
    let refuted = answered(|| {
        let mut command =
            check(&["--expect", "copied <= 1", "--claim", "no-user-copy", "--github"]);
        command.arg("--junit").arg(&junit).args(["--", "sh", "-c", "exec cat $0/in > $0/out"]);
        command.arg(folder.path()).arg(OsStr::from_bytes(HOSTILE));
        command
    });
    let text = stdout(&refuted);
    assert_eq!(status(&refuted), 1, "{text}");
    let blame =
        "generic_perform_write copied 100000 bytes (sendfile, regular file to regular file)";
    assert!(text.contains(blame), "{text}");
    let shown = "=\\u{1b}[31m\\u{a}\"\u{fffd},&<%";
    let annotations: Vec<_> = text.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(annotations.len(), 1, "{text}");
    assert!(annotations[0].starts_with("::error title=zc check::copied <= 1: does not hold: "));
    assert!(annotations[0].contains(&shown.replace('%', "%25")), "{text}");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    let xml = fs::read_to_string(&junit).unwrap();
    assert!(xml.contains("tests=\"2\"") && xml.contains("failures=\"1\""), "{xml}");
    assert!(xml.contains("=\\u{1b}[31m\\u{a}&quot;\u{fffd},&amp;&lt;%"), "{xml}");
    assert!(!xml.contains(|c: char| c.is_control() && c != '\n'), "{xml:?}");
}

/// Without probes in the kernel nobody knows what a read of a file copies.
#[test]
fn check_does_not_answer_what_it_cannot_see() {
    let folder = folder();
    let unseen = answered(|| {
        let mut command = check(&["--boundary", "--expect", "copies_per_byte <= 2", "--expect"]);
        command.arg("syscalls.read.bytes == 100000").args(copies(folder.path(), 10_000));
        command
    });
    let text = stdout(&unseen);
    assert_eq!(status(&unseen), 2, "{text}");
    let row = |name: &str| text.lines().find(|line| line.contains(name)).unwrap_or_default();
    assert!(row("copies_per_byte <= 2").contains("not observed"), "{text}");
    assert!(row("syscalls.read.bytes == 100000").contains("holds"), "{text}");
}

#[test]
fn check_points_at_a_mistake_and_runs_nothing() {
    let folder = folder();
    let out = folder.path().join("out");
    let touch = format!("echo > {}", out.display());
    let command = ["--", "sh", "-c", &touch];
    let wrong = |arguments: &[&str]| {
        let output = check(&[arguments, &command].concat()).output().unwrap();
        assert_eq!((status(&output), stdout(&output)), (64, String::new()));
        output
    };
    let said = stderr(&wrong(&["--expect", "moved > 0 and copies_per_bite <= 1"]));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert_eq!(lines[0], "moved > 0 and copies_per_bite <= 1");
    assert!(lines[1].starts_with("              ^ "), "{said}");
    assert!(lines[1].contains("did you mean 'copies_per_byte'?"), "{said}");

    assert_refused(&wrong(&[]), "nothing is asked");
    assert_refused(&wrong(&["--claim", "zero-copy-sent"]), "zero-copy-send");
    let none = ["--baseline", "/no/such", "--max-regression", "5%"];
    assert_refused(&wrong(&none), "/no/such");
    assert!(!out.exists(), "nothing has run");
    let endless = check(&["--expect", "moved > 0", "--all"]).output().unwrap();
    assert_refused(&endless, "--duration");
}
