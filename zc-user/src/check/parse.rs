//! Expressions: from text to something that can be evaluated.

use std::{ops::Range, str::FromStr};

use super::{
    error::{ParseError, quoted},
    lex::{Token, Word, words},
    number::Number,
    quantity::validate,
};

/// Longest expression, bytes. Nobody writes one by hand that is longer.
const MAX_LENGTH: usize = 4096;

/// How deep parentheses, `not` and minus signs may be nested: each level is a few calls deep here
/// and in evaluation, and chains of operators are none.
const MAX_DEPTH: usize = 64;

/// A condition over quantities, as docs/check.md describes it, that can be true or false.
#[derive(Clone, Debug)]
pub struct Expression {
    pub(super) text: String,
    pub(super) truth: Truth,
    names: Vec<String>,
}

/// What has a truth value.
#[derive(Clone, Debug)]
pub(super) enum Truth {
    Compare { left: Term, comparison: Comparison, right: Term },
    All(Vec<Truth>),
    Any(Vec<Truth>),
    Not(Box<Truth>),
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    Unequal,
}

/// What has a number, and its bytes in the expression.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub(super) value: Value,
    pub(super) span: Range<usize>,
}

/// What has a number.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Literal(Number),
    Quantity(String),
    Negative(Box<Term>),
    /// Operators of one rank, from left to right.
    Chain(Box<Term>, Vec<(Operator, Term)>),
}

/// What is done with two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Plus,
    Minus,
    Times,
    Over,
}

impl FromStr for Expression {
    type Err = ParseError;

    /// Parses a condition.
    ///
    /// # Errors
    /// [`ParseError`], which says where it means nothing: a word that has no place there, a name
    /// that is no quantity, a number where a condition is needed or the other way round, and what
    /// is too long or nested too deeply.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.len() > MAX_LENGTH {
            let message = format!("an expression is at most {MAX_LENGTH} bytes long");
            return Err(ParseError::new(text, 0, message));
        }
        let mut parser = Parser { text, words: words(text)?, at: 0, depth: 0, names: Vec::new() };
        let parsed = parser.any()?;
        if parser.token() != Token::End {
            return Err(parser.unexpected("an operator or the end"));
        }
        let truth = parser.truth(parsed)?;
        Ok(Self { text: text.to_owned(), truth, names: parser.names })
    }
}

impl Expression {
    /// How it was written. Not harmless: a user wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The quantities in it, each once, in the order in which they first appear.
    pub fn quantities(&self) -> &[String] {
        &self.names
    }
}

/// Something parsed, a number or a condition: which of them is right, its neighbours decide.
struct Parsed {
    node: Node,
    span: Range<usize>,
}

enum Node {
    Value(Value),
    Truth(Truth),
}

struct Parser<'a> {
    text: &'a str,
    words: Vec<Word>,
    at: usize,
    depth: usize,
    names: Vec<String>,
}

type Result<T, E = ParseError> = std::result::Result<T, E>;

impl Parser<'_> {
    fn word(&self) -> &Word {
        // The last word is the end, and nothing steps behind it.
        &self.words[self.at]
    }

    fn token(&self) -> Token {
        self.word().token
    }

    fn next(&mut self) -> Range<usize> {
        let span = self.word().span.clone();
        self.at = (self.at + 1).min(self.words.len() - 1);
        span
    }

    /// Steps over the sign if it is one of these.
    fn take<T: Copy>(&mut self, signs: &[(&str, T)]) -> Option<T> {
        let Token::Sign(sign) = self.token() else { return None };
        let (_, means) = signs.iter().find(|(known, _)| *known == sign)?;
        self.next();
        Some(*means)
    }

    fn error(&self, at: usize, message: impl Into<String>) -> ParseError {
        ParseError::new(self.text, at, message)
    }

    fn unexpected(&self, expected: &str) -> ParseError {
        let Word { token, span } = self.word();
        let found = match token {
            Token::End => "the end".into(),
            _ => quoted(&self.text[span.clone()]),
        };
        self.error(span.start, format!("expected {expected}, found {found}"))
    }

    /// One level deeper, if that is not too deep.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == MAX_DEPTH {
            let message = format!("nested more than {MAX_DEPTH} deep");
            return Err(self.error(self.word().span.start, message));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn truth(&self, Parsed { node, span }: Parsed) -> Result<Truth> {
        match node {
            Node::Truth(truth) => Ok(truth),
            Node::Value(_) => {
                let found = quoted(&self.text[span.clone()]);
                let message = format!("{found} is a number: compare it, as in {found} < 1");
                Err(self.error(span.start, message))
            }
        }
    }

    fn number(&self, Parsed { node, span }: Parsed) -> Result<Term> {
        match node {
            Node::Value(value) => Ok(Term { value, span }),
            Node::Truth(_) => {
                let found = quoted(&self.text[span.clone()]);
                let message = format!("expected a number, and {found} is true or false");
                Err(self.error(span.start, message))
            }
        }
    }

    fn any(&mut self) -> Result<Parsed> {
        self.conditions("or", Truth::Any, Self::all)
    }

    fn all(&mut self) -> Result<Parsed> {
        self.conditions("and", Truth::All, Self::negation)
    }

    /// What `operand` parses, and more of it behind each `word`.
    fn conditions(
        &mut self,
        word: &'static str,
        join: fn(Vec<Truth>) -> Truth,
        operand: fn(&mut Self) -> Result<Parsed>,
    ) -> Result<Parsed> {
        let first = operand(self)?;
        if self.token() != Token::Sign(word) {
            return Ok(first);
        }
        let mut span = first.span.clone();
        let mut truths = vec![self.truth(first)?];
        while self.take(&[(word, ())]).is_some() {
            let next = operand(self)?;
            span.end = next.span.end;
            truths.push(self.truth(next)?);
        }
        Ok(Parsed { node: Node::Truth(join(truths)), span })
    }

    fn negation(&mut self) -> Result<Parsed> {
        let start = self.word().span.start;
        if self.take(&[("not", ())]).is_none() {
            return self.comparison();
        }
        let operand = self.nested(Self::negation)?;
        let span = start..operand.span.end;
        let truth = Truth::Not(Box::new(self.truth(operand)?));
        Ok(Parsed { node: Node::Truth(truth), span })
    }

    fn comparison(&mut self) -> Result<Parsed> {
        let left = self.sum()?;
        let Some(comparison) = self.take(&COMPARISONS) else { return Ok(left) };
        let left = self.number(left)?;
        let right = self.sum()?;
        let right = self.number(right)?;
        let at = self.word().span.start;
        if self.take(&COMPARISONS).is_some() {
            let message = "comparisons do not chain: write a < b and b < c";
            return Err(self.error(at, message));
        }
        let span = left.span.start..right.span.end;
        Ok(Parsed { node: Node::Truth(Truth::Compare { left, comparison, right }), span })
    }

    fn sum(&mut self) -> Result<Parsed> {
        self.chain(&[("+", Operator::Plus), ("-", Operator::Minus)], Self::product)
    }

    fn product(&mut self) -> Result<Parsed> {
        self.chain(&[("*", Operator::Times), ("/", Operator::Over)], Self::sign)
    }

    /// What `operand` parses, and more of it behind each of `operators`.
    fn chain(
        &mut self,
        operators: &[(&str, Operator)],
        operand: fn(&mut Self) -> Result<Parsed>,
    ) -> Result<Parsed> {
        let first = operand(self)?;
        let Some(mut operator) = self.take(operators) else { return Ok(first) };
        let first = self.number(first)?;
        let mut span = first.span.clone();
        let mut rest = Vec::new();
        loop {
            let next = operand(self)?;
            let term = self.number(next)?;
            span.end = term.span.end;
            rest.push((operator, term));
            match self.take(operators) {
                Some(next) => operator = next,
                None => break,
            }
        }
        Ok(Parsed { node: Node::Value(Value::Chain(Box::new(first), rest)), span })
    }

    fn sign(&mut self) -> Result<Parsed> {
        let start = self.word().span.start;
        if self.take(&[("-", ())]).is_none() {
            return self.primary();
        }
        let operand = self.nested(Self::sign)?;
        let term = self.number(operand)?;
        let span = start..term.span.end;
        Ok(Parsed { node: Node::Value(Value::Negative(Box::new(term))), span })
    }

    fn primary(&mut self) -> Result<Parsed> {
        match self.token() {
            Token::Number(number) => {
                let span = self.next();
                Ok(Parsed { node: Node::Value(Value::Literal(number)), span })
            }
            Token::Name => {
                let span = self.next();
                let name = self.text[span.clone()].to_owned();
                validate(&name)
                    .map_err(|wrong| self.error(span.start + wrong.offset, wrong.message))?;
                if !self.names.contains(&name) {
                    self.names.push(name.clone());
                }
                Ok(Parsed { node: Node::Value(Value::Quantity(name)), span })
            }
            Token::Sign("(") => {
                let start = self.next().start;
                let inner = self.nested(Self::any)?;
                if self.token() != Token::Sign(")") {
                    return Err(self.unexpected("an operator or ')'"));
                }
                let span = start..self.next().end;
                Ok(Parsed { node: inner.node, span })
            }
            _ => Err(self.unexpected("a number, a quantity or '('")),
        }
    }
}

const COMPARISONS: [(&str, Comparison); 6] = [
    ("<", Comparison::Less),
    ("<=", Comparison::LessOrEqual),
    (">", Comparison::Greater),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
    ("!=", Comparison::Unequal),
];

#[cfg(test)]
mod tests;
