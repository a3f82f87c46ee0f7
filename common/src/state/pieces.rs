//! Reads a whole state in small pieces, between which it may change, so that no reader waits for long. This
//! file must not know what becomes of the pieces.
//!
//! A piece shows its records as they stand when it is taken. So the pieces alone are no state that ever was:
//! together with all entries that were applied from before the first piece until after the last, they are.

use super::directory::STAMPED;
use crate::{
    id::TokenId,
    state::{
        State,
        memberships::Numbers,
        pairs::{Item, Pairs},
        record::{
            Amendment, Departures, Floor, FloorTarget, GateGrant, GrantState, GroupMember,
            GroupRole, Kind, Member, OrgPolicy, OrgRole, OrgTokenView, Record, Redirect, RetiredId,
        },
    },
};

/// One piece holds what this many marks name: some 40 us, if no cache helps.
const MOST: usize = 64;
/// The rows of one table of rows: whether each is retired is read at once.
const ROWS: u32 = 256;
/// One piece looks into at most this many tables that turn out empty.
const TABLES: u32 = 64;

/// Holds a part of a state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// Holds some records, perhaps none.
    Records(Vec<Record>),
    /// Holds a page of revoked serials, as [`State::load_page`] takes it.
    Revoked {
        /// Holds the page's number.
        page: u64,
        /// Holds the page's bits.
        bits: Vec<u8>,
    },
}

/// Names a record within its source, without borrowing the state.
type Mark = (u64, u32, u32);

/// Tells where records of one kind stand: in tables that an item never leaves, each of which is small
/// enough to be listed at once.
struct Source {
    /// Lists one table; `None` past the last one.
    marks: fn(&State, u32) -> Option<Vec<Mark>>,
    /// Appends the records of a mark. There may be none any more.
    records: fn(&State, Mark, &mut Vec<Record>),
}

/// Walks through one state. All pieces must be taken from the same state ([`State::identity`]).
#[derive(Default)]
pub struct Pieces {
    kind: usize,
    source: usize,
    table: u32,
    waiting: Vec<Mark>,
    page: u64,
}

impl Pieces {
    /// Begins before the first piece.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece; `None` past the last one.
    pub fn next(&mut self, state: &State) -> Option<Piece> {
        let mut records = Vec::new();
        let mut looked = 0;
        for _ in 0..TABLES {
            let Some(kind) = Kind::PUBLIC.get(self.kind) else {
                if records.is_empty() {
                    return self.revoked(state);
                }
                break;
            };
            let Some(source) = sources(*kind).get(self.source) else {
                self.kind += 1;
                self.source = 0;
                continue;
            };
            if self.waiting.is_empty() {
                match (source.marks)(state, self.table) {
                    None => (self.source, self.table) = (self.source + 1, 0),
                    Some(marks) => (self.waiting, self.table) = (marks, self.table + 1),
                }
                if self.waiting.len() > MOST {
                    // To list so large a table is a piece of work of its own.
                    break;
                }
                continue;
            }
            let rest = self.waiting.len().saturating_sub(MOST - looked);
            for mark in self.waiting.drain(rest..) {
                looked += 1;
                (source.records)(state, mark, &mut records);
            }
            if looked == MOST {
                break;
            }
        }
        Some(Piece::Records(records))
    }

    fn revoked(&mut self, state: &State) -> Option<Piece> {
        let (page, bits) = state.revocations.page_from(self.page)?;
        self.page = page + 1;
        Some(Piece::Revoked { page, bits })
    }
}

/// Lists all sources of a kind. The compiler asks for those of a new kind; a test, for that they hold all.
fn sources(kind: Kind) -> &'static [Source] {
    match kind {
        Kind::User => &[Source {
            marks: |state, table| rows(state.directory.accounts.rows(), table),
            records: |state, (_, row, _), to| {
                to.extend(state.directory.accounts.user_record(row).map(Record::User));
            },
        }],
        Kind::Org => &[Source {
            marks: |state, table| rows(state.directory.accounts.rows(), table),
            records: |state, (_, row, _), to| {
                to.extend(state.directory.accounts.org_record(row).map(Record::Org));
            },
        }],
        Kind::Group => &[Source {
            marks: |state, table| rows(state.directory.groups.rows(), table),
            records: |state, (_, row, _), to| {
                to.extend(state.directory.group_record(row).map(Record::Group));
            },
        }],
        Kind::Repo => &[Source {
            marks: |state, table| rows(state.directory.repos.rows(), table),
            records: |state, (_, row, _), to| {
                let view = state.directory.repos.stored(row);
                let record = view.and_then(|view| state.directory.repo_record(&view));
                to.extend(record.map(Record::Repo));
            },
        }],
        Kind::Member => MEMBERS,
        Kind::GroupMember => GROUP_MEMBERS,
        Kind::GateGrant => GRANTS,
        Kind::OrgPolicy => POLICIES,
        Kind::Amendment => AMENDMENTS,
        Kind::OrgTokenView => ORG_TOKEN_VIEWS,
        Kind::Floor => FLOORS,
        Kind::WithdrawnKey => &[Source {
            marks: |_, table| (table == 0).then(|| vec![(0, 0, 0)]),
            records: |state, _, to| to.extend(state.withdrawn_keys().map(Record::WithdrawnKey)),
        }],
        Kind::Redirect => &[Source {
            // One table of names is small, and a name can't be a mark.
            marks: |state, table| {
                let items = state.directory.redirects.items_of(table as usize);
                items.map(|_| vec![(0, table, 0)])
            },
            records: |state, (_, table, _), to| {
                let items = state.directory.redirects.items_of(table as usize);
                let found = items.into_iter().flatten();
                let found = found.filter_map(|item| Redirect::of_item(state, item));
                to.extend(found.map(Record::Redirect));
            },
        }],
        Kind::Retired => RETIRED,
        Kind::Departures => DEPARTURES,
        Kind::HistoryOpened | Kind::Name | Kind::Token | Kind::Owner => &[],
    }
}

const MEMBERS: &[Source] = &[Source {
    marks: |state, table| pairs(&state.directory.members, table),
    records: |state, mark, to| {
        let (org, user, value) = unmarked(mark);
        let accounts = &state.directory.accounts;
        let found = || {
            Some(Member {
                org: accounts.id(org)?,
                user: accounts.id(user)?,
                role: OrgRole::from_number(value)?,
            })
        };
        to.extend(found().map(Record::Member));
    },
}];

const GROUP_MEMBERS: &[Source] = &[Source {
    marks: |state, table| pairs(&state.directory.group_members, table),
    records: |state, mark, to| {
        let (group, user, value) = unmarked(mark);
        let directory = &state.directory;
        let found = || {
            Some(GroupMember {
                group: directory.groups.id(group)?,
                user: directory.accounts.id(user)?,
                role: GroupRole::from_number(value & !STAMPED)?,
                membership: directory.stamp(group, user, value),
            })
        };
        to.extend(found().map(Record::GroupMember));
    },
}];

const GRANTS: &[Source] = &[Source {
    marks: |state, table| pairs(&state.directory.grants, table),
    records: |state, mark, to| {
        let (repo, user, value) = unmarked(mark);
        let found = || {
            Some(GateGrant {
                repo: state.directory.repos.id(repo)?,
                user: state.directory.accounts.id(user)?,
                state: GrantState::from_number(value)?,
            })
        };
        to.extend(found().map(Record::GateGrant));
    },
}];

const POLICIES: &[Source] = &[Source {
    marks: |state, table| {
        let orgs = state.org_tokens.policies_of(table as usize)?;
        Some(orgs.map(|org| (0, org, 0)).collect())
    },
    records: |state, (_, org, _), to| {
        to.extend(OrgPolicy::of_row(state, org).map(Record::OrgPolicy));
    },
}];

const AMENDMENTS: &[Source] = &[Source {
    marks: |state, table| {
        let tokens = state.amendments.tokens_of(table as usize)?;
        Some(tokens.map(|token| (token.0, 0, 0)).collect())
    },
    records: |state, (token, _, _), to| {
        let token = TokenId(token);
        let found = || {
            let view = state.amendments.find(token)?;
            Some(Amendment {
                token,
                owner: state.directory.accounts.id(view.owner.0)?,
                settings: view.decoded()?,
                expiries: view.expiries().to_vec(),
            })
        };
        to.extend(found().map(Record::Amendment));
    },
}];

const ORG_TOKEN_VIEWS: &[Source] = &[Source {
    marks: |state, table| {
        let views = state.org_tokens.views_of(table as usize)?;
        Some(views.map(|(org, token)| (token.0, org, 0)).collect())
    },
    records: |state, (token, org, _), to| {
        let token = TokenId(token);
        let accounts = &state.directory.accounts;
        let found = || {
            let decided = state.org_tokens.view(org, token)?;
            Some(OrgTokenView {
                org: accounts.id(org)?,
                token,
                owner: accounts.id(decided.owner.0)?,
                state: decided.state,
                membership: decided.membership,
            })
        };
        to.extend(found().map(Record::OrgTokenView));
    },
}];

const FLOORS: &[Source] = &[
    Source {
        marks: |_, table| (table == 0).then(|| vec![(0, 0, 0)]),
        records: |state, _, to| {
            let floor = state.revocations.realm_floor().map(|serial| Floor {
                target: FloorTarget::Realm,
                serial,
            });
            to.extend(floor.map(Record::Floor));
        },
    },
    Source {
        // No row has the number that stands for no owner and no org.
        marks: |state, table| {
            let floors = state.revocations.floors_of(table as usize)?;
            let number = |row: Option<u32>| row.unwrap_or(u32::MAX);
            let mark = |(owner, org)| (0, number(owner), number(org));
            Some(floors.map(mark).collect())
        },
        records: |state, (_, owner, org), to| {
            let [owner, org] = [owner, org].map(|row| (row != u32::MAX).then_some(row));
            let accounts = &state.directory.accounts;
            let found = || {
                Some(Floor {
                    serial: state.revocations.floor(owner, org)?,
                    target: FloorTarget::of_rows(accounts, owner, org)?,
                })
            };
            to.extend(found().map(Record::Floor));
        },
    },
];

const RETIRED: &[Source] = &[
    Source {
        marks: |state, table| {
            let accounts = &state.directory.accounts;
            chosen(accounts.rows(), table, |row| accounts.is_retired(row))
        },
        records: |state, (_, row, _), to| {
            let id = state.directory.accounts.id(row);
            to.extend(id.map(|id| Record::Retired(RetiredId::Account(id))));
        },
    },
    Source {
        marks: |state, table| {
            let groups = &state.directory.groups;
            chosen(groups.rows(), table, |row| groups.is_retired(row))
        },
        records: |state, (_, row, _), to| {
            let id = state.directory.groups.id(row);
            to.extend(id.map(|id| Record::Retired(RetiredId::Group(id))));
        },
    },
    Source {
        marks: |state, table| {
            let repos = &state.directory.repos;
            chosen(repos.rows(), table, |row| repos.is_retired(row))
        },
        records: |state, (_, row, _), to| {
            let id = state.directory.repos.id(row);
            to.extend(id.map(|id| Record::Retired(RetiredId::Repo(id))));
        },
    },
];

const DEPARTURES: &[Source] = &[Source {
    marks: |state, table| numbers(&state.directory.departures, table),
    records: |state, (_, org, user), to| {
        let accounts = &state.directory.accounts;
        let found = || {
            Some(Departures {
                org: accounts.id(org)?,
                user: accounts.id(user)?,
                count: state.directory.departures.find((org, user))?,
            })
        };
        to.extend(found().map(Record::Departures));
    },
}];

/// Lists the rows of one table of so many rows.
fn rows(all: u32, table: u32) -> Option<Vec<Mark>> {
    chosen(all, table, |_| true)
}

fn chosen(all: u32, table: u32, is: impl Fn(u32) -> bool) -> Option<Vec<Mark>> {
    let from = table.checked_mul(ROWS).filter(|from| *from < all)?;
    let rows = from..all.min(from.saturating_add(ROWS));
    Some(rows.filter(|row| is(*row)).map(|row| (0, row, 0)).collect())
}

fn pairs(pairs: &Pairs, table: u32) -> Option<Vec<Mark>> {
    let mark = |(left, right, value): Item| (u64::from(value), left, right);
    Some(pairs.items_of(table as usize)?.map(mark).collect())
}

/// Returns the pair of a mark, with the value that it had when it was listed: if that was changed since,
/// an entry says so.
fn unmarked((value, left, right): Mark) -> Item {
    (left, right, value as u32)
}

fn numbers(numbers: &Numbers, table: u32) -> Option<Vec<Mark>> {
    let pairs = numbers.pairs_of(table as usize)?;
    Some(pairs.map(|(left, right)| (0, left, right)).collect())
}
