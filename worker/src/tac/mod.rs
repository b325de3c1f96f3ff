//! `buildbot.tac`: a Python program that says how a worker is set up. It is read, never run.
//!
//! A setting is found where the file itself puts it to use: as an argument of `Worker(…)` or, in old
//! files, `BuildSlave(…)`. Names stand for what was assigned to them at the left edge. A value that
//! only Python could compute is remembered with its line, for whoever needs it to complain about.

mod expression;
mod token;

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

pub use expression::Literal;
use expression::{Call, Expression};
use token::{Kind, Line, Token};

/// The value of a setting.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    Known(Literal),
    /// Only Python could tell: the line, from 1.
    Computed(usize),
}

/// One file.
#[derive(Debug, Clone)]
pub struct Tac {
    /// The directory of the file, absolute.
    dir: PathBuf,
    names: HashMap<String, Setting>,
    calls: Vec<Call>,
}

/// What `Worker` and `BuildSlave` take without a name, in order.
const WORKER_ARGS: [&str; 19] = [
    "buildmaster_host",
    "port",
    "name",
    "passwd",
    "basedir",
    "keepalive",
    "keepaliveTimeout",
    "umask",
    "maxdelay",
    "numcpus",
    "unicode_encoding",
    "protocol",
    "useTls",
    "allow_shutdown",
    "maxRetries",
    "connection_string",
    "path",
    "delete_leftover_dirs",
    "proxy_connection_string",
];
const SLAVE_ARGS: [&str; 13] = [
    "buildmaster_host",
    "port",
    "name",
    "passwd",
    "basedir",
    "keepalive",
    "usePTY",
    "keepaliveTimeout",
    "umask",
    "maxdelay",
    "numcpus",
    "unicode_encoding",
    "allow_shutdown",
];

impl Tac {
    /// Reads the text of a file in `dir`.
    pub fn parse(text: &str, dir: &Path) -> Tac {
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        let mut tac = Tac { dir, names: HashMap::new(), calls: Vec::new() };
        let lines = token::lines(text);
        for (at, line) in lines.iter().enumerate() {
            tac.calls.extend(expression::calls(&line.tokens));
            if let Some((name, value)) = assignment(line) {
                tac.assign(name, value, line, &lines[..at]);
            }
        }
        tac
    }

    fn assign(&mut self, name: &str, value: &[Token], line: &Line, before: &[Line]) {
        let setting = match line.indent {
            0 => self.value(&expression::expression(value), first_line(line)),
            // The one condition that every file has, and that [`Tac::basedir`] knows.
            _ if name == "basedir" && is_relocation(line, before) => return,
            _ => Setting::Computed(first_line(line)),
        };
        self.names.insert(name.to_owned(), setting);
    }

    /// Whether the file makes an application of one of these names.
    pub fn is_application(&self, names: &[&str]) -> bool {
        self.calls_of("Application").any(|call| {
            let first = call.args.first().map(|arg| &arg.value);
            matches!(first, Some(Expression::Literal(Literal::Text(name))) if names.contains(&name.as_str()))
        })
    }

    /// Whether the worker is set up by a call that this reader understands.
    pub fn has_worker(&self) -> bool {
        self.worker().is_some()
    }

    /// An argument of the worker, by the name that the newest release gives it. Absent when the file
    /// leaves it to the default.
    pub fn argument(&self, name: &str) -> Option<Setting> {
        let (call, order) = self.worker()?;
        let position = order.iter().position(|known| *known == name);
        let named = |name| call.args.iter().find(|arg| arg.name.as_deref() == Some(name));
        let placed = || call.args.get(position?).filter(|arg| arg.name.is_none());
        let arg = named(name).or_else(placed).or_else(|| named(expression::MORE))?;
        Some(self.value(&arg.value, arg.line))
    }

    /// A named argument of the log file that the file sets up, if it does.
    pub fn log_argument(&self, name: &str) -> Option<Setting> {
        let call = self.calls_of("fromFullPath").next()?;
        let arg = call.args.iter().find(|arg| arg.name.as_deref() == Some(name))?;
        Some(self.value(&arg.value, arg.line))
    }

    fn worker(&self) -> Option<(&Call, &'static [&'static str])> {
        let worker = self.calls_of("Worker").next().map(|call| (call, WORKER_ARGS.as_slice()));
        let slave = || self.calls_of("BuildSlave").next().map(|call| (call, SLAVE_ARGS.as_slice()));
        worker.or_else(slave)
    }

    /// Calls of a function, whatever module it is written with.
    fn calls_of(&self, function: &str) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(move |call| call.function.rsplit('.').next() == Some(function))
    }

    fn value(&self, expression: &Expression, line: usize) -> Setting {
        match expression {
            Expression::Literal(literal) => Setting::Known(literal.clone()),
            Expression::Name(name) if name == "__file__" => {
                self.path(&self.dir.join("buildbot.tac"))
            }
            Expression::Name(name) => match self.names.get(name) {
                Some(setting) => setting.clone(),
                None => Setting::Computed(line),
            },
            Expression::Call(call) => self.call(call).unwrap_or(Setting::Computed(line)),
            Expression::Computed => Setting::Computed(line),
        }
    }

    /// The functions on paths, which need nothing but their arguments and the file's own place.
    fn call(&self, call: &Call) -> Option<Setting> {
        let args = call.args.iter().map(|arg| match self.value(&arg.value, arg.line) {
            Setting::Known(Literal::Text(text)) => Some(text),
            _ => None,
        });
        let args: Vec<String> = args.collect::<Option<_>>()?;
        let path = match (call.function.rsplit('.').next()?, args.as_slice()) {
            ("join", [first, more @ ..]) => {
                more.iter().fold(PathBuf::from(first), |path, part| path.join(part))
            }
            ("abspath" | "realpath" | "normpath", [path]) => normal(&self.dir.join(path)),
            ("dirname", [path]) => Path::new(path).parent()?.to_owned(),
            ("expanduser", [path]) => match path.strip_prefix("~/") {
                Some(rest) => PathBuf::from(std::env::var_os("HOME")?).join(rest),
                None => path.into(),
            },
            // Workers run in their base directory.
            ("getcwd", []) => self.dir.clone(),
            _ => return None,
        };
        Some(self.path(&path))
    }

    fn path(&self, path: &Path) -> Setting {
        Setting::Known(Literal::Text(path.to_string_lossy().into_owned()))
    }
}

impl Literal {
    /// Python's idea of truth.
    pub fn is_true(&self) -> bool {
        match self {
            Literal::None => false,
            Literal::Bool(flag) => *flag,
            Literal::Integer(number) => *number != 0,
            Literal::Float(number) => *number != 0.0,
            Literal::Text(text) => !text.is_empty(),
        }
    }

    /// Also from a text, as `umask` and `port` are sometimes written.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Literal::Integer(number) => Some(*number),
            Literal::Bool(flag) => Some(i64::from(*flag)),
            Literal::Text(text) => expression::integer(text.trim()),
            _ => None,
        }
    }

    /// The same for numbers with a fraction.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Literal::Float(number) => Some(*number),
            Literal::Text(text) => text.trim().parse().ok(),
            other => other.as_integer().map(|number| number as f64),
        }
    }
}

fn first_line(line: &Line) -> usize {
    line.tokens.first().map_or(0, |token| token.line)
}

/// `name = value`, and not `name == value`.
fn assignment(line: &Line) -> Option<(&str, &[Token])> {
    match line.tokens.as_slice() {
        [Token { kind: Kind::Name(name), .. }, Token { kind: Kind::Sign('='), .. }, value @ ..]
            if !matches!(value, [Token { kind: Kind::Sign('='), .. }, ..]) =>
        {
            Some((name, value))
        }
        _ => None,
    }
}

/// Whether the block that `line` is in begins with `if basedir == …:`.
fn is_relocation(line: &Line, before: &[Line]) -> bool {
    let head = before.iter().rev().find(|earlier| earlier.indent < line.indent);
    head.is_some_and(|head| {
        let is = |at: usize, name: &str| {
            matches!(head.tokens.get(at), Some(Token { kind: Kind::Name(found), .. }) if found == name)
        };
        is(0, "if") && is(1, "basedir")
    })
}

/// Without `.` and `..`, as Python's `abspath` writes it.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    normal
}

/// A text as a Python literal that [`Tac::parse`] and Python read alike.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '\\' | '\'' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests;
