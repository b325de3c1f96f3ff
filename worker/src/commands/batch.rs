//! Collects updates until they are worth a message.

use protocol::update::{TimedUpdate, Update};

use super::output::Stream;

/// What every non-text update costs of the buffer, as in stock workers.
const VALUE_COST: usize = 20;
/// What a newline position and a time cost.
const LINE_COST: usize = 16;

/// Updates waiting to be sent. The order of output is kept; neighbours of one stream are merged.
#[derive(Debug)]
pub struct Batch {
    /// Characters and their overhead after which a message is full.
    size: usize,
    cost: usize,
    updates: Vec<TimedUpdate>,
}

impl Batch {
    pub fn new(size: u64) -> Batch {
        Batch { size: usize::try_from(size).unwrap_or(usize::MAX), cost: 0, updates: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.updates.is_empty()
    }

    /// Everything collected.
    pub fn take(&mut self) -> Vec<TimedUpdate> {
        self.cost = 0;
        std::mem::take(&mut self.updates)
    }

    /// Adds a line, given without its newline; a full batch, if it did not fit in any more, must be
    /// sent first.
    pub fn add_line(&mut self, stream: &Stream, line: &str, time: f64) -> Option<Vec<TimedUpdate>> {
        let full = self.make_room(line.len() + 1 + LINE_COST);
        if let Some(last) = self.updates.last_mut()
            && let Some(text) = text_of(&mut last.update, stream)
        {
            text.push_str(line);
            text.push('\n');
            last.times.push(time);
            return full;
        }
        let text = format!("{line}\n");
        let update = match stream {
            Stream::Stdout => Update::Stdout(text),
            Stream::Stderr => Update::Stderr(text),
            Stream::Header => Update::Header(text),
            Stream::Log(name) => Update::Log { name: name.to_string(), text },
        };
        self.updates.push(TimedUpdate { update, times: vec![time] });
        full
    }

    /// Adds anything but text.
    pub fn add_value(&mut self, update: Update) -> Option<Vec<TimedUpdate>> {
        let full = self.make_room(VALUE_COST);
        self.updates.push(update.into());
        full
    }

    fn make_room(&mut self, cost: usize) -> Option<Vec<TimedUpdate>> {
        let full = self.cost + cost > self.size && !self.updates.is_empty();
        let full = full.then(|| self.take());
        self.cost += cost;
        full
    }
}

fn text_of<'a>(update: &'a mut Update, stream: &Stream) -> Option<&'a mut String> {
    match (update, stream) {
        (Update::Stdout(text), Stream::Stdout)
        | (Update::Stderr(text), Stream::Stderr)
        | (Update::Header(text), Stream::Header) => Some(text),
        (Update::Log { name, text }, Stream::Log(stream)) if **stream == **name => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_stream_are_merged() {
        let mut batch = Batch::new(1000);
        batch.add_line(&Stream::Stdout, "a", 1.0);
        batch.add_line(&Stream::Stdout, "b", 1.0);
        batch.add_line(&Stream::Stderr, "c", 1.0);
        batch.add_line(&Stream::Log("x".into()), "d", 1.0);
        batch.add_line(&Stream::Log("y".into()), "e", 1.0);
        batch.add_value(Update::Rc(0));
        let updates: Vec<Update> = batch.take().into_iter().map(|timed| timed.update).collect();
        let log = |name: &str, text: &str| Update::Log { name: name.into(), text: text.into() };
        let expected = [
            Update::Stdout("a\nb\n".into()),
            Update::Stderr("c\n".into()),
            log("x", "d\n"),
            log("y", "e\n"),
            Update::Rc(0),
        ];
        assert_eq!(updates, expected);
        assert!(batch.is_empty());
    }

    #[test]
    fn a_full_batch_comes_out_before_the_line_that_does_not_fit() {
        let mut batch = Batch::new(40);
        assert_eq!(batch.add_line(&Stream::Stdout, "12345", 1.0), None);
        let full = batch.add_line(&Stream::Stdout, "6789012345", 1.0).expect("over 40");
        assert_eq!(full.len(), 1);
        assert_eq!(full[0].update, Update::Stdout("12345\n".into()));
        assert_eq!(full[0].times, [1.0]);
        assert_eq!(batch.take()[0].update, Update::Stdout("6789012345\n".into()));
    }

    #[test]
    fn one_line_may_be_larger_than_the_buffer() {
        let mut batch = Batch::new(1);
        assert_eq!(batch.add_line(&Stream::Stdout, "abc", 1.0), None);
        assert_eq!(batch.take().len(), 1);
    }
}
