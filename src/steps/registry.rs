//! The table of step classes and the reader of one step's table.
//!
//! A new step is one file and one line in [`REGISTRY`].

use std::sync::Arc;

use super::plan::{Condition, StepOptions, StepPlan};
use super::{
    Step, directories, download, file_exists, git, master_shell, mercurial, multiple_upload,
    set_properties_from_env, set_property, set_property_from_command, shell, shell_sequence,
    source, string_download, svn, upload,
};
use crate::config::fields::{Fields, closest};
use crate::config::problems::Problems;
use crate::config::raw::{Raw, RawValue};
use crate::flow::expression::Expression;
use crate::flow::interpolate::Renderable;

/// A step class.
pub struct StepType {
    /// What stands in `type`.
    pub class: &'static str,
    /// The step's name when none is configured.
    pub name: &'static str,
    /// The class's own values of the options all steps share.
    pub defaults: fn() -> StepOptions,
    /// Reads the class's own keys; may still change name and options.
    pub parse: fn(&mut Fields<'_>, &mut Draft) -> Arc<dyn Step>,
}

/// Name and shared options while a step is being read.
pub struct Draft {
    pub name: String,
    pub options: StepOptions,
}

/// Every step class.
pub const REGISTRY: &[StepType] = &[
    StepType {
        class: "ShellCommand",
        name: "shell",
        defaults: StepOptions::default,
        parse: shell::shell_command,
    },
    StepType {
        class: "Configure",
        name: "configure",
        defaults: shell::configure_defaults,
        parse: shell::configure,
    },
    StepType {
        class: "Compile",
        name: "compile",
        defaults: shell::compile_defaults,
        parse: shell::compile,
    },
    StepType { class: "Test", name: "test", defaults: shell::test_defaults, parse: shell::test },
    StepType { class: "Git", name: "git", defaults: source::defaults, parse: git::git },
    StepType { class: "GitHub", name: "git", defaults: source::defaults, parse: git::github },
    StepType { class: "GitLab", name: "git", defaults: source::defaults, parse: git::gitlab },
    StepType { class: "Gerrit", name: "git", defaults: source::defaults, parse: git::gerrit },
    StepType { class: "SVN", name: "svn", defaults: source::defaults, parse: svn::parse },
    StepType {
        class: "Mercurial",
        name: "hg",
        defaults: source::defaults,
        parse: mercurial::parse,
    },
    StepType {
        class: "SetPropertyFromCommand",
        name: "setproperty",
        defaults: StepOptions::default,
        parse: set_property_from_command::parse,
    },
    StepType {
        class: "MasterShellCommand",
        name: "MasterShellCommand",
        defaults: master_shell::defaults,
        parse: master_shell::parse,
    },
    StepType {
        class: "SetProperty",
        name: "SetProperty",
        defaults: set_property::defaults,
        parse: set_property::set_property,
    },
    StepType {
        class: "SetProperties",
        name: "SetProperties",
        defaults: set_property::many_defaults,
        parse: set_property::set_properties,
    },
    StepType {
        class: "ShellSequence",
        name: "generic",
        defaults: StepOptions::default,
        parse: shell_sequence::parse,
    },
    StepType {
        class: "FileUpload",
        name: "upload",
        defaults: upload::defaults,
        parse: upload::file,
    },
    StepType {
        class: "DirectoryUpload",
        name: "upload",
        defaults: upload::defaults,
        parse: upload::directory,
    },
    StepType {
        class: "MultipleFileUpload",
        name: "upload",
        defaults: upload::defaults,
        parse: multiple_upload::parse,
    },
    StepType {
        class: "FileDownload",
        name: "download",
        defaults: upload::defaults,
        parse: download::parse,
    },
    StepType {
        class: "StringDownload",
        name: "string_download",
        defaults: upload::defaults,
        parse: string_download::string,
    },
    StepType {
        class: "JSONStringDownload",
        name: "json_download",
        defaults: upload::defaults,
        parse: string_download::json_string,
    },
    StepType {
        class: "JSONPropertiesDownload",
        name: "json_properties_download",
        defaults: upload::defaults,
        parse: string_download::json_properties,
    },
    StepType {
        class: "MakeDirectory",
        name: "MakeDirectory",
        defaults: directories::make_defaults,
        parse: directories::make,
    },
    StepType {
        class: "RemoveDirectory",
        name: "RemoveDirectory",
        defaults: directories::remove_defaults,
        parse: directories::remove,
    },
    StepType {
        class: "CopyDirectory",
        name: "CopyDirectory",
        defaults: directories::copy_defaults,
        parse: directories::copy,
    },
    StepType {
        class: "FileExists",
        name: "FileExists",
        defaults: file_exists::defaults,
        parse: file_exists::parse,
    },
    StepType {
        class: "SetPropertiesFromEnv",
        name: "SetPropertiesFromEnv",
        defaults: set_properties_from_env::defaults,
        parse: set_properties_from_env::parse,
    },
];

/// Longest name that the `steps.name` column takes.
const NAME_LENGTH: usize = 50;

/// Reads one step: a table with `type`, the options all steps share, and the class's own.
/// `None` when the class is not known; other mistakes are reported and read as defaults.
pub fn parse(raw: &Raw, path: &str, problems: &mut Problems) -> Option<StepPlan> {
    let mut fields = Fields::of(raw, path, problems);
    if !matches!(raw.value, RawValue::Table(_)) {
        return None;
    }
    let place = raw.place.clone();
    let class: String = fields.required("type");
    let Some(step_type) = REGISTRY.iter().find(|step_type| step_type.class == class) else {
        if !class.is_empty() {
            fields.problem_at("type", &place, unknown(&class));
        }
        return None;
    };
    let mut draft = Draft { name: step_type.name.to_owned(), options: (step_type.defaults)() };
    common(&mut fields, &mut draft);
    let step = (step_type.parse)(&mut fields, &mut draft);
    fields.finish();
    Some(StepPlan { name: draft.name, class: step_type.class, options: draft.options, step })
}

fn unknown(class: &str) -> String {
    let known: Vec<&str> = REGISTRY.iter().map(|step_type| step_type.class).collect();
    match closest(class, &known) {
        Some(near) => format!("unknown step '{class}'; did you mean '{near}'?"),
        None => format!("unknown step '{class}'; known are: {}", known.join(", ")),
    }
}

fn common(fields: &mut Fields<'_>, draft: &mut Draft) {
    if let Some(name) = fields.optional::<String>("name") {
        if name.is_empty() || name.chars().count() > NAME_LENGTH {
            fields.problem(format!("'name' must have 1 to {NAME_LENGTH} characters"));
        } else {
            draft.name = name;
        }
    }
    let options = &mut draft.options;
    for (key, flag) in [
        ("haltOnFailure", &mut options.halt_on_failure),
        ("flunkOnFailure", &mut options.flunk_on_failure),
        ("flunkOnWarnings", &mut options.flunk_on_warnings),
        ("warnOnFailure", &mut options.warn_on_failure),
        ("warnOnWarnings", &mut options.warn_on_warnings),
        ("alwaysRun", &mut options.always_run),
    ] {
        *flag = fields.or(key, *flag);
    }
    condition(fields, "doStepIf", &mut options.do_step_if);
    condition(fields, "hideStepIf", &mut options.hide_step_if);
    for (key, text) in [
        ("description", &mut options.description),
        ("descriptionDone", &mut options.description_done),
        ("descriptionSuffix", &mut options.description_suffix),
    ] {
        let place = fields.place().clone();
        if let Some(words) = fields.optional::<Vec<String>>(key) {
            let words = words.join(" ");
            if let Err(error) = Renderable::parse(&words.as_str().into()) {
                fields.problem_at(key, &place, error.to_string());
            }
            *text = Some(words).filter(|text| !text.is_empty());
        }
    }
    if let Some(raw) = fields.take("locks") {
        fields.problem_at("locks", &raw.place, "locks are not supported yet; remove this key");
    }
}

/// `true`, `false` or the text of an expression.
fn condition(fields: &mut Fields<'_>, key: &'static str, condition: &mut Condition) {
    let Some(raw) = fields.take(key) else { return };
    match &raw.value {
        RawValue::Bool(value) => *condition = Condition::Always(*value),
        RawValue::Text(source) => match Expression::parse(source) {
            Ok(_) => *condition = Condition::Expression(source.clone()),
            Err(message) => fields.problem_at(key, &raw.place, message),
        },
        _ => {
            let message = format!("must be true, false or an expression, not {}", raw.kind());
            fields.problem_at(key, &raw.place, message);
        }
    }
}
