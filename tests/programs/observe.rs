//! What strace and zc say of the same program.

use std::{ffi::OsString, fs, process::Command};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    account::{self, Calls},
    observer::{self, Ended, Observer},
    report::{Copied, Trace},
    room::Room,
    strace::Account,
    wait,
};

const STRACE_FILE: &str = "strace";
const ZC_FILE: &str = "zc.json";

/// Both accounts. They agree on the system calls and on what is at their ends.
pub(crate) struct Seen {
    /// The calls that moved bytes, by strace.
    pub(crate) calls: Calls,
    /// Bytes read where zc has no site.
    without_a_site: u64,
    pub(crate) trace: Trace,
}

/// What strace's tasks are.
#[derive(Clone, Copy)]
enum Tasks {
    /// Processes, which have one thread each.
    Processes,
    /// The threads of one process.
    Threads,
}

impl Seen {
    /// Reads what both wrote.
    fn read(room: &Room, are: Tasks) -> Self {
        let text = |name| String::from_utf8(room.read(name)).expect("it is UTF-8");
        let (account, trace) = (Account::read(&text(STRACE_FILE)), Trace::read(&text(ZC_FILE)));
        let calls = account.total();
        assert!(!calls.is_empty(), "strace saw nothing");
        let mut differences = account::differences(&calls, &trace.calls());
        differences.extend(account::flow_differences(&account.flows(), &trace.flows()));
        let (tasks, processes) = (account.by_task(), trace.by_process());
        let expected = match are {
            Tasks::Processes => tasks,
            Tasks::Threads => vec![calls.clone()],
        };
        assert_eq!(expected.len(), processes.len(), "{expected:?}\n{processes:?}");
        let pairs = expected.iter().zip(&processes);
        differences.extend(pairs.flat_map(|(one, other)| account::differences(one, other)));
        assert!(differences.is_empty(), "{}", differences.join("\n"));
        assert_eq!(trace.uncovered(), account.without_a_site);
        Self { calls, without_a_site: account.without_a_site, trace }
    }

    /// Fails unless the CPU copied what the calls moved between process and kernel, once, and
    /// `in_the_kernel` for calls between two files.
    pub(crate) fn assert_copied(&self, in_the_kernel: u64) {
        let mut copied = self.trace.copied();
        assert_eq!(copied.values().copied().sum::<Copied>(), self.trace.total.copied);
        for (name, tally) in &self.calls {
            let way = account::way(name).expect("strace was asked for no other");
            let seen = if name == "read" { tally.bytes - self.without_a_site } else { tally.bytes };
            let expected = account::copies(way, seen, in_the_kernel);
            assert_eq!(copied.remove(name.as_str()), Some(expected), "{name}");
        }
        // The kernel reads the headers of a program that it starts.
        if let Some(started) = copied.remove("execve") {
            assert_eq!((started.user_to_kernel, started.kernel_to_user), (0, 0), "{started}");
        }
        copied.retain(|_, copied| *copied != Copied::NONE);
        assert!(copied.is_empty(), "other calls copied: {copied:?}");
    }
}

/// Runs a program that makes the same calls each time, first under strace and then under zc, each of
/// which starts it. `result` is the file that it makes, which has to be there each time anew.
pub(crate) fn in_turn(room: &Room, argv: &[&str], result: &str, check: impl Fn()) -> Seen {
    let strace = observer::strace(&room.file(STRACE_FILE));
    let zc: Vec<_> = observer::zc(&room.file(ZC_FILE)).into_iter().chain(["--".into()]).collect();
    for observer in [strace, zc] {
        room.remove(result);
        run(under(room, &observer, argv));
        check();
    }
    Seen::read(room, Tasks::Processes)
}

/// Runs a program once, with strace and zc attached to it before its first instruction. For one whose
/// calls depend on which process the kernel lets run when: no two runs of it are the same.
pub(crate) fn at_once(room: &Room, argv: &[&str]) -> Seen {
    // It stops itself, so that no call is in progress when the observers come.
    let gate = ["sh", "-c", "kill -STOP $$; exec \"$@\"", "gate"].map(OsString::from);
    let mut program = Ended(under(room, &gate, argv).spawn().expect("there is a shell"));
    let pid = program.0.id();
    wait::stopped(pid);
    let strace = Observer::strace(pid, &room.file(STRACE_FILE));
    let zc = Observer::zc(pid, &room.file(ZC_FILE));
    kill_process(Pid::from_child(&program.0), Signal::CONT).expect("the program waits");
    let status = program.0.wait().expect("it is our child");
    assert!(status.success(), "{argv:?}: {status}");
    zc.end();
    strace.end();
    Seen::read(room, Tasks::Processes)
}

/// What a server of one process does for `clients`, which come when both observers are attached to it.
pub(crate) fn serving(room: &Room, pid: u32, clients: impl FnOnce()) -> Seen {
    wait::idle(pid);
    let strace = Observer::strace(pid, &room.file(STRACE_FILE));
    let zc = Observer::zc(pid, &room.file(ZC_FILE));
    clients();
    wait::idle(pid);
    zc.interrupt();
    strace.interrupt();
    Seen::read(room, Tasks::Threads)
}

/// Starts a server and waits until it listens. What it says goes to a file of the room: a device
/// would have its own way of copying it.
pub(crate) fn listening(room: &Room, argv: &[&str], port: u16) -> Ended {
    let log = fs::File::create(room.file("said")).expect("/scratch is writable");
    let mut command = room.command(argv);
    command.stdout(log.try_clone().expect("a file can be shared")).stderr(log);
    let server = Ended(command.spawn().expect("the server is there"));
    wait::listening(port);
    server
}

/// `argv` as the last arguments of an observer.
fn under(room: &Room, observer: &[OsString], argv: &[&str]) -> Command {
    let program = argv.iter().map(OsString::from);
    room.command(&observer.iter().cloned().chain(program).collect::<Vec<_>>())
}

fn run(mut command: Command) {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {output:?}");
}
