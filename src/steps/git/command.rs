//! One call of git.

use protocol::command::{Arg, Command, EnvValue, Shell};

use super::access::needs_access;
use super::checkout::Checkout;
use crate::steps::Finished;
use crate::steps::source::End;
use crate::steps::source::site::{Want, plain, words};

impl Checkout<'_, '_> {
    /// Runs git; a failure ends the checkout.
    pub async fn must(&mut self, arguments: &[&str]) -> Result<Finished, End> {
        let finished = self.try_git(arguments, Want::Errors).await?;
        self.require(&finished)?;
        Ok(finished)
    }

    pub async fn try_git(&mut self, arguments: &[&str], want: Want) -> Result<Finished, End> {
        self.git_command(words(arguments), want, None).await
    }

    pub async fn git_command(
        &mut self,
        arguments: Vec<Arg>,
        want: Want,
        initial_stdin: Option<String>,
    ) -> Result<Finished, End> {
        let shell = self.shell(arguments, initial_stdin);
        self.site.run(Command::Shell(shell), want.into()).await
    }

    /// The call of git with these arguments.
    pub fn shell(&self, arguments: Vec<Arg>, initial_stdin: Option<String>) -> Shell {
        let mut args = vec![plain("git")];
        args.extend(self.config.iter().cloned());
        let mut env = Vec::new();
        let talks = matches!(arguments.first(), Some(Arg::Plain(word)) if needs_access(word));
        if let Some(access) = self.access.as_ref().filter(|_| talks) {
            args.extend(access.options.iter().cloned());
            env.extend(access.env.iter().cloned());
        }
        args.extend(arguments);
        let mut shell = self.site.shell(args, initial_stdin);
        for (name, value) in env {
            set(&mut shell.env, name, value);
        }
        if !shell.env.iter().any(|(name, _)| name == PROMPT) {
            // A question for a password would hang until the timeout.
            shell.env.insert(0, (PROMPT.to_owned(), Some(EnvValue::Text("0".to_owned()))));
        }
        shell
    }

    /// Ends the checkout when the command failed, with git's own words.
    pub fn require(&self, finished: &Finished) -> Result<(), End> {
        self.site.require(finished, reason)
    }
}

const PROMPT: &str = "GIT_TERMINAL_PROMPT";

fn set(env: &mut Vec<(String, Option<EnvValue>)>, name: &str, value: String) {
    env.retain(|(other, _)| other != name);
    env.push((name.to_owned(), Some(EnvValue::Text(value))));
}

/// The first line with which git gave up.
fn reason(stderr: &str) -> Option<&str> {
    let mut lines = stderr.lines().map(str::trim);
    let fatal = lines.clone().find_map(|line| line.strip_prefix("fatal: "));
    fatal.or_else(|| lines.find_map(|line| line.strip_prefix("error: ")))
}
