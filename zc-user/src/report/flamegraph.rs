//! Copied bytes by their way through the kernel, as a picture: a flame graph in SVG, without scripts.

use std::collections::BTreeMap;

use svg::{
    Document, Node as _,
    node::element::{Group, Rectangle, Text, Title},
};

use super::text::{bytes, harmless};
use crate::{
    probes::catalogue::Direction,
    stacks::{Node, PathTree},
};

/// Of the picture, in pixels.
const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 10.0;
const ROW: f64 = 18.0;
const HEAD: f64 = 64.0;
/// What a character takes, at most, of the font that most viewers have.
const CHARACTER: f64 = 7.0;

const FONT: &str = "font-family:monospace;font-size:11px";

/// The picture: the wider a box, the more bytes were copied in that function and those that it called,
/// which stand on top of it. Its colour says which way they were copied.
pub fn svg(paths: &PathTree, title: &str) -> String {
    let root = paths.root();
    let rows = depth(root).saturating_sub(1);
    let height = HEAD + f64::from(rows) * ROW + 2.0 * MARGIN;
    let mut document = Document::new()
        .set("width", WIDTH)
        .set("height", height)
        .set("viewBox", (0.0, 0.0, WIDTH, height))
        .set("style", FONT)
        .add(Title::new(plain(title)))
        .add(Rectangle::new().set("width", "100%").set("height", "100%").set("fill", "#ffffff"))
        .add(words(plain(title), MARGIN, 20.0).set("style", "font-size:15px"));
    legend(&mut document, root);
    let total = root.total();
    let picture = Picture { total, height };
    let mut x = MARGIN;
    for child in &root.children {
        picture.draw(&mut document, child, x, 0);
        x += picture.width(child);
    }
    format!("{document}\n")
}

/// Lengths are of functions on a stack: small.
fn depth(node: &Node) -> u16 {
    1 + node.children.iter().map(depth).max().unwrap_or(0)
}

struct Picture {
    /// Bytes of all.
    total: u64,
    height: f64,
}

impl Picture {
    #[expect(clippy::cast_precision_loss, reason = "a share for people; the tooltip has the bytes")]
    fn share(&self, node: &Node) -> f64 {
        node.total() as f64 / self.total as f64
    }

    fn width(&self, node: &Node) -> f64 {
        self.share(node) * (WIDTH - 2.0 * MARGIN)
    }

    /// A box for `node`, `row` rows from the bottom, and those of what it called on top.
    fn draw(&self, document: &mut Document, node: &Node, x: f64, row: u16) {
        let width = self.width(node);
        let y = self.height - MARGIN - f64::from(row + 1) * ROW;
        let name = plain(&node.frame);
        let tip = format!(
            "{name}: {} bytes ({}), {:.2} % of all{}",
            node.total(),
            bytes(node.total()),
            100.0 * self.share(node),
            ways(&node.bytes),
        );
        let mut group = Group::new().add(Title::new(tip)).add(
            Rectangle::new()
                .set("x", round(x))
                .set("y", round(y))
                .set("width", round(width))
                .set("height", ROW - 1.0)
                .set("rx", 2)
                .set("fill", colour(&node.bytes)),
        );
        if let Some(label) = label(&name, width) {
            group.append(words(label, x + 3.0, y + ROW - 6.0));
        }
        document.append(group);
        let mut x = x;
        for child in &node.children {
            self.draw(document, child, x, row + 1);
            x += self.width(child);
        }
    }
}

/// A hundredth of a pixel is enough.
fn round(pixels: f64) -> f64 {
    (pixels * 100.0).round() / 100.0
}

fn words(text: impl Into<String>, x: f64, y: f64) -> Text {
    Text::new(text).set("x", round(x)).set("y", round(y))
}

/// As much of a name as fits into `width` pixels; nothing where that says nothing.
fn label(name: &str, width: f64) -> Option<String> {
    let fits = |characters: usize| {
        let characters = u32::try_from(characters).unwrap_or(u32::MAX);
        f64::from(characters) * CHARACTER + 6.0 <= width
    };
    let length = name.chars().count();
    if fits(length) {
        return Some(name.to_owned());
    }
    let shown = (3..length).rev().find(|shown| fits(shown + 1))?;
    Some(name.chars().take(shown).chain(['…']).collect())
}

/// What the colours mean, and how much of each there is.
fn legend(document: &mut Document, root: &Node) {
    let mut x = MARGIN;
    for (direction, copied) in &root.bytes {
        let text = format!("{}: {}", name(*direction), bytes(*copied));
        let key = Rectangle::new()
            .set("x", round(x))
            .set("y", 34)
            .set("width", 12)
            .set("height", 12)
            .set("fill", colour(&BTreeMap::from([(*direction, *copied)])));
        document.append(key);
        document.append(words(text, x + 18.0, 44.0));
        x += 260.0;
    }
    if root.bytes.is_empty() {
        document.append(words("nothing was copied", x, 44.0));
    }
}

fn ways(copied: &BTreeMap<Direction, u64>) -> String {
    copied.iter().map(|(way, copied)| format!("; {}: {copied} bytes", name(*way))).collect()
}

fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::UserToKernel => "user to kernel",
        Direction::KernelToUser => "kernel to user",
        Direction::KernelToKernel => "in the kernel",
    }
}

/// One for each direction; grey where there are several.
fn colour(copied: &BTreeMap<Direction, u64>) -> &'static str {
    let mut directions = copied.keys();
    match (directions.next(), directions.next()) {
        (Some(Direction::UserToKernel), None) => "#f2a65a",
        (Some(Direction::KernelToUser), None) => "#7fb3d5",
        (Some(Direction::KernelToKernel), None) => "#d98880",
        _ => "#d5d8dc",
    }
}

/// Text that XML can hold: what is no character there, or would act on a terminal, is escaped. The
/// markup is the library's affair.
fn plain(text: &str) -> String {
    harmless(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use quick_xml::{Reader, events::Event};

    use super::*;
    use crate::stacks::{CopyPath, tests::path};
    use Direction::{KernelToUser, UserToKernel};

    /// The elements of a document and its texts, read by another parser, which refuses what is not
    /// well-formed.
    fn read(document: &str) -> (Vec<String>, Vec<String>) {
        let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
        assert!(document.chars().all(allowed), "{document}");
        let mut reader = Reader::from_str(document);
        let (mut elements, mut texts, mut text) = (Vec::new(), Vec::new(), String::new());
        let name = |name: &[u8]| String::from_utf8(name.to_vec()).unwrap();
        loop {
            match reader.read_event().unwrap() {
                Event::Start(tag) | Event::Empty(tag) => {
                    tag.attributes().for_each(|attribute| drop(attribute.unwrap()));
                    elements.push(name(tag.name().as_ref()));
                }
                Event::Text(words) => text.push_str(&words.decode().unwrap()),
                Event::GeneralRef(entity) => {
                    let named = name(&entity);
                    text.push_str(quick_xml::escape::resolve_predefined_entity(&named).unwrap());
                }
                Event::End(_) => texts.push(std::mem::take(&mut text).trim().to_owned()),
                Event::Eof => return (elements, texts),
                other => panic!("{other:?}"),
            }
        }
    }

    fn picture(paths: &[CopyPath]) -> String {
        svg(&PathTree::of(paths), "title")
    }

    #[test]
    fn every_function_has_a_box_and_a_tooltip() {
        let document = picture(&[
            path(KernelToUser, 750, "enter;filemap_read"),
            path(UserToKernel, 250, "enter;tcp_sendmsg_locked"),
        ]);
        let (elements, texts) = read(&document);
        assert_eq!(elements[0], "svg");
        assert_eq!(elements.iter().filter(|name| *name == "g").count(), 3);
        assert!(
            elements.iter().all(|name| ["svg", "title", "rect", "text", "g"].contains(&&**name))
        );
        for tip in [
            "enter: 1000 bytes (1000 B), 100.00 % of all; user to kernel: 250 bytes; kernel to user: 750 bytes",
            "filemap_read: 750 bytes (750 B), 75.00 % of all; kernel to user: 750 bytes",
            "tcp_sendmsg_locked: 250 bytes (250 B), 25.00 % of all; user to kernel: 250 bytes",
        ] {
            assert!(texts.iter().any(|text| text == tip), "{tip}: {texts:?}");
        }
        assert!(texts.iter().any(|text| text == "filemap_read"), "{texts:?}");
        assert!(document.contains(r#"width="885""#), "three quarters of 1180 pixels: {document}");
    }

    #[test]
    fn a_hostile_name_stays_text() {
        const NAME: &str = "</title><script>alert('1')</script>&\"\u{1b}\u{ffff}";
        let mut hostile = path(KernelToUser, 5, "enter");
        hostile.frames.push(NAME.to_owned());
        let (elements, texts) = read(&svg(&PathTree::of(&[hostile]), NAME));
        assert!(!elements.iter().any(|name| name == "script"), "{elements:?}");
        let shown = "</title><script>alert('1')</script>&\"\\u{1b}\u{fffd}";
        assert!(texts.iter().any(|text| text == shown), "{texts:?}");
    }

    #[test]
    fn nothing_copied_is_a_picture_too() {
        let (_, texts) = read(&picture(&[]));
        assert!(texts.iter().any(|text| text == "nothing was copied"), "{texts:?}");
    }

    #[test]
    fn a_name_is_cut_where_it_does_not_fit() {
        assert_eq!(label("filemap_read", 200.0).as_deref(), Some("filemap_read"));
        assert_eq!(label("filemap_read", 62.0).as_deref(), Some("filemap…"));
        assert_eq!(label("filemap_read", 20.0), None);
    }
}
