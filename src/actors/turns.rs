//! What reconcilers share: one pass at a time, and being woken by facts.

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::broadcast::error::RecvError;

use super::announcer::Listener;
use crate::events::Event;

/// Keeps the passes of a reconciler apart: a poke during a pass asks for one more, however many
/// pokes there are.
#[derive(Debug, Default)]
pub struct Turns {
    running: bool,
    again: bool,
}

impl Turns {
    /// Is a pass to begin now? Otherwise the running one is followed by another.
    pub fn begin(&mut self) -> bool {
        if self.running {
            self.again = true;
            return false;
        }
        self.running = true;
        true
    }

    /// The pass is over; must another one follow at once?
    pub fn end(&mut self) -> bool {
        self.running = false;
        std::mem::take(&mut self.again)
    }
}

/// One item per fact that `matters`. A listener that was too slow gets one too: it may have missed
/// something.
pub fn wakes(
    listener: Listener,
    matters: impl Fn(&Event) -> bool + 'static,
) -> impl Stream<Item = ()> {
    unfold((listener, matters), |(mut listener, matters)| async move {
        loop {
            match listener.recv().await {
                Ok(event) if matters(&event) => return Some(((), (listener, matters))),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Some(((), (listener, matters))),
                Err(RecvError::Closed) => return None,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pokes_during_a_pass_ask_for_one_more() {
        let mut turns = Turns::default();
        assert!(turns.begin());
        assert!(!turns.begin());
        assert!(!turns.begin());
        assert!(turns.end());
        assert!(turns.begin());
        assert!(!turns.end());
    }
}
