//! Keeps answers for a while, and asks once for all who want the same at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::model::Person;

/// An address, or why there is none.
type Answer = Result<String, String>;

/// How long an address is kept, and that there is none.
const FOUND: Duration = Duration::from_secs(600);
const MISSING: Duration = Duration::from_secs(60);
/// People who are remembered at most.
const MOST: usize = 2000;

#[derive(Debug)]
pub(super) struct Cache {
    found: Duration,
    missing: Duration,
    most: usize,
    entries: Mutex<HashMap<Person, Arc<Entry>>>,
}

/// Empty while the answer is awaited.
type Entry = OnceCell<Kept>;

#[derive(Debug)]
struct Kept {
    answer: Answer,
    until: Instant,
}

impl Default for Cache {
    fn default() -> Cache {
        Cache::new(FOUND, MISSING, MOST)
    }
}

impl Cache {
    pub(super) fn new(found: Duration, missing: Duration, most: usize) -> Cache {
        Cache { found, missing, most, entries: Mutex::default() }
    }

    /// The answer that is kept for this person, or that `ask` gives. When somebody asks already,
    /// that answer is awaited; when that somebody goes away, `ask` is used after all.
    pub(super) async fn get_or(
        &self,
        person: &Person,
        ask: impl Future<Output = Answer>,
    ) -> Answer {
        let entry = self.entry(person);
        let kept = entry.get_or_init(|| async {
            let answer = ask.await;
            let age = if answer.is_ok() { self.found } else { self.missing };
            Kept { answer, until: Instant::now() + age }
        });
        kept.await.answer.clone()
    }

    fn entry(&self, person: &Person) -> Arc<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let fresh = |entry: &Entry| entry.get().is_none_or(|kept| now < kept.until);
        if let Some(entry) = entries.get(person).filter(|entry| fresh(entry)) {
            return entry.clone();
        }
        if entries.len() >= self.most {
            entries.retain(|_, entry| fresh(entry));
        }
        if entries.len() >= self.most {
            // Starting afresh is simple and rare; who waits for an answer still gets it.
            entries.clear();
        }
        let entry = Arc::new(Entry::new());
        entries.insert(person.clone(), entry.clone());
        entry
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::{join, pending};

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    /// Counts how often it is asked.
    #[derive(Default)]
    struct Source(AtomicUsize);

    impl Source {
        async fn ask(&self, found: bool) -> Answer {
            tokio::task::yield_now().await;
            let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            if found { Ok(format!("a{count}@x.org")) } else { Err(count.to_string()) }
        }
    }

    #[tokio::test]
    async fn answers_are_kept_for_their_time() {
        for (found, missing, answers, expected) in [
            (LONG, LONG, [true, true], ["a1@x.org", "a1@x.org"]),
            (LONG, LONG, [false, true], ["1", "1"]),
            (LONG, Duration::ZERO, [false, true], ["1", "a2@x.org"]),
            (Duration::ZERO, LONG, [true, false], ["a1@x.org", "2"]),
        ] {
            let (cache, source) = (Cache::new(found, missing, 10), Source::default());
            let anna = Person::called("anna");
            for (found, expected) in answers.into_iter().zip(expected) {
                let answer = cache.get_or(&anna, source.ask(found)).await;
                assert_eq!(answer.unwrap_or_else(|why| why), expected);
            }
        }
    }

    #[tokio::test]
    async fn those_who_want_the_same_ask_once() {
        let (cache, source) = (Cache::default(), Source::default());
        let anna = Person::called("anna");
        let (one, other) =
            join(cache.get_or(&anna, source.ask(true)), cache.get_or(&anna, source.ask(true)))
                .await;
        assert_eq!((one, other), (Ok("a1@x.org".into()), Ok("a1@x.org".into())));
        assert_eq!(
            cache.get_or(&Person::called("bob"), source.ask(true)).await.unwrap(),
            "a2@x.org"
        );
    }

    #[tokio::test]
    async fn an_asker_who_goes_away_leaves_the_question_to_others() {
        let (cache, source) = (Cache::default(), Source::default());
        let anna = Person::called("anna");
        {
            let gone = cache.get_or(&anna, pending());
            tokio::select! {
                biased;
                _ = gone => panic!("an answer from nowhere"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(cache.get_or(&anna, source.ask(true)).await.unwrap(), "a1@x.org");
    }

    #[tokio::test]
    async fn it_does_not_grow_without_end() {
        let (cache, source) = (Cache::new(LONG, LONG, 3), Source::default());
        for n in 0..100 {
            let _ = cache.get_or(&Person::called(n.to_string()), source.ask(true)).await;
            assert!(cache.entries.lock().unwrap().len() <= 3);
        }
    }
}
