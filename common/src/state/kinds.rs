//! Holds the one table of the kinds of records. Kinds, their numbers, the record keys, and the enums over all
//! kinds are generated from it; code that does one thing for every kind uses [`for_each_kind`].
//!
//! Each kind has a file in this folder (users and orgs share `account.rs`), which says all that this crate
//! must know of it, as traits that the compiler asks for: what a record holds, its bytes (`Stored`) and what
//! it changes in the state (`Held`); and of a kind that the hub feeds, its message (`fed!`) and how it is
//! listed (`Listed`).

mod account;
mod amendment;
mod departures;
mod floor;
mod gate_grant;
mod group;
mod group_member;
mod member;
mod org_policy;
mod org_token_view;
mod redirect;
mod repo;
mod retired;
mod withdrawn_key;

use crate::{
    id::{AccountId, GroupId, KeyId, RepoId, TokenId},
    state::record::part::{KeyError, Part},
};

pub use account::{Org, User};
pub use amendment::{Amendment, MAX_EXPIRIES, Settings};
pub(in crate::state) use amendment::{decode_settings, encode_settings};
pub use departures::{Departures, MAX_DEPARTURES};
pub use floor::{Floor, FloorTarget};
pub(in crate::state) use floor::{target_from_proto, target_to_proto};
pub use gate_grant::GateGrant;
pub use group::Group;
pub use group_member::GroupMember;
pub use member::Member;
pub use org_policy::OrgPolicy;
pub use org_token_view::OrgTokenView;
pub use redirect::{OldName, Redirect};
pub use repo::Repo;
pub use retired::RetiredId;

/// Passes every kind that has records to a macro, in the order of their numbers:
///
/// `[Kind(Record type) = number, kept or passing, |record| key => the id that ends with it]`
///
/// - A key is a tuple of one part or a struct of several, each with its type and its value.
/// - A record of a `passing` kind may be deleted. One of a `kept` kind never is: that it survives when the
///   view is rebuilt is the work of `keep_monotone_of`, which names each kept kind.
/// - An id that ends with its record is retired: it is never used again.
macro_rules! for_each_kind {
    ($then:ident) => {
        $then! {
            /// A record of this kind is a person's account, or a service account.
            [User(User) = 1, passing, |it| (id: AccountId = it.id.clone()) => Account]
            /// A record of this kind is an account that has members and may own repos.
            [Org(Org) = 2, passing, |it| (id: AccountId = it.id.clone()) => Account]
            /// A record of this kind is a user's membership of an org, with the role.
            [Member(Member) = 3, passing, |it| {
                /// Names the org that has the member.
                org: AccountId = it.org.clone(),
                /// Names the user who is the member.
                user: AccountId = it.user.clone(),
            }]
            /// A record of this kind is a resource group of an org.
            [Group(Group) = 4, passing, |it| (id: GroupId = it.id.clone()) => Group]
            /// A record of this kind is a user's membership of a resource group, with the role.
            [GroupMember(GroupMember) = 5, passing, |it| {
                /// Names the group that has the member.
                group: GroupId = it.group.clone(),
                /// Names the user who is the member.
                user: AccountId = it.user.clone(),
            }]
            /// A record of this kind is a repo of any kind, which may also be a collection or an endpoint.
            [Repo(Repo) = 6, passing, |it| (id: RepoId = it.id.clone()) => Repo]
            /// A record of this kind is a user's request for access to a gated repo, and its outcome.
            [GateGrant(GateGrant) = 8, passing, |it| {
                /// Names the gated repo.
                repo: RepoId = it.repo.clone(),
                /// Names the user who requested access.
                user: AccountId = it.user.clone(),
            }]
            /// A record of this kind is what an org requires of the tokens that reach it.
            [OrgPolicy(OrgPolicy) = 9, passing, |it| (org: AccountId = it.org.clone())]
            /// A record of this kind is what is in force for a token in place of its claims.
            [Amendment(Amendment) = 10, passing, |it| (token: TokenId = it.token)]
            /// A record of this kind is an org's decision on one token.
            [OrgTokenView(OrgTokenView) = 11, kept, |it| {
                /// Names the org that decided.
                org: AccountId = it.org.clone(),
                /// Names the token that it decided on, through all rotations.
                token: TokenId = it.token,
            }]
            /// A record of this kind is a serial up to which all tokens of a target are refused.
            [Floor(Floor) = 12, kept, |it| (target: FloorTarget = it.target.clone())]
            /// A record of this kind is the `kid` of a signing key whose tokens are all refused, for ever.
            [WithdrawnKey(KeyId) = 13, kept, |it| (kid: KeyId = it.clone())]
            /// A record of this kind points from an old name to what once had it.
            [Redirect(Redirect) = 16, passing, |it| (old: OldName = it.old_name())]
            /// A record of this kind is an id that was deleted, and is never used again.
            [Retired(RetiredId) = 17, kept, |it| (id: RetiredId = it.clone())]
            /// A record of this kind counts the memberships of a user in an org that have ended.
            [Departures(Departures) = 18, kept, |it| {
                /// Names the org that was left.
                org: AccountId = it.org.clone(),
                /// Names the user who left it.
                user: AccountId = it.user.clone(),
            }]
        }
    };
}
pub(in crate::state) use for_each_kind;

macro_rules! define {
    ($($(#[$doc:meta])* [$kind:ident($record:ty) = $number:literal, $stays:ident, |$it:ident|
        $(($one:ident: $one_type:ty = $one_value:expr))?
        $({ $($(#[$note:meta])* $part:ident: $part_type:ty = $part_value:expr),+ $(,)? })?
        $(=> $space:ident)?])+) => {
        /// Lists the kinds of records. Their numbers are for ever those of `Record` in `record.proto`. 15 is
        /// not a kind: it is the field of the message's MAC.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $kind = $number,)+
            /// This issuer-only kind states who holds a name.
            Name = 7,
            /// This kind opens a log. It is reserved, no version writes it yet, and every reader refuses it.
            HistoryOpened = 14,
            /// This issuer-only kind states what is known of a token.
            Token = 32,
            /// This issuer-only kind states when all tokens of an owner were revoked.
            Owner = 33,
        }

        impl Kind {
            /// Lists the kinds that appear in the feed.
            pub const PUBLIC: [Kind; [$(Kind::$kind),+].len() + 1] =
                [$(Kind::$kind,)+ Kind::HistoryOpened];

            /// Holds the highest number of a kind that has records.
            pub const HIGHEST: u8 = highest(&[$($number),+]);

            /// Returns whether the records of this kind are never deleted, and survive when the view is
            /// rebuilt: they hold what is never undone, or may hold it.
            pub fn is_kept(self) -> bool {
                match self {
                    $(Self::$kind => stays!($stays),)+
                    Self::Name | Self::HistoryOpened | Self::Token | Self::Owner => false,
                }
            }
        }

        /// Holds a whole public record. A kind of `record.proto` that is missing here is refused on reading:
        /// a reader that skipped it could allow what it forbids.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Record {
            $($(#[$doc])* $kind($record)),+
        }

        /// Identifies a record within its kind.
        #[derive(Clone, PartialEq, Eq, Hash, Debug)]
        pub enum RecordKey {
            $($(#[$doc])* $kind $(($one_type))? $({ $($(#[$note])* $part: $part_type),+ })?),+
        }

        $(impl Keyed for $record {
            type Key<'k> = parts!($(&'k $one_type)? $($(&'k $part_type),+)?);
        })+

        impl Record {
            /// Returns the key of this record within its kind: a later record with the same key replaces it.
            pub fn key(&self) -> RecordKey {
                match self {
                    $(Self::$kind($it) => RecordKey::$kind
                        $(($one_value))? $({ $($part: $part_value),+ })?),+
                }
            }
        }

        impl RecordKey {
            /// Returns the kind of the records that have such a key.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind { .. } => Kind::$kind),+
                }
            }

            /// Returns the id that is retired with such a record; `None` for kinds whose keys may be used
            /// again.
            pub fn retired(&self) -> Option<RetiredId> {
                match self {
                    $($(Self::$kind(id) => Some(RetiredId::$space(id.clone())),)?)+
                    _ => None,
                }
            }

            /// Appends the parts of the key, in order.
            pub(in crate::state) fn write(&self, to: &mut Vec<u8>) {
                match self {
                    $(Self::$kind $(($one))? $({ $($part),+ })? => {
                        $($one.write(to);)?
                        $($($part.write(to);)+)?
                    })+
                }
            }

            /// Reads what [`Self::write`] wrote, and consumes those bytes.
            pub(in crate::state) fn read(kind: Kind, from: &mut &[u8]) -> Result<Self, KeyError> {
                Ok(match kind {
                    $(Kind::$kind => Self::$kind
                        $((<$one_type>::read(from)?))? $({ $($part: <$part_type>::read(from)?),+ })?,)+
                    Kind::Name | Kind::HistoryOpened | Kind::Token | Kind::Owner => {
                        return Err(KeyError);
                    }
                })
            }
        }
    };
}

/// Marks a record type that has a key.
pub(in crate::state) trait Keyed: Sized {
    /// Holds the parts of the key: one reference, or a tuple of several.
    type Key<'k>;
}

const fn highest(numbers: &[u8]) -> u8 {
    match numbers {
        [] => 0,
        [first, rest @ ..] => {
            let others = highest(rest);
            if *first > others { *first } else { others }
        }
    }
}

macro_rules! parts {
    ($one:ty) => {
        $one
    };
    ($($part:ty),+) => {
        ($($part),+)
    };
}

macro_rules! stays {
    (kept) => {
        true
    };
    (passing) => {
        false
    };
}

for_each_kind!(define);

impl Kind {
    /// Finds the kind of this number; `None` for 0, for 15 and for every number that isn't listed.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::PUBLIC
            .into_iter()
            .chain([Kind::Name, Kind::Token, Kind::Owner])
            .find(|kind| kind.number() == number)
    }

    /// Returns the kind's field number in `Record`; for an issuer-only kind, a number that no public kind
    /// has.
    pub fn number(self) -> u32 {
        self as u8 as u32
    }
}

impl RecordKey {
    /// Returns whether the record with this key is never deleted: it holds what is never undone, or may hold
    /// it.
    pub fn is_kept(&self) -> bool {
        self.kind().is_kept()
    }
}
