//! Which kinds of records there are.

/// The kinds of records; the numbers are those of `Record` in `record.proto`, for ever.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Kind {
    /// A person's account, or a service account.
    User = 1,
    /// An account that has members and may own repos.
    Org = 2,
    /// A user's membership of an org, with the role.
    Member = 3,
    /// A resource group of an org.
    Group = 4,
    /// A user's membership of a resource group, with the role.
    GroupMember = 5,
    /// A repo of any kind, which may also be a collection or an endpoint.
    Repo = 6,
    /// Issuer-only: who holds a name.
    Name = 7,
    /// A user's request for access to a gated repo, and its outcome.
    GateGrant = 8,
    /// What an org asks of the tokens that reach it.
    OrgPolicy = 9,
    /// What is in force for a token in place of its claims.
    Amendment = 10,
    /// An org's decision on one token.
    OrgTokenView = 11,
    /// A serial up to which all tokens of a target are refused.
    Floor = 12,
    /// A signing key whose tokens are all refused.
    WithdrawnKey = 13,
    /// The opening of a log: reserved, written by no version yet, and refused by every reader.
    HistoryOpened = 14,
    // 15 is no kind: the message's MAC has it.
    /// Where something that once had a name is now.
    Redirect = 16,
    /// An id that was deleted, and is never used again.
    Retired = 17,
    /// How many memberships of a user in an org have ended.
    Departures = 18,
    /// Issuer-only: what is known of a token.
    Token = 32,
    /// Issuer-only: when all tokens of an owner were revoked.
    Owner = 33,
}

impl Kind {
    /// In the feed, in number order.
    pub const PUBLIC: [Kind; 16] = [
        Kind::User,
        Kind::Org,
        Kind::Member,
        Kind::Group,
        Kind::GroupMember,
        Kind::Repo,
        Kind::GateGrant,
        Kind::OrgPolicy,
        Kind::Amendment,
        Kind::OrgTokenView,
        Kind::Floor,
        Kind::WithdrawnKey,
        Kind::HistoryOpened,
        Kind::Redirect,
        Kind::Retired,
        Kind::Departures,
    ];

    /// Finds the kind of this number; `None` for 0, for 15 and for every number that isn't listed.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::PUBLIC
            .into_iter()
            .chain([Kind::Name, Kind::Token, Kind::Owner])
            .find(|kind| kind.number() == number)
    }

    /// Its field number in `Record`; for an issuer-only kind, a number that no public kind has.
    pub fn number(self) -> u32 {
        self as u8 as u32
    }

    /// Never deleted, and kept by a view that is built anew: it holds what is never undone, or may.
    pub fn is_kept(self) -> bool {
        matches!(
            self,
            Self::Floor
                | Self::WithdrawnKey
                | Self::OrgTokenView
                | Self::Retired
                | Self::Departures
        )
    }
}
