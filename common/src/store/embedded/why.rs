//! Why a write failed, and whether for want of room: then callers are told so, and not to try again.

use std::{fmt, io};

#[derive(Clone, Debug)]
pub(super) struct Why {
    text: String,
    pub(super) full: bool,
}

impl Why {
    pub(super) fn of(error: impl Into<redb::Error>) -> Self {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        let error = error.into();
        let full = match &error {
            redb::Error::Io(error) => matches!(error.kind(), StorageFull | QuotaExceeded),
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

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
