//! Expressions: literals, names, and calls of the few functions that settings files use.

use super::token::{Kind, Token};

/// A plain Python value.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    None,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

/// What stands to the right of `=` or in a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Literal(Literal),
    /// With its dots: `os.path.sep`.
    Name(String),
    Call(Call),
    /// Anything else: only Python itself could say its value.
    Computed,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) line: usize,
    pub(super) function: String,
    pub(super) args: Vec<Arg>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arg {
    /// [`MORE`] for arguments that only Python could unfold.
    pub(super) name: Option<String>,
    pub(super) line: usize,
    pub(super) value: Expression,
}

/// The name of `*args` and `**args`.
pub(super) const MORE: &str = "*";

/// The value of all these tokens together.
pub(super) fn expression(tokens: &[Token]) -> Expression {
    let (value, rest) = operand(tokens);
    match rest.is_empty() {
        true => value,
        false => Expression::Computed,
    }
}

/// Every call anywhere in a line, the outer ones first.
pub(super) fn calls(tokens: &[Token]) -> Vec<Call> {
    let starts = (0..tokens.len()).filter(|at| {
        let after_dot = *at > 0 && tokens[at - 1].kind == Kind::Sign('.');
        matches!(tokens[*at].kind, Kind::Name(_)) && !after_dot
    });
    starts
        .filter_map(|at| match operand(&tokens[at..]).0 {
            Expression::Call(call) => Some(call),
            _ => None,
        })
        .collect()
}

/// The longest expression at the start, and what follows it.
fn operand(tokens: &[Token]) -> (Expression, &[Token]) {
    let Some((first, rest)) = tokens.split_first() else { return (Expression::Computed, tokens) };
    match &first.kind {
        Kind::Text(_) => text(tokens),
        Kind::Number(digits) => (number(digits, false), rest),
        Kind::Sign('-') => match rest.split_first() {
            Some((Token { kind: Kind::Number(digits), .. }, rest)) => (number(digits, true), rest),
            _ => (Expression::Computed, rest),
        },
        Kind::Sign('(') => match split_at_close(rest) {
            Some((inside, rest)) => (expression(inside), rest),
            None => (Expression::Computed, &[]),
        },
        Kind::Name(_) => name_or_call(tokens),
        Kind::Template | Kind::Sign(_) => (Expression::Computed, rest),
    }
}

/// Neighbouring strings are one.
fn text(tokens: &[Token]) -> (Expression, &[Token]) {
    let mut whole = String::new();
    let mut rest = tokens;
    while let Some((Token { kind: Kind::Text(text), .. }, behind)) = rest.split_first() {
        whole.push_str(text);
        rest = behind;
    }
    (Expression::Literal(Literal::Text(whole)), rest)
}

fn name_or_call(tokens: &[Token]) -> (Expression, &[Token]) {
    let line = tokens.first().map_or(0, |token| token.line);
    let mut name = String::new();
    let mut rest = tokens;
    while let [Token { kind: Kind::Name(part), .. }, behind @ ..] = rest {
        name.push_str(part);
        rest = behind;
        match behind {
            [Token { kind: Kind::Sign('.'), .. }, next @ ..] => {
                name.push('.');
                rest = next;
            }
            _ => break,
        }
    }
    if let [Token { kind: Kind::Sign('('), .. }, inside @ ..] = rest {
        let Some((inside, rest)) = split_at_close(inside) else {
            return (Expression::Computed, &[]);
        };
        let args = split_at_commas(inside).into_iter().map(arg).collect();
        return (Expression::Call(Call { line, function: name, args }), rest);
    }
    let value = match name.as_str() {
        "None" => Expression::Literal(Literal::None),
        "True" => Expression::Literal(Literal::Bool(true)),
        "False" => Expression::Literal(Literal::Bool(false)),
        _ => Expression::Name(name),
    };
    (value, rest)
}

fn arg(tokens: &[Token]) -> Arg {
    let line = tokens.first().map_or(0, |token| token.line);
    match tokens {
        [Token { kind: Kind::Name(name), .. }, Token { kind: Kind::Sign('='), .. }, value @ ..]
            if !matches!(value, [Token { kind: Kind::Sign('='), .. }, ..]) =>
        {
            Arg { name: Some(name.clone()), line, value: expression(value) }
        }
        [Token { kind: Kind::Sign('*'), .. }, ..] => {
            Arg { name: Some(MORE.to_owned()), line, value: Expression::Computed }
        }
        _ => Arg { name: None, line, value: expression(tokens) },
    }
}

/// What stands before and behind the bracket that closes the one just read.
fn split_at_close(tokens: &[Token]) -> Option<(&[Token], &[Token])> {
    let mut depth = 1;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Sign('(' | '[' | '{') => depth += 1,
            Kind::Sign(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&tokens[..at], &tokens[at + 1..]));
        }
    }
    None
}

fn split_at_commas(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0;
    let parts = tokens.split(|token| {
        match token.kind {
            Kind::Sign('(' | '[' | '{') => depth += 1,
            Kind::Sign(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        depth == 0 && token.kind == Kind::Sign(',')
    });
    parts.filter(|part| !part.is_empty()).collect()
}

fn number(digits: &str, negative: bool) -> Expression {
    let digits = digits.replace('_', "");
    let sign = if negative { -1 } else { 1 };
    if let Some(number) = integer(&digits) {
        return Expression::Literal(Literal::Integer(sign * number));
    }
    match digits.parse::<f64>() {
        Ok(number) if number.is_finite() => {
            Expression::Literal(Literal::Float(number * sign as f64))
        }
        _ => Expression::Computed,
    }
}

/// Decimal, `0o`, `0x`, `0b`, and the `0` prefix and `L` suffix of old Python.
pub(super) fn integer(text: &str) -> Option<i64> {
    let text = text.trim_end_matches(['l', 'L']);
    let radix = |digits: &str, radix| i64::from_str_radix(digits, radix).ok();
    match text.get(..2) {
        Some("0o" | "0O") => radix(&text[2..], 8),
        Some("0x" | "0X") => radix(&text[2..], 16),
        Some("0b" | "0B") => radix(&text[2..], 2),
        _ if text.len() > 1 && text.starts_with('0') && !text.contains('.') => radix(text, 8),
        _ => text.parse().ok(),
    }
}
