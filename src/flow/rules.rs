//! The rules about requests, builders and workers for which stock takes callables: here each is a
//! name or an expression. A callable will be one more variant.

use std::cmp::Ordering;

use minijinja::value::Value as Jinja;
use serde_json::{Map, Value, json};

use super::expression::{Expression, Variables};
use crate::config::fields::{FromRaw, closest};
use crate::config::raw::{Raw, RawValue};
use crate::model::{BuildRequestId, BuilderId, BuildsetId, Properties, Timestamp};

/// `collapseRequests`: may a newer request replace an older one of the same builder?
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Collapse {
    Never,
    /// `true`, stock's default: same sources, same properties of the scheduler.
    #[default]
    Compatible,
    /// Same sources, whatever the properties.
    SameSources,
    /// Same codebases and branches, whatever revisions and properties.
    SameBranch,
    If(Expression),
}

/// `nextBuild`: which request of a builder is built first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NextBuild {
    /// The highest priority, then the oldest.
    #[default]
    Oldest,
    /// The newest, whatever the priorities.
    Newest,
    /// The one with the greatest value.
    Greatest(Expression),
}

/// `nextWorker` and `select_next_worker`: which of the free workers builds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NextWorker {
    #[default]
    Random,
    /// The one with the fewest builds.
    LeastBusy,
    /// In the order of `workernames`.
    First,
    /// The one with the greatest value; `none` rules a worker out.
    Greatest(Expression),
}

/// `canStartBuild`: may this worker take this request?
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CanStart {
    #[default]
    Always,
    /// Stock's `enforceChosenWorker`: the property `workername`, where it is a text, names the
    /// worker.
    ChosenWorker,
    If(Expression),
}

/// `prioritizeBuilders`: which builder is served first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BuilderOrder {
    /// Stock's order: the highest priority that waits, then the oldest request, then the name.
    #[default]
    Priority,
    /// The oldest request, then the name.
    Oldest,
    /// The greatest value, then stock's order.
    Greatest(Expression),
}

/// The rules of one builder about its queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueRules {
    pub next_build: NextBuild,
    pub next_worker: NextWorker,
    pub can_start: CanStart,
}

impl QueueRules {
    /// Do they look at more of a request than its row?
    pub fn need_details(&self) -> bool {
        matches!(self.next_build, NextBuild::Greatest(_))
            || matches!(self.next_worker, NextWorker::Greatest(_))
            || self.can_start != CanStart::Always
    }
}

/// A word for a rule, or an expression.
enum Written<T> {
    Rule(T),
    Expression(Expression),
}

fn written<T: Clone>(raw: &Raw, rules: &[(&str, T)]) -> Result<Written<T>, String> {
    let names = || rules.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    let RawValue::Text(text) = &raw.value else {
        let names = names().join(", ");
        return Err(format!("must be a rule ({names}) or an expression, not {}", raw.kind()));
    };
    if let Some((_, rule)) = rules.iter().find(|(name, _)| name == text) {
        return Ok(Written::Rule(rule.clone()));
    }
    let word = text.chars().all(|c| c.is_alphanumeric() || c == '_');
    if let Some(near) = closest(text, &names()).filter(|_| word) {
        return Err(format!("unknown rule '{text}'; did you mean '{near}'?"));
    }
    Expression::parse(text).map(Written::Expression)
}

impl FromRaw for Collapse {
    fn from_raw(raw: &Raw) -> Result<Collapse, String> {
        let rules = [
            ("compatible", Collapse::Compatible),
            ("same_sources", Collapse::SameSources),
            ("same_branch", Collapse::SameBranch),
            ("never", Collapse::Never),
        ];
        Ok(match raw.value {
            RawValue::Bool(true) => Collapse::Compatible,
            RawValue::Bool(false) => Collapse::Never,
            RawValue::Text(_) => match written(raw, &rules)? {
                Written::Rule(rule) => rule,
                Written::Expression(expression) => Collapse::If(expression),
            },
            _ => {
                let names = rules.map(|(name, _)| name).join(", ");
                let kind = raw.kind();
                return Err(format!(
                    "must be true or false, a rule ({names}) or an expression, not {kind}"
                ));
            }
        })
    }
}

macro_rules! rule {
    ($type:ident, $other:ident, $($name:literal => $rule:ident),+) => {
        impl FromRaw for $type {
            fn from_raw(raw: &Raw) -> Result<$type, String> {
                Ok(match written(raw, &[$(($name, $type::$rule)),+])? {
                    Written::Rule(rule) => rule,
                    Written::Expression(expression) => $type::$other(expression),
                })
            }
        }
    };
}

rule!(NextBuild, Greatest, "oldest" => Oldest, "newest" => Newest);
rule!(NextWorker, Greatest, "random" => Random, "least_busy" => LeastBusy, "first" => First);
rule!(CanStart, If, "always" => Always, "enforceChosenWorker" => ChosenWorker);
rule!(BuilderOrder, Greatest, "priority" => Priority, "oldest" => Oldest);

/// An unclaimed request with everything that rules look at.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingRequest {
    pub id: BuildRequestId,
    pub buildset: BuildsetId,
    pub builder: BuilderId,
    pub priority: i64,
    pub submitted_at: Timestamp,
    pub reason: String,
    /// A Trigger step waits for it.
    pub waited_for: bool,
    pub sources: Vec<PendingSource>,
    /// The buildset's properties.
    pub properties: Properties,
}

/// A source stamp of a pending request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PendingSource {
    pub codebase: String,
    pub repository: String,
    pub project: String,
    pub branch: Option<String>,
    pub revision: Option<String>,
    pub has_patch: bool,
    /// Some change has this source stamp.
    pub has_changes: bool,
}

impl PendingSource {
    fn to_json(&self) -> Value {
        json!({
            "codebase": self.codebase, "repository": self.repository, "project": self.project,
            "branch": self.branch, "revision": self.revision, "has_patch": self.has_patch,
            "has_changes": self.has_changes,
        })
    }
}

impl PendingRequest {
    /// The request as expressions see it: its row, `reason`, `properties`, `sources` by codebase,
    /// and the attributes of a single source as its own.
    pub fn to_json(&self) -> Value {
        let properties = self
            .properties
            .iter()
            .map(|(name, property)| (name.to_owned(), property.value.clone()));
        let sources = self.sources.iter().map(|source| (source.codebase.clone(), source.to_json()));
        let mut request = json!({
            "id": self.id, "buildset": self.buildset, "priority": self.priority,
            "submitted_at": self.submitted_at, "reason": self.reason,
            "waited_for": self.waited_for,
            "properties": properties.collect::<Map<_, _>>(),
            "sources": sources.collect::<Map<_, _>>(),
        });
        if let ([source], Some(request)) = (self.sources.as_slice(), request.as_object_mut())
            && let Value::Object(attributes) = source.to_json()
        {
            request.extend(attributes);
        }
        request
    }

    /// What an expression about it sees: its properties, `request`, and the attributes of a single
    /// source.
    pub fn variables(&self) -> Variables {
        let mut variables = Variables::of(self.properties.clone().into())
            .with("request", Jinja::from_serialize(self.to_json()));
        if let [source] = self.sources.as_slice() {
            variables = variables
                .with("branch", Jinja::from_serialize(&source.branch))
                .with("revision", Jinja::from_serialize(&source.revision))
                .with("repository", source.repository.clone())
                .with("project", source.project.clone())
                .with("codebase", source.codebase.clone());
        }
        variables
    }
}

/// What an expression gives for the greatest to win: nothing, numbers (false is 0, true is 1),
/// texts, in this order.
#[derive(Debug, Clone, PartialEq)]
pub struct Rank(Option<f64>, String);

impl Rank {
    /// The rank behind a value; `None` for none and what is not defined.
    pub fn of(value: &Jinja) -> Option<Rank> {
        if value.is_none() || value.is_undefined() {
            return None;
        }
        if let Some(text) = value.as_str() {
            return Some(Rank(Some(f64::INFINITY), text.to_owned()));
        }
        let number = f64::try_from(value.clone());
        Some(Rank(Some(number.unwrap_or(f64::from(u8::from(value.is_true())))), String::new()))
    }

    /// Below every other.
    pub fn nothing() -> Rank {
        Rank(None, String::new())
    }
}

impl Eq for Rank {}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Rank) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Rank) -> Ordering {
        let numbers = match (self.0, other.0) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        };
        numbers.then_with(|| self.1.cmp(&other.1))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A request of the builder 1 for the newest state of `main`.
    pub fn request(id: i64, change: impl FnOnce(&mut PendingRequest)) -> PendingRequest {
        let branch = Some("main".to_owned());
        let mut request = PendingRequest {
            id: BuildRequestId(id),
            buildset: BuildsetId(id),
            builder: BuilderId(1),
            priority: 0,
            submitted_at: id,
            reason: "test".into(),
            waited_for: false,
            sources: vec![PendingSource { branch, has_changes: true, ..PendingSource::default() }],
            properties: Properties::new(),
        };
        change(&mut request);
        request
    }

    fn text(text: &str) -> Raw {
        Raw { value: RawValue::Text(text.to_owned()), place: Default::default() }
    }

    #[test]
    fn rules_are_names_or_expressions() {
        assert_eq!(NextBuild::from_raw(&text("newest")), Ok(NextBuild::Newest));
        assert_eq!(CanStart::from_raw(&text("enforceChosenWorker")), Ok(CanStart::ChosenWorker));
        let expression = Expression::parse("branch == 'main'").unwrap();
        assert_eq!(
            NextBuild::from_raw(&text("branch == 'main'")),
            Ok(NextBuild::Greatest(expression))
        );
        for (wrong, message) in [
            ("newst", "unknown rule 'newst'; did you mean 'newest'?"),
            ("branch ==", "the expression 'branch ==' is wrong"),
        ] {
            let found = NextBuild::from_raw(&text(wrong)).unwrap_err();
            assert!(found.contains(message), "{found}");
        }
        let flag = Raw { value: RawValue::Bool(false), place: Default::default() };
        assert_eq!(Collapse::from_raw(&flag), Ok(Collapse::Never));
        assert!(NextWorker::from_raw(&flag).unwrap_err().contains("random, least_busy, first"));
    }

    #[test]
    fn ranks_are_ordered() {
        let values = [
            Jinja::from(()),
            Jinja::from(-2),
            Jinja::from(false),
            Jinja::from(true),
            Jinja::from(1.5),
            Jinja::from("a"),
            Jinja::from("b"),
        ];
        let ranks: Vec<Rank> =
            values.iter().map(|value| Rank::of(value).unwrap_or(Rank::nothing())).collect();
        assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]), "{ranks:?}");
    }

    #[test]
    fn expressions_see_a_request() {
        let request = request(7, |r| {
            r.priority = 3;
            r.properties.set("level", 2, "Force");
        });
        for source in [
            "branch == 'main' and request.branch == 'main'",
            "level == 2 and request.properties.level == 2 and prop('level') == 2",
            "request.priority == 3 and request.id == 7",
            "request.sources[''].has_changes",
        ] {
            let value = Expression::parse(source).unwrap().value(&request.variables());
            assert!(value.unwrap().is_true(), "{source}");
        }
    }
}
