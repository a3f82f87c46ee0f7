//! A hub of any size, the same each time: orgs, users, repos, members and gate grants, all by number.
//!
//! User `u` is a member of org `u % orgs`, and repo `r` belongs to org `r % orgs`. So a user may read
//! every repo whose number is congruent to the user's modulo `orgs`. A third of the repos are private, a
//! fifth gated.

use anyhow::Result;
use tokenward_common::{
    clock::UnixTime,
    id::{AccountId, Name, RepoId, Serial, TokenId},
    state::{
        Counts,
        record::{
            GateGrant, GateMode, GrantState, Kind, Member, Org, OrgRole, Record, Repo, RepoKind,
            User, Visibility,
        },
    },
    token::{Claims, EntityKind, Expected, Prefix, Role, Scope, Scopes},
};

use super::spread;

pub(super) const ISSUER: &str = "https://tokens.example";
pub(super) const REALM: &str = "bench";

#[derive(Clone, Copy, Debug)]
pub(super) struct Hub {
    pub(super) users: u64,
    pub(super) orgs: u64,
    pub(super) repos: u64,
}

pub(super) fn expected() -> Result<Expected> {
    Ok(Expected {
        prefix: Prefix::parse("tw_")?,
        issuer: ISSUER.into(),
        audience: REALM.into(),
    })
}

/// Makes an id. Hubs' ids begin with the time of their creation.
fn id(kind: u8, number: u64) -> String {
    format!(
        "{:08x}{kind:02x}{:014x}",
        0x6500_0000 + number,
        spread(number) >> 8
    )
}

pub(super) fn user_id(number: u64) -> String {
    id(1, number)
}

fn account(kind: u8, number: u64) -> Result<AccountId> {
    Ok(AccountId::parse(&id(kind, number))?)
}

impl Hub {
    /// Makes a hub of about this many records.
    pub(super) fn of(records: u64) -> Self {
        let users = (records * 10 / 36).max(100);
        Self {
            users,
            orgs: users / 100,
            repos: users / 2,
        }
    }

    pub(super) fn records(&self) -> u64 {
        self.orgs + self.users + self.repos + 2 * self.users
    }

    /// Returns a record by number. Parents have lower numbers than their children.
    pub(super) fn record(&self, number: u64) -> Result<Record> {
        let mut at = number;
        let mut within = |count: u64| {
            let here = (at < count).then_some(at);
            at = at.wrapping_sub(count);
            here
        };
        if let Some(org) = within(self.orgs) {
            return Ok(Record::Org(Org {
                id: account(2, org)?,
                name: Name::parse(&format!("org-{org}"))?,
                display: Box::default(),
            }));
        }
        if let Some(user) = within(self.users) {
            return Ok(Record::User(User {
                id: account(1, user)?,
                name: Name::parse(&format!("user-{user}"))?,
                disabled: false,
                service_account_of: None,
                display: Box::default(),
            }));
        }
        if let Some(repo) = within(self.repos) {
            return self.repo(repo);
        }
        if let Some(user) = within(self.users) {
            return self.member(user, OrgRole::Write);
        }
        let user = number - self.orgs - self.repos - 2 * self.users;
        Ok(Record::GateGrant(GateGrant {
            repo: RepoId::parse(&id(3, spread(user) % self.repos))?,
            user: account(1, user)?,
            state: GrantState::Accepted,
        }))
    }

    fn repo(&self, repo: u64) -> Result<Record> {
        let private = repo.is_multiple_of(3);
        Ok(Record::Repo(Repo {
            id: RepoId::parse(&id(3, repo))?,
            kind: RepoKind::Model,
            owner: account(2, repo % self.orgs)?,
            name: Name::parse(&format!("model-{repo}"))?,
            visibility: if private {
                Visibility::Private
            } else {
                Visibility::Public
            },
            gate: if repo.is_multiple_of(5) {
                GateMode::Manual
            } else {
                GateMode::None
            },
            creator: None,
            disabled: false,
            group: None,
            org_members_gated: false,
        }))
    }

    pub(super) fn member(&self, user: u64, role: OrgRole) -> Result<Record> {
        Ok(Record::Member(Member {
            org: account(2, user % self.orgs)?,
            user: account(1, user)?,
            role,
        }))
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (kind, count) in [
            (Kind::Org, self.orgs),
            (Kind::User, self.users),
            (Kind::Repo, self.repos),
            (Kind::Member, self.users),
            (Kind::GateGrant, self.users),
        ] {
            if let Some(slot) = counts.kinds.get_mut(kind.number() as usize) {
                *slot = count;
            }
        }
        counts
    }

    /// Returns the claims of a token. Every second token is fine-grained, with a scope on the owner's org.
    pub(super) fn claims(&self, serial: u64) -> Result<Claims> {
        let user = serial % self.users;
        let scopes = serial.is_multiple_of(2).then(|| Scopes {
            scoped: vec![Scope {
                kind: EntityKind::Org,
                id: id(2, user % self.orgs).into(),
                permissions: vec!["repo.content.read".into(), "repo.write".into()],
                patterns: Vec::new(),
            }],
            ..Scopes::default()
        });
        Ok(Claims {
            iss: ISSUER.into(),
            aud: REALM.into(),
            sub: account(1, user)?,
            serial: Serial(serial),
            tid: TokenId(serial),
            name: "ci".into(),
            iat: UnixTime(1_790_000_000),
            exp: None,
            role: match scopes {
                Some(_) => Role::FineGrained,
                None => Role::Read,
            },
            scopes,
        })
    }

    /// Returns owner name and repo name of a repo that the token with this serial may read.
    pub(super) fn readable(&self, serial: u64) -> (String, String) {
        let org = serial % self.users % self.orgs;
        let repo = org + self.orgs * (spread(serial) % (self.repos / self.orgs));
        (format!("org-{org}"), format!("model-{repo}"))
    }
}
