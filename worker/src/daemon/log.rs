//! The form of a log line: `2026-11-22 11:14:29+0000 [-] text`, in universal time.

use std::fmt;
use std::io::Write;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Formats events as stock log files show them; warnings and errors say so in the brackets.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogFormat;

impl<S, N> FormatEvent<S, N> for LogFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let system = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            _ => "-",
        };
        write!(writer, "{} [{system}] ", stamp(now))?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// Sends all events at `default` level and above (environment `BUILDBOT_LOG` overrides) to `writer`.
/// Only the first call in a process counts.
pub fn init_logging(writer: impl Write + Send + 'static, default: &str) {
    let filter =
        EnvFilter::try_from_env("BUILDBOT_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .event_format(LogFormat)
        .with_writer(Mutex::new(writer));
    let _ = subscriber.try_init();
}

/// Unix seconds as `2026-11-22 11:14:29+0000`.
fn stamp(seconds: u64) -> String {
    let (day, rest) = (seconds / 86400, seconds % 86400);
    let (year, month, day) = civil(day);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}+0000")
}

/// Year, month and day of a day counted from 1970-01-01, by 400-year eras that begin in March.
fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00+0000"),
            (951_782_399, "2000-02-28 23:59:59+0000"),
            (951_782_400, "2000-02-29 00:00:00+0000"),
            (1_795_346_069, "2026-11-22 11:14:29+0000"),
            (4_107_542_400, "2100-03-01 00:00:00+0000"),
        ] {
            assert_eq!(stamp(seconds), expected);
        }
    }
}
