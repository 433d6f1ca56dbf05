//! Commands that zc starts, with the real program as the process that becomes the command.
//!
//! What one sees of itself is asked of `/proc`, whose files the commands print.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env,
    ffi::OsString,
    fs,
    io::Write,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, getuid, setrlimit};
use tokio::signal::unix::SignalKind;
use zc::target::{
    command::{CommandLine, Launch, LaunchError},
    user::{Credentials, Ids, Other},
};

const ZC: &str = env!("CARGO_BIN_EXE_zc");

fn line(argv: &[&str], user: Credentials) -> CommandLine {
    CommandLine { argv: argv.iter().map(OsString::from).collect(), user }
}

fn start(argv: &[&str]) -> Launch {
    Launch::start_with(Path::new(ZC), &line(argv, Credentials::default())).unwrap()
}

fn wait(launch: &mut Launch) -> ExitStatus {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(launch.wait()).unwrap()
}

fn status(argv: &[&str]) -> ExitStatus {
    let mut launch = start(argv);
    launch.release().unwrap();
    wait(&mut launch)
}

/// What a shell's `script` writes to `$OUT` as a command of zc's, as `user`.
fn output(script: &str, user: Credentials) -> String {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    // Anybody may write there.
    fs::write(&out, "").unwrap();
    for path in [folder.path(), &out] {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    }
    let script = format!("exec > '{}'; {script}", out.display());
    let mut launch =
        Launch::start_with(Path::new(ZC), &line(&["sh", "-c", &script], user)).unwrap();
    launch.release().unwrap();
    assert!(wait(&mut launch).success());
    fs::read_to_string(out).unwrap()
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap().trim()
}

/// Skips a test that only root can run.
fn root() -> bool {
    let root = getuid().is_root();
    if !root {
        eprintln!("skipped: not root");
    }
    root
}

/// An ordinary user that no database needs to know.
fn user() -> Credentials {
    let ids = Ids { uid: 1000, gid: 1001, groups: vec![1001, 27, 4242] };
    Credentials { other: Some(Other { ids, name: "u ser".into(), home: "/home/u ser".into() }) }
}

#[test]
fn it_is_executed_in_the_process_that_was_held() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut launch = start(&["sh", "-c", &format!("echo $$ > '{}'", out.display())]);
    let pid = launch.pid();
    // Held: zc's own program, and nothing of the command, for as long as zc likes.
    std::thread::sleep(Duration::from_millis(300));
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    assert_eq!(program, PathBuf::from(ZC).canonicalize().unwrap());
    assert!(!out.exists());
    launch.release().unwrap();
    launch.release().unwrap();
    assert!(wait(&mut launch).success());
    assert_eq!(fs::read_to_string(out).unwrap().trim(), pid.to_string());
    // It was reaped, and its status is still known.
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(wait(&mut launch).success());
    launch.signal(Signal::KILL).unwrap();
}

#[test]
fn statuses_and_signals_come_through() {
    assert_eq!(status(&["true"]).code(), Some(0));
    assert_eq!(status(&["sh", "-c", "exit 77"]).code(), Some(77));
    assert_eq!(status(&["sh", "-c", "kill -SEGV $$"]).signal(), Some(11));
    let mut launch = start(&["sleep", "60"]);
    launch.release().unwrap();
    launch.signal(Signal::TERM).unwrap();
    assert_eq!(wait(&mut launch).signal(), Some(15));
}

#[test]
fn options_and_odd_words_are_the_commands_own() {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let words: [&[u8]; 6] = [b"--orders", b"--", b"--help", b"", b"a\n\xff b", b"-p"];
    let mut command = line(&["sh", "-c", r#"printf '[%s]' "$@" > "$0""#], Credentials::default());
    command.argv.push(out.clone().into());
    command.argv.extend(words.map(|word| OsString::from_vec(word.to_vec())));
    let mut launch = Launch::start_with(Path::new(ZC), &command).unwrap();
    launch.release().unwrap();
    assert!(wait(&mut launch).success());
    let expected: Vec<u8> = words.iter().flat_map(|word| [b"[", *word, b"]"].concat()).collect();
    assert_eq!(std::ffi::OsStr::from_bytes(&fs::read(out).unwrap()).as_bytes(), expected);
}

#[test]
fn what_cannot_run_is_said() {
    let refusal = |argv: &[&str]| {
        let mut launch = start(argv);
        let pid = launch.pid();
        let said = launch.release().unwrap_err().to_string();
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
        said
    };
    assert_eq!(refusal(&["/no\x1bthing"]), "cannot run /no\\u{1b}thing: No such file or directory");
    assert_eq!(refusal(&["/tmp"]), "cannot run /tmp: Permission denied");
    assert_eq!(refusal(&[""]), "cannot run : No such file or directory");
    let empty = Launch::start_with(Path::new(ZC), &line(&[], Credentials::default())).err();
    assert_eq!(empty.unwrap().to_string(), "no command to run");
    let nowhere = line(&["true"], Credentials::default());
    // A program that is not zc.
    let no_helper = Launch::start_with(Path::new("/bin/true"), &nowhere).err().unwrap();
    assert_eq!(no_helper.to_string(), "true did not start: its process was ended by exit status 0");
    let no_zc = Launch::start_with(Path::new("/no/zc"), &nowhere).err().unwrap();
    assert!(matches!(no_zc, LaunchError::Process { .. }), "{no_zc:?}");
}

#[test]
fn a_command_that_ends_at_the_gate_is_told_from_one_that_ran() {
    let mut launch = start(&["true"]);
    launch.signal(Signal::KILL).unwrap();
    let said = launch.release().unwrap_err().to_string();
    assert_eq!(said, "true did not start: its process was ended by signal 9");
}

#[test]
fn dropped_at_the_gate_nothing_of_it_runs_or_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let launch = start(&["touch", out.to_str().unwrap()]);
    let pid = launch.pid();
    drop(launch);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!out.exists());
}

#[test]
fn dropped_later_it_goes_on() {
    let mut launch = start(&["sleep", "60"]);
    launch.release().unwrap();
    let pid = launch.pid();
    drop(launch);
    let comm = || fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    while comm() != "sleep\n" {
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
}

/// A zc that is killed while its command is at the gate.
#[test]
fn a_command_whose_zc_is_gone_does_not_run() {
    if let Ok(out) = env::var(TASK) {
        return hold_a_command(&out);
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let own = "a_command_whose_zc_is_gone_does_not_run";
    let mut zc = in_a_process(own, out.to_str().unwrap());
    let mut zc = zc.stdout(Stdio::piped()).spawn().unwrap();
    let said = std::io::BufReader::new(zc.stdout.take().unwrap());
    let held: u32 = std::io::BufRead::lines(said)
        .find_map(|line| line.unwrap().strip_prefix("held ")?.parse().ok())
        .unwrap();
    zc.kill().unwrap();
    zc.wait().unwrap();
    let gone = || match fs::read_to_string(format!("/proc/{held}/status")) {
        // Whoever adopts it may not ask for its status.
        Ok(status) => field(&status, "State").starts_with('Z'),
        Err(_) => true,
    };
    for _ in 0..1000 {
        if gone() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(gone() && !out.exists());
}

/// The zc of that test.
fn hold_a_command(out: &str) {
    let launch = start(&["touch", out]);
    println!("\nheld {}", launch.pid());
    std::io::stdout().flush().unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

/// What the test `name` does in a process of its own: this program runs it again, and it finds
/// `task` in `ZC_TEST_TASK`.
fn in_a_process(name: &str, task: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "--nocapture", name]).env(TASK, task);
    command
}

const TASK: &str = "ZC_TEST_TASK";

#[test]
fn another_user_with_all_groups() {
    if !root() {
        return;
    }
    let said =
        output("id -u; id -g; id -G; echo \"$HOME|$USER|$LOGNAME\"; cat /proc/self/status", user());
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some("1000"));
    assert_eq!(lines.next(), Some("1001"));
    let mut groups: Vec<u32> =
        lines.next().unwrap().split(' ').map(|group| group.parse().unwrap()).collect();
    groups.sort_unstable();
    assert_eq!(groups, [27, 1001, 4242]);
    assert_eq!(lines.next(), Some("/home/u ser|u ser|u ser"));
    // Real, effective, saved, and of the file system.
    assert_eq!(field(&said, "Uid"), "1000\t1000\t1000\t1000");
    assert_eq!(field(&said, "Gid"), "1001\t1001\t1001\t1001");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field(&said, set), "0000000000000000", "{set}");
    }
}

#[test]
fn nothing_is_changed_for_whoever_runs_zc() {
    let script = "id -u; id -G; echo \"$HOME|$USER\"; pwd; umask; ulimit -a";
    let direct = Command::new("sh").args(["-c", script]).output().unwrap();
    assert_eq!(output(script, Credentials::default()), String::from_utf8(direct.stdout).unwrap());
}

/// zc that is not root, with just what tracing needs, as a file capability or a service gives it.
#[test]
fn capabilities_for_tracing_are_not_handed_on() {
    use rustix::thread::{CapabilitySet, CapabilitySets};
    if env::var_os(TASK).is_some() {
        return show_capabilities();
    }
    if !root() {
        return;
    }
    let mut zc = in_a_process("capabilities_for_tracing_are_not_handed_on", "show");
    let tracing = CapabilitySet::BPF | CapabilitySet::PERFMON;
    let become_tracer = move || {
        let (uid, gid) =
            (rustix::process::Uid::from_raw(1000), rustix::process::Gid::from_raw(1000));
        rustix::thread::set_keep_capabilities(true)?;
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_res_gid(gid, gid, gid)?;
        rustix::thread::set_thread_res_uid(uid, uid, uid)?;
        let sets = CapabilitySets { effective: tracing, permitted: tracing, inheritable: tracing };
        rustix::thread::set_capabilities(None, sets)?;
        for capability in tracing {
            rustix::thread::configure_capability_in_ambient_set(capability, true)?;
        }
        Ok(())
    };
    // SAFETY: only system calls between fork and exec; nothing is allocated.
    unsafe { std::os::unix::process::CommandExt::pre_exec(&mut zc, become_tracer) };
    let said = match zc.output() {
        Ok(said) => String::from_utf8(said.stdout).unwrap(),
        Err(error) => {
            eprintln!("skipped: user 1000 cannot run this test's program: {error}");
            return;
        }
    };
    let (before, after) = said.split_once("as a command of zc's").unwrap();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field(before, set), format!("{:016x}", tracing.bits()), "{set}");
        assert_eq!(field(after, set), "0000000000000000", "{set}");
    }
}

/// The zc of that test.
fn show_capabilities() {
    println!("\n{}as a command of zc's", fs::read_to_string("/proc/self/status").unwrap());
    std::io::stdout().flush().unwrap();
    assert!(status(&["cat", "/proc/self/status"]).success());
}

#[test]
fn it_has_no_descriptor_of_zcs() {
    // zc holds files of its own, and one command more at the gate.
    let (_file, _held) = (fs::File::open("/dev/null").unwrap(), start(&["true"]));
    let script = "ls /proc/self/fd";
    // What this test was started with is handed on.
    let direct = Command::new("sh").args(["-c", script]).output().unwrap();
    let direct = String::from_utf8(direct.stdout).unwrap();
    assert!(direct.starts_with("0\n1\n"), "{direct}");
    assert_eq!(output(script, Credentials::default()), direct);
}

/// The process that a Ctrl-C is to reach, with zc's own streams.
#[test]
fn streams_group_and_session_are_zcs() {
    if let Ok(script) = env::var(TASK) {
        return run_a_script(&script);
    }
    let script = "echo $(cut -d' ' -f5,6 /proc/self/stat); cat; echo error >&2";
    let mut zc = in_a_process("streams_group_and_session_are_zcs", script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    zc.stdin.take().unwrap().write_all(b"through\n").unwrap();
    let own = fs::read_to_string("/proc/self/stat").unwrap();
    let own: Vec<_> = own.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let output = zc.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains(&format!("{} {}\nthrough\n", own[2], own[3])), "{said}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "error\n");
}

/// The zc of that test and the next.
fn run_a_script(script: &str) {
    assert!(status(&["sh", "-c", script]).success());
}

/// Changes what zc does change by the time that it starts a command: handlers, which execve
/// forgets, and a limit.
fn be_like_zc() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _in = runtime.enter();
    for kind in [SignalKind::interrupt(), SignalKind::hangup()] {
        drop(tokio::signal::unix::signal(kind).unwrap());
    }
    let limit = getrlimit(Resource::Memlock);
    setrlimit(Resource::Memlock, Rlimit { current: Some(1 << 15), ..limit }).unwrap();
}

/// Rust ignores SIGPIPE for zc and makes it fatal for what zc starts; a caught signal becomes fatal.
/// The command gets what zc was started with.
#[test]
fn ignored_signals_and_limits_are_those_that_zc_was_started_with() {
    if let Ok(script) = env::var(TASK) {
        be_like_zc();
        return run_a_script(&script);
    }
    let signals = |trap: &str| {
        let script = "cat /proc/self/status /proc/self/limits";
        // The shell starts the test's program as whoever starts zc would.
        let start = format!("{trap} ulimit -S -l 64; exec \"$0\" \"$@\"");
        let own = "ignored_signals_and_limits_are_those_that_zc_was_started_with";
        let test = in_a_process(own, script);
        let output = Command::new("sh")
            .args(["-c", &start])
            .arg(test.get_program())
            .args(test.get_args())
            .env(TASK, script)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}");
        let locked = said.lines().find(|line| line.starts_with("Max locked memory")).unwrap();
        assert_eq!(locked.split_whitespace().nth(3), Some("65536"), "{locked}");
        let mask = |name| u64::from_str_radix(field(&said, name), 16).unwrap();
        (mask("SigIgn"), mask("SigCgt"), mask("SigBlk"))
    };
    let (hangup, interrupt, pipe) = (1, 1 << 1, 1 << 12);
    let (ignored, caught, blocked) = signals("trap '' PIPE INT;");
    let all = hangup | interrupt | pipe;
    assert_eq!((ignored & all, caught & all, blocked), (interrupt | pipe, 0, 0));
    let (ignored, caught, blocked) = signals("");
    // What this test's own parent ignores is ignored by all; SIGPIPE is not, since Rust started `sh`.
    let inherited = zc::target::started::Started::of_self();
    let expected = [(1, hangup), (2, interrupt)];
    let expected: u64 =
        expected.iter().filter(|(signal, _)| inherited.ignores(*signal)).map(|(_, bit)| bit).sum();
    assert_eq!((ignored & all, caught & all, blocked), (expected, 0, 0));
}
