//! This file lists the reasons why a store takes no commits, separated by what an operator does about
//! them. It must not know the stores.

/// The reason why a store takes no commits. Its word is a metric's label and the first word of the
/// answer of `/readyz`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The store gives no answer. This may pass by itself.
    Unreachable,
    /// The realm isn't in the store any more: it was wiped.
    Gone,
    /// The realm was made anew, but not by this process, and has another log.
    OtherLog,
    /// A commit that was acknowledged isn't on the log.
    Rollback,
    /// Another issuer found that the store had lost something, and opened a new history, which this one
    /// has not come to yet.
    Reopened,
    /// Not every issuer has vouched for the server that is the primary now.
    Unvouched,
    /// The server's settings let it forget what it acknowledges.
    Volatile,
    /// The disk is nearly full; takeaways are still taken.
    Short,
    /// The disk is full: a write found no room, not even in the room that is kept for takeaways.
    Full,
    /// The server's memory is nearly full; takeaways are still taken.
    Memory,
    /// A write failed. The store tries again.
    Failed,
    /// This process closed the store, as it does when it ends.
    Closed,
}

impl Reason {
    /// Every reason, for tables that have a line for each.
    pub const ALL: [Self; 12] = [
        Self::Unreachable,
        Self::Gone,
        Self::OtherLog,
        Self::Rollback,
        Self::Reopened,
        Self::Unvouched,
        Self::Volatile,
        Self::Short,
        Self::Full,
        Self::Memory,
        Self::Failed,
        Self::Closed,
    ];

    /// Returns the reason's word, a metric's label that never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Gone => "gone",
            Self::OtherLog => "other_log",
            Self::Rollback => "rollback",
            Self::Reopened => "reopened",
            Self::Unvouched => "unvouched",
            Self::Volatile => "volatile",
            Self::Short => "short",
            Self::Full => "full",
            Self::Memory => "memory",
            Self::Failed => "failed",
            Self::Closed => "closed",
        }
    }

    /// Returns a sentence for callers and operators; it never quotes a server.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unreachable => "the store can't be reached",
            Self::Gone => "the realm is not in the store any more",
            Self::OtherLog => "the realm in the store was made anew and has another log",
            Self::Rollback => "the store was rolled back: it lost what this issuer acknowledged",
            Self::Reopened => "another issuer opened a new history of the realm",
            Self::Unvouched => "not every issuer has vouched for the store's primary yet",
            Self::Volatile => "the store's settings let it forget what it acknowledges",
            Self::Short => "the store's disk is nearly full: only takeaways are taken",
            Self::Full => "the store's disk is full: not even takeaways can be written",
            Self::Memory => "the store's memory is nearly full: only takeaways are taken",
            Self::Failed => "the store's last write failed",
            Self::Closed => "the store was closed",
        }
    }

    /// Finds the reason whose sentence an error quotes.
    pub fn of_words(text: &str) -> Option<Self> {
        let quoted = |reason: &Self| reason.words() == text;
        Self::ALL.into_iter().find(quoted)
    }

    /// Reports whether the store will take nothing from this process, however often it tries.
    pub fn lasts(self) -> bool {
        matches!(self, Self::Gone | Self::OtherLog | Self::Rollback)
    }

    /// Reports whether the store may lack what was acknowledged, so that what isn't found there may yet come
    /// back.
    pub fn may_lack(self) -> bool {
        self.lasts() || matches!(self, Self::Reopened | Self::Unvouched)
    }

    /// Reports whether takeaways and confirms are still taken.
    pub fn spares_takeaways(self) -> bool {
        matches!(self, Self::Short | Self::Memory)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.words())
    }
}
