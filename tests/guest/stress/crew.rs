//! The processes and threads that are counted.
//!
//! Whatever they do between start and end, they do with system calls that they know of: what they
//! need is made before, what they say to each other they say through shared memory, and they end by
//! the bare `exit`.

use std::{
    ffi::{CStr, CString},
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    ptr,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
    thread,
};

use rustix::{
    mm::{MapFlags, ProtFlags, mmap_anonymous},
    process::{Pid, Signal, WaitOptions, kill_process_group, setpgid, waitpid},
    thread::futex,
};

use super::{PROCESSES, SIZES, THREADS, size_of_pass};
use crate::{theory::Kind, transfers::Rig};

const KINDS: usize = SIZES.len();

/// What everybody shares. Zeros are its beginning.
#[repr(C)]
pub(super) struct Board {
    /// Tasks of the crew that are ready to start.
    pub(super) ready: AtomicU32,
    start: AtomicU32,
    stop: AtomicU32,
    /// Tasks of the crew that have done their last transfer.
    pub(super) finished: AtomicU32,
    end: AtomicU32,
    /// Tasks that failed.
    pub(super) failed: AtomicU32,
    /// Waits that returned.
    pub(super) futexes: AtomicU64,
    /// Children that were started and waited for.
    pub(super) forks: AtomicU64,
    /// Those among them that ran a program.
    pub(super) execs: AtomicU64,
    /// By task and kind: transfers made, each of which said that it moved all that was asked for.
    passes: [[AtomicU64; KINDS]; THREADS + PROCESSES],
}

impl Board {
    fn new() -> &'static Self {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), size_of::<Self>(), prot, flags) };
        // SAFETY: aligned to a page, never unmapped, zeros are valid, and all fields are atomic.
        unsafe { &*start.unwrap().cast::<Self>() }
    }

    /// Waits, in the kernel, until `word` is set.
    fn wait(&self, word: &AtomicU32) {
        while word.load(SeqCst) == 0 {
            // An error is a word that was set meanwhile: a return like any other.
            let _returned = futex::wait(word, futex::Flags::empty(), 0, None);
            self.futexes.fetch_add(1, SeqCst);
        }
    }

    fn set(word: &AtomicU32) {
        word.store(1, SeqCst);
        futex::wake(word, futex::Flags::empty(), u32::MAX >> 1).unwrap();
    }

    /// Transfers of each kind, by all tasks.
    pub(super) fn passes(&self) -> Vec<(Kind, u64)> {
        let sum = |kind: usize| self.passes.iter().map(|task| task[kind].load(SeqCst)).sum();
        SIZES.iter().enumerate().map(|(number, (kind, _))| (*kind, sum(number))).collect()
    }

    /// Makes transfers of all kinds, each task beginning with another one, until the end.
    fn transfer(&self, task: usize, rig: &mut Rig) {
        for turn in task.. {
            if self.stop.load(SeqCst) != 0 {
                break;
            }
            let number = turn % KINDS;
            let kind = SIZES[number].0;
            if let Err(short) = rig.pass(kind, size_of_pass(kind)) {
                self.failed.fetch_add(1, SeqCst);
                say(&format!("task {task}: {kind:?}: {short}"));
                break;
            }
            self.passes[task][number].fetch_add(1, SeqCst);
        }
        self.finished.fetch_add(1, SeqCst);
    }
}

/// The process that everything starts from, ended with all that it started when this is dropped.
pub(super) struct Crew {
    pub(super) leader: Pid,
    pub(super) board: &'static Board,
    _programs: tempfile::TempDir,
}

impl Crew {
    /// Starts the leader and its threads, which then wait.
    pub(super) fn muster(folder: &Path) -> Self {
        let board = Board::new();
        // Read now, before anything is counted.
        size_of_pass(Kind::Generated);
        let programs = tempfile::tempdir_in("/dev/shm").unwrap();
        let program = program(programs.path());
        let rigs: Vec<_> = (0..THREADS + PROCESSES).map(|_| Rig::new(folder).unwrap()).collect();
        // SAFETY: the child runs on with what it has, and ends without returning from here.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "{}", std::io::Error::last_os_error());
        if pid == 0 {
            lead(board, rigs, &program);
        }
        let leader = Pid::from_raw(pid).unwrap();
        setpgid(Some(leader), Some(leader)).unwrap();
        Self { leader, board, _programs: programs }
    }

    /// Lets the work begin.
    pub(super) fn start(&self) {
        Board::set(&self.board.start);
    }

    /// Asks for its end, which takes until the last transfers are through.
    pub(super) fn stop(&self) {
        Board::set(&self.board.stop);
    }

    /// How many threads the leader has; the kernel takes those away that have ended entirely.
    pub(super) fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.leader.as_raw_nonzero())).unwrap().count()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        Board::set(&self.board.end);
        kill_process_group(self.leader, Signal::KILL).unwrap();
        waitpid(Some(self.leader), WaitOptions::empty()).unwrap();
    }
}

/// The leader's life.
fn lead(board: &'static Board, mut rigs: Vec<Rig>, program: &CStr) -> ! {
    let of_processes = rigs.split_off(THREADS);
    for (task, mut rig) in rigs.into_iter().enumerate() {
        thread::spawn(move || {
            board.ready.fetch_add(1, SeqCst);
            board.wait(&board.start);
            board.transfer(task, &mut rig);
            exit(libc::SYS_exit);
        });
    }
    board.ready.fetch_add(1, SeqCst);
    board.wait(&board.start);
    let mut children = [0; PROCESSES];
    for (number, mut rig) in of_processes.into_iter().enumerate() {
        children[number] = child(board, || board.transfer(THREADS + number, &mut rig));
        std::mem::forget(rig);
    }
    while board.stop.load(SeqCst) == 0 {
        let pid = child(board, || {
            let none = [ptr::null()];
            // SAFETY: the name ends in NUL and the lists in null.
            unsafe { libc::execve(program.as_ptr(), none.as_ptr(), none.as_ptr()) };
            board.failed.fetch_add(1, SeqCst);
        });
        reap(pid);
        board.execs.fetch_add(1, SeqCst);
    }
    children.into_iter().for_each(reap);
    board.finished.fetch_add(1, SeqCst);
    board.wait(&board.end);
    exit(libc::SYS_exit_group);
}

/// Starts a process that does `work`, with one system call, which returns twice.
fn child(board: &Board, work: impl FnOnce()) -> i32 {
    // SAFETY: the child uses its own copy of this thread's memory only, and ends here.
    let pid = unsafe { libc::syscall(libc::SYS_fork) };
    assert!(pid >= 0, "{}", std::io::Error::last_os_error());
    if pid == 0 {
        work();
        exit(libc::SYS_exit_group);
    }
    board.forks.fetch_add(1, SeqCst);
    i32::try_from(pid).unwrap()
}

fn reap(pid: i32) {
    let (_, status) = waitpid(Pid::from_raw(pid), WaitOptions::empty()).unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(0));
}

/// Ends the task or the process, without the library's own steps.
fn exit(call: libc::c_long) -> ! {
    // SAFETY: nothing of the task is used any more.
    unsafe { libc::syscall(call, 0) };
    unreachable!("exit returned")
}

/// Bytes that the kernel reads of a program's file to run it: the beginning (`BINPRM_BUF_SIZE`,
/// include/uapi/linux/binfmts.h), and the program headers (`load_elf_phdrs`, fs/binfmt_elf.c).
pub(super) const READ_BY_EXEC: [u64; 2] = [256, 56];

/// The smallest program: it ends, with one system call that does not return. In memory, where its
/// file is read by another site than all other files are.
fn program(folder: &Path) -> CString {
    const ORIGIN: u64 = 0x40_0000;
    const SIZE: u64 = 4096;
    const CODE: u64 = 120;
    let mut file = Vec::new();
    // The header, elf(5): 64 bits, little-endian, an executable for x86-64.
    file.extend(b"\x7fELF\x02\x01\x01");
    file.resize(16, 0);
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [ORIGIN + CODE, 64, 0] {
        file.extend(u64::to_le_bytes(word));
    }
    // No flags; the header's size, a program header's, and one of these; no sections.
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    // One segment to load, readable and executable: all of the file.
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [0, ORIGIN, ORIGIN, SIZE, SIZE, SIZE] {
        file.extend(u64::to_le_bytes(word));
    }
    // mov edi, 0; mov eax, 231 (exit_group); syscall.
    file.extend([0xbf, 0, 0, 0, 0, 0xb8, 231, 0, 0, 0, 0x0f, 0x05]);
    file.resize(usize::try_from(SIZE).unwrap(), 0);
    let path = folder.join("program");
    fs::write(&path, file).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    CString::new(path.into_os_string().into_encoded_bytes()).unwrap()
}

/// What `eprintln!` says here, the test runner keeps in memory that is not shared.
pub(super) fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}
