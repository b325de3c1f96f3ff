//! Quiet hours: the time of day at which nobody is told anything.

use jiff::Timestamp as Moment;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use crate::model::Timestamp;

/// From one time of day to another, over midnight when the second is the earlier one.
#[derive(Debug, Clone, PartialEq)]
pub struct QuietHours {
    begin: Time,
    end: Time,
    zone: TimeZone,
}

impl QuietHours {
    /// Reads `22:00-07:00`; the zone is a name such as `Europe/Berlin`, or the local one.
    ///
    /// # Errors
    /// What is wrong with the text, for people.
    pub fn parse(text: &str, zone: Option<&str>) -> Result<QuietHours, String> {
        let wrong = || format!("'{text}' must be two times of day, such as '22:00-07:00'");
        let (begin, end) = text.split_once('-').ok_or_else(wrong)?;
        let begin = time(begin).ok_or_else(wrong)?;
        let end = time(end).ok_or_else(wrong)?;
        if begin == end {
            return Err(format!("'{text}' must begin and end at different times"));
        }
        let zone = match zone {
            Some(name) => TimeZone::get(name).map_err(|_| unknown_zone(name))?,
            None => TimeZone::system(),
        };
        Ok(QuietHours { begin, end, zone })
    }

    /// When they end, if `now` is in them. Where the clocks skip that time, as much later.
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let here = Moment::from_second(now).ok()?.to_zoned(self.zone.clone());
        let (date, time) = (here.date(), here.time());
        let over_midnight = self.end < self.begin;
        let quiet = match over_midnight {
            true => time >= self.begin || time < self.end,
            false => time >= self.begin && time < self.end,
        };
        if !quiet {
            return None;
        }
        let day = if time < self.end { date } else { date.tomorrow().ok()? };
        let end = day.to_datetime(self.end).to_zoned(self.zone.clone()).ok()?;
        // Where the clocks are set back, an hour comes twice.
        Some(end.timestamp().as_second().max(now + 1))
    }
}

fn unknown_zone(name: &str) -> String {
    format!("'{name}' is no time zone of this system; write one such as 'Europe/Berlin'")
}

/// Complains about what is no time zone.
#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
pub fn wrong_zone(name: &String) -> Option<String> {
    TimeZone::get(name).err().map(|_| unknown_zone(name))
}

/// `7:00` or `22:30`.
fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minute) || minute.len() != 2 {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse::<Moment>().unwrap().as_second()
    }

    #[test]
    fn nights_and_noons_are_quiet() {
        for (hours, now, until) in [
            ("22:00-07:00", "2026-03-01T21:59:59Z", None),
            ("22:00-07:00", "2026-03-01T22:00:00Z", Some("2026-03-02T07:00:00Z")),
            ("22:00-07:00", "2026-03-02T06:59:59Z", Some("2026-03-02T07:00:00Z")),
            ("22:00-07:00", "2026-03-02T07:00:00Z", None),
            ("12:00-13:30", "2026-03-02T12:10:00Z", Some("2026-03-02T13:30:00Z")),
            ("12:00-13:30", "2026-03-02T00:10:00Z", None),
        ] {
            let hours = QuietHours::parse(hours, Some("UTC")).unwrap();
            assert_eq!(hours.until(at(now)), until.map(at), "{hours:?} at {now}");
        }
    }

    #[test]
    fn clocks_that_are_changed_leave_nobody_awake() {
        let hours = QuietHours::parse("22:00-02:30", Some("Europe/Berlin")).unwrap();
        // 02:30 does not exist in this night, and comes twice in the other.
        let spring = hours.until(at("2026-03-29T00:30:00Z"));
        assert_eq!(spring, Some(at("2026-03-29T01:30:00Z")));
        let autumn = hours.until(at("2026-10-25T00:10:00Z"));
        assert_eq!(autumn, Some(at("2026-10-25T00:30:00Z")));
    }

    #[test]
    fn mistakes_are_told() {
        for (hours, zone, says) in [
            ("22-7", None, "two times of day"),
            ("22:00", None, "two times of day"),
            ("25:00-07:00", None, "two times of day"),
            ("+2:00-07:00", None, "two times of day"),
            ("07:00-07:00", None, "different times"),
            ("22:00-07:00", Some("Mars/Base"), "no time zone"),
        ] {
            let error = QuietHours::parse(hours, zone).unwrap_err();
            assert!(error.contains(says), "{hours}: {error}");
        }
    }
}
