//! The description of one run: what the guest executes and how.
//!
//! Stored as `key=value` records that end in NUL: arguments are arbitrary bytes without NUL, so
//! nothing needs quoting.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Where the command's standard streams go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Streams {
    /// Standard output and error apart, byte for byte; neither is a terminal to the command.
    #[default]
    Apart,
    /// Both are one terminal of this many rows and columns, without input.
    Terminal(u16, u16),
    /// One terminal of this many rows and columns with input, for a person.
    Interactive(u16, u16),
}

/// What the guest does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunSpec {
    /// The program (looked up in `PATH`) and its arguments.
    pub argv: Vec<OsString>,
    /// `NAME=value` settings added to the guest's few standard ones.
    pub env: Vec<OsString>,
    /// Guest paths that go back to the host when the command has ended.
    pub get: Vec<OsString>,
    /// Where the standard streams go.
    pub streams: Streams,
}

/// A description that the guest cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError(String);

impl fmt::Display for SpecError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the description of the run has a bad record {:?}", self.0)
    }
}

impl std::error::Error for SpecError {}

impl RunSpec {
    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut record = |key: &str, value: &OsStr| {
            out.extend_from_slice(key.as_bytes());
            out.push(b'=');
            out.extend_from_slice(value.as_bytes());
            out.push(0);
        };
        self.argv.iter().for_each(|value| record("arg", value));
        self.env.iter().for_each(|value| record("env", value));
        self.get.iter().for_each(|value| record("get", value));
        match self.streams {
            Streams::Apart => {}
            Streams::Terminal(rows, columns) => {
                record("terminal", format!("{rows}x{columns}").as_ref());
            }
            Streams::Interactive(rows, columns) => {
                record("interactive", format!("{rows}x{columns}").as_ref());
            }
        }
        out
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// Names the record that is none of those which [`RunSpec::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, SpecError> {
        let mut spec = Self::default();
        for record in bytes.split(|&byte| byte == 0).filter(|record| !record.is_empty()) {
            let bad = || SpecError(String::from_utf8_lossy(record).into_owned());
            let equals = record.iter().position(|&byte| byte == b'=').ok_or_else(bad)?;
            let value = OsString::from_vec(record[equals + 1..].to_vec());
            match &record[..equals] {
                b"arg" => spec.argv.push(value),
                b"env" => spec.env.push(value),
                b"get" => spec.get.push(value),
                b"terminal" => {
                    let (rows, columns) = size(&value).ok_or_else(bad)?;
                    spec.streams = Streams::Terminal(rows, columns);
                }
                b"interactive" => {
                    let (rows, columns) = size(&value).ok_or_else(bad)?;
                    spec.streams = Streams::Interactive(rows, columns);
                }
                _ => return Err(bad()),
            }
        }
        Ok(spec)
    }
}

fn size(value: &OsStr) -> Option<(u16, u16)> {
    let (rows, columns) = value.to_str()?.split_once('x')?;
    Some((rows.parse().ok()?, columns.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_survives_storage() {
        let spec = RunSpec {
            argv: vec!["sh".into(), "-c".into(), "echo \"a b\"\n= x".into(), "".into()],
            env: vec!["TERM=xterm".into(), OsString::from_vec(vec![b'A', b'=', 0xff])],
            get: vec!["/scratch/out file".into()],
            streams: Streams::Terminal(24, 80),
        };
        assert_eq!(RunSpec::decode(&spec.encode()), Ok(spec));
        let spec =
            RunSpec { streams: Streams::Interactive(50, 132), ..RunSpec::decode(b"").unwrap() };
        assert_eq!(RunSpec::decode(&spec.encode()), Ok(spec));
    }

    #[test]
    fn a_bad_record_is_named() {
        for bad in ["nonsense", "key=value", "terminal=80"] {
            let error = RunSpec::decode(bad.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
    }
}
