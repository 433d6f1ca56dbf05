//! `zc trace` by intervals, and its forms: lines of JSON, comma-separated values, a terminal.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    os::fd::{FromRawFd, OwnedFd},
    process::{Stdio, id},
    ptr,
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use rustix::io::pread;
use serde_json::Value;

use crate::{
    support::{nothing_left_behind, scratch, stderr, stdout},
    trace_named::HOSTILE,
    tracing::{Report, number, trace},
};

/// What `zc trace` with `arguments` gives of this process, whose thread reads all the time.
fn while_reading<T>(work: impl FnOnce() -> T) -> T {
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![1; 1000]).unwrap();
    let file = File::open(&path).unwrap();
    thread::scope(|scope| {
        // It goes with `work`, also when that panics.
        let (_working, done) = channel::<()>();
        scope.spawn(move || {
            while done.recv_timeout(Duration::from_millis(5)) == Err(RecvTimeoutError::Timeout) {
                pread(&file, &mut [0; 1000], 0).unwrap();
            }
        });
        work()
    })
}

/// Calls and bytes of this process's reads, in a report.
fn reads(report: &Report) -> [u64; 2] {
    let flows = report.0["flows"].as_array().unwrap();
    let mut sums = [0; 2];
    for flow in flows.iter().filter(|flow| flow["call"] == "pread64") {
        sums[0] += number(&flow["calls"]);
        sums[1] += number(&flow["bytes"]);
    }
    sums
}

#[test]
fn trace_by_intervals_adds_up_to_the_whole() {
    const COUNT: usize = 6;
    const READS: u64 = 50;
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![1; 1000]).unwrap();
    let file = File::open(&path).unwrap();
    let own = id().to_string();
    let mut zc =
        trace(&["--interval", "300ms", "--count", &COUNT.to_string(), "--json-lines", "-p", &own])
            .spawn()
            .unwrap();
    let mut lines = BufReader::new(zc.stdout.take().unwrap()).lines();
    let mut reports = Vec::new();
    let mut next = || lines.next().map(|line| Report::parse(&line.unwrap(), ""));
    // It counts: what is done now falls into the intervals that follow.
    reports.extend(next());
    (0..READS).for_each(|_| assert_eq!(pread(&file, &mut [0; 1000], 0).unwrap(), 1000));
    reports.extend(std::iter::from_fn(next));
    let status = zc.wait().unwrap();
    let mut said = String::new();
    zc.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    nothing_left_behind();
    assert_eq!(said, "");
    let whole = reports.pop().unwrap();
    assert_eq!(status.code(), Some(if whole.skipped() { 2 } else { 0 }));
    assert_eq!(whole.ended(), "the time was over");
    assert_eq!(whole.0["run"]["interval"], Value::Null);
    let numbers: Vec<_> = reports.iter().map(|report| &report.0["run"]["interval"]).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6].map(Value::from).iter().collect::<Vec<_>>());
    let sum = reports.iter().map(reads).fold([0; 2], |sum, one| [sum[0] + one[0], sum[1] + one[1]]);
    if !whole.skipped() {
        assert_eq!(reads(&whole), [READS, READS * 1000]);
    }
    assert_eq!(sum, reads(&whole));
    let seconds = |report: &Report| report.0["run"]["elapsed_seconds"].as_f64().unwrap();
    let elapsed: f64 = reports.iter().map(seconds).sum();
    assert!(elapsed >= 0.3 * 5.0 && elapsed <= seconds(&whole), "{elapsed}");
}

/// Gives this process's leading thread a name, for a while.
struct Renamed(Vec<u8>);

impl Renamed {
    fn to(name: &[u8]) -> Self {
        let before = fs::read("/proc/self/comm").unwrap();
        fs::write("/proc/self/comm", name).unwrap();
        Self(before)
    }
}

impl Drop for Renamed {
    fn drop(&mut self) {
        fs::write("/proc/self/comm", self.0.trim_ascii_end()).unwrap();
    }
}

/// The fields of a line of comma-separated values.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        let last = fields.last_mut().unwrap();
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                last.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => last.push(c),
        }
    }
    assert!(!quoted, "{line}");
    fields
}

const HEADER: &str = "interval,pid,process,call,source,sink,calls,failed,bytes,user_to_kernel,\
kernel_to_user,kernel_to_kernel,verdict";

#[test]
fn trace_as_csv_is_one_table_in_which_no_name_is_a_formula() {
    let folder = scratch();
    let path = folder.path().join("report.csv");
    let renamed = Renamed::to(HOSTILE);
    let output = while_reading(|| {
        let arguments = ["--csv", "--interval", "200ms", "--count", "2", "--min-bytes", "1000"];
        let mut command = trace(&arguments);
        command.arg("-o").arg(&path).args(["-p", &id().to_string()]).output().unwrap()
    });
    drop(renamed);
    nothing_left_behind();
    assert_eq!((stdout(&output), stderr(&output)), (String::new(), String::new()));
    let text = fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(HEADER));
    let rows: Vec<_> = lines.map(fields).collect();
    let own = id().to_string();
    let mut bytes = [0; 3];
    for row in &rows {
        assert_eq!(row.len(), 13, "{text}");
        assert_eq!(
            (row[1].as_str(), row[2].as_str()),
            (&*own, "'=\\u{1b}[31m\\u{a}\"\u{fffd},&<%")
        );
        if row[3] == "pread64" {
            assert_eq!(row[4..6], ["regular file", "memory"]);
            // The kernel may skip the program that sees the copies.
            assert!(["one copy", "not observed"].contains(&&*row[12]), "{text}");
            let interval = row[0].parse().unwrap_or(0);
            bytes[interval] += row[8].parse::<u64>().unwrap();
        }
    }
    assert!(bytes[1] > 0 && bytes[2] > 0 && bytes[1] + bytes[2] <= bytes[0], "{text}");
}

/// A new terminal: its master, and the other side.
fn terminal() -> [OwnedFd; 2] {
    let [mut master, mut slave] = [-1; 2];
    let size = libc::winsize { ws_row: 50, ws_col: 150, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: two descriptors are written to places that are there; the rest is only read.
    let refused = unsafe {
        libc::openpty(
            &raw mut master,
            &raw mut slave,
            ptr::null_mut(),
            ptr::null(),
            &raw const size,
        )
    };
    assert_eq!(refused, 0);
    // SAFETY: two new descriptors, which nobody else has.
    [master, slave].map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) })
}

#[test]
fn trace_on_a_terminal_shows_each_interval_in_the_place_of_the_one_before() {
    let [master, slave] = terminal();
    let text = while_reading(|| {
        let mut command = trace(&["-i", "200ms", "--count", "3", "-p", &id().to_string()]);
        let mut zc = command.stdout(Stdio::from(slave)).spawn().unwrap();
        // Its copy of the terminal's other side.
        drop(command);
        let mut bytes = Vec::new();
        let mut screen = File::from(master);
        let mut some = [0; 4096];
        // EIO: nobody has the other side any more.
        while let Ok(got @ 1..) = screen.read(&mut some) {
            bytes.extend_from_slice(&some[..got]);
        }
        let status = zc.wait().unwrap();
        assert!(matches!(status.code(), Some(0 | 2)), "{status}");
        String::from_utf8(bytes).unwrap()
    });
    nothing_left_behind();
    let shown: Vec<_> = text.split("\x1b[J").collect();
    assert_eq!(shown.len(), 3, "{text:?}");
    for (n, (shown, next)) in shown.iter().zip(shown.iter().skip(1)).enumerate() {
        // As many lines up as were shown; the last words are the sequence that goes there.
        let (lines, up) = shown.rsplit_once("\x1b[").unwrap();
        assert_eq!(up, format!("{}F", lines.lines().count()), "{text:?}");
        assert!(lines.starts_with(&format!("   {}  ", n + 1)), "{text:?}");
        assert!(lines.contains("pread64: regular file → memory"), "{text:?}");
        assert!(next.starts_with(&format!("   {}  ", n + 2)), "{text:?}");
    }
    // The summary stands below the last interval.
    assert!(shown[2].contains("the time was over"), "{text:?}");
}
