//! `user_managers`: where `buildbot user` logs in.

use std::path::Path;

use super::checked::{Listen, UserManagerConfig};
use super::fields::Fields;
use super::protocols::find_files;
use super::values::non_empty;

/// Reads `user_managers`: a list, or one table. The files of TLS endpoints are looked for below
/// `basedir`.
pub fn parse(fields: &mut Fields<'_>, basedir: &Path) -> Vec<(String, UserManagerConfig)> {
    let entries = fields.entries("user_managers");
    let (_, problems) = fields.nested("user_managers");
    entries
        .into_iter()
        .filter_map(|(path, raw)| {
            let mut fields = Fields::of(&raw, &path, problems);
            let class = "CommandlineUserManager";
            fields.class(Some(class), &[class], &[])?;
            let manager = manager(&mut fields, basedir);
            fields.finish();
            Some((path, manager))
        })
        .collect()
}

fn manager(fields: &mut Fields<'_>, basedir: &Path) -> UserManagerConfig {
    let username = fields.required_checked("username", non_empty);
    let passwd = fields.required_checked("passwd", non_empty);
    let port: Option<Listen> = fields.optional("port");
    let mut port = port.unwrap_or_else(|| {
        let message = "needs a 'port' to serve `buildbot user` at, such as port = 9990";
        fields.problem(message);
        Listen { interface: None, port: 0, tls: None }
    });
    if let Err(message) = find_files(&mut port, basedir) {
        fields.problem(format!("port: {message}"));
    }
    UserManagerConfig { username, passwd, port }
}
