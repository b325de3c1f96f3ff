//! The options that give git access to a repository: an ssh key, names and passwords.

use std::fmt;

use indexmap::IndexMap;

use crate::config::fields::{Fields, FromRaw};
use crate::config::raw::{Raw, RawValue};
use crate::flow::interpolate::Renderable;

/// What git needs to be let in.
#[derive(Default)]
pub(super) struct Credentials {
    pub ssh: Option<Ssh>,
    pub store: Option<Store>,
}

/// Without what is in it, which may be written plainly in the configuration.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("ssh", &self.ssh.is_some())
            .field("store", &self.store.is_some())
            .finish()
    }
}

/// `sshPrivateKey` and how the server is known.
pub(super) struct Ssh {
    pub private_key: Renderable,
    pub server: Option<Server>,
}

pub(super) enum Server {
    /// `sshHostKey`: the key of every server.
    Key(Renderable),
    /// `sshKnownHosts`: a file of ssh.
    KnownHosts(Renderable),
}

/// What git's helper `store` is told.
pub(super) struct Store {
    pub entries: Vec<Entry>,
    /// Whether passwords are for one path of a server only; git's default when absent.
    pub use_http_path: Option<bool>,
}

/// One description of a credential, in the form that `git credential` reads.
pub(super) enum Entry {
    Written(Renderable),
    Attributes(Vec<(String, Renderable)>),
}

/// What git calls the parts of a credential.
const ATTRIBUTES: [&str; 6] = ["url", "protocol", "host", "path", "username", "password"];

impl Credentials {
    /// Reads the options; `repourl` is what `auth_credentials` are for.
    pub fn parse(fields: &mut Fields<'_>, repourl: &Renderable) -> Credentials {
        Credentials { ssh: ssh(fields), store: store(fields, repourl) }
    }
}

fn ssh(fields: &mut Fields<'_>) -> Option<Ssh> {
    let private_key = fields.optional("sshPrivateKey");
    let host_key: Option<Renderable> = fields.optional("sshHostKey");
    let known_hosts: Option<Renderable> = fields.optional("sshKnownHosts");
    if host_key.is_some() && known_hosts.is_some() {
        fields.problem("give 'sshHostKey' or 'sshKnownHosts', not both");
    }
    let given = [("sshHostKey", &host_key), ("sshKnownHosts", &known_hosts)];
    if let (Some((key, _)), None) = (given.iter().find(|(_, v)| v.is_some()), &private_key) {
        fields.problem(format!("'{key}' is of no use without 'sshPrivateKey'"));
    }
    let server = known_hosts.map(Server::KnownHosts).or(host_key.map(Server::Key));
    Some(Ssh { private_key: private_key?, server })
}

fn store(fields: &mut Fields<'_>, repourl: &Renderable) -> Option<Store> {
    let own = own(fields, repourl);
    let mut store = given(fields);
    if let Some(own) = own {
        let store = store.get_or_insert(Store { entries: Vec::new(), use_http_path: None });
        store.entries.insert(0, own);
    }
    store
}

/// `auth_credentials = [name, password]`.
fn own(fields: &mut Fields<'_>, repourl: &Renderable) -> Option<Entry> {
    let raw = fields.take("auth_credentials").filter(|raw| raw.value != RawValue::Null)?;
    if let RawValue::List(items) = &raw.value
        && let [name, password] = items.as_slice()
        && let (Ok(name), Ok(password)) = (text(name), text(password))
    {
        let attributes = [("url", repourl.clone()), ("username", name), ("password", password)];
        let attributes = attributes.map(|(key, value)| (key.to_owned(), value));
        return Some(Entry::Attributes(attributes.into()));
    }
    let message = "must be [name, password], as in [\"ci\", \"%(secret:token)s\"]";
    fields.problem_at("auth_credentials", &raw.place, message);
    None
}

/// `git_credentials = { credentials = […], use_http_path = … }`.
fn given(fields: &mut Fields<'_>) -> Option<Store> {
    let raw = fields.take("git_credentials").filter(|raw| raw.value != RawValue::Null)?;
    let (path, problems) = fields.nested("git_credentials");
    let mut fields = Fields::of(&raw, path, problems);
    let use_http_path = fields.optional("use_http_path");
    let mut entries = Vec::new();
    match fields.take("credentials") {
        Some(Raw { value: RawValue::List(items), .. }) => {
            for (index, item) in items.iter().enumerate() {
                match entry(item) {
                    Ok(entry) => entries.push(entry),
                    Err(message) => {
                        let key = format!("credentials[{index}]");
                        fields.problem_at(&key, &item.place, message);
                    }
                }
            }
        }
        Some(raw) => {
            let message = format!("must be a list of tables or texts, not {}", raw.kind());
            fields.problem_at("credentials", &raw.place, message);
        }
        None => fields.problem("needs a value for 'credentials'"),
    }
    fields.finish();
    Some(Store { entries, use_http_path })
}

/// A table of git's attributes, or a text in the form that `git credential` reads.
fn entry(raw: &Raw) -> Result<Entry, String> {
    let RawValue::Table(table) = &raw.value else { return text(raw).map(Entry::Written) };
    if table.contains_key("type") {
        return Renderable::from_raw(raw).map(Entry::Written);
    }
    if let Some(unknown) = table.keys().find(|key| !ATTRIBUTES.contains(&key.as_str())) {
        let known = ATTRIBUTES.join(", ");
        return Err(format!("git knows no attribute '{unknown}' here; known are: {known}"));
    }
    let mut attributes: IndexMap<String, Renderable> = IndexMap::from_raw(raw)?;
    // Git forgets what came before a `url`.
    if let Some(index) = attributes.get_index_of("url") {
        attributes.move_index(index, 0);
    }
    Ok(Entry::Attributes(attributes.into_iter().collect()))
}

fn text(raw: &Raw) -> Result<Renderable, String> {
    match raw.value {
        RawValue::Text(_) | RawValue::Table(_) => Renderable::from_raw(raw),
        _ => Err(format!("must be a string, not {}", raw.kind())),
    }
}
