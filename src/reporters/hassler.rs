//! `ProblemHassler`: whom to tell of problems, how and how often. Its mails are those of a
//! `MailNotifier`, its words on IRC those of a bot.

use std::time::Duration;

use serde_json::Value;

use super::ReporterConfig;
use super::mail;
use crate::config::fields::Fields;
use crate::config::values::non_empty;
use crate::flow::problem::quiet::{QuietHours, wrong_zone};
use crate::flow::problem::schedule::Rules;

/// A configured hassler.
#[derive(Debug, Clone, PartialEq)]
pub struct HasslerConfig {
    builders: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    /// The `MailNotifier` whose addresses and server are used; `None` for the only one.
    pub notifier: Option<String>,
    pub irc: IrcChoice,
    pub rules: Rules,
}

/// Which bots it speaks through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IrcChoice {
    Any,
    Only(String),
    None,
}

/// Seconds.
const MAIL_AFTER: u64 = 15 * 60;
const REPEAT: [i64; 3] = [3600, 4 * 3600, 24 * 3600];
/// The shortest pause, so that a slip of the pen hassles nobody every second.
const SHORTEST: u64 = 60;

/// Reads the options.
pub fn parse(fields: &mut Fields<'_>) -> HasslerConfig {
    let hassler = HasslerConfig {
        builders: fields.optional("builders"),
        tags: fields.optional("tags"),
        notifier: fields.optional_checked("notifier", non_empty),
        irc: irc(fields),
        rules: rules(fields),
    };
    if hassler.builders.is_some() && hassler.tags.is_some() {
        fields.problem("must name builders or tags, not both");
    }
    hassler
}

fn rules(fields: &mut Fields<'_>) -> Rules {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let mail_after = fields.or("mailAfter", Duration::from_secs(MAIL_AFTER));
    let repeat = fields.optional_checked("repeat", |pauses: &Vec<Duration>| {
        let short = pauses.iter().any(|pause| pause.as_secs() < SHORTEST);
        short.then(|| format!("must hold pauses of at least {SHORTEST} seconds"))
    });
    let seen = fields.optional_checked("seenLikelihood", |seen: &f64| {
        let wrong = !(0.0..=1.0).contains(seen);
        wrong.then(|| format!("must be between 0 and 1, and is {seen}"))
    });
    Rules {
        mail_after: seconds(mail_after),
        repeat: repeat.map_or(REPEAT.to_vec(), |all| all.into_iter().map(seconds).collect()),
        quiet: quiet(fields),
        seen: seen.unwrap_or(0.5) as f32,
    }
}

fn quiet(fields: &mut Fields<'_>) -> Option<QuietHours> {
    let zone: Option<String> = fields.optional_checked("timezone", wrong_zone);
    let zone = zone.filter(|zone| wrong_zone(zone).is_none());
    let hours = fields.optional_checked("quietHours", |hours: &String| {
        QuietHours::parse(hours, zone.as_deref()).err()
    })?;
    QuietHours::parse(&hours, zone.as_deref()).ok()
}

fn irc(fields: &mut Fields<'_>) -> IrcChoice {
    let written: Option<Value> = fields.optional_checked("irc", |value| {
        let fits =
            matches!(value, Value::Bool(_)) || value.as_str().is_some_and(|name| !name.is_empty());
        (!fits).then(|| "must be the name of an IRC service, true (any) or false (none)".to_owned())
    });
    match written {
        Some(Value::String(name)) => IrcChoice::Only(name),
        Some(Value::Bool(false)) => IrcChoice::None,
        _ => IrcChoice::Any,
    }
}

impl HasslerConfig {
    /// Does it care for this builder?
    pub fn takes(&self, builder: &str, tags: &[String]) -> bool {
        let builders = self.builders.as_ref();
        builders.is_none_or(|names| names.iter().any(|name| name == builder))
            && self.tags.as_ref().is_none_or(|wanted| tags.iter().any(|tag| wanted.contains(tag)))
    }

    /// The builders that it names.
    pub fn builders(&self) -> &[String] {
        self.builders.as_deref().unwrap_or_default()
    }

    /// The notifier whose mails these are.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub fn notifier<'r>(
        &self,
        reporters: impl Iterator<Item = &'r ReporterConfig>,
    ) -> Result<&'r ReporterConfig, String> {
        let mut notifiers = reporters.filter(|reporter| reporter.class == mail::CLASS);
        match &self.notifier {
            Some(name) => notifiers
                .find(|notifier| notifier.name == *name)
                .ok_or_else(|| format!("there is no {} named '{name}'", mail::CLASS)),
            None => match (notifiers.next(), notifiers.next()) {
                (Some(only), None) => Ok(only),
                (None, _) => Err(format!("needs a {} for its mails; add one", mail::CLASS)),
                _ => Err(format!("needs a 'notifier': there are several {}s", mail::CLASS)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::problems::Problems;
    use crate::config::raw::Raw;

    fn read(written: Value) -> (HasslerConfig, String) {
        let raw = Raw::from_json(written);
        let mut problems = Problems::new();
        let mut fields = Fields::of(&raw, "services[1]", &mut problems);
        let hassler = parse(&mut fields);
        fields.finish();
        (hassler, problems.to_string())
    }

    #[test]
    fn defaults_ask_now_and_then() {
        let (hassler, problems) = read(json!({}));
        assert_eq!(problems, "");
        assert!(hassler.takes("any", &[]) && hassler.irc == IrcChoice::Any);
        let repeat = vec![3600, 14_400, 86_400];
        let rules = Rules { mail_after: 900, repeat, quiet: None, seen: 0.5 };
        assert_eq!(hassler.rules, rules);
    }

    #[test]
    fn builders_are_selected_by_name_or_tag() {
        let tags = ["fast".to_owned()];
        for (written, expected) in [
            (json!({ "builders": ["linux"] }), true),
            (json!({ "builders": ["mac"] }), false),
            (json!({ "tags": ["fast", "x"] }), true),
            (json!({ "tags": ["x"] }), false),
        ] {
            let (hassler, problems) = read(written.clone());
            assert_eq!((hassler.takes("linux", &tags), &*problems), (expected, ""), "{written}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (written, says) in [
            (json!({ "builders": ["a"], "tags": ["b"] }), "not both"),
            (json!({ "repeat": [5] }), "at least 60 seconds"),
            (json!({ "seenLikelihood": 50 }), "between 0 and 1"),
            (json!({ "irc": 5 }), "the name of an IRC service"),
            (json!({ "quietHours": "night" }), "two times of day"),
            (json!({ "quietHours": "22:00-07:00", "timezone": "Mars" }), "no time zone"),
            (json!({ "mailafter": 5 }), "did you mean 'mailAfter'"),
        ] {
            let (_, problems) = read(written.clone());
            assert!(problems.contains(says), "{written}: {problems}");
        }
    }
}
