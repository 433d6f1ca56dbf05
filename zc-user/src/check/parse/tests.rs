use super::*;

/// The expression with every operator in parentheses, as it was understood.
fn understood(text: &str) -> String {
    fn truth(of: &Truth) -> String {
        let all = |of: &[Truth], word: &str| {
            let parts: Vec<_> = of.iter().map(truth).collect();
            format!("({})", parts.join(word))
        };
        match of {
            Truth::Compare { left, comparison, right } => {
                format!("({} {comparison:?} {})", number(left), number(right))
            }
            Truth::All(of) => all(of, " and "),
            Truth::Any(of) => all(of, " or "),
            Truth::Not(of) => format!("(not {})", truth(of)),
        }
    }
    fn number(of: &Term) -> String {
        match &of.value {
            Value::Literal(number) => number.as_f64().to_string(),
            Value::Quantity(name) => name.clone(),
            Value::Negative(of) => format!("(-{})", number(of)),
            Value::Chain(first, rest) => rest.iter().fold(number(first), |left, (how, right)| {
                format!("({left} {how:?} {})", number(right))
            }),
        }
    }
    let parsed = text.parse::<Expression>();
    truth(&parsed.unwrap_or_else(|error| panic!("{}", error.pointed())).truth)
}

fn error(text: &str) -> ParseError {
    text.parse::<Expression>().unwrap_err()
}

#[test]
fn operators_bind_as_usual() {
    for (text, meant) in [
        ("1 + 2 * 3 < 4", "((1 Plus (2 Times 3)) Less 4)"),
        ("1 - 2 - 3 < 4", "(((1 Minus 2) Minus 3) Less 4)"),
        ("8 / 4 * 2 <= 4", "(((8 Over 4) Times 2) LessOrEqual 4)"),
        ("(1 + 2) * 3 > 4", "(((1 Plus 2) Times 3) Greater 4)"),
        ("-2 * --3 >= -moved", "(((-2) Times (-(-3))) GreaterOrEqual (-moved))"),
        ("1 < 2 or 3 < 4 and 5 < 6", "((1 Less 2) or ((3 Less 4) and (5 Less 6)))"),
        ("(1 < 2 or 3 < 4) and 5 < 6", "(((1 Less 2) or (3 Less 4)) and (5 Less 6))"),
        ("not 1 < 2 and 3 < 4", "((not (1 Less 2)) and (3 Less 4))"),
        ("not (1 < 2 and 3 < 4)", "(not ((1 Less 2) and (3 Less 4)))"),
        ("!1<2||!3=4&&5!=6", "((not (1 Less 2)) or ((not (3 Equal 4)) and (5 Unequal 6)))"),
        ("((moved)) == ((1))", "(moved Equal 1)"),
        ("1 < 2 or 3 < 4 or 5 < 6", "((1 Less 2) or (3 Less 4) or (5 Less 6))"),
        ("copied\n  < 1.5 MiB", "(copied Less 1572864)"),
        (
            "syscalls.sendfile.bytes/moved>=95%",
            "((syscalls.sendfile.bytes Over moved) GreaterOrEqual 0.95)",
        ),
    ] {
        assert_eq!(understood(text), meant, "{text}");
    }
}

#[test]
fn a_mistake_is_pointed_at_with_what_was_expected() {
    for (text, column, says) in [
        ("", 1, "expected a number, a quantity or '(', found the end"),
        ("moved <", 8, "expected a number, a quantity or '(', found the end"),
        ("moved < < 1", 9, "expected a number, a quantity or '(', found '<'"),
        ("moved < 1 2", 11, "expected an operator or the end, found '2'"),
        ("moved < 1 AND copied < 2", 11, "expected an operator or the end, found 'AND'"),
        ("(moved < 1", 11, "expected an operator or ')', found the end"),
        ("moved < 1)", 10, "expected an operator or the end, found ')'"),
        ("and moved < 1", 1, "found 'and'"),
        ("1 < 2 < 3", 7, "comparisons do not chain: write a < b and b < c"),
        ("moved > 1 and copies_per_bite < 1", 15, "did you mean 'copies_per_byte'?"),
        ("syscalls.sendfil.bytes > 1", 10, "did you mean 'sendfile'?"),
        ("moved > 64Kb", 11, "'Kb' is not a unit"),
    ] {
        let error = error(text);
        assert_eq!(error.column, column, "{}", error.pointed());
        assert!(error.message.contains(says), "{}", error.pointed());
    }
}

#[test]
fn numbers_and_conditions_are_told_apart() {
    for (text, column, says) in [
        ("moved", 1, "'moved' is a number: compare it, as in 'moved' < 1"),
        ("1 < 2 and moved", 11, "'moved' is a number"),
        ("moved or 1 < 2", 1, "'moved' is a number"),
        ("not moved + 1", 5, "'moved + 1' is a number"),
        ("(1 < 2) + 1 < 3", 1, "expected a number, and '(1 < 2)' is true or false"),
        ("1 < (2 < 3)", 5, "'(2 < 3)' is true or false"),
        ("1 + -(2 < 3) < 4", 6, "'(2 < 3)' is true or false"),
        ("1 * (2 < 3) < 4", 5, "'(2 < 3)' is true or false"),
        ("(1 < 2) == (2 < 3)", 1, "'(1 < 2)' is true or false"),
    ] {
        let error = error(text);
        assert_eq!(error.column, column, "{}", error.pointed());
        assert!(error.message.contains(says), "{}", error.pointed());
    }
}

#[test]
fn an_error_is_two_lines_with_the_caret_under_the_column() {
    assert_eq!(
        error("moved > 0 and (copied < 1").pointed(),
        "moved > 0 and (copied < 1\n                         ^ expected an operator or ')', found the end"
    );
}

#[test]
fn each_quantity_is_named_once() {
    let parsed: Expression = "moved > 0 and copied / moved < syscalls".parse().unwrap();
    assert_eq!(parsed.quantities(), ["moved", "copied", "syscalls"]);
}

#[test]
fn nesting_has_a_bottom() {
    let nested = |open: &str, depth, close: &str| {
        format!("{}1 < 2{}", open.repeat(depth), close.repeat(depth)).parse::<Expression>()
    };
    assert!(nested("(", 64, ")").is_ok());
    assert!(nested("!", 64, "").is_ok());
    for (open, close) in [("(", ")"), ("!", ""), ("-", ""), ("not(", ")"), ("-(", ")")] {
        let error = nested(open, 2000 / open.len(), close).unwrap_err();
        assert_eq!(error.message, "nested more than 64 deep", "{open}");
        assert!(error.pointed().chars().count() < 300);
    }
}

#[test]
fn long_chains_are_not_deep() {
    let long = |operator: &str, operand: &str| {
        let mut text = operand.to_owned();
        while text.len() + operator.len() + operand.len() < MAX_LENGTH - 2 {
            text = text + operator + operand;
        }
        text
    };
    for text in [long("+", "1") + "<2", long("/", "1") + "<2", long("||", "1<2"), long("&&", "1<2")]
    {
        assert!(text.len() > MAX_LENGTH - 10);
        // Small enough to show that a chain takes no stack.
        let small = std::thread::Builder::new().stack_size(256 << 10);
        let parsed = small.spawn(move || text.parse::<Expression>().map(drop)).unwrap();
        assert_eq!(parsed.join().unwrap(), Ok(()));
    }
}

#[test]
fn a_mebibyte_of_text_is_refused_in_few_words() {
    for text in ["(".repeat(1 << 20), "ü".repeat(1 << 20), "\x1b[31m".repeat(1 << 18)] {
        let error = error(&text);
        assert_eq!(error.message, "an expression is at most 4096 bytes long");
        assert!(error.pointed().len() < 1000 && !error.pointed().contains('\x1b'));
    }
}

/// Words that mean something, in no order at all: most of it is wrong, none of it may panic, and
/// every error points into the text.
#[test]
fn nonsense_is_an_error_and_nothing_worse() {
    const WORDS: [&str; 24] = [
        "moved",
        "copied",
        "sent.bytes",
        "syscalls.read.calls",
        "nope",
        "1",
        "1.5MiB",
        "5%",
        "64K",
        "+",
        "-",
        "*",
        "/",
        "<",
        "<=",
        "==",
        "!=",
        "and",
        "or",
        "not",
        "(",
        ")",
        "ü",
        "\x1b",
    ];
    // A linear congruential generator (Knuth's MMIX) is random enough and needs no seed.
    let mut state = 1u64;
    let mut below = |limit: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((state >> 33) % limit).unwrap()
    };
    let (mut right, mut wrong) = (0, 0);
    for _ in 0..20_000 {
        let words: Vec<_> = (0..1 + below(12)).map(|_| WORDS[below(24)]).collect();
        let text = words.join(" ");
        match text.parse::<Expression>() {
            Ok(_) => right += 1,
            Err(error) => {
                wrong += 1;
                assert!(error.column <= text.chars().count() + 1, "{text}");
                assert_eq!(error.pointed().lines().count(), 2, "{text}");
            }
        }
    }
    assert!(right > 0 && wrong > 0, "{right} right, {wrong} wrong");
}
