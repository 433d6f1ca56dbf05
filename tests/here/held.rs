//! A process whose every system call is known: it waits, makes its calls, and is gone.

use std::{
    fs,
    io::{PipeReader, PipeWriter, Read, Write, pipe},
    os::fd::AsFd,
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::support::wait_for;

/// Such a process. Dropped, it is ended.
pub(crate) struct Held {
    pid: Pid,
    go: PipeWriter,
}

impl Held {
    /// Makes the process, which waits in a `read` of one byte from a pipe. `calls` run in the child of
    /// a process with threads: they may make system calls and nothing else.
    pub(crate) fn new(mut calls: impl FnMut()) -> Self {
        let (gate, go) = pipe().expect("a pipe");
        let (mut ready, say) = pipe().expect("a pipe");
        // SAFETY: the child makes system calls, takes no lock, allocates nothing, and ends without
        // running anything of this process.
        let pid = match unsafe { libc::fork() } {
            0 => child(&gate, &say, &mut calls),
            pid => Pid::from_raw(pid).expect("there is room for a process"),
        };
        drop(say);
        let held = Self { pid, go };
        ready.read_exact(&mut [0]).expect("the child is there");
        // It has said so, and is not counted before it sleeps: then no call but that `read` is left.
        wait_for("sleep", || (held.stat(0) == "S").then_some(()));
        held
    }

    /// Its id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().cast_unsigned()
    }

    /// Its id as an argument.
    pub(crate) fn id(&self) -> String {
        self.pid().to_string()
    }

    /// Lets it make its calls.
    pub(crate) fn go(&mut self) {
        self.go.write_all(&[1]).expect("it waits");
    }

    /// Waits until it has ended, and leaves it to be looked at.
    pub(crate) fn ended(&self) {
        wait_for("end", || (self.stat(0) == "Z").then_some(()));
    }

    /// Page faults so far (`min_flt` and `maj_flt`, proc_pid_stat(5)).
    pub(crate) fn faults(&self) -> u64 {
        [7, 9].map(|field| self.stat(field).parse::<u64>().expect("a number")).iter().sum()
    }

    /// Reaps it; fails unless all its calls did what they were to do.
    pub(crate) fn reap(self) {
        let (_, status) = waitpid(Some(self.pid), WaitOptions::empty())
            .expect("it is our child")
            .expect("it is waited for");
        std::mem::forget(self);
        assert_eq!(status.exit_status(), Some(0), "a call of the child failed");
    }

    /// A field of `/proc/PID/stat` behind the name, from 0.
    fn stat(&self, field: usize) -> String {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("our child");
        let (_, fields) = stat.rsplit_once(')').expect("a name stands in parentheses");
        fields.split_whitespace().nth(field).expect("the field is there").to_owned()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _gone = kill_process(self.pid, Signal::KILL);
        let _reaped = waitpid(Some(self.pid), WaitOptions::empty());
    }
}

fn child(gate: &PipeReader, say: &PipeWriter, calls: &mut impl FnMut()) -> ! {
    sure(rustix::io::write(say, &[1]));
    if sure(rustix::io::read(gate, &mut [0; 1])) == 1 {
        calls();
    }
    exit(0)
}

/// The result of a call that cannot fail.
pub(crate) fn sure<T>(result: rustix::io::Result<T>) -> T {
    result.unwrap_or_else(|_| exit(1))
}

/// Reads until `buffer` is full or nothing comes; only for what is there already.
pub(crate) fn read_once(from: impl AsFd, buffer: &mut [u8]) {
    let wanted = buffer.len();
    if sure(rustix::io::read(from, buffer)) != wanted {
        exit(2);
    }
}

/// Ends the child with this status.
pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: ends the process at once; nothing of it is run any more.
    unsafe { libc::_exit(status) }
}
