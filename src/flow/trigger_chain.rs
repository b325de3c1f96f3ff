//! Builds that trigger each other for ever are stopped.

/// How many builds may stand one below the other: a build, the one that triggered it, and so on.
pub const LIMIT: usize = 25;

/// May a build trigger another? `ancestry` names the builders from the build upwards.
///
/// # Errors
/// A message that shows the ping-pong.
pub fn check(ancestry: &[String]) -> Result<(), String> {
    if ancestry.len() < LIMIT {
        return Ok(());
    }
    let shown: Vec<&str> = ancestry.iter().take(6).map(String::as_str).collect();
    Err(format!(
        "this build stands below {} others that triggered each other ({} \u{2190} \u{2026}); an \
         endless chain of triggers ends here. Let one of these builders trigger only under a \
         condition (doStepIf)",
        ancestry.len() - 1,
        shown.join(" \u{2190} "),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_chain_ends_with_a_message_that_shows_it() {
        let chain = |length: usize| -> Vec<String> {
            (0..length).map(|n| if n % 2 == 0 { "ping" } else { "pong" }.to_owned()).collect()
        };
        assert_eq!(check(&chain(LIMIT - 1)), Ok(()));
        let told = check(&chain(LIMIT)).unwrap_err();
        assert!(told.contains("below 24 others") && told.contains("ping \u{2190} pong"), "{told}");
    }
}
