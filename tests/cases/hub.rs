//! The language of `hub.txt` and of the table's first column: a hub as lines that people read, and what
//! happens to it and to the case's token.

use std::collections::BTreeMap;

use tokenward_common::{
    id::{AccountId, GroupId, Name, RepoId},
    state::record::{
        Approval, Change, GateGrant, GateMode, Group, GroupMember, Member, Org, OrgPolicy, Record,
        RecordKey, Repo, User,
    },
    token::{Scope, Scopes},
};

use super::{
    row,
    words::{GATES, GRANTS, GROUP_ROLES, KINDS, ORG_ROLES, POLICIES, VISIBILITIES, named},
};

/// What a line says.
pub(crate) enum Said {
    Change(Change),
    Deed(Deed),
}

/// What is done to the token that a case is about.
pub(crate) enum Deed {
    Mint,
    /// These scopes from now on.
    Amend(Scopes),
    /// Asks by its new value from now on.
    Rotate,
    Revoke,
    /// All that its owner has.
    RevokeAll,
    /// All that anybody has, for what an org owns.
    RevokeAllInOrg(AccountId),
    /// By an org's admins.
    Decide(Approval, AccountId),
}

/// The names of what there is, and their ids.
#[derive(Default)]
pub(crate) struct Hub {
    /// Ends every id and every account's name, so that many hubs fit into one.
    tag: String,
    /// Name to id and whether it is an org.
    accounts: BTreeMap<String, (AccountId, bool)>,
    /// Kind, owner and name.
    repos: BTreeMap<(String, String), Repo>,
}

/// The id that a repo had under its first name.
pub(crate) fn repo_id(kind: &str, name: &str) -> String {
    format!("{kind}.{}", name.replace('/', "."))
}

impl Hub {
    /// A hub and what makes it.
    pub(crate) fn read(text: &str, tag: &str) -> (Self, Vec<Change>) {
        let mut hub = Self {
            tag: tag.to_owned(),
            ..Self::default()
        };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let said = lines.filter(|line| !line.is_empty()).map(|line| {
            let Said::Change(change) = hub.say(line) else {
                panic!("{line}: there is no token yet");
            };
            change
        });
        let changes = said.collect();
        (hub, changes)
    }

    /// As it is in this hub.
    pub(crate) fn tagged(&self, name: &str) -> String {
        format!("{name}{}", self.tag)
    }

    /// With this hub's ids.
    pub(crate) fn scopes(&self, scopes: &Scopes) -> Scopes {
        let scoped = scopes.scoped.iter().map(|scope| Scope {
            id: self.tagged(&scope.id).into(),
            ..scope.clone()
        });
        Scopes {
            scoped: scoped.collect(),
            ..scopes.clone()
        }
    }

    /// What this means here, and from now on.
    pub(crate) fn say(&mut self, line: &str) -> Said {
        let words: Vec<&str> = line.split_whitespace().collect();
        let deed = match words[..] {
            ["mint"] => Deed::Mint,
            ["amend", ref scopes @ ..] => Deed::Amend(row::scopes(scopes)),
            ["rotate"] => Deed::Rotate,
            ["revoke"] => Deed::Revoke,
            ["revoke-all"] => Deed::RevokeAll,
            ["org-revoke-all", org] => Deed::RevokeAllInOrg(self.account(org)),
            ["approve", org] => Deed::Decide(Approval::Approved, self.account(org)),
            ["deny", org] => Deed::Decide(Approval::Denied, self.account(org)),
            ["org-revoke", org] => Deed::Decide(Approval::Revoked, self.account(org)),
            _ => return Said::Change(self.change(line, &words)),
        };
        Said::Deed(deed)
    }

    fn change(&mut self, line: &str, words: &[&str]) -> Change {
        match *words {
            ["user", name] => self.user(name, None, false),
            ["disabled-user", name] => self.user(name, None, true),
            ["bot", name, "of", org] => self.user(name, Some(org), false),
            ["org", name] => {
                let id = AccountId::parse(&self.tagged(name)).unwrap();
                self.org(id, name)
            }
            ["member", org, user, role] => Change::Put(Record::Member(Member {
                org: self.account(org),
                user: self.account(user),
                role: named(&ORG_ROLES, role),
            })),
            ["no-member", org, user] => Change::Delete(RecordKey::Member {
                org: self.account(org),
                user: self.account(user),
            }),
            ["group", id, "of", org] => Change::Put(Record::Group(Group {
                id: self.group(id),
                org: self.account(org),
                name: Name::parse(id).unwrap(),
            })),
            ["delete-group", id] => Change::Retire(RecordKey::Group(self.group(id))),
            ["group-member", id, user, role] => Change::Put(Record::GroupMember(GroupMember {
                group: self.group(id),
                user: self.account(user),
                role: named(&GROUP_ROLES, role),
                membership: 0,
            })),
            ["no-group-member", id, user] => Change::Delete(RecordKey::GroupMember {
                group: self.group(id),
                user: self.account(user),
            }),
            ["policy", org, policy] => Change::Put(Record::OrgPolicy(OrgPolicy {
                org: self.account(org),
                policy: named(&POLICIES, policy),
                max_lifetime: None,
            })),
            ["no-policy", org] => Change::Delete(RecordKey::OrgPolicy(self.account(org))),
            ["grant", kind, repo, user, state] => Change::Put(Record::GateGrant(GateGrant {
                repo: self.repo(kind, repo).id.clone(),
                user: self.account(user),
                state: named(&GRANTS, state),
            })),
            ["no-grant", kind, repo, user] => Change::Delete(RecordKey::GateGrant {
                repo: self.repo(kind, repo).id.clone(),
                user: self.account(user),
            }),
            ["set", kind, name, visibility, ref more @ ..] => {
                let id = self.repo(kind, name).id.clone();
                self.put_repo(kind, name, visibility, more, id)
            }
            ["rename", kind, from, to] => {
                let mut repo = self.repo(kind, from).clone();
                let (owner, name) = to.split_once('/').unwrap();
                repo.owner = self.account(owner);
                repo.name = Name::parse(name).unwrap();
                self.forget(kind, from);
                self.keep_repo(kind, to, repo)
            }
            ["rename-account", from, to] => {
                let (id, is_org) = self.accounts.remove(from).unwrap();
                assert!(is_org, "{line}: orgs only");
                self.org(id, to)
            }
            ["delete", kind, name] => {
                let id = self.repo(kind, name).id.clone();
                self.forget(kind, name);
                Change::Retire(RecordKey::Repo(id))
            }
            ["delete-account", name] => {
                let (id, is_org) = self.accounts.remove(name).unwrap();
                Change::Retire(if is_org {
                    RecordKey::Org(id)
                } else {
                    RecordKey::User(id)
                })
            }
            [kind, name, visibility, ref more @ ..] => {
                let id = more.iter().find_map(|word| word.strip_prefix("id="));
                let id = self.tagged(&id.map_or_else(|| repo_id(kind, name), str::to_owned));
                let id = RepoId::parse(&id).unwrap();
                self.put_repo(kind, name, visibility, more, id)
            }
            _ => panic!("{line}: not understood"),
        }
    }

    fn user(&mut self, name: &str, of: Option<&str>, disabled: bool) -> Change {
        let tagged = self.tagged(name);
        let id = AccountId::parse(&tagged).unwrap();
        self.accounts.insert(name.to_owned(), (id.clone(), false));
        Change::Put(Record::User(User {
            id,
            name: Name::parse(&tagged).unwrap(),
            disabled,
            service_account_of: of.map(|org| self.account(org)),
            display: Box::default(),
        }))
    }

    fn org(&mut self, id: AccountId, name: &str) -> Change {
        self.accounts.insert(name.to_owned(), (id.clone(), true));
        Change::Put(Record::Org(Org {
            id,
            name: Name::parse(&self.tagged(name)).unwrap(),
            display: Box::default(),
        }))
    }

    fn put_repo(
        &mut self,
        kind: &str,
        name: &str,
        visibility: &str,
        more: &[&str],
        id: RepoId,
    ) -> Change {
        let (owner, own) = name
            .split_once('/')
            .unwrap_or_else(|| panic!("{kind} {name}"));
        let value = |key: &str| more.iter().find_map(|word| word.strip_prefix(key));
        let repo = Repo {
            id,
            kind: named(&KINDS, kind),
            owner: self.account(owner),
            name: Name::parse(own).unwrap(),
            visibility: named(&VISIBILITIES, visibility),
            gate: value("gate=").map_or(GateMode::None, |mode| named(&GATES, mode)),
            creator: value("by=").map(|user| self.account(user)),
            disabled: more.contains(&"disabled"),
            group: value("group=").map(|id| self.group(id)),
            org_members_gated: more.contains(&"members-gated"),
        };
        self.keep_repo(kind, name, repo)
    }

    fn keep_repo(&mut self, kind: &str, name: &str, repo: Repo) -> Change {
        let key = (kind.to_owned(), name.to_owned());
        self.repos.insert(key, repo.clone());
        Change::Put(Record::Repo(repo))
    }

    fn forget(&mut self, kind: &str, name: &str) {
        self.repos.remove(&(kind.to_owned(), name.to_owned()));
    }

    fn group(&self, id: &str) -> GroupId {
        GroupId::parse(&self.tagged(id)).unwrap()
    }

    fn account(&self, name: &str) -> AccountId {
        let found = self.accounts.get(name);
        let (id, _) = found.unwrap_or_else(|| panic!("{name}: no account"));
        id.clone()
    }

    fn repo(&self, kind: &str, name: &str) -> &Repo {
        let found = self.repos.get(&(kind.to_owned(), name.to_owned()));
        found.unwrap_or_else(|| panic!("{kind} {name}: no repo"))
    }
}
