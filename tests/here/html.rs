//! Reports as pages.

use std::fs;

use serde_json::Value;

use crate::{
    page::same_numbers,
    skip::needs,
    support::{boundary, tracepoints, zc},
};

#[test]
fn a_page_shows_the_numbers_of_the_report_and_no_markup_of_a_process() {
    needs!(tracepoints());
    let folder = tempfile::tempdir().unwrap();
    let [page, report] = ["page.html", "report.json"].map(|name| folder.path().join(name));
    let mut command = boundary("trace");
    command.args(["--json", "--output"]).arg(&report).arg("--html").arg(&page);
    // A name that a process chose.
    let script =
        "printf '<script>alert(1)</script>\\033[2J' > /proc/self/comm; echo out > /dev/null";
    let output = command.args(["--", "sh", "-c", script]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let page = fs::read_to_string(page).unwrap();
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let numbers = same_numbers(&page, &report);
    assert!(numbers > 5, "{numbers}");
    assert!(page.contains("&lt;script&gt;al"), "{page}");
    assert!(!page.contains("<script") && !page.contains('\u{1b}'));
    assert!(page.contains("not observed: no kernel function is probed"), "the boundary tier");
    assert!(page.ends_with("</html>\n"));
}

#[test]
fn a_page_that_cannot_be_written_is_an_error_before_the_run() {
    for arguments in [&["lab"][..], &["lab", "architectures"], &["trace", "--", "true"]] {
        let mut command = zc();
        command.args(&arguments[..1]).args(["--html", "/no/such/folder/x"]).args(&arguments[1..]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(64));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("cannot write --html /no/such/folder/x"), "{said}");
    }
}
