//! What is wrong with an expression, and where.

use thiserror::Error;

use crate::report::text::harmless;

/// What of an expression is shown around a mistake, characters before and behind it.
const CONTEXT: usize = 60;

/// An expression that means nothing. Its text is harmless.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("column {column}: {message}")]
pub struct ParseError {
    /// Where, in characters, counted from 1.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub message: String,
    /// The expression, or what of it is around the mistake.
    shown: String,
    /// Characters of `shown` before the mistake.
    indent: usize,
}

impl ParseError {
    /// A mistake in `text`, `offset` bytes into it.
    pub(super) fn new(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text).chars().count();
        let cut = before.saturating_sub(CONTEXT);
        // An expression of several lines is one line here.
        let flat = |c: char| if c.is_whitespace() { ' ' } else { c };
        let part = |from: usize, length: usize| {
            harmless(&text.chars().skip(from).take(length).map(flat).collect::<String>())
        };
        let (left, right) = (part(cut, before - cut), part(before, CONTEXT));
        let start = if cut > 0 { "…" } else { "" };
        let end = if text.chars().nth(before + CONTEXT).is_some() { "…" } else { "" };
        Self {
            column: before + 1,
            message: message.into(),
            indent: start.chars().count() + left.chars().count(),
            shown: format!("{start}{left}{right}{end}"),
        }
    }

    /// Two lines for people: the expression, and a caret under the mistake with what is wrong.
    pub fn pointed(&self) -> String {
        format!("{}\n{:indent$}^ {}", self.shown, "", self.message, indent = self.indent)
    }
}

/// Something that a user wrote, in quotes, harmless and not too long.
pub(super) fn quoted(text: &str) -> String {
    let start: String = text.chars().take(CONTEXT).collect();
    let end = if start.len() < text.len() { "…" } else { "" };
    format!("'{}{end}'", harmless(&start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_column() {
        let error = ParseError::new("moved < 1 KX", 10, "what is KX?");
        assert_eq!(error.pointed(), "moved < 1 KX\n          ^ what is KX?");
        assert_eq!(error.to_string(), "column 11: what is KX?");
    }

    #[test]
    fn a_hostile_expression_is_harmless_and_the_caret_still_fits() {
        let error = ParseError::new("a\n\t\x1b[31m ü", 9, "no");
        assert_eq!(error.pointed(), "a  \\u{1b}[31m ü\n              ^ no");
        assert_eq!(error.column, 10);
    }

    #[test]
    fn of_a_long_expression_only_the_part_around_the_mistake_is_shown() {
        let text = "ä".repeat(1000);
        let error = ParseError::new(&text, 1000, "no");
        let around = "ä".repeat(60);
        assert_eq!(error.pointed(), format!("…{around}{around}…\n{}^ no", " ".repeat(61)));
        assert_eq!(error.column, 501);
        assert_eq!(quoted(&text), format!("'{around}…'"));
    }
}
