//! A report as a page, read by somebody else: which numbers it shows, and where it says that they are.

use serde_json::Value;

/// An attribute's text, as HTML means it.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    let plain = [("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    Some(plain.iter().fold(value.to_owned(), |text, (from, to)| text.replace(from, to)))
}

/// Each number that a page shows in a picture or a bar is the one at its place in `report`, and what is
/// not there is shown without one. How many there are.
#[track_caller]
pub(crate) fn same_numbers(page: &str, report: &Value) -> usize {
    let tags = page.split('<').filter_map(|tag| tag.split_once('>')).map(|(tag, _)| tag);
    let mut count = 0;
    for tag in tags {
        let Some(pointer) = attribute(tag, "data-json") else { continue };
        let shown = attribute(tag, "data-value").expect("a number has its value");
        let counted = report.pointer(&pointer);
        let same = match counted {
            None => shown.is_empty(),
            Some(number) => serde_json::from_str::<Value>(&shown).is_ok_and(|it| it == *number),
        };
        assert!(same, "{pointer}: {shown:?} in the page, {counted:?} in the report");
        count += 1;
    }
    count
}
