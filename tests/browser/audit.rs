//! What a script finds that looks at a page from inside.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde::Deserialize;

use crate::browser::{Look, render};

/// What it finds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audit {
    pub(crate) dark: bool,
    pub(crate) title: String,
    pub(crate) lang: String,
    pub(crate) page_width: u32,
    pub(crate) window_width: u32,
    /// Pieces of text whose contrast was computed.
    pub(crate) texts: usize,
    /// Those of less than 4.5 : 1 (WCAG 2.1, 1.4.3).
    pub(crate) pale: Vec<String>,
    pub(crate) numbers: Vec<Shown>,
    pub(crate) pictures: Vec<Picture>,
    pub(crate) tables: Vec<Table>,
    /// Their levels, in order.
    pub(crate) headings: Vec<u8>,
    /// Boxes that scroll and that the keyboard does not reach, or that have no name.
    pub(crate) unreachable: Vec<String>,
    /// Links that lead out of the page, or nowhere.
    pub(crate) broken_links: Vec<String>,
    /// Ids that two elements have.
    pub(crate) twice: Vec<String>,
    /// Elements that load something.
    pub(crate) foreign: Vec<String>,
    /// Attributes that run something.
    pub(crate) handlers: Vec<String>,
    /// Without the one that looks.
    pub(crate) scripts: usize,
    /// Whether something set what hostile names try to set.
    pub(crate) hacked: bool,
    pub(crate) main: usize,
}

/// A number of a picture or a bar, and where the JSON has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shown {
    pub(crate) pointer: String,
    pub(crate) value: String,
    pub(crate) text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Picture {
    pub(crate) role: Option<String>,
    pub(crate) named: bool,
    pub(crate) title: String,
    /// Elements with a number of the JSON.
    pub(crate) arrows: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    pub(crate) caption: String,
    pub(crate) heads: usize,
    pub(crate) unscoped: usize,
    pub(crate) rows: usize,
}

/// Looks at the page at `path`, once for all tests.
pub(crate) fn audit(path: &Path, look: Look) -> Arc<Audit> {
    static AUDITS: Mutex<BTreeMap<(PathBuf, Look), Arc<Audit>>> = Mutex::new(BTreeMap::new());
    let mut audits = AUDITS.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (path.to_owned(), look);
    Arc::clone(audits.entry(key).or_insert_with(|| Arc::new(look_at(path, look))))
}

fn look_at(path: &Path, look: Look) -> Audit {
    let page = fs::read_to_string(path).unwrap();
    // The page itself lets no script run.
    let policy = "http-equiv=\"Content-Security-Policy\"";
    assert!(page.contains(policy), "the page has a policy");
    let page = page.replace(policy, "name=\"policy\"");
    let script = format!("<script>{}</script></body>", include_str!("audit.js"));
    let (before, after) = page.rsplit_once("</body>").unwrap();
    let mut copy = tempfile::Builder::new().suffix(".html").tempfile().unwrap();
    write!(copy, "{before}{script}{after}").unwrap();
    let rendered = render(copy.path(), look);
    assert_eq!(rendered.console, [""; 0]);
    let document = rendered.document;
    let (_, found) = document.split_once("<pre id=\"zc-audit\">").expect("the script ran");
    let (found, _) = found.split_once("</pre>").unwrap();
    let found = found.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&found).unwrap()
}
