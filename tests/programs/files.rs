//! Programs that move a file to another.

use super::{
    account::bytes,
    observe::{Seen, at_once, in_turn},
    report::Copied,
    room::{Room, SIZE, compile_python},
};

/// Each byte copied once, in the kernel.
const ONCE_IN_THE_KERNEL: Copied =
    Copied { user_to_kernel: 0, kernel_to_user: 0, kernel_to_kernel: SIZE };

/// A copy of `f` to `g` by `argv`.
fn copy(argv: &[&str]) -> Seen {
    let room = Room::new();
    in_turn(&room, argv, "g", || room.assert_same("f", "g"))
}

/// Fails unless `argv` copies `f` to `g` through one call that copies it once, inside the kernel, and nothing
/// else was copied but what other calls read and wrote.
fn assert_one_copy_in_the_kernel(argv: &[&str], call: &str) {
    let seen = copy(argv);
    assert_eq!(bytes(&seen.calls, call), SIZE);
    let flow = seen.trace.flow(call, "regular file", "regular file");
    assert_eq!(flow.copied.all(), Some(ONCE_IN_THE_KERNEL), "{flow:?}");
    assert_eq!((flow.copies_per_byte, &*flow.verdict), (Some(1.0), "one copy"), "{flow:?}");
    seen.assert_copied(SIZE);
}

#[test]
fn cp_copies_once_in_the_kernel() {
    assert_one_copy_in_the_kernel(&["cp", "f", "g"], "copy_file_range");
}

#[test]
fn cat_to_a_file_copies_once_in_the_kernel() {
    assert_one_copy_in_the_kernel(&["sh", "-c", "cat f > g"], "copy_file_range");
}

#[test]
fn shutil_copyfile_copies_once_in_the_kernel() {
    compile_python();
    let argv = ["python3", "-c", "import shutil; shutil.copyfile('f', 'g')"];
    assert_one_copy_in_the_kernel(&argv, "sendfile");
}

#[test]
fn dd_copies_to_the_process_and_back() {
    let seen = copy(&["dd", "if=f", "of=g", "bs=64k", "status=none"]);
    assert_eq!(seen.calls["write"].calls, SIZE / (64 << 10));
    assert_eq!(bytes(&seen.calls, "write"), SIZE);
    seen.assert_copied(0);
}

#[test]
fn tar_writes_what_its_archive_holds() {
    let room = Room::new();
    let archive = || room.read("f.tar").len() as u64;
    let seen = in_turn(&room, &["tar", "-cf", "f.tar", "f"], "f.tar", || assert!(archive() > SIZE));
    assert_eq!(bytes(&seen.calls, "write"), archive());
    seen.assert_copied(0);
    room.run(&["tar", "-xf", "f.tar", "--transform=s/f/g/"]);
    room.assert_same("f", "g");
}

#[test]
fn a_pipeline_copies_into_and_out_of_each_pipe() {
    let room = Room::new();
    let seen = at_once(&room, &["sh", "-c", "cat f | gzip -1 | cat > g.gz"]);
    room.run(&["sh", "-c", "gzip -d < g.gz > g"]);
    room.assert_same("f", "g");
    // By the first cat and by gzip into the pipes, by the second cat into the file.
    assert_eq!(bytes(&seen.calls, "write"), SIZE + 2 * room.read("g.gz").len() as u64);
    seen.assert_copied(0);
}

#[test]
fn rsync_copies_to_a_process_and_another_and_back() {
    // Three processes, two of which exchange the file by socket pairs.
    let room = Room::new();
    let seen = at_once(&room, &["rsync", "f", "g"]);
    room.assert_same("f", "g");
    seen.assert_copied(0);
}
