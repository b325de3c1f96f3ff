//! Connections that have not logged in yet: only so many at a time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

/// At most so many at a time per port; further ones wait in the socket's queue.
const PLACES: usize = 256;

/// How long a place is kept at least. A peer that means it logs in faster, also in a crowd.
const GRACE: Duration = Duration::from_secs(2);

/// When all places are taken the one that has waited longest loses its own, so that peers who say
/// nothing cannot keep out those who log in.
#[derive(Default)]
pub(super) struct Strangers(VecDeque<Waiting>);

struct Waiting {
    since: Instant,
    place: oneshot::Sender<()>,
}

/// A place. Whoever holds it waits for its end with [`Place::lost`].
pub(super) struct Place(oneshot::Receiver<()>);

impl Strangers {
    /// Waits until there is room.
    pub(super) async fn take_place(&mut self) -> Place {
        self.0.retain(|waiting| !waiting.place.is_closed());
        while self.0.len() >= PLACES {
            let Some(Waiting { since, mut place }) = self.0.pop_front() else { break };
            tokio::select! {
                () = sleep_until(since + GRACE) => {}
                () = place.closed() => {}
            }
            self.0.retain(|waiting| !waiting.place.is_closed());
        }
        let (keeper, place) = oneshot::channel();
        self.0.push_back(Waiting { since: Instant::now(), place: keeper });
        Place(place)
    }
}

impl Place {
    /// Resolves when the place was given to somebody else.
    pub(super) async fn lost(&mut self) {
        let _ = (&mut self.0).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_oldest_stranger_makes_room_after_its_grace() {
        let mut strangers = Strangers::default();
        let mut places = Vec::new();
        for _ in 0..PLACES {
            places.push(strangers.take_place().await);
        }
        drop(places.remove(5));
        let begun = Instant::now();
        places.push(strangers.take_place().await);
        assert!(begun.elapsed() < GRACE, "one had left");
        assert!(places[0].lost().now_or_never().is_none());
        places.push(strangers.take_place().await);
        assert!(begun.elapsed() + Duration::from_millis(500) >= GRACE);
        assert!(places[0].lost().now_or_never().is_some());
        assert!(places[1].lost().now_or_never().is_none());
    }
}
