//! Times that repeat: `minute`, `hour`, `dayOfMonth`, `month` and `dayOfWeek` of a Nightly
//! scheduler, in the words of cron.
//!
//! Everything is local time. A time that the clocks skip comes as much later as they skip; one
//! that comes twice counts once, unless every hour is meant.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp as Moment};

use crate::config::raw::{Raw, RawValue};
use crate::model::Timestamp;

/// Days to look ahead: the fifth Friday of a February comes every 28 years, every 40 across 2100.
const HORIZON_DAYS: usize = 42 * 366;
/// More than any clock is ever moved by.
const LARGEST_SHIFT_S: i64 = 4 * 3600;

/// One of the five fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Minute,
    Hour,
    DayOfMonth,
    Month,
    /// 0 is Monday as a number, a list of numbers or a number between commas; Sunday (like 7) in a
    /// range, as in stock.
    DayOfWeek,
}

/// The values of one field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// One bit for each value; weekdays count from Sunday.
    bits: u64,
    /// `*` itself: does not restrict anything.
    any: bool,
    /// `L` among the days of a month: the last one.
    last_day: bool,
    /// `fri#2` and `L5`: a weekday (from Sunday) and which of the month; `None` is the last.
    nth: Vec<(u8, Option<i8>)>,
}

/// When something happens again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Part {
    fn range(self) -> (u8, u8) {
        match self {
            Part::Minute => (0, 59),
            Part::Hour => (0, 23),
            Part::DayOfMonth => (1, 31),
            Part::Month => (1, 12),
            Part::DayOfWeek => (0, 7),
        }
    }

    /// A number or a name.
    fn value(self, word: &str) -> Result<u8, String> {
        let named = |names: &[&str]| names.iter().position(|name| *name == word);
        let (low, high) = self.range();
        let value = match self {
            Part::Month => named(&MONTHS).map(|at| at as u8 + 1),
            Part::DayOfWeek => named(&WEEKDAYS).map(|at| at as u8),
            _ => None,
        };
        match value.or_else(|| word.parse().ok()) {
            Some(value) if (low..=high).contains(&value) => Ok(value),
            Some(value) => Err(format!("{value} is not between {low} and {high}")),
            None => Err(format!("'{word}' is no value of this field")),
        }
    }
}

impl Field {
    /// Every value.
    pub fn all(part: Part) -> Field {
        let (low, high) = part.range();
        let mut field = Field { any: true, ..Field::default() };
        (low..=high).for_each(|value| field.add(part, value));
        field
    }

    /// Exactly this value.
    pub fn only(part: Part, value: u8) -> Field {
        let mut field = Field::default();
        field.add(part, value);
        field
    }

    /// A number, a list, or a text such as `*/15`, `8-17`, `1,15`, `mon-fri`, `L`, `fri#2`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(part: Part, raw: &Raw) -> Result<Field, String> {
        let mut field = Field::default();
        match &raw.value {
            RawValue::Int(number) => field.number(part, *number)?,
            RawValue::Text(text) => field.text(part, text)?,
            RawValue::List(items) if items.is_empty() => {
                return Err("must not be empty; leave it out for its default".to_owned());
            }
            RawValue::List(items) => {
                for item in items {
                    match &item.value {
                        RawValue::Int(number) => field.number(part, *number)?,
                        RawValue::Text(text) => field.text(part, text)?,
                        _ => return Err(format!("must hold numbers, not {}", item.kind())),
                    }
                }
            }
            _ => {
                return Err(format!(
                    "must be a number, a list of numbers or a text as for cron, not {}",
                    raw.kind()
                ));
            }
        }
        Ok(field)
    }

    fn add(&mut self, part: Part, value: u8) {
        let value = if part == Part::DayOfWeek { value % 7 } else { value };
        self.bits |= 1 << value;
    }

    fn has(&self, value: i8) -> bool {
        u8::try_from(value).is_ok_and(|value| self.bits >> value & 1 == 1)
    }

    fn is_all(&self, part: Part) -> bool {
        self.bits == Field::all(part).bits
    }

    /// A number as Python's users count: weekdays from Monday.
    fn number(&mut self, part: Part, number: i64) -> Result<(), String> {
        let (low, high) = part.range();
        let high = if part == Part::DayOfWeek { 6 } else { high };
        let value = u8::try_from(number).ok().filter(|value| (low..=high).contains(value));
        let value = value.ok_or_else(|| format!("{number} is not between {low} and {high}"))?;
        self.add(part, if part == Part::DayOfWeek { value + 1 } else { value });
        Ok(())
    }

    fn text(&mut self, part: Part, text: &str) -> Result<(), String> {
        for item in text.split(',') {
            let item = item.trim().to_lowercase();
            match item.parse::<i64>() {
                // Stock counts on: seven days after Monday is Monday.
                Ok(7) if part == Part::DayOfWeek => self.add(part, 1),
                Ok(number) => self.number(part, number)?,
                Err(_) => self.item(part, &item).map_err(|why| format!("'{text}': {why}"))?,
            }
        }
        Ok(())
    }

    /// One item of a text that is no plain number.
    fn item(&mut self, part: Part, item: &str) -> Result<(), String> {
        if item.is_empty() {
            return Err("a value is missing".to_owned());
        }
        match part {
            _ if item == "*" => *self = Field::all(part),
            Part::DayOfMonth | Part::DayOfWeek if item == "?" => *self = Field::all(part),
            Part::DayOfMonth if item == "l" => self.last_day = true,
            Part::DayOfWeek if item.contains('#') => self.nth_weekday(item)?,
            Part::DayOfWeek if item.starts_with('l') => {
                self.nth.push((part.value(&item[1..])? % 7, None));
            }
            _ => self.range(part, item)?,
        }
        Ok(())
    }

    /// `fri#2`: the second Friday.
    fn nth_weekday(&mut self, item: &str) -> Result<(), String> {
        let (day, nth) = item.split_once('#').unwrap_or((item, ""));
        let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth));
        let nth = nth.ok_or("after '#' stands a number from 1 to 5")?;
        self.nth.push((Part::DayOfWeek.value(day)? % 7, Some(nth)));
        Ok(())
    }

    /// `*`, `a`, `a-b`, and each of them with `/step`. A range may go over the end: `fri-mon`.
    fn range(&mut self, part: Part, item: &str) -> Result<(), String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => {
                let step: u8 = step.parse().map_err(|_| format!("'{step}' is no step"))?;
                (range, Some(step))
            }
            None => (item, None),
        };
        if step == Some(0) {
            return Err("a step must not be 0".to_owned());
        }
        let (low, mut high) = part.range();
        // Sunday has two numbers; as the end of a cycle it has one.
        if part == Part::DayOfWeek {
            high = 6;
        }
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            None => {
                let from = part.value(range)?;
                (from, if step.is_some() { high.max(from) } else { from })
            }
            Some((from, to)) if from == to => {
                return Err(format!("the range holds one value; write '{from}'"));
            }
            // A range that begins with 7 begins with Sunday.
            Some((from, to)) => (part.value(from)? % (high + 1), part.value(to)?),
        };
        let length = if from <= to { to - from } else { high - from + 1 + to - low };
        for offset in (0..=length).step_by(usize::from(step.unwrap_or(1))) {
            let value = u32::from(from) + u32::from(offset);
            let cycle = u32::from(high - low) + 1;
            let wrapped = if value > u32::from(high.max(to)) { value - cycle } else { value };
            self.add(part, wrapped as u8);
        }
        Ok(())
    }
}

impl Calendar {
    /// Every hour at minute 0.
    pub fn hourly() -> Calendar {
        Calendar {
            minute: Field::only(Part::Minute, 0),
            hour: Field::all(Part::Hour),
            day: Field::all(Part::DayOfMonth),
            month: Field::all(Part::Month),
            weekday: Field::all(Part::DayOfWeek),
        }
    }

    /// # Errors
    /// When no day is ever met, as 31 February; when `fri#2` or `L5` meets another restriction of
    /// the day, where nobody agrees on what is meant.
    pub fn new(
        minute: Field,
        hour: Field,
        day: Field,
        month: Field,
        weekday: Field,
    ) -> Result<Calendar, String> {
        let calendar = Calendar { minute, hour, day, month, weekday };
        if !calendar.weekday.nth.is_empty() && (calendar.weekday.bits != 0 || !calendar.day.any) {
            let message = "a weekday of the month, such as 'fri#2' or 'L5', cannot be mixed with \
                           other weekdays or with days of the month";
            return Err(message.to_owned());
        }
        let ever = calendar.days(Date::constant(2000, 1, 1)).next().is_some();
        let never = || "no day is ever like this, so that nothing would ever be built".to_owned();
        ever.then_some(calendar).ok_or_else(never)
    }

    /// The first time after `after`, in whole minutes.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let now = Moment::from_second(after).ok()?.to_zoned(zone.clone()).datetime();
        // Clocks that were just set back show an earlier time once more.
        let from = now.saturating_sub(Span::new().seconds(LARGEST_SHIFT_S));
        let mut best: Option<Timestamp> = None;
        for time in self.times(from) {
            let (first, second) = self.moments(time, zone);
            let first_at = first.or(second).unwrap_or(after);
            if best.is_some_and(|best| first_at > best.saturating_add(LARGEST_SHIFT_S)) {
                break;
            }
            let later = [first, second].into_iter().flatten().filter(|at| *at > after);
            best = best.into_iter().chain(later).min();
        }
        best
    }

    /// Is it such a minute?
    pub fn matches(&self, at: Timestamp, zone: &TimeZone) -> bool {
        let Ok(moment) = Moment::from_second(at) else { return false };
        let time = moment.to_zoned(zone.clone()).datetime();
        self.minute.has(time.minute()) && self.hour.has(time.hour()) && self.is_day(time.date())
    }

    /// When the clocks of `zone` show `time`: once, twice, or, when they skip it, later.
    fn moments(&self, time: DateTime, zone: &TimeZone) -> (Option<Timestamp>, Option<Timestamp>) {
        let every_hour = self.hour.is_all(Part::Hour);
        let at = |offset: jiff::tz::Offset| offset.to_timestamp(time).ok().map(|m| m.as_second());
        match zone.to_ambiguous_timestamp(time).offset() {
            AmbiguousOffset::Unambiguous { offset } => (at(offset), None),
            AmbiguousOffset::Gap { .. } if every_hour => (None, None),
            AmbiguousOffset::Gap { before, .. } => (at(before), None),
            AmbiguousOffset::Fold { before, after } => {
                (at(before), every_hour.then(|| at(after)).flatten())
            }
        }
    }

    /// All local times from `from` on, ascending.
    fn times(&self, from: DateTime) -> impl Iterator<Item = DateTime> {
        let hours = move || (0..24i8).filter(|hour| self.hour.has(*hour));
        let minutes = move || (0..60i8).filter(|minute| self.minute.has(*minute));
        self.days(from.date())
            .flat_map(move |date| {
                hours()
                    .flat_map(move |hour| minutes().map(move |minute| date.at(hour, minute, 0, 0)))
            })
            .filter(move |time| *time >= from)
    }

    fn days(&self, from: Date) -> impl Iterator<Item = Date> {
        let next = |date: &Date| date.tomorrow().ok();
        std::iter::successors(Some(from), next).take(HORIZON_DAYS).filter(|date| self.is_day(*date))
    }

    /// A day of the month and a day of the week that are both restricted: one of them is enough.
    fn is_day(&self, date: Date) -> bool {
        if !self.month.has(date.month()) {
            return false;
        }
        let by_day =
            self.day.has(date.day()) || (self.day.last_day && date.day() == date.days_in_month());
        let by_weekday = self.is_weekday(date);
        let both = self.day.any || self.weekday.any;
        if both { by_day && by_weekday } else { by_day || by_weekday }
    }

    fn is_weekday(&self, date: Date) -> bool {
        let weekday = Weekday::to_sunday_zero_offset(date.weekday());
        let nth = |of: &(u8, Option<i8>)| {
            let which = match of.1 {
                Some(nth) => (date.day() - 1) / 7 + 1 == nth,
                None => date.day() + 7 > date.days_in_month(),
            };
            i8::try_from(of.0) == Ok(weekday) && which
        };
        self.weekday.has(weekday) || self.weekday.nth.iter().any(nth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problems::Place;

    fn raw(value: RawValue) -> Raw {
        Raw { value, place: Place::default() }
    }

    /// A number when the word is one, a text otherwise; `[1 2]` is a list.
    fn field(part: Part, word: &str) -> Result<Field, String> {
        let number = |word: &str| word.parse().map(RawValue::Int);
        if let Some(list) = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let items = list.split('_').map(|word| raw(number(word).unwrap())).collect();
            return Field::parse(part, &raw(RawValue::List(items)));
        }
        let text = |_| RawValue::Text(word.to_owned());
        Field::parse(part, &raw(number(word).unwrap_or_else(text)))
    }

    /// `minute hour dayOfMonth month dayOfWeek`
    fn calendar(line: &str) -> Result<Calendar, String> {
        let parts = [Part::Minute, Part::Hour, Part::DayOfMonth, Part::Month, Part::DayOfWeek];
        let mut fields = line.split(' ').zip(parts).map(|(word, part)| field(part, word));
        let mut next = || fields.next().unwrap();
        Calendar::new(next()?, next()?, next()?, next()?, next()?)
    }

    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn at(text: &str, zone: &TimeZone) -> Timestamp {
        let time: DateTime = text.parse().unwrap();
        time.to_zoned(zone.clone()).unwrap().timestamp().as_second()
    }

    #[test]
    fn the_next_time() {
        let zone = berlin();
        for (line, after, expected) in [
            ("0 3 * * *", "2026-05-05T02:59:59", "2026-05-05T03:00"),
            ("0 3 * * *", "2026-05-05T03:00:00", "2026-05-06T03:00"),
            ("*/15 * * * *", "2026-05-05T03:00:00", "2026-05-05T03:15"),
            ("10/20 * * * *", "2026-05-05T03:31:00", "2026-05-05T03:50"),
            ("[5_50] 8-10 * * *", "2026-05-05T08:05:00", "2026-05-05T08:50"),
            ("30 22-1 * * *", "2026-05-05T01:30:00", "2026-05-05T22:30"),
            ("0 0 1 * *", "2026-05-05T00:00:00", "2026-06-01T00:00"),
            ("0 0 L * *", "2026-02-05T00:00:00", "2026-02-28T00:00"),
            ("0 0 31 * *", "2026-04-01T00:00:00", "2026-05-31T00:00"),
            ("0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00"),
            ("0 0 * jan,jul *", "2026-02-01T00:00:00", "2026-07-01T00:00"),
            // 2026-05-05 is a Tuesday.
            ("0 0 * * 0", "2026-05-05T00:00:00", "2026-05-11T00:00"),
            ("0 0 * * [5_6]", "2026-05-05T00:00:00", "2026-05-09T00:00"),
            ("0 0 * * 5,sun", "2026-05-09T00:00:00", "2026-05-10T00:00"),
            ("0 0 * * 1-5", "2026-05-08T00:00:00", "2026-05-11T00:00"),
            ("0 0 * * 7-2", "2026-05-05T00:00:00", "2026-05-10T00:00"),
            ("0 0 * * 5-7", "2026-05-05T00:00:00", "2026-05-08T00:00"),
            ("0 0 * * sat-mon", "2026-05-05T00:00:00", "2026-05-09T00:00"),
            ("0 0 * * fri#2", "2026-05-01T00:00:00", "2026-05-08T00:00"),
            ("0 0 * * L5", "2026-05-01T00:00:00", "2026-05-29T00:00"),
            // Either of both days.
            ("0 0 13 * fri", "2026-05-05T00:00:00", "2026-05-08T00:00"),
            ("0 0 13 * fri", "2026-05-08T00:00:00", "2026-05-13T00:00"),
            // Only a star does not restrict, as in stock.
            ("0 0 13 * mon-sun", "2026-05-08T00:00:00", "2026-05-09T00:00"),
            ("0 0 ? * fri", "2026-05-08T00:00:00", "2026-05-15T00:00"),
        ] {
            let calendar = calendar(line).unwrap();
            let next = calendar.next_after(at(after, &zone), &zone);
            assert_eq!(next, Some(at(expected, &zone)), "{line} after {after}");
            assert!(calendar.matches(next.unwrap(), &zone), "{line}");
        }
    }

    #[test]
    fn clocks_that_are_set() {
        let zone = berlin();
        // Seconds after midnight in winter time; the clocks go forward on 2026-03-29, back on
        // 2026-10-25.
        let day =
            |text: &str, hours: i64, minutes: i64| at(text, &zone) + hours * 3600 + minutes * 60;
        let spring = |hours, minutes| day("2026-03-29T00:00", hours, minutes);
        let autumn = |hours, minutes| day("2026-10-25T00:00", hours, minutes);
        for (line, after, expected) in [
            // 02:30 does not exist: 03:30 summer time, two and a half hours after midnight.
            ("30 2 * * *", spring(0, 0), spring(2, 30)),
            ("30 2 * * *", spring(2, 30), spring(25, 30)),
            ("0 3 * * *", spring(0, 0), spring(2, 0)),
            ("30 * * * *", spring(1, 30), spring(2, 30)),
            // 02:30 comes twice: once is enough.
            ("30 2 * * *", autumn(0, 0), autumn(2, 30)),
            ("30 2 * * *", autumn(2, 30), autumn(27, 30)),
            ("30 2 * * *", autumn(3, 10), autumn(27, 30)),
            // Every hour is every hour.
            ("30 * * * *", autumn(2, 30), autumn(3, 30)),
            ("30 * * * *", autumn(3, 30), autumn(4, 30)),
            ("*/20 * * * *", autumn(2, 40), autumn(3, 0)),
        ] {
            let next = calendar(line).unwrap().next_after(after, &zone);
            assert_eq!(next, Some(expected), "{line} after {after}");
        }
    }

    #[test]
    fn what_never_comes_or_cannot_be_read() {
        for (line, expected) in [
            ("0 0 31 2 *", "no day is ever like this"),
            ("0 0 30 feb *", "no day is ever like this"),
            ("0 0 31 4,6,9,11 *", "no day is ever like this"),
            ("60 * * * *", "60 is not between 0 and 59"),
            ("* 24 * * *", "24 is not between 0 and 23"),
            ("* * 0 * *", "0 is not between 1 and 31"),
            ("* * * foo *", "'foo' is no value of this field"),
            ("* * * * 8", "8 is not between 0 and 6"),
            ("*/0 * * * *", "a step must not be 0"),
            ("*/x * * * *", "'x' is no step"),
            ("5-5 * * * *", "write '5'"),
            ("1,,2 * * * *", "a value is missing"),
            ("* * * * fri#6", "a number from 1 to 5"),
            ("? * * * *", "'?' is no value"),
            ("* * 15W * *", "'15w' is no value"),
        ] {
            let message = calendar(line).unwrap_err();
            assert!(message.contains(expected), "{line}: {message}");
        }
        for line in ["0 0 13 * fri#2", "0 0 L * L5", "0 0 * * mon,fri#2"] {
            let message = calendar(line).unwrap_err();
            assert!(message.contains("cannot be mixed"), "{line}: {message}");
        }
        assert!(calendar("0 0 * 2 fri#5").is_ok());
    }

    /// 250 lines of chance, in UTC, as stock turned them into cron lines and croniter 7 answered.
    #[test]
    fn the_answers_are_those_of_stock() {
        fn read(value: &serde_json::Value) -> Raw {
            raw(match value {
                serde_json::Value::Number(number) => RawValue::Int(number.as_i64().unwrap()),
                serde_json::Value::Array(items) => RawValue::List(items.iter().map(read).collect()),
                other => RawValue::Text(other.as_str().unwrap().to_owned()),
            })
        }
        let parts = [Part::Minute, Part::Hour, Part::DayOfMonth, Part::Month, Part::DayOfWeek];
        let mut wrong = Vec::new();
        for line in include_str!("../../tests/data/calendar/croniter.jsonl").lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let words = case[0].as_array().unwrap();
            let mut fields = parts
                .into_iter()
                .zip(words)
                .map(|(part, word)| Field::parse(part, &read(word)).unwrap());
            let mut next = || fields.next().unwrap();
            let calendar = Calendar::new(next(), next(), next(), next(), next());
            let after = case[1].as_i64().unwrap();
            let found = calendar.ok().and_then(|of| of.next_after(after, &TimeZone::UTC));
            if found != case[2].as_i64() {
                wrong.push(format!("{line}: {found:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
    }
}
