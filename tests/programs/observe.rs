//! What strace and zc say of the same program.

use std::{
    ffi::OsString,
    fs,
    process::{Child, Command},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    account::{Calls, assert_agreement},
    observer::{self, Observer},
    report::Trace,
    room::Room,
    strace::Account,
    wait,
};

const STRACE_FILE: &str = "strace";
const ZC_FILE: &str = "zc.json";

/// Both accounts. They agree on the system calls.
pub(crate) struct Seen {
    /// The calls that moved bytes, by strace.
    pub(crate) calls: Calls,
    pub(crate) trace: Trace,
}

impl Seen {
    /// Reads what both wrote.
    fn read(room: &Room) -> Self {
        let text = |name| String::from_utf8(room.read(name)).expect("it is UTF-8");
        let account = Account::read(&text(STRACE_FILE));
        assert!(account.tasks() > 0, "strace saw nothing");
        let (calls, trace) = (account.total(), Trace::read(&text(ZC_FILE)));
        assert_agreement(&calls, &trace.calls());
        Self { calls, trace }
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
    Seen::read(room)
}

/// Runs a program once, with strace and zc attached to it before its first instruction. For one whose
/// calls depend on which process the kernel lets run when: no two runs of it are the same.
pub(crate) fn at_once(room: &Room, argv: &[&str]) -> Seen {
    // It stops itself, so that no call is in progress when the observers come.
    let gate = ["sh", "-c", "kill -STOP $$; exec \"$@\"", "gate"].map(OsString::from);
    let mut program = under(room, &gate, argv).spawn().expect("there is a shell");
    wait::stopped(program.id());
    let strace = Observer::strace(program.id(), &room.file(STRACE_FILE));
    let zc = Observer::zc(program.id(), &room.file(ZC_FILE));
    kill_process(Pid::from_child(&program), Signal::CONT).expect("the program waits");
    let status = program.wait().expect("it is our child");
    assert!(status.success(), "{argv:?}: {status}");
    for observer in [zc, strace] {
        let (status, said) = observer.ended();
        assert!(status.success(), "{status}: {said}");
    }
    Seen::read(room)
}

/// What a server does for `clients`, which come when both observers are attached to it.
pub(crate) fn serving(room: &Room, pid: u32, clients: impl FnOnce()) -> Seen {
    wait::idle(pid);
    let strace = Observer::strace(pid, &room.file(STRACE_FILE));
    let zc = Observer::zc(pid, &room.file(ZC_FILE));
    clients();
    wait::idle(pid);
    zc.interrupt();
    strace.interrupt();
    Seen::read(room)
}

/// A server that ends with the test.
pub(crate) struct Server(Child);

impl Server {
    /// Starts it and waits until it listens. What it says goes to a file of the room: a device would
    /// have its own way of copying it.
    pub(crate) fn start(room: &Room, argv: &[&str], port: u16) -> Self {
        let log = fs::File::create(room.file("said")).expect("/scratch is writable");
        let mut command = room.command(argv);
        command.stdout(log.try_clone().expect("a file can be shared")).stderr(log);
        let server = Self(command.spawn().expect("the server is there"));
        wait::listening(port);
        server
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // So that it ends its own processes too.
        let _gone = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _reaped = self.0.wait();
    }
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
