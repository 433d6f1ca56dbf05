//! Guests: one command in a virtual machine with a chosen kernel, from resolving the kernel to the
//! verdict.

mod accel;
mod apt;
pub(crate) mod args;
pub(crate) mod kernel;
pub(crate) mod lanes;
pub(crate) mod output;
pub(crate) mod packages;
pub(crate) mod payload;
mod qemu;
mod rootfs;
mod sources;
pub(crate) mod terminal;
mod unpack;
mod verdict;
mod xfs;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use zc_guest::{RunSpec, Streams};

use self::accel::Accel;
use self::args::VmArgs;
use self::kernel::{Kernel, KernelSpec};
pub(crate) use self::output::Sinks;
use self::packages::{PackageSet, PackageTree};
use self::payload::Transfer;
use self::qemu::{Machine, RunDir};
use self::verdict::Failure;
use crate::cache::Cache;
use crate::progress::{self, Step};
use crate::setup::{self, Part};
use crate::{build, process};

/// A hung guest must not hold a build up for longer.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(600);

/// Where `zc` lies in the guest.
pub(crate) const ZC_PATH: &str = "/bin/zc";

/// QEMU's model of network cards that send from the pages they are given, as most real ones do, and whose
/// driver all of Debian's kernels for clouds have.
pub(crate) const GATHERING_CARDS: &str = "vmxnet3";

/// A guest's memory unless it is asked for more.
const MEMORY_MIB: u32 = 1024;

/// One run of a guest.
pub(crate) struct Run {
    pub(crate) spec: RunSpec,
    /// Files for the guest.
    pub(crate) add: Vec<Transfer>,
    /// Files from the guest.
    pub(crate) get: Vec<Transfer>,
    pub(crate) memory_mib: u32,
    /// `None` leaves it to the acceleration.
    pub(crate) cpus: Option<u32>,
    /// QEMU's model of two network cards on one hub.
    pub(crate) nics: Option<String>,
    pub(crate) append: String,
    pub(crate) verbose: bool,
    pub(crate) deadline: Option<Duration>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            spec: RunSpec::default(),
            add: Vec::new(),
            get: Vec::new(),
            memory_mib: MEMORY_MIB,
            cpus: None,
            nics: None,
            append: String::new(),
            verbose: false,
            deadline: Some(DEFAULT_DEADLINE),
        }
    }
}

/// Everything that runs with one kernel share.
pub(crate) struct Guest {
    kernel: Kernel,
    root: PathBuf,
    xfs: PathBuf,
    qemu: PathBuf,
    accel: Accel,
    packages: Option<PackageTree>,
}

impl Guest {
    /// Makes kernel, root file system and QEMU ready.
    pub(crate) fn prepare(
        spec: &KernelSpec,
        modules: Option<&std::path::Path>,
        refresh: bool,
    ) -> Result<Self> {
        let cache = Cache::open()?;
        let kernel = kernel::resolve(&cache, spec, modules, refresh)?;
        Self::assemble(&cache, kernel, None)
    }

    /// The same, with packages in its root file system.
    pub(crate) fn prepare_with(spec: &KernelSpec, packages: &'static PackageSet) -> Result<Self> {
        let cache = Cache::open()?;
        let kernel = kernel::resolve(&cache, spec, None, false)?;
        let packages = packages::tree(&cache, packages)?;
        Self::assemble(&cache, kernel, Some(packages))
    }

    fn assemble(cache: &Cache, kernel: Kernel, packages: Option<PackageTree>) -> Result<Self> {
        let init = build::static_program("zc-guest", "zc-init")?;
        let busybox = unpack::busybox(cache)?;
        let root = rootfs::image(cache, &kernel, &init, &busybox, packages.as_ref())?;
        let xfs = xfs::image(cache)?;
        let qemu = process::find_program("qemu-system-x86_64")
            .context("qemu-system-x86_64 is missing: run `cargo xtask setup`")?;
        let accel = accel::choose(cache, &qemu, &kernel.image)?;
        Ok(Self { kernel, root, xfs, qemu, accel, packages })
    }

    /// The same guest on a machine whose clocks count instructions.
    pub(crate) fn counted(self) -> Self {
        Self { accel: Accel::Counted, ..self }
    }

    /// The version of QEMU that runs it.
    pub(crate) fn qemu_version(&self) -> Result<String> {
        let said = process::checked(std::process::Command::new(&self.qemu).arg("--version"), None)?;
        let said = String::from_utf8_lossy(&said).into_owned();
        let line = said.lines().next().unwrap_or_default();
        Ok(line.trim_start_matches("QEMU emulator version ").to_owned())
    }

    /// What a command says on standard output and on standard error, whatever its exit status.
    pub(crate) fn said(&self, run: &Run, what: &str) -> Result<(String, String)> {
        let _step = Step::new(format!("{what} on {}", self.release()));
        let [stdout, stderr] = [(); 2].map(|()| Arc::new(Mutex::new(Vec::new())));
        self.run(run, &mut Sinks::collecting(&stdout, &stderr))?;
        Ok((output::text(&stdout), output::text(&stderr)))
    }

    /// The version of a package that it has.
    pub(crate) fn version(&self, package: &str) -> Option<&str> {
        self.packages.as_ref()?.versions.get(package).map(String::as_str)
    }

    /// The kernel's release.
    pub(crate) fn release(&self) -> &str {
        &self.kernel.release
    }

    /// How many processors it has unless it is asked for more.
    pub(crate) fn processors(&self) -> u32 {
        self.accel.processors()
    }

    /// What boots, in a line.
    pub(crate) fn describe(&self) -> String {
        format!("guest with kernel {} by {}", self.kernel.release, self.accel)
    }

    /// Runs a command in a fresh guest; its exit status.
    pub(crate) fn run(&self, run: &Run, sinks: &mut Sinks) -> Result<i32> {
        let dir = RunDir::create()?;
        let mut spec = run.spec.clone();
        spec.get = run.get.iter().map(|transfer| transfer.guest.clone().into()).collect();
        payload::write(&dir.payload(), &spec, &run.add)?;
        payload::create_output(&dir.output())?;
        let machine = Machine {
            accel: self.accel.clone(),
            kernel: self.kernel.image.clone(),
            root: self.root.clone(),
            xfs: self.xfs.clone(),
            memory_mib: run.memory_mib,
            cpus: run.cpus.unwrap_or_else(|| self.accel.processors()),
            nics: run.nics.clone(),
            append: run.append.clone(),
            verbose: run.verbose,
            interactive: matches!(spec.streams, Streams::Interactive(..)),
            deadline: run.deadline,
        };
        let ending = qemu::run(&self.qemu, &machine, &dir, sinks)?;
        let console = dir.console_text()?;
        if run.verbose {
            progress::note(&format!("the guest's console:\n{console}"));
        }
        let status = match verdict::judge(&console, ending) {
            Ok(status) => status,
            // A person who switches the guest off has seen enough.
            Err(Failure::NoVerdict) if machine.interactive => 0,
            Err(failure) => bail!("{}", self.explain(&failure, &console, &dir, run.verbose)),
        };
        payload::read_output(&dir.output(), &run.get)?;
        Ok(status)
    }

    fn explain(&self, failure: &Failure, console: &str, dir: &RunDir, shown: bool) -> String {
        let mut text = format!("{failure} ({})", self.describe());
        if !shown {
            text.push_str("; the end of its console:\n");
            text.push_str(&process::tail(console));
        }
        text.push_str(&dir.qemu_text());
        text
    }
}

/// `cargo xtask vm`: the exit status of the command in the guest.
pub(crate) fn command(args: &VmArgs) -> Result<u8> {
    setup::ensure(&[Part::Linking, Part::Guests])?;
    let mut add = args.add.clone();
    if !args.no_zc {
        setup::ensure(&[Part::Bpf])?;
        add.push(Transfer { host: build::static_program("zc", "zc")?, guest: ZC_PATH.into() });
    }
    let guest = match args.packages {
        Some(packages) => Guest::prepare_with(&args.kernel, packages)?,
        None => Guest::prepare(&args.kernel, args.modules.as_deref(), args.refresh)?,
    };
    progress::note(&guest.describe());
    let deadline = args.timeout.map(Duration::from_secs);
    let run = Run {
        spec: if args.shell { shell() } else { plain(&args.command) },
        add,
        get: args.get.clone(),
        memory_mib: args.memory,
        cpus: args.cpus,
        nics: args.nics.clone(),
        append: args.append.clone(),
        verbose: args.verbose,
        deadline: if args.shell { deadline } else { deadline.or(Some(DEFAULT_DEADLINE)) },
    };
    if args.shell {
        progress::note("end the shell to leave; ctrl-a x switches the guest off");
    }
    let status = guest.run(&run, &mut Sinks::of_this_process())?;
    Ok(exit_code(status))
}

fn plain(command: &[OsString]) -> RunSpec {
    RunSpec { argv: command.to_vec(), ..RunSpec::default() }
}

fn shell() -> RunSpec {
    let (rows, columns) = terminal::size();
    RunSpec {
        argv: vec!["sh".into(), "-l".into()],
        env: terminal::environment(),
        streams: Streams::Interactive(rows, columns),
        ..RunSpec::default()
    }
}

/// An exit status has eight bits, in the guest too.
pub(crate) fn exit_code(status: i32) -> u8 {
    u8::try_from(status & 0xff).unwrap_or(u8::MAX)
}
