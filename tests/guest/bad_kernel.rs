//! Kernels that hide or lack what zc reads: one clear line, and the tier that still works.

use std::{fs, process::Output};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::Value;

use crate::{
    support::{
        KPTR_RESTRICT, PERF_EVENT_PARANOID, nothing_left_behind, scratch, set, status, stderr,
        stdout, zc,
    },
    user::{Privilege, as_user},
};

const BTF: &str = "/sys/kernel/btf/vmlinux";

/// What `zc lab` and `zc doctor` say of a kernel that publishes `btf` as its types.
fn with_btf(btf: &[u8]) -> [Output; 2] {
    let folder = "/sys/kernel/btf";
    mount("none", folder, "tmpfs", MountFlags::empty(), None).unwrap();
    fs::write(BTF, btf).unwrap();
    let lab = zc().args(["lab", "--size", "64K"]).output();
    let doctor = zc().args(["doctor", "--json"]).output();
    unmount(folder, UnmountFlags::empty()).unwrap();
    nothing_left_behind();
    [lab.unwrap(), doctor.unwrap()]
}

/// The lab ends with one line that holds `says`; the doctor's best tier is the boundary.
#[track_caller]
fn only_the_boundary([lab, doctor]: &[Output; 2], says: &str) {
    let said = stderr(lab);
    assert_eq!((status(lab), stdout(lab).as_str()), (2, ""), "{said}");
    assert_eq!(said.lines().count(), 1, "not one line: {said}");
    assert!(said.starts_with("zc: ") && said.contains(says), "no {says:?} in {said}");
    assert!(said.contains("only tier boundary works"), "{said}");
    assert_eq!(status(doctor), 2);
    let report: Value = serde_json::from_str(&stdout(doctor)).unwrap();
    assert_eq!(report["tier"], "boundary", "{report}");
    let said = stderr(doctor);
    assert!(said.contains("the sites tier does not work here") && said.contains(says), "{said}");
}

#[test]
fn hidden_symbols_do_not_matter_to_the_sites() {
    let _hidden = set(KPTR_RESTRICT, "2");
    let lab = zc().args(["lab", "--size", "64K"]).output().unwrap();
    nothing_left_behind();
    assert_eq!(status(&lab), 0, "{}{}", stdout(&lab), stderr(&lab));
}

#[test]
fn a_paranoid_kernel_lets_those_trace_that_may() {
    let folder = scratch();
    std::os::unix::fs::chown(folder.path(), Some(1000), Some(1000)).unwrap();
    // From 3 on Debian's kernels keep perf_event_open(2) to those who may trace.
    let _paranoid = set(PERF_EVENT_PARANOID, "4");
    let lab = |privilege| {
        let mut command = as_user(zc(), privilege);
        command.args(["lab", "--size", "64K", "--dir"]).arg(folder.path()).output().unwrap()
    };
    let [may, may_not] = [Privilege::Tracing, Privilege::None].map(lab);
    nothing_left_behind();
    assert_eq!(status(&may), 0, "{}{}", stdout(&may), stderr(&may));
    let said = stderr(&may_not);
    assert_eq!((status(&may_not), said.lines().count()), (2, 1), "{said}");
    assert!(said.contains("CAP_BPF and CAP_PERFMON"), "{said}");
}

/// The words of the header from the fifth byte on: its length, and offset and length of types and
/// of strings.
fn header(btf: &[u8]) -> Vec<usize> {
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap()) as usize;
    btf[4..24].chunks(4).map(word).collect()
}

#[test]
fn types_that_end_too_early() {
    let whole = fs::read(BTF).unwrap();
    let [length, types, types_length, strings, strings_length] = header(&whole)[..] else {
        panic!("a header of another form")
    };
    // Shorter ones, at every length: in the unit tests of the reader.
    for cut in [0, length + types + types_length / 2, length + strings + strings_length / 2] {
        only_the_boundary(&with_btf(&whole[..cut]), "BTF");
    }
    // A header that admits to half of the types.
    let mut half = whole;
    half[12..16].copy_from_slice(&u32::try_from(types_length / 8 * 4).unwrap().to_le_bytes());
    only_the_boundary(&with_btf(&half), "BTF");
}

/// Types as a kernel publishes them (<https://docs.kernel.org/bpf/btf.html>): structures with just
/// these members, an enumeration, no functions.
fn synthetic(structs: &[(&str, &[&str])]) -> Vec<u8> {
    const INT: u32 = 1;
    const STRUCT: u32 = 4;
    const ENUM: u32 = 6;
    let mut strings = vec![0];
    let mut name = |text: &str| {
        let offset = u32::try_from(strings.len()).unwrap();
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        offset
    };
    let mut words = vec![name("int"), INT << 24, 4, 32];
    for (structure, members) in structs {
        let count = u32::try_from(members.len()).unwrap();
        words.extend([name(structure), STRUCT << 24 | count, 4 * count]);
        for (index, member) in (0..).zip(*members) {
            words.extend([name(member), 1, 32 * index]);
        }
    }
    words.extend([name("iter_type"), ENUM << 24 | 1, 4, name("ITER_IOVEC"), 0]);
    let types = u32::try_from(4 * words.len()).unwrap();
    let all = u32::try_from(strings.len()).unwrap();
    let header = [0x0001_eb9f, 24, 0, types, types, all];
    let mut bytes: Vec<u8> = header.into_iter().chain(words).flat_map(u32::to_le_bytes).collect();
    bytes.extend(strings);
    bytes
}

/// All structures that are read from.
const STRUCTS: [(&str, &[&str]); 13] = [
    ("iov_iter", &["iter_type", "count"]),
    ("msghdr", &["msg_iter"]),
    ("file", &["f_flags", "f_mode"]),
    ("sk_buff", &["len", "data_len", "sk", "cb", "head", "end", "next", "cloned", "head_frag"]),
    ("skb_shared_info", &["dataref", "destructor_arg", "frag_list", "nr_frags", "frags"]),
    ("skb_frag", &["len"]),
    ("tcp_zerocopy_receive", &["length"]),
    ("vm_fault", &["page", "cow_page", "pte", "orig_pte"]),
    ("task_struct", &["tgid", "files"]),
    ("files_struct", &["fdt"]),
    ("fdtable", &["max_fds", "fd"]),
    ("bpf_prog", &["active"]),
    ("kiocb", &["ki_flags"]),
];

#[test]
fn a_kernel_with_none_of_the_expected_functions() {
    let [lab, doctor] = with_btf(&synthetic(&STRUCTS));
    // Calls are counted by a tracepoint with bare arguments; what no function counts is not observed.
    assert_eq!(status(&lab), 2, "{}", stderr(&lab));
    let text = stdout(&lab);
    assert!(text.lines().next().is_some_and(|line| line.ends_with("tier boundary")), "{text}");
    assert!(text.contains("this kernel has no function tcp_sendmsg_locked"), "{text}");
    assert!(text.ends_with("not observed; not complete\n"), "{text}");
    assert_eq!(status(&doctor), 2);
    let report: Value = serde_json::from_str(&stdout(&doctor)).unwrap();
    assert_eq!(report["tier"], "boundary", "{report}");
    let said = stderr(&doctor);
    assert!(said.contains("the sites tier does not work here: this kernel has no"), "{said}");
}

#[test]
fn a_kernel_without_an_expected_structure() {
    for missing in ["iov_iter", "vm_fault"] {
        let rest: Vec<_> = STRUCTS.into_iter().filter(|(name, _)| *name != missing).collect();
        let says = format!("no struct {missing} with a member");
        only_the_boundary(&with_btf(&synthetic(&rest)), &says);
    }
}
