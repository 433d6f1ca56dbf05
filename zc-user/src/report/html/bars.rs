//! Bars.

use maud::{Markup, html};

use super::Words;
use crate::{
    probes::catalogue::Direction,
    report::text::{harmless, ratio},
    result::picture::{
        Value,
        bars::{Bar, Part, What},
    },
};

/// Bars below each other, on one scale. The longest is as wide as there is room.
pub fn bars(caption: &str, bars: &[Bar], words: &Words) -> Markup {
    let length = |bar: &Bar| bar.parts.iter().map(|part| part.figure.size()).sum::<f64>();
    let longest = bars.iter().map(length).fold(0.0, f64::max);
    html! {
        table.bars {
            caption { (caption) }
            tbody {
                @for bar in bars {
                    tr {
                        th scope="row" {
                            (harmless(&bar.label))
                            @if let Some(side) = bar.side { span.side { ((words.side)(side)) } }
                        }
                        td {
                            div.track {
                                @for part in &bar.parts { (stripe(part, longest)) }
                            }
                            div.values { (values(bar, words)) }
                        }
                    }
                }
            }
        }
    }
}

/// The coloured part. What is next to it says the same in words.
fn stripe(part: &Part, longest: f64) -> Markup {
    let share = if longest > 0.0 { 100.0 * part.figure.size() / longest } else { 0.0 };
    html! {
        @if share > 0.0 {
            span class={ "stripe " (class(part.what)) } style=(format!("width:{share:.2}%")) {}
        }
    }
}

fn values(bar: &Bar, words: &Words) -> Markup {
    html! {
        @for part in &bar.parts { (value(part, words)) " " }
    }
}

fn value(part: &Part, words: &Words) -> Markup {
    let name = (words.what)(part.what);
    let (pointer, raw) = (&part.figure.pointer, part.figure.value);
    match raw {
        Some(value) => html! {
            span class=(if part.figure.size() > 0.0 { "value" } else { "value zero" })
                data-json=(pointer) data-value=(value) {
                @if !name.is_empty() { span class={ "key " (class(part.what)) } {} (name) " " }
                (number(value))
            }
        },
        None => html! {
            span.value.no data-json=(pointer) data-value="" {
                @if !name.is_empty() { (name) " " }
                (words.not_observed)
                @if let Some(why) = &part.reason {
                    @if why != words.not_observed { ": " (harmless(why)) }
                }
            }
        },
    }
}

fn number(value: Value) -> String {
    match value {
        Value::Whole(number) => number.to_string(),
        Value::Ratio(number) => ratio(number),
    }
}

fn class(what: What) -> &'static str {
    match what {
        What::Cpu(Direction::KernelToUser) => "ku",
        What::Cpu(Direction::UserToKernel) => "uk",
        What::Cpu(Direction::KernelToKernel) => "kk",
        What::Copies => "cpu",
        What::Switches => "switch",
        What::Predicted => "guess",
        What::Measured => "cpu",
    }
}
