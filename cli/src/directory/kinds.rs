//! Says of each kind that the hub feeds what the command must know of it: its JSON, its word and columns in a
//! list, and how people name one. The compiler asks here for a new kind.

use serde_json::Value;
use tokenward_common::id::{AccountId, GroupId, Name, RepoId};
// This imports the messages of all kinds, whichever the hub feeds.
use tokenward_proto::v1::{record::Record, record_key::Key, *};

use super::{
    list::Kind as ListKind,
    object::{Object, objects, read, read_id},
    which::{GROUP, ORG, Part, REPO, USER},
};
use crate::words::word_of;

/// The forms of a record, for the help of every command that has a RECORD argument.
pub(super) const FORMS: &str = "\
RECORD is one of
  user:NAME  org:NAME  account:NAME      user-id:ID  org-id:ID  account-id:ID
  KIND:OWNER/NAME                        KIND-id:ID  repo-id:ID
  member ORG USER                        grant REPO USER
  group-id:ID                            group-member GROUP-ID USER
  policy ORG
with KIND one of model, dataset, space, bucket, kernel, collection, endpoint. ORG and USER are
names, or org-id:ID and user-id:ID. Names compare without case.";

/// The kinds in the order of an export, for its help.
pub(super) const IN_ORDER: &str = "\
users, orgs, service accounts, members, groups,
their members, org policies, repos, grants";

/// Shows the records of one kind, and names one.
pub(super) trait Kind: Object {
    /// This is what names a record in a deletion: its id, or an object.
    type Key;

    /// This is the word for the records in `list` and `export`.
    const LISTED: &'static str;

    /// Says what the word doesn't.
    const HELP: Option<&'static str> = None;

    /// These are the heads of the columns.
    const COLUMNS: &'static [&'static str];

    /// Returns what stands in the columns.
    fn cells(&self) -> Vec<String>;

    /// Says how people name a record: by a word and the parts of its key, in their order. `None`: by one word,
    /// which `which` reads.
    const NAMED: Option<(&'static str, &'static [Part])>;

    /// These are the fields besides those of the key that never change.
    const FIXED: &'static [&'static str] = &[];

    /// Reads the key that a deletion names.
    fn read_key(at: &str, value: Value) -> Result<Self::Key, String>;
}

macro_rules! dispatch {
    ($($kind:ident $key:ident { $word:literal $($more:tt)+ })+) => {
        /// Lists the kinds in the order of an export.
        pub(super) const ALL: &[RecordKind] = &[$(RecordKind::$kind),+];

        /// The same, as the arguments of `list` and `export` name them.
        pub(super) const LISTED: &[ListKind] = &[$(ListKind(RecordKind::$kind)),+];

        /// The words of the kinds in operations: `put_` and `delete_` stand before them.
        pub(super) const WORDS: &[&str] = &[$($word),+];

        /// Reads the record of a put. `None`: there is no such kind.
        pub(super) fn read_record(
            word: &str,
            at: &str,
            value: Value,
        ) -> Result<Option<Record>, String> {
            Ok(Some(match word {
                $($word => Record::$kind(read(at, value)?),)+
                _ => return Ok(None),
            }))
        }

        /// Reads the key that a deletion names. `None`: there is no such kind.
        pub(super) fn read_key(word: &str, at: &str, value: Value) -> Result<Option<Key>, String> {
            Ok(Some(match word {
                $($word => Key::$key(<$kind as Kind>::read_key(at, value)?),)+
                _ => return Ok(None),
            }))
        }

        /// Shows the record, without the name of its kind.
        pub(super) fn show_record(record: &Record) -> Value {
            match record {
                $(Record::$kind(it) => Object::show(it)),+
            }
        }

        /// Returns the heads of the columns, and what stands in them.
        pub(super) fn columns(record: &Record) -> (&'static [&'static str], Vec<String>) {
            match record {
                $(Record::$kind(it) => (<$kind as Kind>::COLUMNS, it.cells())),+
            }
        }

        /// Returns the fields besides those of the key that never change.
        pub(super) fn fixed(record: &Record) -> &'static [&'static str] {
            match record {
                $(Record::$kind(_) => <$kind as Kind>::FIXED),+
            }
        }

        /// Returns the word for the records of a kind in lists, and its help.
        pub(super) fn listed(kind: RecordKind) -> (&'static str, Option<&'static str>) {
            match kind {
                $(RecordKind::$kind => (<$kind as Kind>::LISTED, <$kind as Kind>::HELP),)+
                RecordKind::Unspecified => ("", None),
            }
        }

        /// Returns the kinds whose records are named by a word and parts.
        pub(super) fn named() -> impl Iterator<Item = (RecordKind, &'static str, &'static [Part])> {
            let all = [$((RecordKind::$kind, <$kind as Kind>::NAMED)),+];
            all.into_iter().filter_map(|(kind, named)| {
                let (word, parts) = named?;
                Some((kind, word, parts))
            })
        }
    };
}

tokenward_proto::for_each_fed_kind!(dispatch);

objects! {
    User {
        id: id<AccountId>,
        name: id<Name>,
        disabled: flag,
        service_account_of: optional_id<AccountId>,
        display: nested<UserDisplay>,
    }
    UserDisplay { full_name: text, email: text, avatar_url: text, is_pro: flag }
    Org { id: id<AccountId>, name: id<Name>, display: nested<OrgDisplay> }
    OrgDisplay { full_name: text, avatar_url: text, plan: text }
    Member { org_id: id<AccountId>, user_id: id<AccountId>, role: word<OrgRole> }
    MemberKey { org_id: id<AccountId>, user_id: id<AccountId> }
    OrgPolicy {
        org_id: id<AccountId>,
        policy: word<TokenPolicy>,
        max_token_lifetime as max_token_lifetime_seconds: seconds,
    }
    Group { id: id<GroupId>, org_id: id<AccountId>, name: id<Name> }
    GroupMember { group_id: id<GroupId>, user_id: id<AccountId>, role: word<GroupRole> }
    GroupMemberKey { group_id: id<GroupId>, user_id: id<AccountId> }
    Repo {
        id: id<RepoId>,
        kind: word<RepoKind>,
        owner_id: id<AccountId>,
        name: id<Name>,
        visibility: word<Visibility>,
        gate: word<GateMode>,
        creator_id: optional_id<AccountId>,
        disabled: flag,
        group_id: optional_id<GroupId>,
        org_members_gated: flag,
    }
    GateGrant { repo_id: id<RepoId>, user_id: id<AccountId>, state: word<GrantState> }
    GateGrantKey { repo_id: id<RepoId>, user_id: id<AccountId> }
}

impl Kind for User {
    type Key = String;

    const LISTED: &'static str = "users";
    const COLUMNS: &'static [&'static str] = &["ID", "NAME", "STATE", "SERVICE ACCOUNT OF"];
    const NAMED: Option<(&'static str, &'static [Part])> = None;

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            state(self.disabled),
            self.service_account_of.clone(),
        ]
    }

    fn read_key(at: &str, value: Value) -> Result<Self::Key, String> {
        read_id::<AccountId>(at, value)
    }
}

impl Kind for Org {
    type Key = String;

    const LISTED: &'static str = "orgs";
    const COLUMNS: &'static [&'static str] = &["ID", "NAME"];
    const NAMED: Option<(&'static str, &'static [Part])> = None;

    fn cells(&self) -> Vec<String> {
        vec![self.id.clone(), self.name.clone()]
    }

    fn read_key(at: &str, value: Value) -> Result<Self::Key, String> {
        read_id::<AccountId>(at, value)
    }
}

impl Kind for Member {
    type Key = MemberKey;

    const LISTED: &'static str = "members";
    const COLUMNS: &'static [&'static str] = &["ORG", "USER", "ROLE"];
    const NAMED: Option<(&'static str, &'static [Part])> = Some(("member", &[ORG, USER]));

    fn cells(&self) -> Vec<String> {
        vec![
            self.org_id.clone(),
            self.user_id.clone(),
            word_of::<OrgRole>(self.role),
        ]
    }

    fn read_key(at: &str, value: Value) -> Result<Self::Key, String> {
        read(at, value)
    }
}

impl Kind for OrgPolicy {
    type Key = String;

    const LISTED: &'static str = "policies";
    const HELP: Option<&'static str> = Some("What orgs ask of tokens");
    const COLUMNS: &'static [&'static str] = &["ORG", "POLICY", "LONGEST LIFE (SECONDS)"];
    const NAMED: Option<(&'static str, &'static [Part])> = Some(("policy", &[ORG]));

    fn cells(&self) -> Vec<String> {
        vec![
            self.org_id.clone(),
            word_of::<TokenPolicy>(self.policy),
            match self.max_token_lifetime.map_or(0, |longest| longest.seconds) {
                0 => "-".to_owned(),
                seconds => seconds.to_string(),
            },
        ]
    }

    fn read_key(at: &str, value: Value) -> Result<Self::Key, String> {
        read_id::<AccountId>(at, value)
    }
}

impl Kind for Group {
    type Key = String;

    const LISTED: &'static str = "groups";
    const COLUMNS: &'static [&'static str] = &["ID", "ORG", "NAME"];
    const NAMED: Option<(&'static str, &'static [Part])> = None;
    const FIXED: &'static [&'static str] = &["org_id"];

    fn cells(&self) -> Vec<String> {
        vec![self.id.clone(), self.org_id.clone(), self.name.clone()]
    }

    fn read_key(at: &str, value: Value) -> Result<Self::Key, String> {
        read_id::<GroupId>(at, value)
    }
}

impl Kind for GroupMember {
    type Key = GroupMemberKey;

    const LISTED: &'static str = "group-members";
    const COLUMNS: &'static [&'static str] = &["GROUP", "USER", "ROLE"];
    const NAMED: Option<(&'static str, &'static [Part])> = Some(("group-member", &[GROUP, USER]));

    fn cells(&self) -> Vec<String> {
        vec![
            self.group_id.clone(),
            self.user_id.clone(),
            word_of::<GroupRole>(self.role),
        ]
    }

    fn read_key(at: &str, value: Value) -> Result<Self::Key, String> {
        read(at, value)
    }
}

impl Kind for Repo {
    type Key = String;

    const LISTED: &'static str = "repos";
    const COLUMNS: &'static [&'static str] =
        &["ID", "KIND", "OWNER", "NAME", "VISIBILITY", "GATE", "STATE"];
    const NAMED: Option<(&'static str, &'static [Part])> = None;

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            word_of::<RepoKind>(self.kind),
            self.owner_id.clone(),
            self.name.clone(),
            word_of::<Visibility>(self.visibility),
            word_of::<GateMode>(self.gate),
            state(self.disabled),
        ]
    }

    fn read_key(at: &str, value: Value) -> Result<Self::Key, String> {
        read_id::<RepoId>(at, value)
    }
}

impl Kind for GateGrant {
    type Key = GateGrantKey;

    const LISTED: &'static str = "grants";
    const COLUMNS: &'static [&'static str] = &["REPO", "USER", "STATE"];
    const NAMED: Option<(&'static str, &'static [Part])> = Some(("grant", &[REPO, USER]));

    fn cells(&self) -> Vec<String> {
        vec![
            self.repo_id.clone(),
            self.user_id.clone(),
            word_of::<GrantState>(self.state),
        ]
    }

    fn read_key(at: &str, value: Value) -> Result<Self::Key, String> {
        read(at, value)
    }
}

fn state(disabled: bool) -> String {
    if disabled { "disabled" } else { "enabled" }.to_owned()
}
