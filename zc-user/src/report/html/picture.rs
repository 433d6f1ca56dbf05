//! Pictures of stations and arrows, as SVG within a page.
//!
//! An arrow's length says nothing, its width how many bytes. Who moved them is told in three ways: by its
//! colour, by how its line is drawn, and in words.

use maud::{Markup, html};

use self::layout::{Align, Layout, Route};
use super::{Words, scrolling};
use crate::{
    probes::catalogue::Direction,
    report::text::{exact_bytes, harmless, ratio},
    result::picture::{Arrow, Figure, Mover, Note, Picture, Shape, Station, Value},
};

mod flows;
mod layout;
mod way;

/// Of the widest arrow and of the narrowest that stands for any byte, in pixels.
const WIDEST: f64 = 13.0;
const NARROWEST: f64 = 2.5;

/// A picture with its caption: `title` says of what, `id` is its own in the page.
pub fn picture(picture: &Picture, id: &str, title: &str, words: &Words) -> Markup {
    let layout = match picture.shape {
        Shape::Way => way::layout(picture, words),
        Shape::Flows => flows::layout(picture, words),
    };
    let drawing = svg(picture, &layout, id, title, words);
    html! {
        figure.picture {
            (scrolling(title, words, &drawing))
            figcaption {
                @let notes = notes(picture, words);
                @if !notes.is_empty() { ul.notes { @for note in notes { li { (note) } } } }
                details {
                    summary { (words.in_words) }
                    ol { @for arrow in &picture.arrows { li { (sentence(picture, arrow, words)) } } }
                }
                @if picture.smaller > 0 { p { ((words.smaller)(picture.smaller)) } }
            }
        }
    }
}

fn svg(picture: &Picture, layout: &Layout, id: &str, title: &str, words: &Words) -> Markup {
    let (width, height) = (layout.width, layout.height);
    let most = picture.most_bytes();
    html! {
        svg role="img" aria-labelledby={ (id) "-t " (id) "-d" } width=(width) height=(height)
            viewBox={ "0 0 " (width) " " (height) } {
            title id={ (id) "-t" } { (title) }
            desc id={ (id) "-d" } {
                @for arrow in &picture.arrows { (ends(picture, arrow, words)) ": " ((words.mover)(arrow.mover)) ". " }
            }
            @for band in &layout.bands {
                rect.band x=(px(band.x)) y=(px(band.y)) width=(px(band.width)) height=(px(band.height)) rx="8" {}
                text.band x=(px(band.x + 10.0)) y=(px(band.y + 16.0)) { (band.name) }
            }
            @for (arrow, route) in picture.arrows.iter().zip(&layout.routes) {
                (line(arrow, route, most))
            }
            @for (station, place) in &layout.boxes {
                rect.station x=(px(place.x)) y=(px(place.y)) width=(px(place.width)) height=(px(place.height)) rx="6" {}
                text.station x=(px(place.x + place.width / 2.0)) y=(px(place.y + place.height / 2.0 + 4.5)) {
                    (name(station, words))
                }
            }
            @for (arrow, route) in picture.arrows.iter().zip(&layout.routes) {
                (label(arrow, route, words))
            }
        }
    }
}

fn name(station: &Station, words: &Words) -> String {
    harmless((words.place)(station.place))
}

/// A tenth of a pixel is enough.
fn px(pixels: f64) -> f64 {
    (pixels * 10.0).round() / 10.0
}

/// Its class in the style sheet.
fn class(arrow: &Arrow) -> &'static str {
    match arrow.mover {
        _ if !arrow.is_observed() => "unseen",
        _ if arrow.is_idle() => "idle",
        Mover::Cpu(Direction::KernelToUser) => "cpu ku",
        Mover::Cpu(Direction::UserToKernel) => "cpu uk",
        Mover::Cpu(Direction::KernelToKernel) => "cpu kk",
        Mover::Dma => "dma",
        Mover::Reference => "ref",
        Mover::Unknown => "unseen",
    }
}

#[expect(clippy::cast_precision_loss, reason = "a width on a screen")]
fn thickness(arrow: &Arrow, most: u64) -> f64 {
    match arrow.bytes.as_ref().and_then(Figure::whole) {
        Some(bytes) if bytes > 0 && most > 0 && arrow.is_observed() => {
            NARROWEST + (WIDEST - NARROWEST) * bytes as f64 / most as f64
        }
        _ => 2.0,
    }
}

/// The line and its head. What was handed on is a tube: an outline around nothing.
fn line(arrow: &Arrow, route: &Route, most: u64) -> Markup {
    let width = thickness(arrow, most);
    let ([x1, y1], [x2, y2]) = (route.from, route.to);
    let length = (x2 - x1).hypot(y2 - y1).max(1.0);
    let (dx, dy) = ((x2 - x1) / length, (y2 - y1) / length);
    let (head, half) = (8.0 + width * 0.8, 4.5 + width * 0.75);
    let (bx, by) = (x2 - dx * head, y2 - dy * head);
    let points = [[x2, y2], [bx - dy * half, by + dx * half], [bx + dy * half, by - dx * half]];
    let points = points.map(|[x, y]| format!("{},{}", px(x), px(y))).join(" ");
    html! {
        g class={ "arrow " (class(arrow)) } {
            line x1=(px(x1)) y1=(px(y1)) x2=(px(bx)) y2=(px(by)) stroke-width=(px(width)) {}
            @if class(arrow) == "ref" {
                line.hollow x1=(px(x1)) y1=(px(y1)) x2=(px(bx)) y2=(px(by)) stroke-width=(px((width - 3.0).max(1.0))) {}
            }
            polygon points=(points) {}
        }
    }
}

/// What stands at an arrow: who, how many bytes, how often each was copied.
fn label(arrow: &Arrow, route: &Route, words: &Words) -> Markup {
    let (x, y) = (route.label[0], route.label[1]);
    let anchor = match route.align {
        Align::Middle => "l",
        Align::Start => "l start",
        Align::End => "l end",
    };
    let step = 14.0;
    let lines = lines(arrow, words);
    html! {
        text class=(anchor) x=(px(x)) y=(px(y)) {
            @for (at, line) in lines.iter().enumerate() {
                @let gap = if at == 0 { 0.0 } else if at == 1 { route.gap } else { step };
                tspan class=[(at == 0).then_some("who")] x=(px(x)) dy=[(at > 0).then_some(px(gap))]
                    data-json=[line.figure.map(|figure| &figure.pointer)]
                    data-value=[line.figure.map(raw)] { (line.text) }
                @if let Some((text, figure)) = &line.more {
                    tspan data-json=(figure.pointer) data-value=(raw(figure)) { " · " (text) }
                }
            }
        }
    }
}

/// A line of a label.
struct Line<'a> {
    text: String,
    figure: Option<&'a Figure>,
    more: Option<(String, &'a Figure)>,
}

/// As JSON has it; nothing for what was not observed.
fn raw(figure: &Figure) -> String {
    figure.value.map_or_else(String::new, |value| value.to_string())
}

fn lines<'a>(arrow: &'a Arrow, words: &Words) -> Vec<Line<'a>> {
    let word = (words.mover)(arrow.mover);
    let who = match &arrow.call {
        Some(call) if arrow.mover == Mover::Unknown => short(&harmless(call)),
        Some(call) => format!("{} · {word}", short(&harmless(call))),
        None => word.to_owned(),
    };
    let text = |text: String, figure| Line { text, figure, more: None };
    let mut lines = vec![text(who, None)];
    let amount = |figure: &Figure| match figure.whole() {
        Some(number) => exact_bytes(number),
        None => words.not_observed.to_owned(),
    };
    let copies = arrow.copies.as_ref().map(|figure| (copies(figure, words), figure));
    match (&arrow.bytes, copies) {
        // Where no byte was seen, there is nothing to be copied either.
        (Some(figure), _) if figure.value.is_none() => {
            lines.push(text(amount(figure), Some(figure)));
        }
        (Some(figure), more) => {
            let mut line = text(amount(figure), Some(figure));
            if arrow.call.is_some() {
                line.more = more;
                lines.push(line);
            } else {
                lines.push(line);
                lines.extend(more.map(|(words, figure)| text(words, Some(figure))));
            }
        }
        (None, _) => lines.push(text(words.not_observed.to_owned(), None)),
    }
    lines
}

/// As much of a name as fits.
fn short(name: &str) -> String {
    const MOST: usize = 16;
    match name.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

fn copies(figure: &Figure, words: &Words) -> String {
    match figure.value {
        Some(Value::Ratio(number)) => (words.copies)(&ratio(number)),
        Some(Value::Whole(number)) => (words.copied)(&exact_bytes(number)),
        None => words.not_observed.to_owned(),
    }
}

/// From where to where.
fn ends(picture: &Picture, arrow: &Arrow, words: &Words) -> String {
    let name = |at: usize| picture.stations.get(at).map_or_else(String::new, |s| name(s, words));
    format!("{} → {}", name(arrow.from), name(arrow.to))
}

/// What the drawing alone does not tell: why nothing moved, or nothing is known. What is said of several
/// arrows is said once.
fn notes(picture: &Picture, words: &Words) -> Vec<String> {
    let mut notes: Vec<(String, Vec<String>)> = Vec::new();
    for arrow in &picture.arrows {
        let plain = [None, Some(Note::MachineWide), Some(Note::Headers)].contains(&arrow.note);
        if arrow.is_observed() && plain && arrow.reason.is_none() {
            continue;
        }
        let reason = arrow.reason.as_ref().map(|reason| harmless(reason));
        let note = arrow.note.map(|note| (words.note)(note).to_owned());
        let unseen = (!arrow.is_observed()).then(|| words.not_observed.to_owned());
        let said: Vec<_> = [unseen, reason, note].into_iter().flatten().collect();
        let (said, ends) = (said.join("; "), ends(picture, arrow, words));
        match notes.iter_mut().find(|(known, _)| *known == said) {
            Some((_, all)) if all.contains(&ends) => {}
            Some((_, all)) => all.push(ends),
            None => notes.push((said, vec![ends])),
        }
    }
    notes.into_iter().map(|(said, ends)| format!("{}: {said}", ends.join(", "))).collect()
}

/// An arrow in words, to the byte.
fn sentence(picture: &Picture, arrow: &Arrow, words: &Words) -> String {
    let mut text = format!("{}: ", ends(picture, arrow, words));
    let call = arrow.call.as_ref().map(|call| harmless(call));
    let bytes = arrow.bytes.as_ref().map_or(words.not_observed.to_owned(), |figure| {
        figure.whole().map_or_else(|| words.not_observed.to_owned(), |number| format!("{number} B"))
    });
    let copies = arrow.copies.as_ref().filter(|figure| figure.value.is_some());
    let copies = copies.map(|figure| copies_exactly(figure, words));
    let parts = [call, Some((words.mover)(arrow.mover).to_owned()), Some(bytes), copies];
    text.push_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "));
    let note = arrow.note.map(|note| (words.note)(note).to_owned());
    let reason = arrow.reason.as_ref().map(|reason| harmless(reason));
    for more in [note, reason].into_iter().flatten() {
        text.push_str("; ");
        text.push_str(&more);
    }
    text
}

fn copies_exactly(figure: &Figure, words: &Words) -> String {
    match figure.value {
        Some(Value::Whole(number)) => (words.copied)(&format!("{number} B")),
        _ => copies(figure, words),
    }
}

/// What the kinds of arrows look like, with their words.
pub fn legend(words: &Words) -> Markup {
    let ways = [Direction::KernelToUser, Direction::UserToKernel, Direction::KernelToKernel];
    let movers = ways.map(Mover::Cpu).into_iter().chain([Mover::Dma, Mover::Reference]);
    let sample = |mover| {
        let figure = Figure::at("", Some(1_u64));
        Arrow { bytes: Some(figure), ..Arrow::new([0, 0], mover) }
    };
    let samples: Vec<_> = movers.map(|mover| ((words.mover)(mover), sample(mover))).collect();
    let unseen = (words.not_observed, Arrow::new([0, 0], Mover::Unknown));
    let route = Route { from: [2.0, 11.0], to: [52.0, 11.0], ..Route::default() };
    html! {
        ul.legend aria-label=(words.legend) {
            @for (word, arrow) in samples.iter().chain([&unseen]) {
                li {
                    svg width="54" height="22" viewBox="0 0 54 22" aria-hidden="true" {
                        (line(arrow, &route, 2))
                    }
                    (word)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrow(bytes: Option<u64>) -> Arrow {
        Arrow { bytes: Some(Figure::at("/a", bytes)), ..Arrow::new([0, 1], Mover::Dma) }
    }

    #[test]
    fn an_arrow_is_as_wide_as_its_bytes_are_many() {
        let width = |bytes| thickness(&arrow(Some(bytes)), 4 << 20);
        assert_eq!([width(4 << 20), width(2 << 20)], [WIDEST, f64::midpoint(NARROWEST, WIDEST)]);
        assert!(width(1) >= NARROWEST && width(1) < NARROWEST + 0.1);
    }

    #[test]
    fn what_did_not_move_is_drawn_unlike_what_was_not_seen() {
        let classes = [Some(1), Some(0), None].map(|bytes| class(&arrow(bytes)));
        assert_eq!(classes, ["dma", "idle", "unseen"]);
    }
}
