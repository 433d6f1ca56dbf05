//! Headless Chromium.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

/// How a page is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Look {
    pub(crate) dark: bool,
    /// Of the window, in CSS pixels.
    pub(crate) width: u32,
}

pub(crate) const DESKTOP: Look = Look { dark: false, width: 1280 };

/// The narrowest phones that are sold.
pub(crate) const PHONE: Look = Look { dark: false, width: 360 };

/// What became of a page.
pub(crate) struct Rendered {
    /// The document, after its scripts.
    pub(crate) document: String,
    /// What the browser said on its console: errors, and what it refused to do.
    pub(crate) console: Vec<String>,
}

fn chromium() -> Command {
    let program = env::var_os("ZC_BROWSER")
        .expect("ZC_BROWSER names a Chromium: run this by `cargo xtask test`");
    let mut command = Command::new(program);
    // Its sandbox needs what containers and root do not have; the pages are zc's own.
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]);
    command.stdin(Stdio::null());
    command
}

/// Loads the page at `path`.
pub(crate) fn render(path: &Path, look: Look) -> Rendered {
    // `PreferredColorScheme` of Blink: 0 is dark.
    let scheme = if look.dark { 0 } else { 1 };
    let output = chromium()
        .arg(format!("--window-size={},800", look.width))
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg("--dump-dom")
        .arg(format!("file://{}", path.display()))
        .output()
        .expect("the browser starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let document = String::from_utf8(output.stdout).unwrap();
    assert!(document.contains("</html>"), "no document: {said}");
    let console = said.lines().filter(|line| line.contains(":CONSOLE"));
    Rendered { document, console: console.map(str::to_owned).collect() }
}

/// Prints the page at `path`: the PDF.
pub(crate) fn print(path: &Path) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let pdf = folder.path().join("page.pdf");
    let output = chromium()
        .arg(format!("--print-to-pdf={}", pdf.display()))
        .arg(format!("file://{}", path.display()))
        .output()
        .expect("the browser starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(pdf).unwrap()
}
