//! Lists the directory page by page, in an order of its own that writes don't change: rows by number, pairs
//! table by table.
//!
//! A record that exists from the first page to the last is on exactly one of them; one that is written or
//! deleted meanwhile may be listed or not. There is no index by org, user or owner: a page ends after a fixed
//! amount of work, whatever was found, so that no reader blocks the writer for long.

use crate::{
    id::{AccountId, GroupId, RepoId},
    state::{
        GroupHandle, RepoHandle, State,
        pairs::Pairs,
        record::{GateGrant, GroupMember, Member, OrgPolicy, Record},
    },
};

/// At most this many rows are read for one page: some 100 us, if no cache helps.
const MOST_ROWS: u32 = 2_048;
/// A page ends at the end of a table once this many pairs were read: some 50 us.
const MOST_PAIRS: usize = 32_768;

/// States which records are listed. Records that don't exist, or whose parent doesn't, are left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Selection {
    /// Lists users, including service accounts.
    Users,
    /// Lists users without service accounts.
    People,
    /// Lists service accounts only.
    ServiceAccounts {
        /// Lists only service accounts of this org; `None` lists those of all orgs.
        of: Option<AccountId>,
    },
    /// Lists all orgs.
    Orgs,
    /// Lists memberships of orgs.
    Members {
        /// Lists only memberships of this org; `None` lists those of all orgs.
        org: Option<AccountId>,
        /// Lists only memberships of this user; `None` lists those of all users.
        user: Option<AccountId>,
    },
    /// Lists resource groups.
    Groups {
        /// Lists only groups of this org; `None` lists those of all orgs.
        org: Option<AccountId>,
    },
    /// Lists memberships of resource groups that are in force.
    GroupMembers {
        /// Lists only memberships of this group; `None` lists those of all groups.
        group: Option<GroupId>,
        /// Lists only memberships of this user; `None` lists those of all users.
        user: Option<AccountId>,
    },
    /// Lists the policies of orgs that have one.
    OrgPolicies,
    /// Lists repos of every kind.
    Repos {
        /// Lists only repos of this owner, a user or an org; `None` lists those of all owners.
        owner: Option<AccountId>,
    },
    /// Lists requests for access to gated repos, and their outcomes.
    GateGrants {
        /// Lists only requests for this repo; `None` lists those for all repos.
        repo: Option<RepoId>,
        /// Lists only requests of this user; `None` lists those of all users.
        user: Option<AccountId>,
    },
}

/// Describes a list that is read page by page; all pages of one list must use the same scan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scan {
    /// States which records are listed, by their kind and by what they belong to.
    pub selection: Selection,
    /// If set, leaves out what is beyond this horizon, and whatever belongs to that.
    pub within: Option<Horizon>,
}

/// Delimits the ids that a state knew at one moment: ids that it learned later are beyond the horizon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Horizon {
    accounts: u32,
    groups: u32,
    repos: u32,
}

/// States where a page begins. It is valid only in the state that returned it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// Holds the number of a row, or of a table.
    pub major: u32,
    /// Holds the position within the table: the two rows of a pair.
    pub minor: (u32, u32),
}

/// Holds one page, as [`State::scan`] returns it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// Holds the page's records. The list may be empty although more pages follow.
    pub records: Vec<Record>,
    /// States where the next page begins; `None` if this is the last one.
    pub next: Option<Place>,
}

impl Page {
    fn last(records: Vec<Record>) -> Self {
        let next = None;
        Self { records, next }
    }
}

impl State {
    /// Returns the horizon of the ids that the state knows now.
    pub fn horizon(&self) -> Horizon {
        Horizon {
            accounts: self.directory.accounts.rows(),
            groups: self.directory.groups.rows(),
            repos: self.directory.repos.rows(),
        }
    }

    /// Returns a page of at most `most` records, from this place on.
    pub fn scan(&self, scan: &Scan, from: Place, most: usize) -> Page {
        // An id that the state doesn't know selects nothing.
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

    /// Returns a group's member, if the group's org is within the horizon.
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

/// Lists whole tables, each in the order of its pairs.
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
