//! A folder for one program, and commands in it.

use std::{
    ffi::OsStr,
    fs,
    io::Read as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Once,
};

/// The payload: small enough for emulation, and many of any buffer.
pub(crate) const SIZE: u64 = 8 << 20;

/// A folder on the guest's disk with a payload in it.
pub(crate) struct Room(tempfile::TempDir);

impl Room {
    /// With the payload as the file `f`: random bytes, just written, so the page cache has them.
    pub(crate) fn new() -> Self {
        let room = Self(tempfile::tempdir_in("/scratch").expect("/scratch is writable"));
        let mut payload = Vec::new();
        let random = fs::File::open("/dev/urandom").expect("the kernel has random bytes");
        random.take(SIZE).read_to_end(&mut payload).expect("random bytes can be read");
        room.write("f", &payload);
        room
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.file(name), bytes).expect("/scratch is writable");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Removes the file if it is there.
    pub(crate) fn remove(&self, name: &str) {
        let _absent = fs::remove_file(self.file(name));
    }

    /// Fails unless the two files have the same bytes.
    pub(crate) fn assert_same(&self, one: &str, other: &str) {
        let equal = self.read(one) == self.read(other);
        assert!(equal, "{one} and {other} differ");
    }

    /// Runs a command that is not observed, and fails if it does.
    pub(crate) fn run(&self, argv: &[&str]) -> String {
        let output = self.command(argv).output().expect("the program is there");
        assert!(output.status.success(), "{argv:?}: {output:?}");
        String::from_utf8(output.stdout).expect("it writes UTF-8")
    }

    /// A command that starts here, and that does the same each time.
    pub(crate) fn command(&self, argv: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).current_dir(self.path());
        command.env("LC_ALL", "C").env("PYTHONHASHSEED", "0").stdin(Stdio::null());
        command
    }
}

/// Lets Python compile the modules that the tests use: only then do two runs read the same files.
pub(crate) fn compile_python() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let modules = "import http.server, shutil, socket";
        let status = Command::new("python3").args(["-c", modules]).status();
        assert!(status.expect("python3 is there").success(), "{modules}");
    });
}

/// A port of 127.0.0.1 that nobody uses.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback is up");
    listener.local_addr().expect("it is bound").port()
}
