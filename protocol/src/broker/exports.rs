//! The objects that a peer may call.

use std::collections::BTreeMap;

/// Objects by number, each with the count of references that the peer holds.
#[derive(Debug)]
pub struct Exports<T> {
    last: i64,
    objects: BTreeMap<i64, Exported<T>>,
}

#[derive(Debug)]
struct Exported<T> {
    count: u64,
    /// Boxed, as the map keeps room for more than the few objects there usually are.
    object: Box<T>,
}

impl<T> Default for Exports<T> {
    fn default() -> Exports<T> {
        Exports { last: 0, objects: BTreeMap::new() }
    }
}

impl<T> Exports<T> {
    /// An empty table that goes on numbering where this one stopped.
    pub fn successor<U>(&self) -> Exports<U> {
        Exports { last: self.last, objects: BTreeMap::new() }
    }

    /// Gives a new object a number. It is not counted before it is [sent](Exports::sent).
    pub fn insert(&mut self, object: T) -> i64 {
        self.last += 1;
        self.objects.insert(self.last, Exported { count: 0, object: Box::new(object) });
        self.last
    }

    /// Like [`Exports::insert`], for an object that is sent at once.
    pub fn send_new(&mut self, object: T) -> i64 {
        let number = self.insert(object);
        self.sent(number);
        number
    }

    /// One more reference to the object goes to the peer.
    pub fn sent(&mut self, number: i64) {
        if let Some(exported) = self.objects.get_mut(&number) {
            exported.count += 1;
        }
    }

    pub fn get(&self, number: i64) -> Option<&T> {
        self.objects.get(&number).map(|exported| &*exported.object)
    }

    pub fn get_mut(&mut self, number: i64) -> Option<&mut T> {
        self.objects.get_mut(&number).map(|exported| &mut *exported.object)
    }

    /// The peer gives one reference back. Returns the object when that was the last one. What is
    /// not there any more was given back before; that is no reason to fail.
    pub fn decref(&mut self, number: i64) -> Option<T> {
        let exported = self.objects.get_mut(&number)?;
        exported.count = exported.count.saturating_sub(1);
        match exported.count {
            0 => self.remove(number),
            _ => None,
        }
    }

    /// Forgets an object; calls on it fail from now on.
    pub fn remove(&mut self, number: i64) -> Option<T> {
        self.objects.remove(&number).map(|exported| *exported.object)
    }

    /// The number of an object, oldest first.
    pub fn find(&self, mut wanted: impl FnMut(&T) -> bool) -> Option<i64> {
        self.objects
            .iter()
            .find(|(_, exported)| wanted(&exported.object))
            .map(|(number, _)| *number)
    }

    pub fn len(&self) -> usize {
        self.objects.len()
    }

    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}
