//! What zc may do: the two capabilities that tracing takes are enough, and it keeps no more than it
//! needs while it counts.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    held::Held,
    skip::needs,
    support::{Tracing, boundary, named, report, root},
    user::{Privilege, as_user},
};

/// Their bits in `/proc/PID/status` (include/uapi/linux/capability.h).
const DAC_OVERRIDE: u64 = 1 << 1;
const FOWNER: u64 = 1 << 3;
const KILL: u64 = 1 << 5;
const SYS_ADMIN: u64 = 1 << 21;
const BPF: u64 = 1 << 39;

/// What the threads of a process may do: effective and permitted capabilities, those that it may hand
/// on, and whether a program that it executes may do more.
#[derive(Debug, PartialEq, Eq)]
struct May {
    effective: u64,
    permitted: u64,
    inheritable: u64,
    ambient: u64,
    no_new: bool,
}

impl May {
    /// No more than these, for good.
    fn only(capabilities: u64) -> Self {
        let (effective, permitted) = (capabilities, capabilities);
        Self { effective, permitted, inheritable: 0, ambient: 0, no_new: true }
    }

    /// That of each thread of a process.
    fn of(pid: Pid) -> Vec<Self> {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        threads.map(|thread| Self::read(&thread.unwrap().path().join("status"))).collect()
    }

    fn read(status: &Path) -> Self {
        let status = fs::read_to_string(status).unwrap();
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            u64::from_str_radix(line.unwrap().trim_start_matches(':').trim(), 16).unwrap()
        };
        Self {
            effective: field("CapEff"),
            permitted: field("CapPrm"),
            inheritable: field("CapInh"),
            ambient: field("CapAmb"),
            no_new: field("NoNewPrivs") == 1,
        }
    }
}

#[test]
fn what_is_not_needed_to_count_is_given_up() {
    needs!(root());
    let own = May::read(Path::new("/proc/self/status"));
    assert!(own.effective & SYS_ADMIN != 0 && !own.no_new, "what zc is started with: {own:?}");
    let held = Held::new(|| {});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report");
    let to_file = ["--output", file.to_str().unwrap()];
    let page = folder.path().join("page");
    let to_page = ["--html", page.to_str().unwrap()];
    let cases = [
        ("trace", &[][..], BPF),
        ("trace", &to_file[..], BPF | DAC_OVERRIDE | FOWNER),
        ("trace", &to_page[..], BPF | DAC_OVERRIDE | FOWNER),
        ("check", &["--expect", "syscalls == 0"][..], BPF),
    ];
    for (subcommand, arguments, kept) in cases {
        let mut command = boundary(subcommand);
        let zc = Tracing::start(command.args(["-p", &held.id()]).args(arguments));
        let threads = May::of(zc.pid());
        assert!(!threads.is_empty());
        for may in threads {
            assert_eq!(may, May::only(kept), "{subcommand} {arguments:?}");
        }
        zc.signal(Signal::INT);
        // What is left is enough to stop counting, read the counts, and write them.
        let output = zc.output();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
    assert!(fs::read_to_string(&file).unwrap().ends_with("complete, no count was lost\n"));
    assert!(fs::read_to_string(&page).unwrap().ends_with("</html>\n"));
}

/// A file has to be moved into a folder where root may write only by a capability.
#[test]
fn a_report_reaches_the_folder_of_another_user() {
    needs!(root());
    for mode in [0o700, 0o1777] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report");
        fs::write(&file, "older").unwrap();
        for path in [&file, folder.path()] {
            chown(path, Some(1000), Some(1000)).unwrap();
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        let mut command = boundary("trace");
        command.args(["--json", "--output"]).arg(&file).args(["--", "true"]);
        let output = command.output().unwrap();
        let output = std::process::Output { stdout: fs::read(&file).unwrap(), ..output };
        assert_eq!(report(&output)["run"]["exit_status"], 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

/// zc is root and may do little more than a user; the command is another user's.
#[test]
fn a_command_of_another_user_is_still_sent_a_signal() {
    needs!(root());
    let report = tempfile::NamedTempFile::new().unwrap();
    let mut command = boundary("trace");
    command.args(["--json", "--user", "65534", "--output"]).arg(report.path());
    command.args(["--", "sh", "-c", "id -u; exec sleep 1000"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "65534\n");
    let zc = Pid::from_child(&child);
    for may in May::of(zc) {
        assert_eq!(may, May::only(BPF | KILL | DAC_OVERRIDE | FOWNER));
    }
    kill_process(zc, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let report: Value = serde_json::from_slice(&fs::read(report.path()).unwrap()).unwrap();
    assert_eq!(report["run"]["ended"], "terminated");
    assert_eq!(report["run"]["exit_status"], 128 + 15);
}

/// zc where any user may execute it: the folder that it was built in may be somebody's own.
fn public_zc(folder: &Path) -> Command {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let built = boundary("trace");
    let copy = folder.join("zc");
    // Not by this process: one that another test forks meanwhile would have the program open for
    // writing, and the kernel would not execute it (`ETXTBSY`).
    let copied = Command::new("cp").arg(built.get_program()).arg(&copy).status().unwrap();
    assert!(copied.success());
    let mut command = Command::new(copy);
    command.args(built.get_args()).stdin(Stdio::null()).current_dir("/");
    command
}

#[test]
fn two_capabilities_are_enough() {
    needs!(root());
    let folder = tempfile::tempdir().unwrap();
    let mut held = Held::new(|| {
        for _ in 0..3 {
            let _parent = rustix::process::getppid();
        }
    });
    let mut command = as_user(public_zc(folder.path()), Privilege::Tracing);
    let zc = Tracing::start(command.args(["--json", "-p", &held.id()]));
    for may in May::of(zc.pid()) {
        assert_eq!(may, May::only(BPF));
    }
    held.go();
    let traced = report(&zc.output());
    held.reap();
    assert_eq!(traced["tier"], "boundary");
    assert_eq!(named(&traced["syscalls"], "name", "getppid")["calls"], 3);
    assert_eq!(traced["total"]["syscalls"], 4);

    // The command that such a user starts has none of them.
    let mut command = as_user(public_zc(folder.path()), Privilege::Tracing);
    let status = command.args(["--", "grep", "Cap[IPEA]", "/proc/self/status"]).output().unwrap();
    let said = String::from_utf8(status.stdout).unwrap();
    let none = said.lines().filter(|line| line.ends_with("\t0000000000000000")).count();
    assert_eq!((status.status.code(), none), (Some(0), 4), "{said}");
}

#[test]
fn without_capabilities_the_missing_ones_are_named() {
    needs!(root());
    let folder = tempfile::tempdir().unwrap();
    let mut command = as_user(public_zc(folder.path()), Privilege::None);
    let output = command.args(["--", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("CAP_BPF and CAP_PERFMON") && said.lines().count() == 1, "{said}");
}
