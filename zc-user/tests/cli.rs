//! What `--help` and usage errors print, as shown under `tests/cli`. After a change on purpose,
//! `TRYCMD=overwrite cargo test -p zc --test cli` writes them anew.

#[test]
fn command_line() {
    trycmd::TestCases::new().case("tests/cli/*.trycmd");
}
