//! `ack PROBLEM WHAT`: somebody looks after a problem.

use super::problems::{numbered, order};
use super::{Ask, Command, Complaint};
use crate::status::problem::commands::Order;

pub const COMMAND: Command = Command {
    name: "ack",
    help: "say that you look after a problem",
    usage: &[("", "ack PROBLEM WHAT YOU DO - you look after it; nobody else is asked any more")],
    dangerous: false,
    run: |ask| Box::pin(run(ask)),
};

async fn run(ask: Ask) -> Result<(), Complaint> {
    let (problem, text) = numbered(&ask, "ack PROBLEM WHAT YOU DO")?;
    order(&ask, problem, Order::Acknowledge { text }).await?;
    ask.say(format!("thank you, {}: nobody else is asked", ask.nick())).await
}
