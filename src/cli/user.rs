//! `buildbot user`: adds, changes, removes and shows the users of a running master.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use protocol::jelly::Value;
use protocol::pb::{UserCommand, UserInfo, UserOp};
use sha1::{Digest, Sha1};

use super::blocking;
use super::client::{self, Address, Login};
use super::options_file::OptionsFile;

/// What can be known of a user.
const KINDS: [&str; 9] =
    ["identifier", "email", "git", "svn", "hg", "cvs", "darcs", "bzr", "fossil"];
/// Bytes of salt, as stock masters take them off again.
const SALT: usize = 8;

/// Manage users in buildbot's database
#[derive(Debug, clap::Args)]
#[command(args_override_self = true, infer_long_args = true)]
pub struct Options {
    /// Where the master serves users
    #[arg(short, long, value_name = "HOST:PORT", allow_hyphen_values = true)]
    master: Option<String>,
    /// Name of the user manager
    #[arg(short, long, allow_hyphen_values = true)]
    username: Option<String>,
    /// Password of the user manager
    #[arg(short, long, allow_hyphen_values = true)]
    passwd: Option<String>,
    /// What to do: add, remove, update or get
    #[arg(long)]
    op: Option<String>,
    /// With update: the name for logins, together with --bb_password
    #[arg(long = "bb_username", alias = "bb-username", allow_hyphen_values = true)]
    bb_username: Option<String>,
    /// With update: the password for logins, together with --bb_username
    #[arg(long = "bb_password", alias = "bb-password", allow_hyphen_values = true)]
    bb_password: Option<String>,
    /// With remove and get: whom, ID,ID,...; may be given several times
    #[arg(long, value_name = "IDS", allow_hyphen_values = true)]
    ids: Vec<String>,
    /// With add: KIND=VALUE,KIND=VALUE,... of one user; with update: ID:KIND=VALUE,... or ID alone.
    /// Kinds are email, git, svn, hg, cvs, darcs, bzr and fossil. May be given several times
    #[arg(long, allow_hyphen_values = true)]
    info: Vec<String>,
}

pub fn run(options: Options) -> anyhow::Result<ExitCode> {
    let options = options.with_defaults(&OptionsFile::find()?);
    let Some(master) = &options.master else { bail!("Required argument missing: master") };
    let master: Address = master.parse()?;
    let command = options.command()?;
    let (Some(user), Some(password)) = (options.username, options.passwd) else {
        bail!("A username and password must be given");
    };
    let login = Login { user, password };
    match blocking(client::call(&master, &login, "commandline", command.to_args()))?? {
        Value::Text(told) if !told.is_empty() => println!("{told}"),
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}

impl Options {
    /// What is not given stands in the options file, perhaps.
    fn with_defaults(mut self, file: &OptionsFile) -> Options {
        for (option, names) in [
            (&mut self.master, &["user_master", "master"][..]),
            (&mut self.username, &["user_username"]),
            (&mut self.passwd, &["user_passwd"]),
        ] {
            *option = option.take().or_else(|| names.iter().find_map(|name| file.get(name)));
        }
        self
    }

    fn command(&self) -> anyhow::Result<UserCommand> {
        let Some(op) = &self.op else {
            bail!("you must specify an operation: add, remove, update, get");
        };
        let Some(op) = UserOp::from_name(op) else {
            bail!("bad op '{op}', use 'add', 'remove', 'update', or 'get'");
        };
        let (bb_username, bb_password) = self.login(op)?;
        let split = |list: &String| list.split(',').map(str::to_owned).collect::<Vec<_>>();
        let ids: Vec<String> = self.ids.iter().flat_map(split).collect();
        if ids.is_empty() && self.info.is_empty() {
            bail!("must specify either --ids or --info");
        }
        let changes = matches!(op, UserOp::Add | UserOp::Update);
        if changes && !ids.is_empty() {
            bail!("cannot use --ids with 'add' or 'update'");
        }
        if !changes && !self.info.is_empty() {
            bail!("cannot use --info with 'remove' or 'get'");
        }
        let info = self.info.iter().map(|text| info(op, text)).collect::<anyhow::Result<_>>()?;
        Ok(UserCommand { op, bb_username, bb_password, ids, info })
    }

    fn login(&self, op: UserOp) -> anyhow::Result<(Option<String>, Option<String>)> {
        match (&self.bb_username, &self.bb_password) {
            (None, None) => Ok((None, None)),
            _ if op != UserOp::Update => {
                bail!("bb_username and bb_password only work with update")
            }
            (Some(name), Some(password)) => Ok((Some(name.clone()), Some(hashed(password)?))),
            _ => bail!("Must specify both bb_username and bb_password or neither."),
        }
    }
}

/// Reads `kind=value,...`, with `id:` before it for an update.
fn info(op: UserOp, text: &str) -> anyhow::Result<UserInfo> {
    let (mut identifier, mut attributes) = (None, Vec::new());
    if !text.contains('=') && !text.contains(',') {
        identifier = Some(text.to_owned());
    } else {
        for item in text.split(',') {
            let Some((kind, value)) = item.split_once('=') else {
                bail!("invalid info '{item}'; write KIND=VALUE");
            };
            let kind = match kind.rsplit_once(':') {
                Some((id, kind)) => {
                    identifier = Some(id.to_owned());
                    kind
                }
                None => kind,
            };
            if !KINDS.contains(&kind) {
                bail!("Type not a valid attr_type, must be in: {}", KINDS.join(", "));
            }
            match kind {
                "identifier" => identifier = Some(value.to_owned()),
                kind => attributes.push((kind.to_owned(), value.to_owned())),
            }
        }
    }
    let first = attributes.iter().map(|(_, value)| value).min().cloned();
    match (op, identifier) {
        (UserOp::Add, Some(_)) => {
            bail!("identifier found in add info, use: --info=type=value,type=value,..")
        }
        (UserOp::Add, None) => Ok(UserInfo { identifier: first.unwrap_or_default(), attributes }),
        (_, Some(identifier)) => Ok(UserInfo { identifier, attributes }),
        (_, None) => {
            bail!("no ids found in update info; use: --info=id:type=value,type=value,..")
        }
    }
}

/// A password as it is stored: the salt and the SHA-1 of both, in hexadecimal digits.
fn hashed(password: &str) -> anyhow::Result<String> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).context("the system has no random numbers")?;
    Ok(salted(password, &hex(&salt)))
}

fn salted(password: &str, salt: &str) -> String {
    let digest = Sha1::new().chain_update(password).chain_update(salt).finalize();
    format!("{salt}{}", hex(&digest))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn command(arguments: &[&str]) -> Result<UserCommand, String> {
        let line = ["user", "-m", "localhost:1", "-u", "me", "-p", "pw"].iter().chain(arguments);
        let options = Line::try_parse_from(line).unwrap_or_else(|error| panic!("{error}")).options;
        options.command().map_err(|error| error.to_string())
    }

    #[test]
    fn commands_are_read_as_stock_reads_them() {
        let add = command(&["--op=add", "--info=git=Joe <j@x.org>,email=j@x.org"]).unwrap();
        let attributes = [("git", "Joe <j@x.org>"), ("email", "j@x.org")];
        let attributes = attributes.map(|(kind, value)| (kind.to_owned(), value.to_owned()));
        let info = UserInfo { identifier: "Joe <j@x.org>".into(), attributes: attributes.into() };
        assert_eq!(add.info, [info]);
        let get = command(&["--op", "get", "--ids=a,b", "--ids", "c"]).unwrap();
        assert_eq!(get.ids, ["a", "b", "c"]);
        let update = command(&["--op=update", "--info=joe:svn=j", "--info=ann"]).unwrap();
        let touched: Vec<_> =
            update.info.iter().map(|i| (i.identifier.as_str(), i.attributes.len())).collect();
        assert_eq!(touched, [("joe", 1), ("ann", 0)]);
    }

    #[test]
    fn passwords_leave_salted_and_hashed() {
        let login = ["--op=update", "--info=joe", "--bb_username=joe", "--bb_password=secret"];
        let update = command(&login).unwrap();
        let (Some(name), Some(hash)) = (update.bb_username, update.bb_password) else { panic!() };
        assert_eq!((name.as_str(), hash.len()), ("joe", 56));
        assert_eq!(hash, salted("secret", &hash[..16]));
        // What stock makes of it.
        let stock = "5af3c8e2deadbeefe6fd75942a9837f69b33b1234c508d288b80db04";
        assert_eq!(salted("secret", "5af3c8e2deadbeef"), stock);
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        for (arguments, why) in [
            (&["--ids=a"][..], "you must specify an operation"),
            (&["--op=burn", "--ids=a"], "bad op 'burn'"),
            (&["--op=get"], "must specify either --ids or --info"),
            (&["--op=add", "--ids=a"], "cannot use --ids"),
            (&["--op=get", "--info=a"], "cannot use --info"),
            (&["--op=add", "--info=a"], "identifier found in add info"),
            (&["--op=update", "--info=git=a"], "no ids found in update info"),
            (&["--op=add", "--info=phone=1"], "Type not a valid attr_type"),
            (&["--op=add", "--info=git=a,b"], "invalid info 'b'"),
            (&["--op=get", "--ids=a", "--bb_username=b"], "only work with update"),
            (&["--op=update", "--info=a", "--bb_username=b"], "Must specify both"),
        ] {
            let error = command(arguments).expect_err(why);
            assert!(error.contains(why), "{error}");
        }
    }
}
