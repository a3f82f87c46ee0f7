//! Parses and formats durations and dates for people. It reads no clock: `now` is an argument.

use std::time::Duration;

use prost_types::Timestamp;
use tokenward_common::clock::UnixTime;
pub(crate) use tokenward_common::process::duration::parse_duration;

const EXPIRY_RULE: &str = "must be a duration such as 30d, or a date such as 2027-01-31 or \
     2027-01-31T12:00:00Z";

/// The time when a token is to end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expiry {
    After(Duration),
    At(Timestamp),
}

impl Expiry {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(after) = parse_duration(text) {
            return Ok(Self::After(after));
        }
        // The text is a day, or a day and a time with its offset.
        let dated = text.len() == 10 || text.get(10..11).is_some_and(|t| t == "T" || t == "t");
        let zoned = text.len() == 10
            || text.ends_with(['Z', 'z'])
            || text.get(19..).is_some_and(|zone| zone.contains(['+', '-']));
        if !dated || !zoned {
            return Err(EXPIRY_RULE.into());
        }
        text.parse()
            .map(Self::At)
            .map_err(|_| EXPIRY_RULE.to_owned())
    }

    /// Returns the time in whole seconds, the resolution of claims.
    pub(crate) fn at(&self, now: UnixTime) -> Timestamp {
        match self {
            Self::At(at) => *at,
            Self::After(after) => Timestamp {
                seconds: i64::try_from(now.0.saturating_add(after.as_secs())).unwrap_or(i64::MAX),
                nanos: 0,
            },
        }
    }
}

/// Returns the time in ISO 8601, in UTC, to the second. It is empty when absent.
pub(crate) fn show(time: Option<&Timestamp>) -> String {
    time.map_or_else(String::new, |time| {
        Timestamp {
            seconds: time.seconds,
            nanos: 0,
        }
        .to_string()
    })
}

/// Returns the time in ISO 8601, in UTC, to the second.
pub(crate) fn at(time: UnixTime) -> String {
    show(Some(&Expiry::After(Duration::ZERO).at(time)))
}

/// Returns the day of a time in UTC, such as `2027-01-31`.
pub(crate) fn day(now: UnixTime) -> String {
    let mut text = at(now);
    text.truncate(10);
    text
}

pub(crate) fn to_proto(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        // The value is below 10^9, so it fits.
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("0s", 0),
            ("2s", 2_000),
            ("15m", 900_000),
            ("12h", 43_200_000),
            ("30d", 2_592_000_000),
            ("4w", 2_419_200_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(milliseconds))
            );
        }
        for bad in ["", "s", "2", "-2s", "+2s", "2 s", "2.5s", "2y", "2sé"] {
            assert!(parse_duration(bad).unwrap_err().contains("unit"), "{bad}");
        }
        for bad in ["99999999999999999999s", "9999999999999999w"] {
            assert!(parse_duration(bad).unwrap_err().contains("longer"), "{bad}");
        }
    }

    #[test]
    fn expiries() {
        let at = |text: &str| Expiry::parse(text).unwrap().at(UnixTime(1_000));
        let seconds = |seconds| Timestamp { seconds, nanos: 0 };
        assert_eq!(at("30d"), seconds(1_000 + 30 * 86_400));
        assert_eq!(at("2027-01-31"), seconds(1_801_353_600));
        assert_eq!(at("2027-01-31T12:00:00Z"), seconds(1_801_396_800));
        assert_eq!(at("2027-01-31T12:00:00+02:00"), seconds(1_801_389_600));
        for bad in [
            "",
            "tomorrow",
            "2027",
            "2027-13-01",
            "2027-02-30",
            "2027-01-31T12:00:00",
            "31.01.2027",
            "30",
        ] {
            assert!(Expiry::parse(bad).unwrap_err().contains("30d"), "{bad}");
        }
    }

    #[test]
    fn times_are_shown_to_the_second() {
        let time = Timestamp {
            seconds: 1_801_396_800,
            nanos: 123_000_000,
        };
        assert_eq!(show(Some(&time)), "2027-01-31T12:00:00Z");
        assert_eq!(show(None), "");
    }
}
