//! `buildbot sendchange`: tells a master of a change, from a hook or by hand.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::ValueHint;
use protocol::pb::Change;

use super::client::{self, Address, Login};
use super::options_file::OptionsFile;
use super::{blocking, prompt};

/// Version control systems whose authors a master keeps as users.
const SYSTEMS: [&str; 8] = ["cvs", "svn", "darcs", "hg", "bzr", "git", "mtn", "p4"];

/// Send a change to the buildmaster
#[derive(Debug, clap::Args)]
#[command(args_override_self = true, infer_long_args = true)]
pub struct Options {
    /// Where the master takes changes
    #[arg(short, long, value_name = "HOST:PORT", allow_hyphen_values = true)]
    master: Option<String>,
    /// Name and password of the PBChangeSource; the password is asked for when it is left out
    #[arg(
        short,
        long,
        value_name = "USER:PASSWORD",
        default_value = "change:changepw",
        allow_hyphen_values = true
    )]
    auth: String,
    /// Author of the commit
    #[arg(short = 'W', long, allow_hyphen_values = true)]
    who: Option<String>,
    /// URL or path of the repository
    #[arg(
        short = 'R',
        long,
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    repository: String,
    /// The version control system: cvs, svn, darcs, hg, bzr, git, mtn or p4
    #[arg(short = 's', long, value_name = "SYSTEM", allow_hyphen_values = true)]
    vc: Option<String>,
    /// Project of the change
    #[arg(
        short = 'P',
        long,
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    project: String,
    /// Branch of the change
    #[arg(short, long, allow_hyphen_values = true)]
    branch: Option<String>,
    /// Category of the change
    #[arg(short = 'C', long, allow_hyphen_values = true)]
    category: Option<String>,
    /// Codebase of the change
    #[arg(long, allow_hyphen_values = true)]
    codebase: Option<String>,
    /// The revision
    #[arg(short, long, allow_hyphen_values = true)]
    revision: Option<String>,
    /// Read the revision from this file
    #[arg(long = "revision_file", alias = "revision-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    revision_file: Option<PathBuf>,
    /// A property of the change; may be given several times
    #[arg(short, long, value_name = "NAME:VALUE", allow_hyphen_values = true)]
    property: Vec<String>,
    /// The commit message
    #[arg(short, long, allow_hyphen_values = true)]
    comments: Option<String>,
    /// Read the commit message from this file; - is standard input
    #[arg(short = 'F', long, value_name = "FILE", allow_hyphen_values = true)]
    logfile: Option<PathBuf>,
    /// When it happened, in seconds since 1970; by default now
    #[arg(short, long, value_name = "TIME", allow_hyphen_values = true)]
    when: Option<String>,
    /// URL of the commit in a repository viewer
    #[arg(
        short = 'l',
        long,
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    revlink: String,
    /// Accepted without effect: everything is UTF-8
    #[arg(short, long, default_value = "utf8", hide_default_value = true)]
    encoding: String,
    /// The files that were changed
    #[arg(value_hint = ValueHint::FilePath)]
    files: Vec<String>,
}

pub fn run(options: Options) -> anyhow::Result<ExitCode> {
    let options = options.with_defaults(&OptionsFile::find()?);
    let master = options.master()?;
    let change = options.change()?;
    let (user, password) = match options.auth.split_once(':') {
        Some((user, password)) => (user.to_owned(), password.to_owned()),
        None => {
            let user = options.auth;
            let password = prompt::password(&format!("Enter password for '{user}': "))?;
            (user, password)
        }
    };
    let login = Login { user, password };
    let sent = blocking(client::call(&master, &login, "addChange", vec![change.to_value()]))?;
    // Scripts look for these on standard output.
    Ok(match sent {
        Ok(_) => {
            println!("change sent successfully");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("change not sent:\n{error}");
            ExitCode::FAILURE
        }
    })
}

impl Options {
    /// What is not given stands in the options file, perhaps.
    fn with_defaults(mut self, file: &OptionsFile) -> Options {
        for (option, name) in [
            (&mut self.master, "master"),
            (&mut self.who, "who"),
            (&mut self.branch, "branch"),
            (&mut self.category, "category"),
            (&mut self.vc, "vc"),
        ] {
            *option = option.take().or_else(|| file.get(name));
        }
        self
    }

    fn master(&self) -> anyhow::Result<Address> {
        let needed = [("who", &self.who), ("master", &self.master)];
        let missing: Vec<&str> =
            needed.into_iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        match (missing.as_slice(), &self.master) {
            ([], Some(master)) => Ok(master.parse()?),
            ([one], _) => bail!("Required argument missing: {one}"),
            _ => bail!("Required arguments missing: {}", missing.join(", ")),
        }
    }

    fn change(&self) -> anyhow::Result<Change> {
        if let Some(vc) = &self.vc
            && !vc.is_empty()
            && !SYSTEMS.contains(&vc.as_str())
        {
            bail!("vc must be one of {}", SYSTEMS.join(", "));
        }
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Ok(Change {
            author: self.who.clone(),
            committer: None,
            comments: self.comments()?,
            files: self.files.clone(),
            branch: self.branch.clone(),
            revision: self.revision()?,
            category: self.category.clone(),
            // Older masters do not know it.
            codebase: given(&self.codebase),
            repository: self.repository.clone(),
            project: self.project.clone(),
            revlink: self.revlink.clone(),
            when_timestamp: self.when()?,
            properties: self.properties()?,
            src: given(&self.vc),
        })
    }

    /// The end of a file's last line belongs to the file, not to the revision.
    fn revision(&self) -> anyhow::Result<Option<String>> {
        match &self.revision_file {
            Some(file) => Ok(Some(read(file)?.trim_end_matches(['\r', '\n']).to_owned())),
            None => Ok(self.revision.clone()),
        }
    }

    fn comments(&self) -> anyhow::Result<String> {
        let given = self.comments.clone().unwrap_or_default();
        match &self.logfile {
            Some(file) if given.is_empty() && file == Path::new("-") => {
                let mut text = Vec::new();
                std::io::stdin().read_to_end(&mut text).context("cannot read standard input")?;
                Ok(String::from_utf8_lossy(&text).into_owned())
            }
            Some(file) if given.is_empty() => read(file),
            _ => Ok(given),
        }
    }

    fn when(&self) -> anyhow::Result<Option<f64>> {
        let Some(when) = self.when.as_deref().filter(|when| !when.is_empty()) else {
            return Ok(None);
        };
        match when.trim().parse::<f64>() {
            Ok(seconds) if seconds.is_finite() => Ok(Some(seconds)),
            _ => bail!("invalid 'when' value {when}"),
        }
    }

    /// The last one of a name counts.
    fn properties(&self) -> anyhow::Result<Vec<(String, rmpv::Value)>> {
        let mut properties: Vec<(String, rmpv::Value)> = Vec::new();
        for property in &self.property {
            let Some((name, value)) = property.split_once(':') else {
                bail!("invalid property '{property}'; write NAME:VALUE");
            };
            properties.retain(|(other, _)| other != name);
            properties.push((name.to_owned(), value.into()));
        }
        Ok(properties)
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read '{}'", file.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use protocol::jelly::Value;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(arguments: &[&str]) -> Options {
        let line = ["sendchange"].iter().chain(arguments);
        Line::try_parse_from(line).unwrap_or_else(|error| panic!("{error}")).options
    }

    fn change(arguments: &[&str]) -> Result<Value, String> {
        let options = options(&[&["-m", "localhost:1", "--who=me"], arguments].concat());
        let change = options.change().map_err(|error| error.to_string())?;
        Ok(change.to_value())
    }

    #[test]
    fn everything_that_can_be_given() {
        let change = change(&[
            "-R",
            "r.git",
            "--vc=git",
            "-P",
            "proj",
            "-b",
            "main",
            "-C",
            "cat",
            "--codebase=base",
            "-r",
            "abc",
            "-p",
            "a:1",
            "--property",
            "b:x:y",
            "-p",
            "a:2",
            "-c",
            "-dashed",
            "-w",
            "1700000000.5",
            "-l",
            "http://r",
            "-e",
            "utf8",
            "a.c",
            "b.c",
        ])
        .unwrap();
        for (key, value) in [
            ("project", Value::from("proj")),
            ("repository", "r.git".into()),
            ("who", "me".into()),
            ("files", Value::List(vec!["a.c".into(), "b.c".into()])),
            ("comments", "-dashed".into()),
            ("branch", "main".into()),
            ("revision", "abc".into()),
            ("category", "cat".into()),
            ("when", 1_700_000_000.5.into()),
            ("properties", Value::Dict(vec![("b".into(), "x:y".into()), ("a".into(), "2".into())])),
            ("revlink", "http://r".into()),
            ("src", "git".into()),
            ("codebase", "base".into()),
        ] {
            assert_eq!(change.get(key), Some(&value), "{key}");
        }
    }

    #[test]
    fn what_is_left_out_is_said_as_stock_says_it() {
        let change = change(&["f.txt"]).unwrap();
        let keys: Vec<_> =
            change.pairs().unwrap().iter().filter_map(|(key, _)| key.text()).collect();
        assert_eq!(
            keys.join(" "),
            "project repository who files comments branch revision category when properties \
             revlink src"
        );
        let nothing = ["branch", "revision", "category", "when", "src"];
        assert!(nothing.iter().all(|key| change.get(key) == Some(&Value::None)));
        let empty = ["project", "repository", "comments", "revlink"];
        assert!(empty.iter().all(|key| change.get(key) == Some(&"".into())));
        assert_eq!(change.get("properties"), Some(&Value::Dict(vec![])));
    }

    #[test]
    fn files_hold_revisions_and_comments() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("text");
        std::fs::write(&file, "one\ntwo\n").unwrap();
        let file = file.to_str().unwrap();
        let change = |arguments: &[&str]| change(arguments).unwrap();
        assert_eq!(change(&["--revision_file", file]).get("revision"), Some(&"one\ntwo".into()));
        assert_eq!(change(&["-F", file]).get("comments"), Some(&"one\ntwo\n".into()));
        assert_eq!(change(&["-F", file, "-c", "given"]).get("comments"), Some(&"given".into()));
    }

    #[test]
    fn what_makes_no_sense() {
        for (arguments, expected) in [
            (&["--vc=rcs"][..], "vc must be one of cvs, svn"),
            (&["--when=soon"], "invalid 'when' value soon"),
            (&["--when=inf"], "invalid 'when' value inf"),
            (&["-p", "novalue"], "invalid property 'novalue'; write NAME:VALUE"),
            (&["--logfile=/nowhere/at/all"], "cannot read '/nowhere/at/all'"),
        ] {
            let error = change(arguments).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
        for (arguments, expected) in [
            (&[][..], "Required arguments missing: who, master"),
            (&["--who=me"], "Required argument missing: master"),
            (&["-W", "me", "-m", "localhost"], "master must have the form 'hostname:port'"),
        ] {
            let error = options(arguments).master().expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
