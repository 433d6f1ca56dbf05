//! The machine: QEMU's command line, and QEMU's life from start to end.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use zc_guest::{INIT_PATH, OUTPUT_SERIAL, PAYLOAD_SERIAL, XFS_SERIAL};

use super::accel::Accel;
use super::output::{Sinks, Tail};
use super::rootfs;
use super::terminal::TerminalGuard;
use super::verdict::Ending;
use crate::signals;

/// How often output is passed on and the clock is looked at.
const POLL: Duration = Duration::from_millis(10);

/// What the machine is made of.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) accel: Accel,
    pub(crate) kernel: PathBuf,
    pub(crate) root: PathBuf,
    /// A disk that the guest may mount.
    pub(crate) xfs: PathBuf,
    pub(crate) memory_mib: u32,
    pub(crate) cpus: u32,
    /// QEMU's model of the two network cards, if it has any.
    pub(crate) nics: Option<String>,
    /// Added to the kernel's command line.
    pub(crate) append: String,
    /// Whether the kernel logs everything, and not only what is wrong.
    pub(crate) verbose: bool,
    /// Whether a person sits at it.
    pub(crate) interactive: bool,
    pub(crate) deadline: Option<Duration>,
}

/// The files of one run.
pub(crate) struct RunDir(tempfile::TempDir);

impl RunDir {
    /// A directory that vanishes with the value.
    pub(crate) fn create() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("zc-vm-").tempdir();
        Ok(Self(dir.context("cannot create a temporary directory")?))
    }

    pub(crate) fn payload(&self) -> PathBuf {
        self.0.path().join("payload")
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.0.path().join("output")
    }

    fn stdout(&self) -> PathBuf {
        self.0.path().join("stdout")
    }

    fn stderr(&self) -> PathBuf {
        self.0.path().join("stderr")
    }

    fn console(&self) -> PathBuf {
        self.0.path().join("console")
    }

    /// What the kernel logged and the guest's verdict.
    pub(crate) fn console_text(&self) -> Result<String> {
        let bytes = fs::read(self.console()).context("cannot read the guest's console")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn qemu_log(&self) -> PathBuf {
        self.0.path().join("qemu")
    }

    /// What QEMU itself complained about.
    pub(crate) fn qemu_text(&self) -> String {
        // Only ever shown along with another failure.
        fs::read_to_string(self.qemu_log()).unwrap_or_default()
    }
}

/// Runs the machine to its end.
pub(crate) fn run(
    qemu: &Path,
    machine: &Machine,
    dir: &RunDir,
    sinks: &mut Sinks,
) -> Result<Ending> {
    // They exist before QEMU opens them, so that reading can begin at once.
    let mut tails = [Tail::create(&dir.stdout())?, Tail::create(&dir.stderr())?];
    let log = File::create(dir.qemu_log()).context("cannot create QEMU's log")?;
    let guard = machine.interactive.then(TerminalGuard::new).transpose()?;
    let mut command = Command::new(qemu);
    command.args(arguments(machine, dir)).stderr(log);
    if !machine.interactive {
        command.stdin(Stdio::null()).stdout(Stdio::null());
    }
    let mut child = dies_with_us(&mut command)
        .spawn()
        .with_context(|| format!("cannot run {}", qemu.display()))?;
    let ending = supervise(&mut child, machine.deadline, || {
        tails[0].pass_on(&mut sinks.stdout)?;
        tails[1].pass_on(&mut sinks.stderr)
    });
    if !matches!(ending, Ok(Ending::Exited)) {
        // It may have ended by itself just now, which is as good.
        let _gone = child.kill();
        child.wait().context("cannot wait for QEMU")?;
    }
    drop(guard);
    ending
}

fn supervise(
    child: &mut Child,
    deadline: Option<Duration>,
    mut pass_on: impl FnMut() -> Result<()>,
) -> Result<Ending> {
    let start = Instant::now();
    loop {
        let ended = child.try_wait().context("cannot wait for QEMU")?.is_some();
        // After the look at the process: what it wrote before its end is passed on.
        pass_on()?;
        if ended {
            return Ok(Ending::Exited);
        }
        if let Some(deadline) = deadline
            && start.elapsed() > deadline
        {
            return Ok(Ending::DeadlinePassed(deadline));
        }
        signals::check()?;
        thread::sleep(POLL);
    }
}

/// Has the kernel end the child when this process ends, however it ends.
pub(crate) fn dies_with_us(command: &mut Command) -> &mut Command {
    // SAFETY: the closure makes one system call between fork and exec: it neither allocates nor
    // touches a lock.
    unsafe {
        command
            .pre_exec(|| Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?))
    }
}

/// A QEMU character device that writes to a file.
pub(crate) fn file_device(name: &str, path: &Path) -> OsString {
    let mut device = OsString::from(format!("file,id={name},path="));
    device.push(escape(path));
    device
}

fn arguments(machine: &Machine, dir: &RunDir) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |name: &str, value: OsString| arguments.extend([name.into(), value]);
    match machine.accel {
        Accel::Kvm => {
            add("-accel", "kvm".into());
            add("-cpu", "host".into());
        }
        Accel::Tcg(_) => {
            add("-accel", "tcg,thread=multi".into());
            add("-cpu", "max".into());
        }
        Accel::Counted => {
            add("-accel", "tcg,thread=single".into());
            add("-icount", "shift=0,sleep=off".into());
            add("-cpu", "max".into());
        }
    }
    add("-smp", machine.cpus.to_string().into());
    add("-m", format!("{}M", machine.memory_mib).into());
    add("-display", "none".into());
    add("-kernel", machine.kernel.clone().into());
    add("-append", kernel_command_line(machine));
    for (serial, path) in [
        ("zc-root", &machine.root),
        (XFS_SERIAL, &machine.xfs),
        (PAYLOAD_SERIAL, &dir.payload()),
        (OUTPUT_SERIAL, &dir.output()),
    ] {
        add("-drive", drive(serial, path));
        add("-device", format!("nvme,drive={serial},serial={serial}").into());
    }
    let terminal = "stdio,id=stdout,signal=off,mux=on".into();
    for (index, (name, device)) in [
        ("console", file_device("console", &dir.console())),
        (
            "stdout",
            if machine.interactive { terminal } else { file_device("stdout", &dir.stdout()) },
        ),
        ("stderr", file_device("stderr", &dir.stderr())),
    ]
    .into_iter()
    .enumerate()
    {
        add("-chardev", device);
        // On a PC the first and the third line share an interrupt; here the third has its own.
        let interrupt = if index == 2 { ",irq=5" } else { "" };
        add("-device", format!("isa-serial,chardev={name},index={index}{interrupt}").into());
    }
    // Two cards on one hub: what goes out of one comes in at the other, and nothing leaves the
    // machine. Without the ROM that would boot from them.
    for (model, card) in machine.nics.iter().flat_map(|model| [(model, 0), (model, 1)]) {
        add("-netdev", format!("hubport,id=card{card},hubid=0").into());
        add("-device", format!("{model},netdev=card{card},romfile=").into());
    }
    arguments.extend(["-nodefaults", "-no-user-config", "-no-reboot"].map(OsString::from));
    arguments
}

/// The images are shared: what a guest writes goes to a temporary file. Nothing needs to
/// survive a crash of the host, so flushes may be ignored.
fn drive(name: &str, path: &Path) -> OsString {
    let snapshot = if name == OUTPUT_SERIAL { "off" } else { "on" };
    let mut drive = OsString::from(format!(
        "if=none,format=raw,cache=unsafe,snapshot={snapshot},id={name},file="
    ));
    drive.push(escape(path));
    drive
}

fn kernel_command_line(machine: &Machine) -> OsString {
    let mut line = OsString::from("root=");
    line.push(rootfs::root_device());
    // No kernel thread that goes on initialising the file system in the middle of a measurement.
    line.push(" rw rootwait rootflags=noinit_itable init=");
    line.push(INIT_PATH);
    // Any trouble ends the machine at once. Emulated processors are slow, so lockups get time.
    line.push(" console=ttyS0 panic=-1 oops=panic softlockup_panic=1 hung_task_panic=1");
    line.push(" watchdog_thresh=30 loglevel=");
    line.push(if machine.verbose { "7" } else { "5" });
    if !machine.append.is_empty() {
        line.push(" ");
        line.push(&machine.append);
    }
    line
}

/// QEMU separates options by commas, and wants those in values doubled.
fn escape(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let doubled = path
        .as_os_str()
        .as_bytes()
        .iter()
        .flat_map(|&byte| std::iter::repeat_n(byte, if byte == b',' { 2 } else { 1 }));
    OsString::from_vec(doubled.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            accel: Accel::Tcg(String::new()),
            kernel: "/k/vmlinuz".into(),
            root: "/i/a,b.img".into(),
            xfs: "/i/xfs.img".into(),
            memory_mib: 512,
            cpus: 2,
            nics: None,
            append: "nokaslr".into(),
            verbose: false,
            interactive: false,
            deadline: None,
        }
    }

    fn line(machine: &Machine) -> String {
        let dir = RunDir::create().unwrap();
        let words = arguments(machine, &dir);
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_command_line_describes_the_machine() {
        let line = line(&machine());
        for part in [
            "-accel tcg,thread=multi -cpu max -smp 2 -m 512M",
            "-kernel /k/vmlinuz",
            "root=PARTUUID=7a630001-01 rw rootwait rootflags=noinit_itable init=/sbin/zc-init",
            "loglevel=5 nokaslr",
            "snapshot=on,id=zc-root,file=/i/a,,b.img",
            "snapshot=on,id=zc-xfs,file=/i/xfs.img",
            "snapshot=off,id=zc-output",
            "isa-serial,chardev=stderr,index=2,irq=5",
            "-chardev file,id=stdout",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
    }

    #[test]
    fn a_counted_machine_has_one_processor_and_its_clock() {
        let accel = Accel::Counted;
        let line = line(&Machine { cpus: accel.processors(), accel, ..machine() });
        let part = "-accel tcg,thread=single -icount shift=0,sleep=off -cpu max -smp 1";
        assert!(line.contains(part), "{line}");
    }

    #[test]
    fn kvm_and_a_terminal_change_it() {
        let line = line(&Machine { accel: Accel::Kvm, interactive: true, ..machine() });
        assert!(line.contains("-accel kvm -cpu host"), "{line}");
        assert!(line.contains("-chardev stdio,id=stdout"), "{line}");
        assert!(!line.contains("-netdev"), "{line}");
    }

    #[test]
    fn network_cards_are_a_pair() {
        let line = line(&Machine { nics: Some("vmxnet3".into()), ..machine() });
        for part in [
            "-netdev hubport,id=card0,hubid=0 -device vmxnet3,netdev=card0,romfile=",
            "-netdev hubport,id=card1,hubid=0 -device vmxnet3,netdev=card1,romfile=",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
    }
}
