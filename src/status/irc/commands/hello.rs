//! `hello`: a greeting.

use super::{Ask, Command, Complaint};

/// In some of the languages that people build software in.
const GREETINGS: [&str; 24] = [
    "Hello",
    "Hallo",
    "Moin",
    "Servus",
    "Grüezi",
    "Bonjour",
    "Salut",
    "Hola",
    "Olá",
    "Ciao",
    "Hej",
    "Hei",
    "Tere",
    "Labas",
    "Cześć",
    "Ahoj",
    "Szia",
    "Здравей",
    "Привіт",
    "Γεια σου",
    "Merhaba",
    "नमस्ते",
    "你好",
    "こんにちは",
];

pub const COMMAND: Command = Command {
    name: "hello",
    help: "say hello",
    usage: &[("", "hello - say hello")],
    dangerous: false,
    run: |ask| Box::pin(run(ask)),
};

async fn run(ask: Ask) -> Result<(), Complaint> {
    let greeting = fastrand::choice(GREETINGS).unwrap_or("Hello");
    ask.say(format!("{greeting}, {}!", ask.nick())).await
}

#[cfg(test)]
mod tests {
    use crate::status::irc::fixture::Stage;

    #[tokio::test]
    async fn everybody_is_greeted() {
        let stage = Stage::new().await;
        let said = stage.ask("alice", "#a", "hello").await;
        assert!(said.len() == 1 && said[0].ends_with(", alice!"), "{said:?}");
    }
}
