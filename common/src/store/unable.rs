//! Why a store takes no commits, by what an operator does about it.

/// Its words are a metric's label and the first of what `/readyz` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No answer. It may pass by itself.
    Unreachable,
    /// The realm isn't there: wiped.
    Gone,
    /// The realm was made anew, by somebody else.
    OtherLog,
    /// What was acknowledged isn't on the log.
    Rollback,
    /// The server could forget what it acknowledges.
    Volatile,
    /// The disk is nearly full: takeaways are taken yet.
    Short,
    /// The disk is full: a write found no room, not even in what is kept for takeaways.
    Full,
    /// The server's memory is nearly full: takeaways are taken yet.
    Memory,
    /// A write failed. It is tried again.
    Failed,
    /// This process closed the store, as it does when it ends.
    Closed,
}

impl Reason {
    /// Every reason, for tables that have a line for each.
    pub const ALL: [Self; 10] = [
        Self::Unreachable,
        Self::Gone,
        Self::OtherLog,
        Self::Rollback,
        Self::Volatile,
        Self::Short,
        Self::Full,
        Self::Memory,
        Self::Failed,
        Self::Closed,
    ];

    /// The reason's word, which stays the same: a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Gone => "gone",
            Self::OtherLog => "other_log",
            Self::Rollback => "rollback",
            Self::Volatile => "volatile",
            Self::Short => "short",
            Self::Full => "full",
            Self::Memory => "memory",
            Self::Failed => "failed",
            Self::Closed => "closed",
        }
    }

    /// In words for callers and operators; never what a server said.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unreachable => "the store can't be reached",
            Self::Gone => "the realm is not in the store any more",
            Self::OtherLog => "the realm in the store was made anew and has another log",
            Self::Rollback => "the store was rolled back: it lost what this issuer acknowledged",
            Self::Volatile => "the store's settings let it forget what it acknowledges",
            Self::Short => "the store's disk is nearly full: only takeaways are taken",
            Self::Full => "the store's disk is full: not even takeaways can be written",
            Self::Memory => "the store's memory is nearly full: only takeaways are taken",
            Self::Failed => "the store's last write failed",
            Self::Closed => "the store was closed",
        }
    }

    /// Of an error that quotes its words.
    pub fn of_words(text: &str) -> Option<Self> {
        let quoted = |reason: &Self| reason.words() == text;
        Self::ALL.into_iter().find(quoted)
    }

    /// Nothing that this process sends will be taken, however often.
    pub fn lasts(self) -> bool {
        matches!(self, Self::Gone | Self::OtherLog | Self::Rollback)
    }

    /// Takeaways and confirms are taken all the same.
    pub fn spares_takeaways(self) -> bool {
        matches!(self, Self::Short | Self::Memory)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.words())
    }
}
