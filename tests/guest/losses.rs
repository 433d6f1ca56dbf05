//! Each way to lose counts, made to happen: the loss is seen, and what was lost is not believed.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::{TcpListener, TcpStream},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::FileExt,
    },
    process::{Command, id},
    thread,
    time::{Duration, Instant},
};

use aya_obj::{
    btf::{Btf, BtfKind},
    generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_prog_type},
};
use zc::{
    measure::{Counted, Engine, Window},
    probes::attach::{Options, Probes},
    transfer::session::Window as _,
};
use zc_common::{Group, IterClass, Site};

use crate::{
    needs::{self, needs},
    report::Lab,
    support::{nothing_left_behind, scratch, status, stderr, stdout, zc},
};

pub(crate) fn own() -> Group {
    Group::traced(1).unwrap()
}

/// Counts this process in `work`, whatever is lost.
pub(crate) fn count(engine: &mut Engine, work: impl FnOnce()) -> Counted {
    engine.watch(id(), own()).unwrap();
    let groups = [own(), Group::MACHINE];
    let mut window = Window::new(engine, &groups, None);
    window.open().unwrap();
    work();
    window.close().unwrap();
    window.counted().unwrap()
}

#[test]
fn a_child_beyond_the_table_is_not_followed() {
    let options = Options { pid_slots: id() + 1, ..Options::default() };
    let mut engine = Engine::new(Probes::attach_with(&options).unwrap());
    let counted = count(&mut engine, || {
        fs::write("/proc/sys/kernel/ns_last_pid", (id() + 1000).to_string()).unwrap();
        assert!(Command::new("/bin/true").status().unwrap().success());
    });
    drop(engine);
    nothing_left_behind();
    assert_eq!(counted.loss.unfollowed_children, 1);
    assert!(!counted.loss.is_none());
    let reasons = counted.loss.reasons().join("; ");
    assert!(reasons.contains("1 children were not followed"), "{reasons}");
}

#[test]
fn owners_of_sockets_that_the_table_has_no_room_for_are_forgotten() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sockets = [0; 2].map(|_| TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    let options = Options { owner_slots: 1, ..Options::default() };
    let mut engine = Engine::new(Probes::attach_with(&options).unwrap());
    let counted = count(&mut engine, || {
        for _ in 0..3 {
            for socket in &mut sockets {
                socket.write_all(&[1; 1000]).unwrap();
            }
        }
    });
    drop(engine);
    nothing_left_behind();
    // Each of the six sends but the first takes the one slot from the other socket.
    assert_eq!(counted.loss.forgotten_owners, 5);
    let reasons = counted.loss.reasons().join("; ");
    assert!(reasons.contains("the owners of 5 sockets were forgotten"), "{reasons}");
}

/// The kernel does not run a program on a CPU where another task was preempted inside it. Calls
/// counted and calls skipped together are all.
#[test]
fn skipped_programs_are_told_and_counted() {
    const THREADS: u64 = 8;
    const READS: u64 = 4000;
    const TIME: Duration = Duration::from_secs(60);
    needs!(needs::preemption());
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, [1; 100]).unwrap();
    let file = File::open(path).unwrap();
    let mut engine = Engine::new(Probes::attach(&[]).unwrap());
    let start = Instant::now();
    let (counted, skipped) = loop {
        let counted = count(&mut engine, || {
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        for _ in 0..READS {
                            file.read_exact_at(&mut [0], 7).unwrap();
                        }
                    });
                }
            });
        });
        let skipped = counted.loss.recursion_misses.get("filemap_read").copied().unwrap_or(0);
        let seen = counted.samples[&own()].sites[&(Site::FilemapRead, IterClass::User)];
        assert_eq!(seen.calls + skipped, THREADS * READS);
        assert_eq!(seen.bytes, seen.calls);
        if skipped > 0 || start.elapsed() > TIME {
            break (counted, skipped);
        }
    };
    drop(engine);
    nothing_left_behind();
    if needs::full_preemption().is_err() {
        // A lazy kernel preempts a task only where it has run for a tick.
        needs!(if skipped > 0 { Ok(()) } else { Err(format!("nothing was skipped in {TIME:?}")) });
    }
    assert!(skipped > 0, "nothing was skipped in {TIME:?}");
    assert!(!counted.loss.is_none());
    let reasons = counted.loss.reasons().join("; ");
    assert!(reasons.contains("counts of filemap_read were lost to nested probes"), "{reasons}");
}

/// A site that is left out counts nothing, and is no fault of those around it.
#[test]
fn calibration_does_not_blame_the_neighbours_of_a_missing_site() {
    for site in ["filemap_splice_read", "skb_splice_from_iter"] {
        let arguments = ["lab", "sendfile", "--size", "64K", "--json", "--disable-site", site];
        let output = zc().args(arguments).output().unwrap();
        nothing_left_behind();
        let report: Lab = serde_json::from_str(&stdout(&output)).unwrap();
        let wrong = report.completeness.sites.iter().filter(|row| row["status"] == "miscounts");
        assert_eq!(wrong.count(), 0, "{site}: {:?}", report.completeness.sites);
        assert_eq!(report.completeness.calibration, "passed", "{site}");
    }
}

/// Empty programs on the end of `function`, as many as the kernel takes
/// (`BPF_MAX_TRAMP_LINKS`, include/linux/bpf.h); and its answer to one more.
fn fill(function: &str) -> (Vec<OwnedFd>, io::Error) {
    let btf = Btf::from_sys_fs().unwrap();
    let target = btf.id_by_type_name_kind(function, BtfKind::Func).unwrap();
    let mut held = Vec::new();
    loop {
        match attach_empty(target) {
            Ok(descriptors) => held.extend(descriptors),
            Err(error) => return (held, error),
        }
        assert!(held.len() < 1000, "the kernel takes any number");
    }
}

fn attach_empty(target: u32) -> io::Result<[OwnedFd; 2]> {
    /// `r0 = 0; exit`, an instruction is eight bytes, the first the opcode.
    const PROGRAM: [u64; 2] = [0xb7, 0x95];
    // SAFETY: a union of plain C structs, for which all-zero bytes mean "not given".
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    attr.__bindgen_anon_3.prog_type = bpf_prog_type::BPF_PROG_TYPE_TRACING as u32;
    attr.__bindgen_anon_3.expected_attach_type = bpf_attach_type::BPF_TRACE_FEXIT as u32;
    attr.__bindgen_anon_3.attach_btf_id = target;
    attr.__bindgen_anon_3.insns = PROGRAM.as_ptr().expose_provenance() as u64;
    attr.__bindgen_anon_3.insn_cnt = 2;
    attr.__bindgen_anon_3.license = c"GPL".as_ptr().expose_provenance() as u64;
    let program = bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr)?;
    // SAFETY: as above.
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    attr.raw_tracepoint.prog_fd = program.as_raw_fd().cast_unsigned();
    let link = bpf(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attr)?;
    Ok([program, link])
}

/// A bpf(2) command that gives a descriptor.
fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    let attr: *mut bpf_attr = attr;
    // SAFETY: the callers' pointers inside `attr` outlive the call, and so does `attr` itself.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attr, size_of::<bpf_attr>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(result).unwrap()) })
}

#[test]
fn a_probe_that_the_kernel_refuses_leaves_its_copies_unobserved() {
    nothing_left_behind();
    let (held, refusal) = fill("tcp_sendmsg_locked");
    assert_eq!(refusal.raw_os_error(), Some(libc::E2BIG), "after {} programs", held.len() / 2);
    let output = zc().args(["lab", "read-send", "--size", "1M", "--json"]).output().unwrap();
    let doctor = zc().arg("doctor").output().unwrap();
    drop(held);
    nothing_left_behind();
    let report: Lab = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(status(&output), 2, "{}", stderr(&output));
    assert_eq!((report.verdict.as_str(), report.complete), ("not observed", false));
    let sender = &report.styles[0].sender;
    assert_eq!(sender.copied.user_to_kernel, None, "absent, not 0");
    let line = sender.line("user_to_kernel");
    assert_eq!((line.measured, line.verdict.as_str()), (None, "not observed"));
    let reason = line.reason.as_deref().unwrap();
    assert!(reason.starts_with("the kernel refused tcp_sendmsg_locked: "), "{reason}");
    // What does not pass there is still exact.
    assert_eq!(sender.line("kernel_to_user").verdict, "verified");
    assert_eq!(status(&doctor), 2);
    let said = stderr(&doctor);
    assert!(said.contains("the kernel refused tcp_sendmsg_locked"), "{said}");
    assert!(stdout(&doctor).contains("tier boundary"), "{}", stdout(&doctor));
}

/// With the function tracer switched off, kernels attach a probe that then never runs, or refuse
/// it; neither is taken for 0 bytes.
#[test]
fn probes_that_never_run_are_found_out() {
    const SWITCH: &str = "/proc/sys/kernel/ftrace_enabled";
    nothing_left_behind();
    // Newer kernels do not let it be switched off.
    needs!(fs::write(SWITCH, "0").map_err(|error| format!("{SWITCH} cannot be written: {error}")));
    let output = zc().args(["lab", "read-send", "--size", "1M", "--json"]).output().unwrap();
    fs::write(SWITCH, "1").unwrap();
    nothing_left_behind();
    let report: Lab = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(status(&output), 2, "{}", stderr(&output));
    assert_eq!((report.verdict.as_str(), report.complete), ("not observed", false));
    let copied = &report.styles[0].sender.copied;
    assert_eq!((copied.user_to_kernel, copied.kernel_to_user), (None, None), "absent, not 0");
}
