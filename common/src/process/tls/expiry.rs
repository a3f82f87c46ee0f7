//! This file decides when the end of a certificate is reported: as a metric always, in the log once a
//! day from two weeks before it, and as an error once it has passed.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tracing::{error, warn};

use crate::clock::UnixTime;

/// From this long before its end, a certificate is reported. It is longer than the weekend before a
/// holiday, and shorter than what is left when renewal by ACME begins (a third of 90 days).
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// The pause between two reports.
const AGAIN: u64 = 24 * 3600;

/// Reports the end of one certificate.
#[derive(Default)]
pub(super) struct Expiry {
    /// The first second at which the certificate is invalid, as Unix time.
    pub(super) at: Gauge,
    told: Option<UnixTime>,
}

/// What must be reported of a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Alarm {
    Soon { days: u64 },
    Ended,
}

/// Returns what must be reported now.
pub(super) fn alarm(valid_until: UnixTime, now: UnixTime) -> Option<Alarm> {
    let left = valid_until.0.saturating_sub(now.0);
    if left == 0 {
        Some(Alarm::Ended)
    } else if left <= SOON.as_secs() {
        Some(Alarm::Soon {
            days: left / (24 * 3600),
        })
    } else {
        None
    }
}

impl Expiry {
    /// Updates the metric, and reports what is due.
    pub(super) fn note(&mut self, flag: &str, valid_until: UnixTime, now: UnixTime) {
        self.at
            .set(i64::try_from(valid_until.0).unwrap_or(i64::MAX));
        let Some(alarm) = alarm(valid_until, now) else {
            self.told = None;
            return;
        };
        if self.told.is_some_and(|told| now.0 < told.0 + AGAIN) {
            return;
        }
        self.told = Some(now);
        match alarm {
            Alarm::Soon { days } => warn!(days, "the certificate of {flag} ends soon: renew it"),
            Alarm::Ended => {
                error!("the certificate of {flag} has ended: the other side refuses it")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_reported_two_weeks_ahead() {
        let day = 24 * 3600;
        let at = |now| alarm(UnixTime(100 * day), UnixTime(now));
        assert_eq!(at(0), None);
        assert_eq!(at(86 * day - 1), None);
        assert_eq!(at(86 * day), Some(Alarm::Soon { days: 14 }));
        assert_eq!(at(100 * day - 1), Some(Alarm::Soon { days: 0 }));
        assert_eq!(at(100 * day), Some(Alarm::Ended));
        assert_eq!(at(200 * day), Some(Alarm::Ended));
    }
}
