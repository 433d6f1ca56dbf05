//! What `zc lab` makes of its command line, and of what was and was not counted.

use std::fs;

use crate::{
    page::same_numbers,
    report::Lab,
    support::{SMALL_LAB, lab, run, scratch, shared, status, stderr, stdout},
};

#[test]
fn a_wrong_prediction_is_refuted_with_both_numbers() {
    let wrong = "sendfile.sender.kernel_to_user=12345";
    let arguments = ["sendfile", "read-send", "--size", "1M", "--predict", wrong];
    let (status, report) = lab(&arguments);
    assert_eq!((status, report.verdict.as_str()), (1, "refuted"));
    assert!(report.complete, "the measurement itself is sound");
    assert_eq!(report.style("read-send").verdict, "verified");
    let style = report.style("sendfile");
    let line = style.sender.line("kernel_to_user");
    assert_eq!(
        (line.predicted, line.measured, line.verdict.as_str()),
        (12_345, Some(0), "refuted")
    );
}

#[test]
fn the_text_shows_what_is_refuted_and_what_is_not_observed() {
    let output = run(&[
        "lab",
        "sendfile",
        "--size",
        "1M",
        "--disable-site",
        "filemap_read",
        "--predict",
        "sendfile.sender.user_to_kernel=12345",
    ]);
    assert_eq!(status(&output), 1, "one refuted number is enough");
    let text = stdout(&output);
    let row = text.lines().find(|row| row.contains("12345")).expect("a row with the guess");
    assert!(row.contains("refuted") && row.contains(" 0 "), "{row}");
    assert!(text.contains("not observed") && text.contains("filemap_read is disabled"), "{text}");
}

#[test]
fn a_disabled_site_is_not_observed_never_zero() {
    // A prediction that theory shares does not make it one either.
    let arguments = [
        "sendfile",
        "read-send",
        "--size",
        "1M",
        "--disable-site",
        "filemap_read",
        "--predict",
        "sendfile.sender.kernel_to_user=0",
    ];
    let (status, report) = lab(&arguments);
    assert_eq!((status, report.verdict.as_str(), report.complete), (2, "not observed", false));
    assert_eq!(
        report.completeness.problems,
        [
            "filemap_read is disabled",
            "read-send sender: system calls moved 2097152 bytes, the sites explain 1048576"
        ]
    );
    for style in &report.styles {
        let sender = &style.sender;
        // Absent from JSON, although theory says 0 for sendfile.
        assert_eq!((sender.copied.kernel_to_user, sender.copied.kernel_to_kernel), (None, None));
        assert_eq!(sender.copies_per_byte.kernel_to_user, None);
        let line = sender.line("kernel_to_user");
        assert_eq!((line.measured, line.verdict.as_str()), (None, "not observed"));
        assert_eq!(line.reason.as_deref(), Some("filemap_read is disabled"));
        // What does not pass that site is still exact.
        assert_eq!(sender.line("user_to_kernel").verdict, "verified");
        assert_eq!(style.receiver().line("kernel_to_user").verdict, "verified");
    }
}

#[test]
fn the_first_line_says_which_kernel_and_tier() {
    let output = shared(&["lab"]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let first = stdout(&output).lines().next().unwrap().to_owned();
    assert!(first.starts_with(&format!("kernel {}", release.trim())), "{first}");
    assert!(first.contains("tier sites"), "{first}");
}

#[test]
fn json_is_alone_on_stdout_and_in_an_output_file() {
    let output = shared(SMALL_LAB);
    assert_eq!(stderr(&output), "", "nothing to say when all is well");
    let folder = scratch();
    let path = folder.path().join("report.json");
    let path = path.to_str().unwrap();
    let filed = run(&["lab", "splice", "--size", "1M", "--json", "--output", path]);
    assert_eq!((status(&filed), stdout(&filed).as_str()), (0, ""));
    let report: Lab = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(report.verdict, "verified");
}

#[test]
fn colour_is_for_terminals_or_on_request() {
    assert!(!stdout(&shared(&["lab"])).contains('\x1b'));
    let coloured = run(&["lab", "sendfile", "--size", "64K", "--color", "always"]);
    assert!(stdout(&coloured).contains("\x1b["));
}

#[test]
fn the_list_names_every_style() {
    let output = run(&["lab", "--list"]);
    assert_eq!(status(&output), 0);
    for style in ["read-send", "mmap-send", "sendfile", "splice"] {
        assert!(stdout(&output).contains(style));
    }
}

#[test]
fn pages_show_the_numbers_of_their_reports() {
    let folder = scratch();
    let [page, report] = ["page", "report"].map(|name| folder.path().join(name));
    let [to_page, to_report] = [&page, &report].map(|path| path.to_str().unwrap());
    let files = ["--size", "1M", "--json", "--output", to_report, "--html", to_page];
    for (what, least) in [(&["--all"][..], 380), (&["architectures"], 30)] {
        let output = run(&[&["lab"], what, &files].concat());
        assert!([0, 2].contains(&status(&output)), "{}", stderr(&output));
        let page = fs::read_to_string(&page).unwrap();
        let report = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
        let numbers = same_numbers(&page, &report);
        assert!(numbers >= least, "{what:?}: {numbers}");
        assert!(page.len() < 400_000 && !page.contains("<script"), "{} bytes", page.len());
    }
}
