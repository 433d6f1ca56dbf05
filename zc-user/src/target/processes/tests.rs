use std::{
    process::{Child, Command},
    sync::mpsc,
    thread,
};

use super::*;

fn sleeper() -> Child {
    let child = Command::new("sleep").arg("60").spawn().unwrap();
    // `spawn` may come back a moment before the kernel renames the process.
    while Stat::read(child.id()).unwrap().comm != b"sleep" {
        thread::yield_now();
    }
    child
}

fn end(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn refusal(pid: u32) -> String {
    Processes::hold(&[pid]).unwrap_err().to_string()
}

#[test]
fn ids_as_users_write_them() {
    assert_eq!(parse_pid("1"), Ok(1));
    assert_eq!(parse_pid("2147483647"), Ok(2_147_483_647));
    for text in ["0", "-1", "-99999999999999999999", "00"] {
        assert_eq!(parse_pid(text), Err("process ids start at 1".into()), "{text}");
    }
    for text in ["2147483648", "99999999999999999999"] {
        assert_eq!(parse_pid(text), Err("no process id is that large".into()), "{text}");
    }
    for text in ["", "-", "+1", "1.5", "0x10", "nginx", " 1", "1\u{1b}"] {
        assert!(parse_pid(text).unwrap_err().starts_with("not a process id"), "{text}");
    }
}

#[test]
fn a_process_is_held_under_its_name() {
    let mut children = [sleeper(), sleeper()];
    let ids = children.each_ref().map(Child::id);
    let held = Processes::hold(&ids);
    let twice = Processes::hold(&[ids[0], ids[1], ids[0]]);
    children.iter_mut().for_each(end);
    let held = held.unwrap();
    let seen: Vec<_> = held.iter().map(|process| (process.pid(), process.comm())).collect();
    assert_eq!(seen, [(ids[0], "sleep"), (ids[1], "sleep")]);
    assert_eq!(twice.unwrap_err().to_string(), format!("process {} is given twice", ids[0]));
}

#[test]
fn what_is_no_program_is_refused() {
    if fs::read("/proc/2/comm").is_ok_and(|comm| comm == b"kthreadd\n") {
        assert_eq!(refusal(2), "process 2 (kthreadd) is a thread of the kernel, not a program");
    } else {
        eprintln!("skipped: process 2 of this PID namespace is not the kernel's");
    }
    let own = std::process::id();
    assert_eq!(refusal(own), format!("process {own} is zc itself"));
    for nobody in [0, 2_147_483_647, u32::MAX] {
        assert!(refusal(nobody).starts_with(&format!("no process {nobody} (is it in another PID")));
    }
}

#[test]
fn a_thread_of_zc_is_zc() {
    let own = std::process::id();
    let said =
        thread::spawn(|| refusal(u32::try_from(rustix::thread::gettid().as_raw_pid()).unwrap()));
    assert_eq!(said.join().unwrap(), format!("process {own} is zc itself"));
}

/// The kernel answers `pidfd_open` of a thread differently from version to version.
#[test]
fn a_thread_is_told_from_its_process() {
    const THREAD: &str = "ZC_TEST_THREAD";
    if let Ok(thread) = std::env::var(THREAD) {
        println!("{}", refusal(thread.parse().unwrap()));
        return;
    }
    let (send, receive) = mpsc::channel();
    let (_stay, go) = mpsc::channel::<()>();
    thread::spawn(move || {
        send.send(u32::try_from(rustix::thread::gettid().as_raw_pid()).unwrap()).unwrap();
        let _ = go.recv();
    });
    let tid = receive.recv().unwrap();
    assert_eq!(process_of(tid), Some(std::process::id()));
    // The same question, asked of it by a process that is not this one.
    let said = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("target::processes::tests::a_thread_is_told_from_its_process")
        .env(THREAD, tid.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let own = std::process::id();
    assert!(said.contains(&format!("{tid} is a thread of process {own} (")), "{said}");
    assert!(said.contains(&format!("): give {own}\n")), "{said}");
}

#[test]
fn a_zombie_has_ended() {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = Pid::from_child(&child);
    let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
    rustix::process::waitid(rustix::process::WaitId::Pid(pid), options).unwrap();
    let said = refusal(child.id());
    child.wait().unwrap();
    assert_eq!(said, format!("process {} has ended already", child.id()));
    assert!(refusal(child.id()).starts_with("no process"));
}

#[tokio::test]
async fn the_end_of_all_is_waited_for() {
    let mut children = [sleeper(), sleeper()];
    let held = Processes::hold(&children.each_ref().map(Child::id)).unwrap();
    let soon = std::time::Duration::from_millis(50);
    assert!(tokio::time::timeout(soon, held.all_ended()).await.is_err());
    end(&mut children[1]);
    assert!(tokio::time::timeout(soon, held.all_ended()).await.is_err());
    assert_eq!(held.iter().map(Process::has_ended).collect::<Vec<_>>(), [false, true]);
    end(&mut children[0]);
    held.all_ended().await.unwrap();
    Processes::default().all_ended().await.unwrap();
}

/// A process that gets the id of one that was held is not taken for it.
#[test]
fn an_id_that_is_given_again_is_another_process() {
    /// Where the next id is looked for (proc_sys_kernel(5)).
    const LAST: &str = "/proc/sys/kernel/ns_last_pid";
    let mut first = sleeper();
    let held = Process::hold(first.id()).unwrap();
    end(&mut first);
    for _ in 0..100 {
        if let Err(error) = fs::write(LAST, (first.id() - 1).to_string()) {
            eprintln!("skipped: cannot choose the next id: {error}");
            return;
        }
        let mut second = sleeper();
        let again = second.id() == first.id();
        let (ended, new) = (held.has_ended(), Process::hold(second.id()));
        end(&mut second);
        if again {
            assert!(ended, "the first has ended, whoever has its id");
            assert_eq!(new.unwrap().pid(), first.id());
            return;
        }
    }
    eprintln!("skipped: something else took the id each time");
}
