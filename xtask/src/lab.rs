//! `cargo xtask lab`: a command of zc, on this machine if its kernel allows, else in a guest.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use zc_guest::{RunSpec, SCRATCH_DIR, Streams};

use crate::USAGE;
use crate::build;
use crate::process;
use crate::progress;
use crate::setup::{self, Part};
use crate::vm::kernel::{self, KernelSpec};
use crate::vm::payload::Transfer;
use crate::vm::{self, GATHERING_CARDS, Guest, Run, Sinks, ZC_PATH, terminal};

/// Large payloads take their time under emulation.
const DEADLINE: Duration = Duration::from_secs(3600);

/// Which command of zc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commanded {
    /// `zc lab`.
    Lab,
    /// `zc learn`.
    Learn,
}

impl Commanded {
    fn name(self) -> &'static str {
        match self {
            Self::Lab => "lab",
            Self::Learn => "learn",
        }
    }
}

/// What `cargo xtask lab` is asked for, and `cargo xtask learn`.
#[derive(Debug, Args)]
pub(crate) struct LabArgs {
    /// Run in a guest with this kernel in any case: 5.10, 6.1, 6.12, 7.3, or the path of a vmlinuz
    #[arg(long, value_name = "VERSION|PATH", value_parser = KernelSpec::parser())]
    kernel: Option<KernelSpec>,

    /// Options of zc's own command of that name, which `-- --help` lists; --kernel may also stand among
    /// them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    options: Vec<OsString>,
}

impl LabArgs {
    /// The kernel that was asked for before zc's own options.
    pub(crate) fn kernel(&self) -> Option<&KernelSpec> {
        self.kernel.as_ref()
    }

    /// What is left to zc.
    pub(crate) fn options(&self) -> &[OsString] {
        &self.options
    }
}

/// The exit status of zc's command.
pub(crate) fn command(commanded: Commanded, args: LabArgs) -> Result<u8> {
    let options = match split(args.options) {
        Ok(options) => Options { kernel: options.kernel.or(args.kernel), ..options },
        Err(error) => {
            progress::note(&format!("{error:#}"));
            return Ok(USAGE);
        }
    };
    setup::ensure(&[Part::Linking, Part::Bpf])?;
    let zc = build::static_program("zc", "zc")?;
    if options.kernel.is_none() {
        match obstacle_here(&zc)? {
            None => return run_here(&zc, commanded, &options.lab),
            Some(why) => progress::note(&format!("not on this machine: {why}")),
        }
    }
    run_in_guest(zc, commanded, &options)
}

/// Why this machine's kernel does not allow the sites tier, in zc's own words.
fn obstacle_here(zc: &Path) -> Result<Option<String>> {
    let doctor = process::capture(Command::new(zc).arg("doctor"), None)?;
    if doctor.status.success() {
        return Ok(None);
    }
    let said = doctor.stderr.lines().next().unwrap_or("zc doctor failed");
    Ok(Some(said.trim_start_matches("zc: ").to_owned()))
}

fn run_here(zc: &Path, commanded: Commanded, options: &[OsString]) -> Result<u8> {
    let mut command = Command::new(zc);
    let mut child = command
        .arg(commanded.name())
        .args(options)
        .spawn()
        .with_context(|| format!("cannot run {}", zc.display()))?;
    let status = process::wait(&mut child)?;
    let signal = || 128 + status.signal().unwrap_or_default();
    Ok(vm::exit_code(status.code().unwrap_or_else(signal)))
}

fn run_in_guest(zc: PathBuf, commanded: Commanded, options: &Options) -> Result<u8> {
    setup::ensure(&[Part::Guests])?;
    let kernel = match &options.kernel {
        Some(kernel) => kernel,
        None => &KernelSpec::parse(kernel::DEFAULT.as_ref())?,
    };
    let guest = Guest::prepare(kernel, None, false)?;
    progress::note(&guest.describe());
    let mut moved = move_files(&options.lab);
    if let Some(unreadable) = moved.unreadable {
        bail!("{unreadable}");
    }
    moved.add.push(Transfer { host: zc, guest: ZC_PATH.into() });
    let words = [ZC_PATH, commanded.name()].map(OsString::from);
    let argv = words.into_iter().chain(moved.options).collect();
    let cards = commanded == Commanded::Learn || goes_over_cards(&options.lab);
    let (streams, env) = if terminal::is_output() {
        let (rows, columns) = terminal::size();
        (Streams::Terminal(rows, columns), terminal::environment())
    } else {
        (Streams::Apart, columns())
    };
    let run = Run {
        spec: RunSpec { argv, env, streams, ..RunSpec::default() },
        add: moved.add,
        get: moved.get,
        nics: cards.then(|| GATHERING_CARDS.to_owned()),
        deadline: Some(DEADLINE),
        ..Run::default()
    };
    guest.run(&run, &mut Sinks::of_this_process()).map(vm::exit_code)
}

/// `--path nic`: the guest has to have two cards. Given twice it is refused, by `zc`.
fn goes_over_cards(options: &[OsString]) -> bool {
    options.iter().enumerate().any(|(at, word)| match value_of(word, "--path") {
        Some(Value::Attached(path)) => path == "nic",
        Some(Value::Next) => options.get(at + 1).is_some_and(|path| path == "nic"),
        None => false,
    })
}

/// A width asked for in the environment holds in the guest too.
fn columns() -> Vec<OsString> {
    let setting = |value: OsString| {
        let mut setting = OsString::from("COLUMNS=");
        setting.push(value);
        setting
    };
    env::var_os("COLUMNS").map(setting).into_iter().collect()
}

/// The command line, ours and `zc lab`'s apart.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    kernel: Option<KernelSpec>,
    lab: Vec<OsString>,
}

/// `--kernel` may stand anywhere among the options of `zc lab`.
fn split(words: Vec<OsString>) -> Result<Options> {
    let mut options = Options { kernel: None, lab: Vec::new() };
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let kernel = match value_of(&word, "--kernel") {
            Some(Value::Attached(kernel)) => kernel,
            Some(Value::Next) => words.next().context("--kernel needs a version or a path")?,
            None => {
                options.lab.push(word);
                continue;
            }
        };
        options.kernel = Some(KernelSpec::parse(&kernel)?);
    }
    Ok(options)
}

enum Value {
    /// `--option=value`.
    Attached(OsString),
    /// The next word.
    Next,
}

fn value_of(word: &OsStr, option: &str) -> Option<Value> {
    match word.as_bytes().strip_prefix(option.as_bytes())? {
        b"" => Some(Value::Next),
        [b'=', value @ ..] => Some(Value::Attached(OsString::from_vec(value.to_vec()))),
        _ => None,
    }
}

/// Options whose files are in the guest, and the files.
#[derive(Debug, Default)]
struct Moved {
    options: Vec<OsString>,
    add: Vec<Transfer>,
    get: Vec<Transfer>,
    unreadable: Option<String>,
}

/// Options that name a file which the guest reads.
const READ: [&str; 2] = ["--file", "--answers"];

/// Options that name a file which the guest writes.
const WRITTEN: [&str; 2] = ["--output", "--html"];

/// Files that options name are here, and have to be in the guest or come back from it.
fn move_files(options: &[OsString]) -> Moved {
    let mut moved = Moved::default();
    let mut words = options.iter();
    while let Some(word) = words.next() {
        let found = READ
            .into_iter()
            .chain(WRITTEN)
            .find_map(|option| value_of(word, option).map(|value| (option, value)));
        let Some((option, value)) = found else {
            moved.options.push(word.clone());
            continue;
        };
        let value = match value {
            Value::Attached(value) => Some(value),
            Value::Next => words.next().cloned(),
        };
        moved.options.push(option.into());
        if let Some(value) = value {
            let value = moved.take(option, value);
            moved.options.push(value);
        }
    }
    moved
}

impl Moved {
    /// Takes a file along; its name in the guest. What is no file is left to `zc` to refuse.
    fn take(&mut self, option: &str, value: OsString) -> OsString {
        let host = PathBuf::from(&value);
        let Some(name) = host.file_name() else { return value };
        let guest = Path::new(SCRATCH_DIR).join(name);
        let name = guest.clone().into_os_string();
        if WRITTEN.contains(&option) {
            self.get.push(Transfer { host, guest });
            return name;
        }
        if host.is_dir() {
            return "/".into();
        }
        match File::open(&host) {
            Ok(_) => self.add.push(Transfer { host, guest }),
            Err(error) if error.kind() == ErrorKind::NotFound => return value,
            Err(error) => {
                self.unreadable = Some(format!("cannot read {}: {error}", host.display()));
            }
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn the_kernel_is_taken_from_anywhere() {
        for text in ["--kernel 6.1 --json sendfile", "--json --kernel=6.1 sendfile"] {
            let options = split(words(text)).unwrap();
            assert_eq!(options.kernel, Some(KernelSpec::parse("6.1".as_ref()).unwrap()));
            assert_eq!(options.lab, words("--json sendfile"));
        }
        let options = split(words("--kernels x --json")).unwrap();
        assert_eq!(options.kernel, None);
        assert_eq!(options.lab, words("--kernels x --json"));
        assert!(split(words("--json --kernel")).is_err());
        assert!(split(words("--kernel 9.9 --json")).is_err());
    }

    #[test]
    fn only_a_path_over_cards_takes_cards() {
        for text in ["--path nic", "--json --path=nic sendfile", "sendfile --path nic"] {
            assert!(goes_over_cards(&words(text)), "{text}");
        }
        for text in ["", "--path veth", "--path=loopback", "nic", "--path", "--paths nic"] {
            assert!(!goes_over_cards(&words(text)), "{text}");
        }
    }

    #[test]
    fn files_move_into_the_guest_and_out_of_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let name = file.path().file_name().unwrap().to_str().unwrap();
        let path = file.path().to_str().unwrap();
        let moved = move_files(&words(&format!("--json --file {path} --output=out/r.json x")));
        let expected = format!("--json --file /scratch/{name} --output /scratch/r.json x");
        assert_eq!(moved.options, words(&expected));
        assert_eq!(moved.add[0].host, file.path());
        assert_eq!(moved.get[0].host, Path::new("out/r.json"));
        assert_eq!(moved.get[0].guest, Path::new("/scratch/r.json"));
        let moved = move_files(&words("--html out/r.html --json --output r.json"));
        assert_eq!(moved.options, words("--html /scratch/r.html --json --output /scratch/r.json"));
        let host = |at: usize| moved.get[at].host.as_path();
        assert_eq!([host(0), host(1)], [Path::new("out/r.html"), Path::new("r.json")]);
    }

    #[test]
    fn a_missing_file_is_left_to_zc() {
        let moved = move_files(&words("--file /no/such/file"));
        assert_eq!(moved.options, words("--file /no/such/file"));
        assert!(moved.add.is_empty() && moved.unreadable.is_none());
        assert_eq!(move_files(&words("--file")).options, words("--file"));
    }
}
