//! Pages of made-up reports, read by another parser.

use quick_xml::{Reader, XmlVersion, events::Event};

use super::*;
use crate::{
    claims::{Circumstances, Fact, Verdict},
    expect::{Quantity, Side},
    learn::{LABS, Lang},
    network::Path,
    result::{
        LabReport, Outcome,
        audit::{AuditLine, AuditReport, BySide},
        claims::{ClaimReport, ClaimsReport, PartReport},
        learn as learn_result,
        picture::tests::{all, assert_in, only, run},
        trace::{TraceReport, tests::full},
        transfer::TransferReport,
    },
    transfer::{STYLES, known, style},
};

const HOSTILE: &str = "<script>alert(1)</script>\"'&</title></svg>\u{1b}[2J\u{202e}x";

/// An element and its attributes.
type Element = (String, Vec<(String, String)>);

/// The elements of a page and its texts. A page is well-formed but for its void elements.
fn read(page: &str) -> (Vec<Element>, Vec<String>) {
    let (mut elements, mut texts, mut open, mut text) = (vec![], vec![], vec![], String::new());
    let mut reader = Reader::from_str(page);
    reader.config_mut().check_end_names = false;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => {
                let name = String::from_utf8(tag.name().as_ref().to_vec()).unwrap();
                let attributes = tag.attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    let key = String::from_utf8(attribute.key.as_ref().to_vec()).unwrap();
                    (key, attribute.normalized_value(XmlVersion::Implicit1_0).unwrap().into_owned())
                });
                elements.push((name.clone(), attributes.collect()));
                if name != "meta" {
                    open.push(name);
                }
            }
            Event::End(tag) => {
                let name = String::from_utf8(tag.name().as_ref().to_vec()).unwrap();
                assert_eq!(open.pop(), Some(name), "{open:?}");
                texts.push(std::mem::take(&mut text));
            }
            Event::Text(words) => text.push_str(&words.decode().unwrap()),
            Event::GeneralRef(entity) => {
                let name = String::from_utf8(entity.to_vec()).unwrap();
                text.push_str(quick_xml::escape::resolve_predefined_entity(&name).unwrap());
            }
            Event::DocType(_) => {}
            Event::Eof => return (elements, texts),
            other => panic!("{other:?}"),
        }
    }
}

fn attribute<'a>((_, attributes): &'a Element, name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}

/// Every number of the page that says where it comes from is there, and that is the number.
#[track_caller]
fn assert_numbers(page: &str, report: &impl serde::Serialize, least: usize) {
    // As a reader has it.
    let json = serde_json::to_string(report).unwrap();
    let json = serde_json::from_str(&json).unwrap();
    let (elements, _) = read(page);
    let mut count = 0;
    for element in &elements {
        let Some(pointer) = attribute(element, "data-json") else { continue };
        assert_in(&json, pointer, attribute(element, "data-value").unwrap());
        count += 1;
    }
    assert!(count >= least, "{count}");
}

fn lab_page(report: &LabReport) -> String {
    lab(report, "zc lab --html 'a b.html'")
}

#[test]
fn the_page_of_every_style_says_where_its_numbers_come_from_and_is_small() {
    let report = all();
    let page = lab_page(&report);
    assert_numbers(&page, &report, 380);
    assert!(page.len() < 280_000, "{} bytes", page.len());
}

#[test]
fn a_page_loads_and_runs_nothing() {
    for page in [lab_page(&all()), trace(&full(), "zc trace")] {
        let (elements, _) = read(&page);
        let policy = "default-src 'none'; style-src 'unsafe-inline'";
        assert!(elements.iter().any(|e| attribute(e, "content") == Some(policy)));
        assert_eq!(attribute(&elements[0], "lang"), Some("en"));
        for element in &elements {
            assert!(!["script", "img", "link", "iframe"].contains(&&*element.0), "{element:?}");
            for (key, value) in &element.1 {
                assert!(!key.starts_with("on") && key != "src", "{element:?}");
                assert!(key != "href" || value.starts_with('#'), "{element:?}");
            }
        }
        assert!(!page.contains("url(") && !page.contains("@import"));
    }
}

#[test]
fn pictures_tables_and_boxes_that_scroll_have_names() {
    let page = lab_page(&all());
    let (elements, _) = read(&page);
    let id = |name: &str| elements.iter().filter(|e| attribute(e, "id") == Some(name)).count();
    let mut levels = vec![];
    for element in &elements {
        match element.0.as_str() {
            "svg" if attribute(element, "role") == Some("img") => {
                let names = attribute(element, "aria-labelledby").unwrap();
                assert!(names.split(' ').all(|name| id(name) == 1), "{names}");
            }
            "svg" => assert_eq!(attribute(element, "aria-hidden"), Some("true")),
            "th" => assert!(attribute(element, "scope").is_some()),
            "h1" | "h2" | "h3" => levels.push(element.0[1..].parse::<u8>().unwrap()),
            _ => {}
        }
        if attribute(element, "class") == Some("scroll") {
            assert_eq!(attribute(element, "tabindex"), Some("0"));
            assert!(attribute(element, "aria-label").is_some());
        }
    }
    assert_eq!(levels[0], 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
}

#[test]
fn what_was_not_observed_is_shown_as_that() {
    let mut run = run(style("read-send").unwrap());
    run.sender.copied.kernel_to_user = None;
    run.sender.copies_per_byte.kernel_to_user = None;
    run.sender.mode_switches = None;
    run.sender.mode_switches_per_mib = None;
    let line = run.sender.lines.iter_mut().find(|l| l.quantity.name() == "kernel_to_user");
    let line = line.unwrap();
    (line.measured, line.reason) = (None, Some("the kernel refused <it>".into()));
    let report = only("read-send", run);
    let page = lab_page(&report);
    assert_numbers(&page, &report, 15);
    let (elements, texts) = read(&page);
    let empty = |pointer: &str| {
        elements.iter().any(|e| {
            attribute(e, "data-json") == Some(pointer) && attribute(e, "data-value") == Some("")
        })
    };
    assert!(empty("/styles/0/sender/copied/kernel_to_user"));
    assert!(empty("/styles/0/sender/copies_per_byte/kernel_to_user"));
    assert!(empty("/styles/0/sender/mode_switches_per_mib"));
    assert!(texts.iter().any(|text| text.contains("not observed: the kernel refused <it>")));
    assert!(elements.iter().any(|e| attribute(e, "class") == Some("arrow unseen")));
}

fn hostile() -> TraceReport {
    let mut report = full();
    report.run.target = format!("command {HOSTILE}");
    report.processes[0].name = HOSTILE.into();
    report.flows[0].call = HOSTILE.into();
    report.completeness.problems = vec![HOSTILE.into()];
    report.completeness.unmetered = vec![HOSTILE.into()];
    report.complete = false;
    report
}

#[test]
fn what_a_process_chose_stays_text() {
    let report = hostile();
    let page = trace(&report, &format!("zc trace -- '{HOSTILE}'"));
    assert_numbers(&page, &report, 8);
    let (elements, texts) = read(&page);
    assert!(!elements.iter().any(|(name, _)| name == "script"), "{elements:?}");
    let shown = "<script>alert(1)</script>\"'&</title></svg>\\u{1b}[2J\\u{202e}x";
    let times = texts.iter().filter(|text| text.contains(shown)).count();
    assert!(times >= 6, "{times}: {texts:?}");
    assert!(!page.contains(['\u{1b}', '\u{202e}']));
    assert!(elements.iter().all(|(_, attributes)| {
        attributes.iter().all(|(key, _)| !key.contains("alert") && !key.contains("script"))
    }));
}

#[test]
fn a_style_that_could_not_run_says_why_and_has_no_picture() {
    let page = lab_page(&all());
    let (elements, texts) = read(&page);
    assert!(texts.iter().any(|text| text.starts_with("Not supported here: EOPNOTSUPP")));
    let pictures = elements.iter().filter_map(|e| attribute(e, "id")?.strip_suffix("-picture-t"));
    let reflink = STYLES.iter().position(|style| style.name == "reflink").unwrap();
    let (drawn, missing): (Vec<_>, _) = (pictures.collect(), format!("styles-{reflink}"));
    assert_eq!(drawn.len(), STYLES.len() - 1);
    assert!(!drawn.contains(&&*missing));
}

#[test]
fn architectures_have_pictures_and_say_where_their_numbers_come_from() {
    let mut report = all();
    report.plan.network.path = Path::Nic;
    let sendfile = report.styles.into_iter().find(|style| style.style == "sendfile").unwrap();
    let Outcome::Measured(run) = &sendfile.outcome else { panic!("measured") };
    let one = crate::result::architectures::ArchitectureReport {
        name: "full zero copy",
        textbook: "no CPU copy",
        network: report.plan.network,
        sender: crate::result::architectures::way(run),
        problems: vec!["lost".into()],
        style: sendfile,
    };
    let report = crate::result::architectures::ArchitecturesReport {
        origin: report.origin,
        complete: false,
        verdict: report.verdict,
        size_bytes: 1,
        chunk_bytes: 1,
        architectures: vec![one],
    };
    let page = architectures(&report, "zc lab architectures");
    assert_numbers(&page, &report, 10);
    assert!(page.contains("data-json=\"/architectures/0/style/sender/network_bytes\""));
    assert!(page.contains("architectures-0-style-picture-t"));
}

#[test]
fn an_audit_stands_beside_what_it_checks() {
    let mut report = only("read-send", run(style("read-send").unwrap()));
    let line = AuditLine {
        side: Side::Sender,
        quantity: Quantity::UserToKernel,
        site_bytes: Some(70_001),
        leaf_bytes: None,
        user_bytes: Some(70_003),
        verdict: crate::expect::Verdict::NotObserved,
        reason: Some("no register is free".into()),
    };
    report.styles[0].audit = Some(AuditReport {
        verdict: line.verdict,
        lines: vec![line],
        control_bytes: BySide { sender: None, receiver: None },
        leaves: Vec::new(),
        losses: Vec::new(),
    });
    let page = lab_page(&report);
    let (_, texts) = read(&page);
    for text in ["70001", "70003", "not observed: no register is free"] {
        assert!(texts.iter().any(|t| t == text), "{text}");
    }
}

fn transfer(style: &'static str) -> TransferReport {
    let how = Circumstances::Nic;
    TransferReport::new(style, how, &run(known(style).unwrap()), &[])
}

fn lesson(outcome: learn_result::Outcome, reason: Option<&str>) -> learn_result::LessonReport {
    let page = LABS[7].page(Lang::Zh).unwrap();
    learn_result::LessonReport {
        lab: LABS[7].name,
        row: LABS[7].row,
        title: page.title,
        explanation: page.explanation,
        question: page.question,
        unit: page.unit,
        predicted: 4,
        outcome,
        measured: reason.is_none().then(|| 2_u64.into()),
        facts: Vec::new(),
        why: None,
        reason: reason.map(str::to_owned),
        transfers: vec![transfer("read-send"), transfer("sendfile")],
        variation: page.variation,
        attempt: page.attempt,
    }
}

#[test]
fn a_page_for_learners_is_in_their_language_and_shows_prediction_and_measurement() {
    let origin = all().origin;
    let outcomes =
        [(learn_result::Outcome::Wrong, None), (learn_result::Outcome::Lost, Some(HOSTILE))];
    let report = learn_result::LearnReport {
        origin,
        lang: Lang::Zh,
        complete: false,
        problems: vec![HOSTILE.into()],
        labs: outcomes.map(|(outcome, reason)| lesson(outcome, reason)).into(),
    };
    let page = learn(&report, "zc learn T8");
    assert_numbers(&page, &report, 30);
    let (elements, texts) = read(&page);
    assert_eq!(attribute(&elements[0], "lang"), Some("zh-Hans"));
    let at = |pointer: &str, value: &str| {
        let is = |e: &&Element| attribute(e, "data-json") == Some(pointer);
        let found = elements.iter().find(is).and_then(|e| attribute(e, "data-value"));
        assert_eq!(found, Some(value), "{pointer}");
    };
    at("/labs/0/predicted", "4");
    at("/labs/0/measured", "2");
    at("/labs/1/measured", "");
    assert!(!elements.iter().any(|(name, _)| name == "script"), "{elements:?}");
    // What has no Chinese: names of calls, styles and kernels, and what others said.
    let english =
        ["not observed", "Summary", "copies", "The way", "sender", "How to", "prediction"];
    for word in english {
        let found = texts.iter().find(|text| text.contains(word));
        assert_eq!(found, None, "{word}");
    }
}

#[test]
fn a_page_of_claims_draws_the_transfers_that_decided_them() {
    let fact = Fact { what: HOSTILE.into(), measured: 7 };
    let part = |verdict, reason: Option<&str>| PartReport {
        says: "each byte is copied",
        verdict,
        facts: vec![fact.clone()],
        reason: reason.map(str::to_owned),
    };
    let claim = ClaimReport {
        id: "9",
        says: "it",
        who: "folklore",
        verdict: Verdict::Refuted,
        parts: vec![part(Verdict::Refuted, None), part(Verdict::NotObservable, Some(HOSTILE))],
    };
    let report = ClaimsReport {
        origin: all().origin,
        complete: true,
        problems: Vec::new(),
        size_bytes: 1 << 20,
        chunk_bytes: 1 << 16,
        claims: vec![claim],
        transfers: vec![transfer("tee"), transfer("three-ways")],
    };
    let page = claims(&report, "zc claims 9");
    assert_numbers(&page, &report, 15);
    let (elements, texts) = read(&page);
    assert!(!elements.iter().any(|(name, _)| name == "script"), "{elements:?}");
    assert!(["refuted", "not observable"].iter().all(|verdict| texts.iter().any(|t| t == verdict)));
    assert!(page.contains("id=\"transfer-0-t\""));
    assert!(!page.contains("id=\"transfer-1-t\""), "no byte goes anywhere");
}
