//! The conversation of a try job with a master: what is called when, what is known. No I/O.

use std::collections::{BTreeMap, HashMap};

use protocol::jelly::Value;
use protocol::pb::{ClientEvent, PbClient, TryJob};
use protocol::session::Rejection;

use crate::cli::client::Login;
use crate::model::Results;

/// What a call was for.
enum Asked {
    Try,
    Requests,
    /// Nothing comes of it.
    Subscribed,
    /// The build of this builder.
    Finished(String, i64),
    Results(String),
    Text(String),
}

/// How far the builds are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    pub builders: BTreeMap<String, Progress>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pub building: bool,
    pub step: Option<String>,
    pub results: Option<Results>,
    pub text: Option<String>,
}

impl Progress {
    /// A build that is to be done again has not ended.
    fn ended(&self) -> bool {
        self.results.is_some_and(|results| results != Results::Retry) && self.text.is_some()
    }

    /// As stock's client shows it.
    pub fn shown(&self) -> String {
        match (self.results, &self.text) {
            (Some(results), Some(text)) if self.ended() && !text.is_empty() => {
                format!("{} ({text})", results.name())
            }
            (Some(results), _) if self.ended() => results.name().to_owned(),
            _ if !self.building => "no build".to_owned(),
            _ => self.step.clone().unwrap_or_else(|| "building".to_owned()),
        }
    }
}

impl State {
    pub fn ended(&self) -> bool {
        self.builders.values().all(Progress::ended)
    }
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Send(Vec<u8>),
    /// The master has taken the job, or does not have one of its builders.
    Delivered(bool),
    /// Every build has ended.
    Ended,
}

pub(super) struct Talk {
    client: PbClient,
    asked: HashMap<u64, Asked>,
    tickets: u64,
    job: Option<TryJob>,
    wait: bool,
    pub state: State,
}

impl Talk {
    pub fn new(login: &Login) -> Talk {
        Talk {
            client: PbClient::new(&login.user, &login.password),
            asked: HashMap::new(),
            tickets: 0,
            job: None,
            wait: false,
            state: State::default(),
        }
    }

    /// The job to hand over, and whether to follow its builds.
    pub fn begin(&mut self, job: &TryJob, wait: bool) {
        (self.job, self.wait) = (Some(job.clone()), wait);
    }

    pub fn receive(&mut self, bytes: &[u8]) {
        self.client.receive(bytes);
    }

    /// What is to be done after what has arrived so far.
    ///
    /// # Errors
    /// For people: the conversation is over.
    pub fn next(&mut self) -> anyhow::Result<Option<Next>> {
        loop {
            let event = self.client.next().map_err(|violation| {
                anyhow::anyhow!("this is no master's port for try jobs: {violation}")
            })?;
            let next = match event {
                None => return Ok(None),
                Some(ClientEvent::Send(packet)) => Some(Next::Send(packet)),
                Some(ClientEvent::LoggedIn) => {
                    let job = self.job.take().unwrap_or_default();
                    let ticket = self.ticket(Asked::Try);
                    let packet = self.client.call(ticket, "try", job.to_args());
                    Some(Next::Send(packet.map_err(anyhow::Error::msg)?))
                }
                Some(ClientEvent::Rejected { why: Rejection::WrongPassword }) => {
                    anyhow::bail!("the master does not accept this user with this password")
                }
                Some(ClientEvent::Rejected { why: Rejection::Other(text) }) => {
                    anyhow::bail!("the master refused the login: {text}")
                }
                Some(ClientEvent::Told { method, args }) => self.told(&method, &args)?,
                Some(ClientEvent::Answered { ticket, result }) => {
                    let value = result.map_err(|failure| {
                        anyhow::anyhow!("the master answered: {}", failure.explain())
                    })?;
                    self.answered(ticket, &value)?
                }
            };
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    fn told(&mut self, method: &str, args: &[Value]) -> anyhow::Result<Option<Next>> {
        match (method, args) {
            ("newbuild", [Value::Remote(build), name, ..]) => {
                let name = name.display();
                let progress = self.state.builders.entry(name.clone()).or_default();
                *progress = Progress { building: true, ..Progress::default() };
                let args = vec![PbClient::SELF, Value::Int(20)];
                let mut packet = self.call(Asked::Subscribed, *build, "subscribe", args)?;
                let finished = Asked::Finished(name, *build);
                packet.extend(self.call(finished, *build, "waitUntilFinished", vec![])?);
                Ok(Some(Next::Send(packet)))
            }
            ("stepStarted", [name, _, step, ..]) => {
                if let Some(progress) = self.state.builders.get_mut(&name.display()) {
                    progress.step = Some(step.display());
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn answered(&mut self, ticket: u64, value: &Value) -> anyhow::Result<Option<Next>> {
        match (self.asked.remove(&ticket), value) {
            (Some(Asked::Try), Value::Remote(set)) if self.wait => {
                let packet = self.call(Asked::Requests, *set, "getBuildRequests", vec![])?;
                Ok(Some(Next::Send(packet)))
            }
            (Some(Asked::Try), value) => Ok(Some(Next::Delivered(*value != Value::None))),
            (Some(Asked::Requests), value) => {
                let mut packet = Vec::new();
                for pair in value.items().unwrap_or_default() {
                    let Some([name, Value::Remote(request)]) = pair.items() else { continue };
                    self.state.builders.insert(name.display(), Progress::default());
                    let args = vec![PbClient::SELF];
                    packet.extend(self.call(Asked::Subscribed, *request, "subscribe", args)?);
                }
                Ok(Some(Next::Send(packet)))
            }
            (Some(Asked::Finished(name, build)), _) => {
                let results = Asked::Results(name.clone());
                let mut packet = self.call(results, build, "getResults", vec![])?;
                packet.extend(self.call(Asked::Text(name), build, "getText", vec![])?);
                Ok(Some(Next::Send(packet)))
            }
            (Some(Asked::Results(name)), value) => {
                let results = value.int().and_then(Results::from_code);
                self.state.builders.entry(name).or_default().results = results;
                Ok(self.end())
            }
            (Some(Asked::Text(name)), value) => {
                let texts: Vec<String> =
                    value.items().unwrap_or_default().iter().map(Value::display).collect();
                self.state.builders.entry(name).or_default().text = Some(texts.join(" "));
                Ok(self.end())
            }
            (Some(Asked::Subscribed) | None, _) => Ok(None),
        }
    }

    fn end(&self) -> Option<Next> {
        self.state.ended().then_some(Next::Ended)
    }

    fn ticket(&mut self, asked: Asked) -> u64 {
        self.tickets += 1;
        self.asked.insert(self.tickets, asked);
        self.tickets
    }

    fn call(
        &mut self,
        asked: Asked,
        object: i64,
        method: &str,
        args: Vec<Value>,
    ) -> anyhow::Result<Vec<u8>> {
        let ticket = self.ticket(asked);
        self.client.call_object(ticket, object, method, args).map_err(anyhow::Error::msg)
    }
}
