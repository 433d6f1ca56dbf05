//! Children, threads and programs started by a traced process are counted with it.

use std::{
    collections::BTreeMap,
    fs,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use zc::measure::{Engine, Sample, Tasks};
use zc_common::{Group, IterClass, Site};

use crate::{counting::counting, support::scratch};

/// A shell that stops itself, before it runs `script`.
pub(crate) fn stopped_shell(script: &str) -> Child {
    let child = Command::new("/bin/sh")
        .args(["-c", &format!("kill -STOP $$; {script}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    waitid(WaitId::Pid(Pid::from_child(&child)), WaitIdOptions::STOPPED).unwrap();
    child
}

/// Counts what the traced shells do, each in its group, and one untraced one.
fn count(traced: &[&str], untraced: &str) -> BTreeMap<Group, Sample> {
    counting(|counter| counter.unskipped(|engine| count_by(engine, traced, untraced)))
}

fn count_by(engine: &mut Engine, traced: &[&str], untraced: &str) -> BTreeMap<Group, Sample> {
    let groups: Vec<_> =
        (1..=traced.len()).map(|n| Group::traced(u8::try_from(n).unwrap()).unwrap()).collect();
    let mut shells: Vec<_> = traced.iter().map(|script| stopped_shell(script)).collect();
    for (shell, group) in shells.iter().zip(&groups) {
        engine.watch(shell.id(), *group).unwrap();
    }
    shells.push(stopped_shell(untraced));
    engine.arm(&groups).unwrap();
    // One after the other: a probe is skipped only where two of them want the CPU.
    for shell in &mut shells {
        kill_process(Pid::from_child(shell), Signal::CONT).unwrap();
        assert!(shell.wait().unwrap().success());
    }
    engine.disarm().unwrap()
}

#[test]
fn children_are_counted_with_their_parent_and_strangers_are_not() {
    const BYTES: u64 = 600_000;
    let folder = scratch();
    let file = folder.path().join("file");
    fs::write(&file, vec![1; usize::try_from(BYTES).unwrap()]).unwrap();
    let path = file.display();
    // Programs that read in one process, pass a pipe, and write in another; a shell inside a shell.
    let copy = |to: &str| {
        format!(
            "sh -c 'dd if={path} bs=100k | dd bs=100k of={path}.{to}'; dd if={path} of=/dev/null bs=100k"
        )
    };
    let counted = count(&[&copy("a"), "/bin/true; true"], &copy("b"));
    let [busy, idle] = [1, 2].map(|n| &counted[&Group::traced(n).unwrap()]);
    let bytes = |site| busy.sites.get(&(site, IterClass::User)).map(|tally| tally.bytes);
    assert_eq!(bytes(Site::FilemapRead), Some(2 * BYTES));
    assert_eq!(bytes(Site::PipeWrite), Some(BYTES));
    assert_eq!(bytes(Site::PipeRead), Some(BYTES));
    assert_eq!(bytes(Site::GenericPerformWrite), Some(BYTES));
    assert!(!idle.sites.keys().any(|(_, class)| *class == IterClass::User), "{idle:?}");
    assert!(idle.syscall_count() > 0, "the idle shell is seen all the same");
    // One child, which runs one program; then the shell itself ends too.
    assert_eq!(idle.tasks, Tasks { forks: 1, execs: 1, exits: 2 });
}

#[test]
fn what_runs_before_arming_and_after_disarming_is_not_counted() {
    let folder = scratch();
    let file = folder.path().join("file");
    fs::write(&file, vec![1; 100_000]).unwrap();
    let group = Group::traced(1).unwrap();
    let run = |engine: &mut Engine| {
        let mut shell = stopped_shell(&format!("dd if={} of=/dev/null", file.display()));
        engine.watch(shell.id(), group).unwrap();
        kill_process(Pid::from_child(&shell), Signal::CONT).unwrap();
        shell.wait().unwrap();
    };
    counting(|counter| {
        let engine = counter.engine();
        run(engine);
        engine.arm(&[group]).unwrap();
        let sample = engine.disarm().unwrap().remove(&group).unwrap();
        assert_eq!((sample.syscall_count(), sample.sites.len()), (0, 0));
        run(engine);
        engine.arm(&[group]).unwrap();
        run(engine);
        let sample = engine.disarm().unwrap().remove(&group).unwrap();
        let read = sample.sites[&(Site::FilemapRead, IterClass::User)];
        assert_eq!(read.bytes, 100_000, "one of three");
    });
}

#[test]
fn a_command_that_exits_lets_its_process_id_go() {
    // The group of an ended process must not stick to the next one of the same number.
    let group = Group::traced(1).unwrap();
    counting(|counter| {
        let engine = counter.engine();
        let mut shell = stopped_shell("true");
        let pid = shell.id();
        engine.watch(pid, group).unwrap();
        kill_process(Pid::from_child(&shell), Signal::CONT).unwrap();
        shell.wait().unwrap();
        engine.arm(&[group]).unwrap();
        fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).unwrap();
        let mut stranger = stopped_shell("true");
        assert_eq!(stranger.id(), pid, "the number is used again");
        kill_process(Pid::from_child(&stranger), Signal::CONT).unwrap();
        stranger.wait().unwrap();
        let sample = engine.disarm().unwrap().remove(&group).unwrap();
        assert_eq!(sample.syscall_count(), 0);
    });
}
