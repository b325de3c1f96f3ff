//! `buildbot try`: has a change built that is not committed yet.

mod file;
mod follow;
mod source;
mod talk;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use clap::ValueHint;
use protocol::pb::TryJob;

use super::blocking;
use super::client::Login;
use super::options_file::OptionsFile;

/// Run a build with your local changes
#[derive(Debug, clap::Args)]
#[command(args_override_self = true, infer_long_args = true)]
pub struct Options {
    /// How to reach the master: pb or ssh
    #[arg(short, long, value_name = "pb|ssh")]
    connect: Option<String>,
    /// ssh: the master's host
    #[arg(long)]
    host: Option<String>,
    /// ssh: the port of ssh there
    #[arg(long)]
    port: Option<String>,
    /// ssh: the job directory there
    #[arg(long)]
    jobdir: Option<String>,
    /// ssh: the command to run instead of ssh
    #[arg(long, allow_hyphen_values = true)]
    ssh: Option<String>,
    /// Whom to log in as
    #[arg(short, long, allow_hyphen_values = true)]
    username: Option<String>,
    /// pb: where the master takes try jobs
    #[arg(short, long, value_name = "HOST:PORT")]
    master: Option<String>,
    /// pb: the password
    #[arg(long, allow_hyphen_values = true)]
    passwd: Option<String>,
    /// Who is responsible for the build
    #[arg(short, long, allow_hyphen_values = true)]
    who: Option<String>,
    /// A comment for the build
    #[arg(short = 'C', long, allow_hyphen_values = true)]
    comment: Option<String>,
    /// ssh: the buildbot program there
    #[arg(long, default_value = "buildbot")]
    buildbotbin: String,
    /// A file with the patch, instead of looking at the work tree; - is standard input
    #[arg(long, value_hint = ValueHint::FilePath, allow_hyphen_values = true)]
    diff: Option<PathBuf>,
    /// With --diff: slashes to take off the names in the patch
    #[arg(short, long, default_value_t = 0)]
    patchlevel: i64,
    /// With --diff: the revision that the patch is for
    #[arg(long)]
    baserev: Option<String>,
    /// The version control system of the work tree: git, or none
    #[arg(long)]
    vc: Option<String>,
    /// The branch that the work tree is based on
    #[arg(long)]
    branch: Option<String>,
    /// The repository, instead of the path of the work tree
    #[arg(long)]
    repository: Option<String>,
    /// Build on this builder; may be given several times
    #[arg(short, long)]
    builder: Vec<String>,
    /// Properties of the build, NAME=VALUE,...; may be given several times
    #[arg(long, value_name = "NAME=VALUE,...", allow_hyphen_values = true)]
    properties: Vec<String>,
    /// A property of the build; may be given several times
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true)]
    property: Vec<String>,
    /// The top of the work tree
    #[arg(long, value_hint = ValueHint::DirPath)]
    topdir: Option<PathBuf>,
    /// Wait for the end of the builds; only by pb
    #[arg(long)]
    wait: bool,
    /// Show the job, do not deliver it
    #[arg(short = 'n', long)]
    dryrun: bool,
    /// Show the builders that can be used; only by pb
    #[arg(long = "get-builder-names", alias = "get_builder_names")]
    get_builder_names: bool,
    /// Do not show how the builds go
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(options: Options) -> anyhow::Result<ExitCode> {
    let options = options.with_defaults(&OptionsFile::find()?);
    let connect = options.connect.as_deref().unwrap_or_default();
    if !["pb", "ssh"].contains(&connect) {
        bail!("you must specify a connect style: ssh or pb");
    }
    println!("using '{connect}' connect method");
    if options.get_builder_names {
        return options.show_builders(connect);
    }
    let job = options.job()?;
    if job.patch.body.is_none() {
        println!("WARNING: There is no patch to try, diff is empty.");
    }
    options.say("job created");
    if options.dryrun {
        show(&job);
        return Ok(ExitCode::SUCCESS);
    }
    if connect == "ssh" {
        return options.by_ssh(&job);
    }
    println!(
        "Delivering job; comment= {}",
        if job.comment.is_empty() { "None" } else { &job.comment }
    );
    let talk = talk::Talk::new(&options.login()?);
    let address = options.address()?;
    let happy = blocking(follow::run(&address, talk, &job, options.wait, options.quiet))??;
    Ok(if happy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(job: &TryJob) {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "None".to_owned());
    let (branch, revision) = (or_none(&job.branch), or_none(&job.revision));
    let builders = job.builder_names.clone().unwrap_or_default().join(", ");
    println!("Job:\n\tRepository: {}\n\tProject: {}", job.repository, job.project);
    println!("\tBranch: {branch}\n\tRevision: {revision}\n\tBuilders: {builders}");
    println!("{}", String::from_utf8_lossy(job.patch.body.as_deref().unwrap_or_default()));
}

impl Options {
    /// What is not given stands in the options file, perhaps.
    fn with_defaults(mut self, file: &OptionsFile) -> Options {
        for (option, names) in [
            (&mut self.connect, &["try_connect"][..]),
            (&mut self.vc, &["try_vc"]),
            (&mut self.branch, &["try_branch"]),
            (&mut self.repository, &["try_repository"]),
            (&mut self.host, &["try_host"]),
            (&mut self.username, &["try_username"]),
            (&mut self.jobdir, &["try_jobdir", "try_dir"]),
            (&mut self.ssh, &["try_ssh"]),
            (&mut self.passwd, &["try_passwd", "try_password"]),
            (&mut self.master, &["try_master", "try_masterstatus", "masterstatus"]),
            (&mut self.who, &["try_who"]),
            (&mut self.comment, &["try_comment"]),
        ] {
            *option = option.take().or_else(|| names.iter().find_map(|name| file.get(name)));
        }
        self
    }

    fn job(&self) -> anyhow::Result<TryJob> {
        let found = source::find(self)?;
        let builders = self.builder.clone();
        Ok(TryJob {
            branch: found.branch,
            revision: found.revision,
            patch: found.patch,
            repository: self.repository.clone().unwrap_or(found.repository),
            project: String::new(),
            builder_names: Some(builders).filter(|names| !names.is_empty()),
            who: self.who.clone().unwrap_or_default(),
            comment: self.comment.clone().unwrap_or_default(),
            properties: self.all_properties()?,
        })
    }

    fn all_properties(&self) -> anyhow::Result<Vec<(String, rmpv::Value)>> {
        let lists = self.properties.iter().flat_map(|list| list.split(','));
        let mut properties: Vec<(String, rmpv::Value)> = Vec::new();
        for property in lists.chain(self.property.iter().map(String::as_str)) {
            let (name, value) = property
                .split_once('=')
                .with_context(|| format!("invalid property '{property}'; write NAME=VALUE"))?;
            properties.retain(|(other, _)| other != name);
            properties.push((name.to_owned(), value.into()));
        }
        Ok(properties)
    }

    fn address(&self) -> anyhow::Result<super::client::Address> {
        let Some(master) = &self.master else {
            bail!("master location must be specified for 'pb' connections");
        };
        master.parse()
    }

    fn login(&self) -> anyhow::Result<Login> {
        match (&self.username, &self.passwd) {
            (Some(user), Some(password)) => {
                Ok(Login { user: user.clone(), password: password.clone() })
            }
            _ => bail!("give --username and --passwd"),
        }
    }

    fn show_builders(&self, connect: &str) -> anyhow::Result<ExitCode> {
        if connect == "ssh" {
            bail!("Cannot get available builders over ssh.");
        }
        let (address, login) = (self.address()?, self.login()?);
        let names = super::client::call(&address, &login, "getAvailableBuilderNames", vec![]);
        let names = blocking(names)??;
        println!("The following builders are available for the try scheduler: ");
        for name in names.items().unwrap_or_default() {
            println!("{}", name.display());
        }
        Ok(ExitCode::SUCCESS)
    }

    fn by_ssh(&self, job: &TryJob) -> anyhow::Result<ExitCode> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = format!("{}-{}", now.as_secs_f64(), fastrand::u32(0..1_000_000));
        file::deliver(self, &file::write(job, &id))?;
        self.say("job has been delivered");
        println!(
            "{}",
            match self.wait {
                true => "waiting for builds with ssh is not supported",
                false => "not waiting for builds to finish",
            }
        );
        Ok(ExitCode::SUCCESS)
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            println!("{text}");
        }
    }
}
