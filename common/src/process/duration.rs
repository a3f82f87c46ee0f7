//! This file decides how people write durations in flags: `500ms`, `5s`, `2m`, `1h`, `7d`, `4w`. It is
//! pure.

use std::time::Duration;

/// Each unit, with its length in milliseconds.
const UNITS: [(&str, u64); 6] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("d", 24 * 60 * 60 * 1000),
    ("w", 7 * 24 * 60 * 60 * 1000),
];

/// Reads a duration. It refuses a number without a unit, because seconds and milliseconds get mixed up.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!("`{text}` is no whole number with a unit (ms, s, m, h, d, w), such as 30d or 500ms")
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let (_, of) = UNITS.iter().find(|it| it.0 == unit).ok_or_else(wrong)?;
    if number.is_empty() {
        return Err(wrong());
    }
    let millis = number.parse().ok().and_then(|it: u64| it.checked_mul(*of));
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| format!("`{text}` is longer than any duration that can be kept"))
}

/// Writes a duration in the largest unit that gives a whole number, weeks excepted. It is exact to the
/// millisecond.
pub fn written(duration: Duration) -> String {
    let millis = duration.as_millis();
    let whole = |(unit, of): &&(&str, u64)| {
        *unit != "w" && millis > 0 && millis.is_multiple_of(u128::from(*of))
    };
    match UNITS.iter().rev().find(whole) {
        Some((unit, of)) => format!("{}{unit}", millis / u128::from(*of)),
        None => "0s".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, millis) in [
            ("0ms", 0),
            ("500ms", 500),
            ("5s", 5000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "5",
            "s",
            "-1s",
            "1.5s",
            "5 s",
            "5S",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        let told = parse_duration("18446744073709551615h").unwrap_err();
        assert!(told.contains("longer than"), "{told}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "0s", "1ms", "1500ms", "5s", "90s", "2m", "1h", "36h", "7d", "366d",
        ] {
            assert_eq!(written(parse_duration(text).unwrap()), text);
        }
        assert_eq!(written(Duration::from_secs(7 * 86_400)), "7d");
    }
}
