//! Reports as HTML: one file that needs nothing else, no script and no network.
//!
//! Everything that stands in a page is escaped by the library; what an observed process chose is made
//! harmless first.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::text::harmless;
use crate::result::Origin;

mod architectures;
mod bars;
mod claims;
mod completeness;
mod lab;
mod learn;
mod picture;
mod tables;
mod trace;
mod transfers;
mod words;

#[cfg(test)]
mod tests;

pub use architectures::architectures;
pub use bars::bars;
pub use claims::claims;
pub use completeness::{Basis, basis, conclusion};
pub use lab::lab;
pub use learn::learn;
pub use picture::{legend, picture};
pub use tables::{Cell, Mark, Table, marked, verdict};
pub use trace::trace;
pub use words::{CHINESE, ENGLISH, Words};

/// The style sheet, which is part of each page.
const CSS: &str = include_str!("style.css");

/// What a browser may do with a page: show it, with its own style sheet.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// A section of a page.
pub struct Section {
    /// Its name in links within the page.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What stands below it.
    pub body: Markup,
}

/// A whole page: its title, what stands above the sections, and these.
pub fn page(title: &str, words: &Words, lead: &Markup, sections: &[Section]) -> String {
    let title = harmless(title);
    let page = html! {
        (DOCTYPE)
        html lang=(words.lang) {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(CSS)) }
            }
            body {
                a.skip href="#report" { (words.skip) }
                header {
                    h1 { (title) }
                    (lead)
                }
                nav aria-label=(words.contents) {
                    ul {
                        @for section in sections {
                            li { a href={ "#" (section.id) } { (section.title) } }
                        }
                    }
                }
                main #report {
                    @for section in sections {
                        section #(section.id) aria-labelledby={ (section.id) "-title" } {
                            h2 id={ (section.id) "-title" } { (section.title) }
                            (section.body)
                        }
                    }
                }
            }
        }
    };
    let mut page = page.into_string();
    page.push('\n');
    page
}

/// A box that scrolls sideways where its content is wider than the page, also with the keyboard.
pub fn scrolling(label: &str, words: &Words, content: &Markup) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label={ (label) ", " (words.scrolls) } { (content) }
    }
}

/// The ways through the kernel on which bytes were copied, as `write` has them in text.
fn ways_through(write: impl FnOnce(&mut String)) -> Markup {
    let mut ways = String::new();
    write(&mut ways);
    html! {
        details {
            summary { "By the way through the kernel" }
            pre.command tabindex="0" role="region" aria-label="ways through the kernel" {
                code { (ways) }
            }
        }
    }
}

/// How to make the report again: the command line as a shell takes it, and where it ran.
pub fn repeat(command: &str, origin: &Origin, words: &Words) -> Section {
    let body = html! {
        pre.command tabindex="0" role="region" aria-label=(words.command) {
            code { (harmless(command)) }
        }
        dl.facts {
            dt { "zc" } dd { (origin.zc) }
            dt { (words.kernel) } dd { (harmless(&origin.kernel)) " (" (origin.architecture) ")" }
            dt { (words.tier) } dd { (origin.tier.name()) }
        }
        p { (words.pointers) }
    };
    Section { id: "repeat", title: words.repeat, body }
}
