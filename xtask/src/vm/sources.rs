//! Where this machine gets Debian packages from: its apt sources, read to reuse their mirror for
//! other releases.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// One archive of one suite.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    uri: String,
    suite: String,
    components: Vec<String>,
    keyring: Option<String>,
}

/// A Debian archive, and that of its security updates where the machine has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mirror {
    pub(crate) main: String,
    pub(crate) security: Option<String>,
    /// The file of keys that sign it; apt's own if unknown.
    pub(crate) keyring: Option<String>,
}

/// The Debian releases that a machine's sources may name.
const RELEASES: [&str; 12] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "unstable",
    "testing",
    "stable",
    "oldstable",
    "oldoldstable",
    "oldoldoldstable",
];

/// The Debian mirror of this machine, if its sources name one.
pub(crate) fn of_this_machine(etc_apt: &Path) -> Result<Option<Mirror>> {
    let mut sources = Vec::new();
    let mut files = vec![etc_apt.join("sources.list")];
    if let Ok(entries) = fs::read_dir(etc_apt.join("sources.list.d")) {
        for entry in entries {
            files.push(entry.context("cannot list apt's sources")?.path());
        }
    }
    files.sort();
    for file in files {
        let parse = match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => parse_list,
            Some("sources") => parse_deb822,
            _ => continue,
        };
        // The main file need not exist, and others may be for root's eyes only.
        if let Ok(text) = fs::read_to_string(&file) {
            sources.extend(parse(&text));
        }
    }
    Ok(choose(&sources))
}

fn choose(sources: &[Source]) -> Option<Mirror> {
    let main = |source: &&Source| source.components.iter().any(|component| component == "main");
    let base = sources
        .iter()
        .filter(main)
        .filter(|source| RELEASES.contains(&source.suite.as_str()))
        .min_by_key(|source| strangeness(&source.uri))?;
    let security = sources.iter().filter(main).find(|source| {
        RELEASES.iter().any(|release| {
            source.suite == format!("{release}-security")
                || source.suite == format!("{release}/updates")
        })
    });
    Some(Mirror {
        main: base.uri.clone(),
        security: security.map(|source| source.uri.clone()),
        keyring: base.keyring.clone(),
    })
}

/// Other publishers use Debian's suite names too; Debian's own archive is called "debian".
fn strangeness(uri: &str) -> u8 {
    match uri.trim_end_matches('/').rsplit('/').next() {
        Some("debian") => 0,
        Some(name) if name.contains("debian") => 1,
        _ => 2,
    }
}

/// The one-line format: `deb [options] uri suite component…`.
fn parse_list(text: &str) -> Vec<Source> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?;
    // Not "deb-src".
    let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    let uri = words.next()?;
    let suite = words.next()?;
    let keyring =
        options.split_whitespace().find_map(|option| option.strip_prefix("signed-by=")).map(first);
    Some(Source { uri, suite, components: words.collect(), keyring: keyring.flatten() })
}

/// The format of stanzas of `Field: values`.
fn parse_deb822(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for stanza in lines.split(|line| line.trim().is_empty()) {
        let field = |name: &str| field(stanza, name);
        let is_deb = field("types").split_whitespace().any(|kind| kind == "deb");
        if !is_deb || field("enabled").trim().eq_ignore_ascii_case("no") {
            continue;
        }
        let Some(uri) = field("uris").split_whitespace().next().map(str::to_owned) else {
            continue;
        };
        for suite in field("suites").split_whitespace() {
            sources.push(Source {
                uri: uri.clone(),
                suite: suite.to_owned(),
                components: field("components").split_whitespace().map(str::to_owned).collect(),
                keyring: first(&field("signed-by")),
            });
        }
    }
    sources
}

/// The value of a field, its continuation lines joined.
fn field(stanza: &[&str], name: &str) -> String {
    let mut value = String::new();
    let mut inside = false;
    for line in stanza {
        if line.starts_with([' ', '\t']) {
            if inside {
                value.push(' ');
                value.push_str(line.trim());
            }
            continue;
        }
        inside = false;
        if let Some((key, rest)) = line.split_once(':')
            && key.trim().eq_ignore_ascii_case(name)
        {
            inside = true;
            value.push_str(rest.trim());
        }
    }
    value
}

/// The first of several key files; keys written into the sources themselves are no file.
fn first(keyrings: &str) -> Option<String> {
    let keyring = keyrings.split([',', ' ']).next()?;
    keyring.starts_with('/').then(|| keyring.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
# deb http://old.example/debian bookworm main
deb-src http://src.example/debian bookworm main
deb [arch=amd64 signed-by=/keys/vendor.gpg] https://vendor.example/apt bookworm main
deb http://mirror.example/debian bookworm main contrib # ours
deb http://mirror.example/debian bookworm-updates main
deb [ trusted=yes ] http://mirror.example/debian-security bookworm-security main
";

    const DEB822: &str = "\
# a comment
Types: deb deb-src
URIs: http://mirror.example/debian/
 http://second.example/debian
Suites: trixie trixie-updates
Components: main
 contrib
Signed-By: /keys/debian.gpg

Types: deb
URIs: http://off.example/debian
Suites: trixie-security
Components: main
Enabled: no

Types: deb-src
URIs: http://src.example/debian
Suites: trixie
Components: main
";

    #[test]
    fn one_line_sources_are_read() {
        let mirror = choose(&parse_list(LIST)).unwrap();
        assert_eq!(mirror.main, "http://mirror.example/debian");
        assert_eq!(mirror.security.as_deref(), Some("http://mirror.example/debian-security"));
        assert_eq!(mirror.keyring, None);
    }

    #[test]
    fn stanzas_are_read() {
        let sources = parse_deb822(DEB822);
        assert_eq!(sources.len(), 2, "{sources:?}");
        assert_eq!(sources[0].components, ["main", "contrib"]);
        let mirror = choose(&sources).unwrap();
        assert_eq!(mirror.main, "http://mirror.example/debian/");
        assert_eq!(mirror.security, None);
        assert_eq!(mirror.keyring.as_deref(), Some("/keys/debian.gpg"));
    }

    #[test]
    fn other_publishers_are_no_mirror() {
        let list = "deb https://vendor.example/debian bookworm stable\n\
                    deb https://vendor.example/apt nodistro main\n\
                    deb http://mirror.example/ubuntu noble main\n";
        assert_eq!(choose(&parse_list(list)), None);
    }

    #[test]
    fn keys_inside_the_sources_are_no_file() {
        assert_eq!(first("-----BEGIN PGP PUBLIC KEY BLOCK-----"), None);
        assert_eq!(first("/a.gpg,/b.gpg").as_deref(), Some("/a.gpg"));
    }
}
