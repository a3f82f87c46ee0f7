//! The language of `tests/cases/hub.txt`: a hub as lines that people read, as changes of the log.

use std::collections::BTreeMap;

use tokenward_common::{
    id::{AccountId, GroupId, Name, RepoId},
    state::record::{
        Change, GateGrant, GateMode, GrantState, Member, Org, OrgRole, Record, RecordKey, Repo,
        RepoKind, User, Visibility,
    },
};

/// What was said so far.
#[derive(Clone, Default)]
pub struct Hub {
    pub changes: Vec<Change>,
    /// Name to id and whether it is an org.
    accounts: BTreeMap<String, (AccountId, bool)>,
    /// Kind, owner and name.
    repos: BTreeMap<(&'static str, String), Repo>,
}

pub const KINDS: [(&str, RepoKind); 7] = [
    ("model", RepoKind::Model),
    ("dataset", RepoKind::Dataset),
    ("space", RepoKind::Space),
    ("bucket", RepoKind::Bucket),
    ("kernel", RepoKind::Kernel),
    ("collection", RepoKind::Collection),
    ("endpoint", RepoKind::Endpoint),
];

pub fn repo_kind(word: &str) -> Option<(&'static str, RepoKind)> {
    KINDS.into_iter().find(|(name, _)| *name == word)
}

/// The id that a repo had under its first name.
pub fn repo_id(kind: &str, name: &str) -> String {
    format!("{kind}.{}", name.replace('/', "."))
}

fn named<T: Copy>(words: &[(&str, T)], word: &str) -> T {
    let found = words.iter().find(|(name, _)| *name == word);
    found.unwrap_or_else(|| panic!("{word}: unknown")).1
}

impl Hub {
    pub fn read(text: &str) -> Self {
        let mut hub = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            hub.say(line);
        }
        hub
    }

    /// One change.
    pub fn say(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] => {}
            ["user", name] => self.user(name, None, false),
            ["disabled-user", name] => self.user(name, None, true),
            ["bot", name, "of", org] => self.user(name, Some(org), false),
            ["org", name] => self.org(name, name),
            ["member", org, user, role] => {
                let role = named(
                    &[
                        ("no_access", OrgRole::NoAccess),
                        ("read", OrgRole::Read),
                        ("contributor", OrgRole::Contributor),
                        ("write", OrgRole::Write),
                        ("admin", OrgRole::Admin),
                    ],
                    role,
                );
                let (org, user) = (self.account(org), self.account(user));
                self.put(Record::Member(Member { org, user, role }));
            }
            ["no-member", org, user] => {
                let (org, user) = (self.account(org), self.account(user));
                self.delete(RecordKey::Member { org, user });
            }
            ["grant", kind, repo, user, state] => {
                let state = named(
                    &[
                        ("pending", GrantState::Pending),
                        ("accepted", GrantState::Accepted),
                        ("rejected", GrantState::Rejected),
                    ],
                    state,
                );
                let (repo, user) = (self.repo(kind, repo).id.clone(), self.account(user));
                self.put(Record::GateGrant(GateGrant { repo, user, state }));
            }
            ["no-grant", kind, repo, user] => {
                let (repo, user) = (self.repo(kind, repo).id.clone(), self.account(user));
                self.delete(RecordKey::GateGrant { repo, user });
            }
            ["rename", kind, from, to] => {
                let mut repo = self.repo(kind, from).clone();
                let (owner, name) = to.split_once('/').unwrap();
                repo.owner = self.account(owner);
                repo.name = Name::parse(name).unwrap();
                self.repos
                    .remove(&(repo_kind(kind).unwrap().0, from.to_owned()));
                self.put_repo(kind, to, repo);
            }
            ["rename-account", from, to] => {
                let (id, is_org) = self.accounts.remove(from).unwrap();
                assert!(is_org, "{line}");
                self.org(id.as_str().to_owned().as_str(), to);
            }
            ["delete", kind, name] => {
                let id = self.repo(kind, name).id.clone();
                self.repos
                    .remove(&(repo_kind(kind).unwrap().0, name.to_owned()));
                self.delete(RecordKey::Repo(id));
            }
            ["delete-account", name] => {
                let (id, is_org) = self.accounts.remove(name).unwrap();
                self.delete(if is_org {
                    RecordKey::Org(id)
                } else {
                    RecordKey::User(id)
                });
            }
            [kind, name, visibility, ref more @ ..] => self.new_repo(kind, name, visibility, more),
            _ => panic!("{line}: not understood"),
        }
    }

    fn user(&mut self, name: &str, of: Option<&str>, disabled: bool) {
        let id = AccountId::parse(name).unwrap();
        self.accounts.insert(name.to_owned(), (id.clone(), false));
        let service_account_of = of.map(|org| self.account(org));
        self.put(Record::User(User {
            id,
            name: Name::parse(name).unwrap(),
            disabled,
            service_account_of,
            display: Box::default(),
        }));
    }

    fn org(&mut self, id: &str, name: &str) {
        let id = AccountId::parse(id).unwrap();
        self.accounts.insert(name.to_owned(), (id.clone(), true));
        self.put(Record::Org(Org {
            id,
            name: Name::parse(name).unwrap(),
            display: Box::default(),
        }));
    }

    fn new_repo(&mut self, kind: &str, name: &str, visibility: &str, more: &[&str]) {
        let (owner, own) = name
            .split_once('/')
            .unwrap_or_else(|| panic!("{kind} {name}"));
        let value = |key: &str| more.iter().find_map(|word| word.strip_prefix(key));
        let gate = value("gate=").map_or(GateMode::None, |mode| {
            named(
                &[("auto", GateMode::Auto), ("manual", GateMode::Manual)],
                mode,
            )
        });
        let visibility = named(
            &[
                ("private", Visibility::Private),
                ("protected", Visibility::Protected),
                ("public", Visibility::Public),
            ],
            visibility,
        );
        let id = value("id=").map_or_else(|| repo_id(kind, name), str::to_owned);
        let repo = Repo {
            id: RepoId::parse(&id).unwrap(),
            kind: repo_kind(kind)
                .unwrap_or_else(|| panic!("{kind}: no kind"))
                .1,
            owner: self.account(owner),
            name: Name::parse(own).unwrap(),
            visibility,
            gate,
            creator: value("by=").map(|user| self.account(user)),
            disabled: more.contains(&"disabled"),
            group: value("group=").map(|id| GroupId::parse(id).unwrap()),
            org_members_gated: more.contains(&"members-gated"),
        };
        self.put_repo(kind, name, repo);
    }

    fn put_repo(&mut self, kind: &str, name: &str, repo: Repo) {
        let key = (repo_kind(kind).unwrap().0, name.to_owned());
        self.repos.insert(key, repo.clone());
        self.put(Record::Repo(repo));
    }

    fn put(&mut self, record: Record) {
        self.changes.push(Change::Put(record));
    }

    fn delete(&mut self, key: RecordKey) {
        self.changes.push(Change::Delete(key));
    }

    fn account(&self, name: &str) -> AccountId {
        let found = self.accounts.get(name);
        found
            .unwrap_or_else(|| panic!("{name}: no account"))
            .0
            .clone()
    }

    fn repo(&self, kind: &str, name: &str) -> &Repo {
        let (kind, _) = repo_kind(kind).unwrap();
        let found = self.repos.get(&(kind, name.to_owned()));
        found.unwrap_or_else(|| panic!("{kind} {name}: no repo"))
    }
}
