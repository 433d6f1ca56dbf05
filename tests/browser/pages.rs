//! Each kind of report.

use std::{env, fs, path::PathBuf, sync::Arc};

use serde_json::Value;

use crate::{
    audit::{Audit, Shown, audit},
    browser::{DESKTOP, Look, PHONE, print, render},
};

/// The reports that the tests in a guest left (tests/guest/pages.rs), each as HTML and as JSON.
const PAGES: [&str; 6] = ["lab", "architectures", "trace", "claims", "learn", "learn-zh"];

/// A report of a full lab has to be smaller, in bytes.
const LARGEST: u64 = 500_000;

fn at(name: &str, kind: &str) -> PathBuf {
    let folder = env::var_os("ZC_REPORTS")
        .expect("ZC_REPORTS names the folder of the reports: run this by `cargo xtask test`");
    PathBuf::from(folder).join(format!("{name}.{kind}"))
}

fn page(name: &str) -> PathBuf {
    at(name, "html")
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&fs::read(at(name, "json")).unwrap()).unwrap()
}

fn audits(look: Look) -> impl Iterator<Item = (&'static str, Arc<Audit>)> {
    PAGES.into_iter().map(move |name| (name, audit(&page(name), look)))
}

#[test]
fn pages_open_without_a_word_on_the_console() {
    for name in PAGES {
        for dark in [false, true] {
            let rendered = render(&page(name), Look { dark, ..DESKTOP });
            assert_eq!(rendered.console, [""; 0], "{name}");
        }
    }
}

#[test]
fn pages_are_small_and_load_nothing() {
    for (name, audit) in audits(DESKTOP) {
        let size = fs::metadata(page(name)).unwrap().len();
        assert!(size < LARGEST, "{name}: {size} bytes");
        assert_eq!(audit.foreign, [""; 0], "{name}");
        assert_eq!(audit.broken_links, [""; 0], "{name}");
        assert_eq!(audit.scripts, 0, "{name}");
    }
}

#[test]
fn every_number_of_a_picture_is_the_jsons() {
    for (name, audit) in audits(DESKTOP) {
        let report = json(name);
        assert!(audit.pictures.iter().any(|picture| picture.arrows > 0), "{name}: no picture");
        assert!(audit.numbers.len() > 3, "{name}: {} numbers", audit.numbers.len());
        for shown in &audit.numbers {
            let measured = match report.pointer(&shown.pointer) {
                Some(Value::Number(number)) => number.as_f64(),
                Some(other) => panic!("{name}: {shown:?} is {other}"),
                None => None,
            };
            let value = (!shown.value.is_empty()).then(|| shown.value.parse::<f64>().unwrap());
            assert_eq!(value, measured, "{name}: {shown:?}");
            assert!(says(shown), "{name}: {shown:?}: what is read is another number");
        }
    }
}

/// Whether what people read is the number.
fn says(Shown { value, text, .. }: &Shown) -> bool {
    let words: Vec<_> = text.split_whitespace().collect();
    if value.is_empty() {
        return !words.is_empty() && !words.iter().any(|word| word.parse::<f64>().is_ok());
    }
    let number: f64 = value.parse().unwrap();
    let units = ["B", "KiB", "MiB", "GiB"].iter().zip([0, 10, 20, 30]);
    let in_units = units.filter_map(|(unit, power)| {
        let whole = value.parse::<u64>().ok()?;
        (whole.trailing_zeros() >= power)
            .then(|| vec![(whole >> power).to_string(), (*unit).into()])
    });
    let plain = [value.clone(), format!("{number:.0}"), format!("{number:.2}")];
    // What is rounded says so by its decimals.
    let plain = plain.into_iter().filter(|text| number.fract() != 0.0 || !text.contains('.'));
    let close = plain.filter(|text| number.fract() == 0.0 || text.contains('.'));
    let small = (number > 0.0 && number < 0.005).then(|| vec!["<0.01".to_owned()]);
    let mut forms = in_units.chain(close.map(|text| vec![text])).chain(small);
    forms.any(|form| words.windows(form.len()).any(|said| said.iter().eq(form.iter())))
}

#[test]
fn a_number_is_what_people_read() {
    let says = |value: &str, text: &str| {
        let [pointer, value, text] = ["/a", value, text].map(str::to_owned);
        says(&Shown { pointer, value, text })
    };
    assert!(says("1048576", "1 MiB") && says("1050556", "· 1050556 B") && says("1.0", "KU 1"));
    assert!(says("0.75", "0.75 copies a byte") && says("", "not observed") && says("64", "64"));
    assert!(!says("1050556", "1 MiB") && !says("1048577", "1048576 B") && !says("2.0", "KU 1"));
    assert!(!says("", "KU 0") && !says("0.75", "1 copy a byte"));
}

#[test]
fn what_an_observed_process_is_called_does_nothing() {
    let audit = audit(&page("trace"), DESKTOP);
    assert!(!audit.hacked);
    assert_eq!(audit.handlers, [""; 0]);
    let names = json("trace");
    let names = names["processes"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap());
    let hostile = names.filter(|name| name.contains('<')).count();
    assert!(hostile > 0, "the trace has a hostile process");
    let document = render(&page("trace"), DESKTOP).document;
    assert!(document.contains("&lt;img"), "its name is shown");
}

#[test]
fn text_can_be_read_in_light_and_in_dark() {
    for dark in [false, true] {
        for (name, audit) in audits(Look { dark, ..DESKTOP }) {
            assert_eq!(audit.dark, dark);
            assert!(audit.texts > 20, "{name}");
            assert_eq!(audit.pale, [""; 0], "{name}, dark: {dark}");
        }
    }
}

#[test]
fn pages_fit_a_phone() {
    for (name, audit) in audits(PHONE) {
        assert_eq!(audit.window_width, PHONE.width, "{name}");
        assert!(audit.page_width <= audit.window_width, "{name}: {} wide", audit.page_width);
        assert_eq!(audit.unreachable, [""; 0], "{name}: the keyboard has to scroll them too");
    }
}

#[test]
fn readers_of_screens_are_told_what_is_where() {
    for (name, audit) in audits(DESKTOP) {
        let lang = if name.ends_with("-zh") { "zh-Hans" } else { "en" };
        assert_eq!(audit.lang, lang, "{name}");
        assert!(!audit.title.is_empty() && audit.main == 1, "{name}");
        assert_eq!(audit.twice, [""; 0], "{name}");
        assert_eq!(audit.headings.iter().filter(|level| **level == 1).count(), 1, "{name}");
        let jumps = audit.headings.windows(2).filter(|pair| pair[1] > pair[0] + 1).count();
        assert_eq!(jumps, 0, "{name}: {:?}", audit.headings);
        for picture in &audit.pictures {
            let shown = picture.role.as_deref() == Some("img") && picture.named;
            assert!(shown && !picture.title.is_empty(), "{name}: {picture:?}");
        }
        assert!(!audit.tables.is_empty(), "{name}");
        for table in &audit.tables {
            assert!(!table.caption.is_empty() && table.heads > 0, "{name}: {table:?}");
            assert!(table.unscoped == 0 && table.rows > 0, "{name}: {table:?}");
        }
    }
}

#[test]
fn pages_can_be_printed() {
    for name in PAGES {
        assert!(print(&page(name)).starts_with(b"%PDF"), "{name}");
    }
}
