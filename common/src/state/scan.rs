//! The directory page by page, in an order of its own that writes don't change: rows by number, pairs
//! table by table.
//!
//! A record that is there from the first page to the last is on exactly one of them; one that is
//! written or deleted meanwhile may be or not. There is no index by org, user or owner: a page ends
//! when enough was looked at, found or not, so that no reader holds the writer up for long.

use crate::{
    id::{AccountId, GroupId, RepoId},
    state::{
        GroupHandle, RepoHandle, State,
        pairs::Pairs,
        record::{GateGrant, GroupMember, Member, OrgPolicy, Record},
    },
};

/// Rows looked at for one page: some 100 us, where no cache helps.
const MOST_ROWS: u32 = 2_048;
/// Pairs looked at for one page, to the end of a table: some 50 us.
const MOST_PAIRS: usize = 32_768;

/// What is listed; of what is there and doesn't hang on something deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Selection {
    /// Service accounts too.
    Users,
    /// Users but service accounts.
    People,
    /// Service accounts, without the people.
    ServiceAccounts {
        /// Only those of this org; `None`: of all orgs.
        of: Option<AccountId>,
    },
    /// All orgs.
    Orgs,
    /// Memberships of orgs.
    Members {
        /// Only of this org; `None`: of all.
        org: Option<AccountId>,
        /// Only of this user; `None`: of all.
        user: Option<AccountId>,
    },
    /// Resource groups.
    Groups {
        /// Only of this org; `None`: of all.
        org: Option<AccountId>,
    },
    /// Memberships of resource groups that are in force.
    GroupMembers {
        /// Only of this group; `None`: of all.
        group: Option<GroupId>,
        /// Only of this user; `None`: of all.
        user: Option<AccountId>,
    },
    /// The policies of orgs that have one.
    OrgPolicies,
    /// Repos of every kind.
    Repos {
        /// Only of this owner, a user or an org; `None`: of all.
        owner: Option<AccountId>,
    },
    /// Requests for access to gated repos, and their outcomes.
    GateGrants {
        /// Only of this repo; `None`: of all.
        repo: Option<RepoId>,
        /// Only of this user; `None`: of all.
        user: Option<AccountId>,
    },
}

/// What is listed page by page; every page of one list takes the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scan {
    /// Which records, by their kind and by what they hang on.
    pub selection: Selection,
    /// Leaves out what is beyond, and what hangs on that.
    pub within: Option<Horizon>,
}

/// Whom and what a state knew of at a moment: ids that it heard of later are beyond.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Horizon {
    accounts: u32,
    groups: u32,
    repos: u32,
}

/// Where a page begins, in the state that gave it: means nothing in another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// A row, or a table.
    pub major: u32,
    /// Within the table: the pair's two rows.
    pub minor: (u32, u32),
}

/// One answer of [`State::scan`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// May be none although there are more.
    pub records: Vec<Record>,
    /// `None`: that was all.
    pub next: Option<Place>,
}

impl Page {
    fn last(records: Vec<Record>) -> Self {
        let next = None;
        Self { records, next }
    }
}

impl State {
    /// Whom and what the state knows of now.
    pub fn horizon(&self) -> Horizon {
        Horizon {
            accounts: self.directory.accounts.rows(),
            groups: self.directory.groups.rows(),
            repos: self.directory.repos.rows(),
        }
    }

    /// At most `most` records, from this place on.
    pub fn scan(&self, scan: &Scan, from: Place, most: usize) -> Page {
        // An id that the state never heard of selects nothing.
        self.try_scan(scan, from, most)
            .unwrap_or_else(|| Page::last(Vec::new()))
    }

    fn try_scan(&self, scan: &Scan, from: Place, most: usize) -> Option<Page> {
        let accounts = &self.directory.accounts;
        let account = |id: &Option<AccountId>| match id {
            Some(id) => accounts.find(id.as_str()).map(Some),
            None => Some(None),
        };
        let within = scan.within.unwrap_or_else(|| self.horizon());
        let users = |wanted: &dyn Fn(Option<u32>) -> bool, row| {
            let is_user = accounts.is_org(row) == Some(false);
            let of = accounts.service_account_of(row);
            (is_user && of.is_none_or(|org| org < within.accounts) && wanted(of))
                .then(|| accounts.user_record(row).map(Record::User))
                .flatten()
        };
        let page = |find: &dyn Fn(u32) -> Option<Record>, end| rows(from, end, most, find);
        Some(match &scan.selection {
            Selection::Users => page(&|row| users(&|_| true, row), within.accounts),
            Selection::People => page(&|row| users(&|of| of.is_none(), row), within.accounts),
            Selection::ServiceAccounts { of } => {
                let org = account(of)?;
                let wanted = |of: Option<u32>| of.is_some() && (org.is_none() || of == org);
                page(&|row| users(&wanted, row), within.accounts)
            }
            Selection::Orgs => page(
                &|row| {
                    let is_org = accounts.is_org(row) == Some(true);
                    is_org.then(|| accounts.org_record(row).map(Record::Org))?
                },
                within.accounts,
            ),
            Selection::Groups { org } => {
                let org = account(org)?;
                page(
                    &|row| {
                        let of = self.directory.group(GroupHandle(row))?.org.0;
                        let wanted = org.is_none_or(|org| org == of) && of < within.accounts;
                        wanted.then(|| self.directory.group_record(row).map(Record::Group))?
                    },
                    within.groups,
                )
            }
            Selection::OrgPolicies => page(
                &|row| OrgPolicy::at(self, row).map(Record::OrgPolicy),
                within.accounts,
            ),
            Selection::GroupMembers { group, user } => {
                let group = match group {
                    Some(group) => Some(self.directory.groups.find(group.as_str())?),
                    None => None,
                };
                let only = (group, account(user)?);
                let end = (within.groups, within.accounts);
                let find = |group, user| self.group_member(group, user, within);
                pairs(&self.directory.group_members, from, most, only, end, &find)
            }
            Selection::Repos { owner } => {
                let owner = account(owner)?;
                page(
                    &|row| {
                        let repo = self.directory.repo(RepoHandle(row))?;
                        let wanted = owner.is_none_or(|owner| owner == repo.owner.0)
                            && repo.owner.0 < within.accounts
                            && repo.group.is_none_or(|group| group.0 < within.groups);
                        wanted.then(|| self.directory.repo_record(&repo).map(Record::Repo))?
                    },
                    within.repos,
                )
            }
            Selection::Members { org, user } => {
                let (org, user) = (account(org)?, account(user)?);
                let end = (within.accounts, within.accounts);
                let find = |org, user| Member::at(self, org, user).map(Record::Member);
                pairs(&self.directory.members, from, most, (org, user), end, &find)
            }
            Selection::GateGrants { repo, user } => {
                let repo = match repo {
                    Some(repo) => Some(self.directory.repos.find(repo.as_str())?),
                    None => None,
                };
                let user = account(user)?;
                let end = (within.repos, within.accounts);
                let find = |repo, user| GateGrant::at(self, repo, user).map(Record::GateGrant);
                pairs(&self.directory.grants, from, most, (repo, user), end, &find)
            }
        })
    }

    /// Of a group whose org is there for whoever reads on.
    fn group_member(&self, group: u32, user: u32, within: Horizon) -> Option<Record> {
        let org = self.directory.group(GroupHandle(group))?.org.0;
        let member = GroupMember::at(self, group, user);
        member
            .filter(|_| org < within.accounts)
            .map(Record::GroupMember)
    }
}

fn rows(from: Place, end: u32, most: usize, find: &dyn Fn(u32) -> Option<Record>) -> Page {
    let mut records = Vec::new();
    let stop = end.min(from.major.saturating_add(MOST_ROWS));
    for row in from.major..stop {
        if records.len() == most {
            return Page {
                records,
                next: Some(Place {
                    major: row,
                    minor: (0, 0),
                }),
            };
        }
        records.extend(find(row));
    }
    let next = (stop < end).then_some(Place {
        major: stop,
        minor: (0, 0),
    });
    Page { records, next }
}

/// Whole tables, each in the order of its pairs.
fn pairs(
    pairs: &Pairs,
    from: Place,
    most: usize,
    (only_left, only_right): (Option<u32>, Option<u32>),
    end: (u32, u32),
    find: &dyn Fn(u32, u32) -> Option<Record>,
) -> Page {
    if let (Some(left), Some(right)) = (only_left, only_right) {
        return Page::last(find(left, right).into_iter().collect());
    }
    let wanted = |left, right| {
        only_left.is_none_or(|only| only == left)
            && only_right.is_none_or(|only| only == right)
            && left < end.0
            && right < end.1
    };
    let mut records = Vec::new();
    let mut looked = 0;
    let mut place = from;
    while looked < MOST_PAIRS {
        let Some((found, size)) = pairs.table(place.major as usize, wanted) else {
            return Page::last(records);
        };
        looked += size.max(1);
        for (left, right, _) in found {
            if (left, right) < place.minor {
                continue;
            }
            if records.len() == most {
                place.minor = (left, right);
                let next = Some(place);
                return Page { records, next };
            }
            records.extend(find(left, right));
        }
        place = Place {
            major: place.major + 1,
            minor: (0, 0),
        };
    }
    let next = Some(place);
    Page { records, next }
}
