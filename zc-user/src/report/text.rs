//! What the text views share.

use std::{env, error::Error, io::IsTerminal};

use clap::ValueEnum;
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table, TableStyle,
};

use crate::expect::Verdict;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// Whether to colour what goes to stdout. <https://no-color.org>
    pub fn on_stdout(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                    && std::io::stdout().is_terminal()
            }
        }
    }
}

/// A rule below the header and no other lines.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// An empty table.
pub fn table(colour: bool) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic);
    if colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table
}

/// The finished table, its columns two spaces apart and nothing behind the last one.
pub fn finished(table: &mut Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A ratio for people: without decimals only where it is exact.
pub fn ratio(ratio: f64) -> String {
    if ratio > 0.0 && ratio < 0.005 {
        "<0.01".into()
    } else if ratio.fract() == 0.0 {
        format!("{ratio:.0}")
    } else {
        format!("{ratio:.2}")
    }
}

/// A right-aligned cell.
pub fn number(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// A verdict, in its colour.
pub fn verdict(verdict: Verdict) -> Cell {
    let colour = match verdict {
        Verdict::Verified => Color::Green,
        Verdict::NotObserved => Color::Yellow,
        Verdict::Refuted => Color::Red,
    };
    word(verdict, colour)
}

/// A word that matters, in a colour.
pub fn word(text: impl ToString, colour: Color) -> Cell {
    Cell::new(text).fg(colour).add_attribute(Attribute::Bold)
}

/// A cell's text in the middle of a line instead of a table.
pub fn inline(cell: Cell, colour: bool) -> String {
    let mut alone = table(colour);
    alone.set_content_arrangement(ContentArrangement::Disabled).add_row(vec![cell]);
    for column in alone.column_iter_mut() {
        column.set_padding((0, 0));
    }
    alone.to_string()
}

/// A heading cell.
pub fn head(text: &str) -> Cell {
    Cell::new(text).add_attribute(Attribute::Bold)
}

/// Bytes for people, in binary units.
pub fn bytes(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string().replace(".00 ", " ")
}

/// Bytes for people where that is exact, as 64 KiB; else with all digits.
pub fn exact_bytes(number: u64) -> String {
    let unit = number.checked_ilog2().unwrap_or(0) / 10 * 10;
    if number.trailing_zeros() >= unit { bytes(number) } else { format!("{number} B") }
}

/// An error and its causes in one harmless line. A cause whose words the line has already is not
/// said again.
pub fn one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !line.contains(&said) {
            line = format!("{line}: {said}");
        }
        cause = error.source();
    }
    harmless(&line)
}

/// Text that an observed process or a file name controls, made harmless: control characters are
/// escaped, and what orders the text around them in another way, or breaks the line.
pub fn harmless(text: &str) -> String {
    let reorders = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .flat_map(|c| {
            let plain = !c.is_control() && !reorders(c);
            let escaped = (!plain).then(|| c.escape_unicode());
            plain.then_some(c).into_iter().chain(escaped.into_iter().flatten())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(harmless("a\x1b[31mb\n"), "a\\u{1b}[31mb\\u{a}");
        assert_eq!(harmless("grüße"), "grüße");
        assert_eq!(harmless("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn a_word_in_a_line_is_coloured_without_space_around_it() {
        let cell = || word("no", Color::Red);
        assert_eq!(inline(cell(), false), "no");
        assert_eq!(inline(cell(), true), "\x1b[38;5;9m\x1b[1mno\x1b[0m");
    }

    #[test]
    fn a_cause_is_said_once() {
        let cause = || std::io::Error::from_raw_os_error(13);
        let said = anyhow::Error::new(cause()).context("cannot open x");
        assert_eq!(one_line(said.as_ref()), "cannot open x: Permission denied (os error 13)");
        let said = anyhow::Error::new(cause()).context(format!("cannot open x: {}: sudo", cause()));
        assert_eq!(one_line(said.as_ref()), "cannot open x: Permission denied (os error 13): sudo");
    }

    #[test]
    fn a_small_ratio_is_not_zero() {
        assert_eq!(ratio(0.0), "0");
        assert_eq!(ratio(0.000_1), "<0.01");
        assert_eq!(ratio(1.0), "1");
        assert_eq!(ratio(1.000_1), "1.00");
    }

    #[test]
    fn bytes_are_in_binary_units() {
        assert_eq!(bytes(64 << 20), "64 MiB");
        assert_eq!(bytes(1536), "1.50 KiB");
        assert_eq!(bytes(1), "1 B");
        let exact = [0, 1023, 1024, 1536, 3 << 20, (1 << 20) + 1].map(exact_bytes);
        assert_eq!(exact, ["0 B", "1023 B", "1 KiB", "1536 B", "3 MiB", "1048577 B"]);
    }
}
