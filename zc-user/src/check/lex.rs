//! The words of an expression.

use std::ops::Range;

use super::{
    error::{ParseError, quoted},
    number::Number,
};

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token {
    /// A number, its unit included.
    Number(Number),
    /// A quantity, not yet looked up.
    Name,
    /// An operator or a parenthesis.
    Sign(&'static str),
    /// Behind the last word.
    End,
}

/// A word and its bytes in the expression.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) token: Token,
    pub(super) span: Range<usize>,
}

/// Operators by how they are written, longer ones before those that they start with, and what
/// they mean.
const SIGNS: [(&str, &str); 16] = [
    ("<=", "<="),
    (">=", ">="),
    ("==", "=="),
    ("!=", "!="),
    ("&&", "and"),
    ("||", "or"),
    ("<", "<"),
    (">", ">"),
    ("=", "=="),
    ("!", "not"),
    ("+", "+"),
    ("-", "-"),
    ("*", "*"),
    ("/", "/"),
    ("(", "("),
    (")", ")"),
];

const WORDS: [&str; 3] = ["and", "or", "not"];

/// Units, and how many of what is counted they are: a numerator and a denominator.
const UNITS: [(&str, i128, i128); 15] = [
    ("%", 1, 100),
    ("B", 1, 1),
    ("k", 1_000, 1),
    ("kB", 1_000, 1),
    ("KiB", 1 << 10, 1),
    ("M", 1_000_000, 1),
    ("MB", 1_000_000, 1),
    ("MiB", 1 << 20, 1),
    ("G", 1_000_000_000, 1),
    ("GB", 1_000_000_000, 1),
    ("GiB", 1 << 30, 1),
    ("T", 1_000_000_000_000, 1),
    ("TB", 1_000_000_000_000, 1),
    ("TiB", 1 << 40, 1),
    ("PiB", 1 << 50, 1),
];

/// Splits `text` into words, the last one [`Token::End`].
///
/// # Errors
/// The first character that starts no word, or number that has no such unit or is too long.
pub(super) fn words(text: &str) -> Result<Vec<Word>, ParseError> {
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else { break };
        let (token, length) = if first.is_ascii_digit() {
            number(text, at)?
        } else if starts_name(first) {
            let name = name(rest);
            let keyword = WORDS.into_iter().find(|word| *word == name);
            (keyword.map_or(Token::Name, Token::Sign), name.len())
        } else if let Some((written, means)) =
            SIGNS.into_iter().find(|(written, _)| rest.starts_with(written))
        {
            (Token::Sign(means), written.len())
        } else {
            let found = quoted(&first.to_string());
            let message = format!("{found} starts no number, quantity or operator");
            return Err(ParseError::new(text, at, message));
        };
        words.push(Word { token, span: at..at + length });
        at += length;
    }
    words.push(Word { token: Token::End, span: text.trim_end().len()..text.len() });
    Ok(words)
}

fn starts_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

/// The name at the start of `rest`.
fn name(rest: &str) -> &str {
    let part = |c: char| starts_name(c) || c.is_ascii_digit() || c == '.';
    &rest[..rest.find(|c| !part(c)).unwrap_or(rest.len())]
}

fn digits(rest: &str) -> &str {
    &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())]
}

/// The number `at` bytes into `text`, and how many bytes it takes with its unit. Space between
/// the two is allowed, so that `64 MiB` can be copied from a report.
fn number(text: &str, at: usize) -> Result<(Token, usize), ParseError> {
    let rest = &text[at..];
    let whole = digits(rest);
    let behind = &rest[whole.len()..];
    let fraction = behind.strip_prefix('.').map(digits);
    if fraction == Some("") {
        let offset = at + whole.len() + 1;
        return Err(ParseError::new(text, offset, "expected a digit behind the point"));
    }
    let length = whole.len() + fraction.map_or(0, |digits| digits.len() + 1);
    let (unit, length) = unit(text, at, length)?;
    let value = exact(whole, fraction.unwrap_or_default(), unit)
        .ok_or_else(|| ParseError::new(text, at, "the number has too many digits"))?;
    Ok((Token::Number(value), length))
}

type Unit = (i128, i128);

/// The unit behind a number of `length` bytes, and the length of both.
fn unit(text: &str, at: usize, length: usize) -> Result<(Unit, usize), ParseError> {
    let behind = &text[at + length..];
    let word = behind.trim_start();
    let space = behind.len() - word.len();
    let word = if word.starts_with('%') { "%" } else { name(word) };
    if let Some((_, over, under)) = UNITS.into_iter().find(|(unit, ..)| *unit == word) {
        return Ok(((over, under), length + space + word.len()));
    }
    // Another word may follow after space, as in `1 and`, but nothing goes on where a number ends.
    let glued = space == 0 && (!word.is_empty() || behind.starts_with('.'));
    let meant = word.len() <= 3 && UNITS.iter().any(|(unit, ..)| unit.eq_ignore_ascii_case(word));
    if glued || meant {
        let found = if word.is_empty() { "." } else { word };
        let units: Vec<_> = UNITS.iter().map(|(unit, ..)| *unit).collect();
        let message = format!(
            "{} is not a unit: one of {} (k, M, G, T are powers of 1000)",
            quoted(found),
            units.join(", ")
        );
        return Err(ParseError::new(text, at + length + space, message));
    }
    Ok(((1, 1), length))
}

/// The value of decimal digits and a unit. Only what is not whole is rounded, once.
fn exact(whole: &str, fraction: &str, (over, under): Unit) -> Option<Number> {
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let places = u32::try_from(fraction.len()).ok()?;
    let under = 10i128.checked_pow(places)?.checked_mul(under)?;
    Some(Number::Whole(digits.checked_mul(over)?).over(Number::Whole(under)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Number {
        let words = words(text).unwrap();
        assert_eq!(words.len(), 2, "{text}");
        assert_eq!(words[0].span, 0..text.len());
        let Token::Number(value) = words[0].token else { panic!("{text}: {words:?}") };
        value
    }

    fn error(text: &str) -> ParseError {
        words(text).unwrap_err()
    }

    #[test]
    fn numbers_carry_units() {
        for (text, bytes) in [
            ("0", 0),
            ("64KiB", 65_536),
            ("64 KiB", 65_536),
            ("1.5MiB", 1_572_864),
            ("10GB", 10_000_000_000),
            ("10G", 10_000_000_000),
            ("2k", 2000),
            ("2kB", 2000),
            ("3M", 3_000_000),
            ("1TiB", 1_099_511_627_776),
            ("7B", 7),
            ("500%", 5),
            ("18446744073709551615", 18_446_744_073_709_551_615),
        ] {
            assert!(matches!(value(text), Number::Whole(whole) if whole == bytes), "{text}");
        }
    }

    #[test]
    fn fractions_are_rounded_once() {
        for (text, real) in [("5%", 0.05), ("0.1%", 0.001), ("0.3", 0.3), ("1.1 %", 0.011)] {
            assert!(matches!(value(text), Number::Real(value) if value == real), "{text}");
        }
        // Not a whole byte, but still not rounded to one.
        assert!(matches!(value("0.0001KiB"), Number::Real(value) if value == 0.102_4));
    }

    #[test]
    fn a_wrong_unit_is_pointed_at() {
        for (text, column) in
            [("64Kb", 3), ("64 K", 4), ("1KIB", 2), ("1e6", 2), ("1.5.2", 4), ("10 gb", 4)]
        {
            let error = error(text);
            assert_eq!(error.column, column, "{text}");
            assert!(error.message.contains("is not a unit: one of %, B, k,"), "{error}");
        }
        assert_eq!(error("1.").column, 3);
        assert_eq!(error("1.x").message, "expected a digit behind the point");
    }

    #[test]
    fn numbers_that_are_too_long_are_refused() {
        for text in ["9".repeat(40), format!("0.{}1", "0".repeat(50)), "9".repeat(36) + "TiB"] {
            assert_eq!(error(&text).message, "the number has too many digits");
        }
    }

    #[test]
    fn operators_have_two_spellings() {
        let signs = |text| {
            let signs = words(text).unwrap().into_iter().map(|word| word.token);
            signs.collect::<Vec<_>>()
        };
        assert_eq!(signs("&& || ! = !="), signs("and or not == !="));
        assert_eq!(signs("<=="), [Token::Sign("<="), Token::Sign("=="), Token::End]);
        assert_eq!(signs("android"), [Token::Name, Token::End]);
    }

    #[test]
    fn a_stray_character_is_pointed_at() {
        for (text, column, says) in [
            ("a § b", 3, "'§' starts no"),
            ("a \x1b[31m", 3, "'\\u{1b}' starts no"),
            ("a & b", 3, "'&' starts no"),
        ] {
            let error = error(text);
            assert_eq!((error.column, error.message.contains(says)), (column, true), "{error}");
        }
    }
}
