//! Connections that have not logged in yet: only so many, and the newest ones.

use std::collections::VecDeque;

use tokio::sync::oneshot;

/// At most so many at a time per port.
const PLACES: usize = 256;

/// When all places are taken the one that has waited longest loses its own, so that peers who say
/// nothing cannot keep out those who log in at once.
#[derive(Default)]
pub(super) struct Strangers(VecDeque<oneshot::Sender<()>>);

/// A place. Whoever holds it waits for its end with [`Place::lost`].
pub(super) struct Place(oneshot::Receiver<()>);

impl Strangers {
    pub(super) fn take_place(&mut self) -> Place {
        self.0.retain(|place| !place.is_closed());
        if self.0.len() == PLACES {
            self.0.pop_front();
        }
        let (keeper, place) = oneshot::channel();
        self.0.push_back(keeper);
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

    #[test]
    fn the_oldest_stranger_makes_room() {
        let mut strangers = Strangers::default();
        let mut places: Vec<Place> = (0..PLACES).map(|_| strangers.take_place()).collect();
        assert!(places[0].lost().now_or_never().is_none());
        drop(places.remove(5));
        let _sixth = strangers.take_place();
        assert!(places[0].lost().now_or_never().is_none(), "one had left");
        let _next = strangers.take_place();
        assert!(places[0].lost().now_or_never().is_some());
        assert!(places[1].lost().now_or_never().is_none());
    }
}
