//! This file says why a write failed, and whether room was short: a caller then learns that a repeat
//! can't help. It must not know what was to be written.

use std::{fmt, io};

#[derive(Clone, Debug)]
pub(super) struct Why {
    text: String,
    pub(super) full: bool,
}

impl Why {
    pub(super) fn from_error(error: impl Into<redb::Error>) -> Self {
        let error = error.into();
        let full = match &error {
            redb::Error::Io(error) => is_full(error),
            _ => false,
        };
        Self {
            text: error.to_string(),
            full,
        }
    }

    pub(super) fn other(why: &dyn fmt::Display) -> Self {
        Self {
            text: why.to_string(),
            full: false,
        }
    }
}

/// Reports whether the disk has no room, for all users or for this user.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_spent_quota_are_want_of_room() {
        for (kind, full) in [
            (io::ErrorKind::StorageFull, true),
            (io::ErrorKind::QuotaExceeded, true),
            (io::ErrorKind::PermissionDenied, false),
            (io::ErrorKind::Other, false),
        ] {
            assert_eq!(is_full(&kind.into()), full, "{kind}");
            let error = redb::Error::Io(kind.into());
            assert_eq!(Why::from_error(error).full, full, "{kind}");
        }
    }
}
