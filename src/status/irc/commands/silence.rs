//! `silence PROBLEM [HOURS]`: nobody is told of a problem for a while.

use super::problems::{numbered, order};
use super::{Ask, Command, Complaint};
use crate::status::problem::commands::{HOURS, Order};

pub const COMMAND: Command = Command {
    name: "silence",
    help: "let nobody be told of a problem for a while",
    usage: &[(
        "",
        "silence PROBLEM [HOURS] - nobody is told of it for so long, a day unless you say \
         otherwise; 0 ends it",
    )],
    dangerous: false,
    run: |ask| Box::pin(run(ask)),
};

const USAGE: &str = "silence PROBLEM [HOURS]";

async fn run(ask: Ask) -> Result<(), Complaint> {
    let (problem, hours) = numbered(&ask, USAGE)?;
    let hours = match hours.as_str() {
        "" => HOURS,
        text => text.parse().map_err(|_| Complaint::usage(format!("try '{USAGE}'")))?,
    };
    order(&ask, problem, Order::Silence { hours }).await?;
    match hours {
        0 => ask.say(format!("problem {problem} is not silenced any more")).await,
        1 => ask.say(format!("nobody is told of problem {problem} for an hour")).await,
        _ => ask.say(format!("nobody is told of problem {problem} for {hours} hours")).await,
    }
}
