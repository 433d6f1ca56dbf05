//! Each bad input: one clear line, its exit status, nothing left behind.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::{
    support::{nothing_left_behind, run, scratch, status, stderr, stdout, zc},
    user::{Privilege, as_user},
};

/// Runs `zc`, expects failure with `exit`, and one line on stderr that holds all of `says`.
fn refuse(arguments: &[&str], exit: i32, says: &[&str]) {
    refused(&run(arguments), exit, says);
}

fn refused(output: &std::process::Output, exit: i32, says: &[&str]) {
    let said = stderr(output);
    assert_eq!(status(output), exit, "{said}");
    assert_eq!(stdout(output), "");
    assert_eq!(said.lines().count(), 1, "not one line: {said}");
    assert!(said.starts_with("zc: "), "{said}");
    for word in says {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
    assert!(!said.contains("panicked") && !said.contains('\x1b'), "{said}");
}

#[test]
fn files_that_cannot_be_sent() {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let lab = |file: &str, exit, says: &[&str]| refuse(&["lab", "--file", file], exit, says);
    lab(&path("none"), 64, &["cannot open", "none", "No such file"]);
    lab(folder.path().to_str().unwrap(), 64, &["not a regular file"]);
    lab("/dev/null", 64, &["/dev/null is not a regular file"]);
    fs::write(path("empty"), "").unwrap();
    lab(&path("empty"), 64, &["is empty"]);
    fs::write(path("small"), "abc").unwrap();
    refuse(
        &["lab", "--file", &path("small"), "--size", "4"],
        64,
        &["has 3 bytes", "--size 4", "smaller"],
    );
    // In memory: there is no disk below these pages.
    let shm = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
    fs::write(shm.path(), "abc").unwrap();
    lab(shm.path().to_str().unwrap(), 64, &["tmpfs", "--file on a disk"]);
    refuse(&["lab", "--dir", "/dev/shm"], 64, &["tmpfs", "--dir on a disk"]);
}

#[test]
fn a_hostile_file_name_does_not_reach_the_terminal() {
    refuse(&["lab", "--file", "/no\x1b[31m\nsuch"], 64, &["/no\\u{1b}[31m\\u{a}such"]);
}

/// A shell's pattern makes arguments of file names.
#[test]
fn a_hostile_option_does_not_reach_the_terminal() {
    for arguments in [&["lab", "--\x1b]0;x\x07"][..], &["\x1b[2J"]] {
        let output = run(arguments);
        let said = stderr(&output);
        assert_eq!(status(&output), 64, "{said}");
        assert!(said.starts_with("error: un"), "{said}");
        assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
    }
}

#[test]
fn an_unreadable_file() {
    let folder = scratch();
    let path = folder.path().join("secret");
    fs::write(&path, "abc").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = as_user(zc(), Privilege::Tracing);
    let output = command.args(["lab", "--file"]).arg(&path).output().unwrap();
    refused(&output, 64, &["cannot open", "secret", "Permission denied"]);
}

#[test]
fn numbers_out_of_range() {
    refuse(&["lab", "--chunk", "0"], 64, &["--chunk 0", "1 byte to 1G"]);
    refuse(&["lab", "--chunk", "999G"], 64, &["--chunk", "1 byte to 1G"]);
    refuse(&["lab", "--chunk", "many"], 64, &["many", "64K"]);
    refuse(&["lab", "--size", "0"], 64, &["--size 0"]);
    refuse(&["lab", "--size", "-1"], 64, &["-1"]);
    refuse(&["lab", "--repeat", "0"], 64, &["--repeat", "0"]);
    refuse(&["lab", "--repeat", "4294967295"], 64, &["--repeat", "1..=1000"]);
    refuse(&["lab", "--port", "70000"], 64, &["70000", "65535"]);
}

#[test]
fn names_that_do_not_exist() {
    refuse(&["lab", "sendfil"], 64, &["sendfil", "did you mean sendfile", "read-send", "splice"]);
    refuse(&["lab", "zzz"], 64, &["zzz", "read-send, mmap-send, sendfile, splice"]);
    refuse(&["lab", "--predict", "nope"], 64, &["STYLE.SIDE.QUANTITY"]);
    refuse(&["lab", "--disable-site", "nope"], 64, &["nope", "filemap_read"]);
}

#[test]
fn a_place_for_the_report_that_cannot_be_written() {
    refuse(&["lab", "--output", "/no/such/folder/x"], 64, &["--output /no/such/folder/x"]);
}

#[test]
fn a_full_disk() {
    refuse(&["lab", "--size", "900G"], 2, &["900", "No space left", "--dir"]);
}

#[test]
fn a_taken_port() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    refuse(
        &["lab", "sendfile", "--size", "64K", "--port", &port],
        2,
        &["port", &port, "is taken", "--port"],
    );
}

#[test]
fn a_kernel_without_btf() {
    let folder = "/sys/kernel/btf";
    mount("none", folder, "tmpfs", MountFlags::empty(), None).unwrap();
    let output = zc().args(["lab", "--size", "64K"]).output().unwrap();
    let doctor = zc().args(["doctor"]).output().unwrap();
    // A BTF that ends in the middle of its header.
    fs::write(format!("{folder}/vmlinux"), [0x9f, 0xeb, 1, 0, 24]).unwrap();
    let truncated = zc().args(["lab", "--size", "64K"]).output().unwrap();
    unmount(folder, UnmountFlags::empty()).unwrap();
    nothing_left_behind();
    refused(&output, 2, &["/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF"]);
    refused(&truncated, 2, &["truncated or not BTF"]);
    assert_eq!(status(&doctor), 2);
    assert!(stderr(&doctor).contains("the sites tier does not work"), "{}", stderr(&doctor));
}

#[test]
fn no_command_at_all_is_a_usage_error() {
    let output = run(&[]);
    assert_eq!(status(&output), 64);
    assert!(stderr(&output).contains("Usage: zc"));
    assert_eq!(status(&run(&["lab", "--no-such-option"])), 64);
    assert_eq!(status(&run(&["--help"])), 0);
    assert_eq!(status(&run(&["--version"])), 0);
}
