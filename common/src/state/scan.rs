//! Lists the directory page by page, in an order of its own that writes don't change: rows by number, pairs
//! table by table.
//!
//! A record that exists from the first page to the last is on exactly one of them; one that is written or
//! deleted meanwhile may be listed or not. There is no index by org, user or owner: a page ends after a fixed
//! amount of work, whatever was found, so that no reader blocks the writer for long.

use crate::{
    id::{AccountId, GroupId, RepoId},
    state::{
        State,
        pairs::Pairs,
        // This imports the types of all records, whichever the hub feeds.
        record::*,
    },
};

/// At most this many rows are read for one page: some 100 us, if no cache helps.
const MOST_ROWS: u32 = 2_048;
/// A page ends at the end of a table once this many pairs were read: some 50 us.
const MOST_PAIRS: usize = 32_768;

/// States which records are listed. Records that don't exist, or whose parent doesn't, are left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selection {
    /// States the kind of the records. Of a kind that the hub doesn't feed, nothing is listed.
    pub kind: Kind,
    /// Holds what the records must belong to. It must hold none but those in [`Selection::filters`]: a kind
    /// doesn't look at others.
    pub filters: Filters,
}

/// States what listed records must belong to. `None` leaves nothing out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filters {
    /// Lists only what is of this org. Of users, these are its service accounts.
    pub org: Option<AccountId>,
    /// Lists only what is of this user.
    pub user: Option<AccountId>,
    /// Lists only what this user or org owns.
    pub owner: Option<AccountId>,
    /// Lists only what is of this repo.
    pub repo: Option<RepoId>,
    /// Lists only what is of this group.
    pub group: Option<GroupId>,
    /// Of users, lists only service accounts (`true`), or only people (`false`). No question has this filter.
    pub service_accounts: Option<bool>,
}

/// Names a filter that a question may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filter {
    /// Stands for [`Filters::org`].
    Org,
    /// Stands for [`Filters::user`].
    User,
    /// Stands for [`Filters::owner`].
    Owner,
    /// Stands for [`Filters::repo`].
    Repo,
    /// Stands for [`Filters::group`].
    Group,
}

/// Lists the records of one kind that the hub feeds.
pub(in crate::state) trait Listed {
    /// Holds the filters that this kind looks at.
    const FILTERS: &'static [Filter];

    /// Returns a page. `None`: a filter names an id that the state doesn't know, which selects nothing.
    fn page(ask: &Question<'_>) -> Option<Page>;
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
    pub(in crate::state) accounts: u32,
    pub(in crate::state) groups: u32,
    pub(in crate::state) repos: u32,
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
        let ask = Question {
            state: self,
            filters: &scan.selection.filters,
            within: scan.within.unwrap_or_else(|| self.horizon()),
            from,
            most,
        };
        ask.page(scan.selection.kind)
            .unwrap_or_else(|| Page::last(Vec::new()))
    }
}

/// Asks for one page of one kind.
pub(in crate::state) struct Question<'a> {
    pub(in crate::state) state: &'a State,
    pub(in crate::state) filters: &'a Filters,
    pub(in crate::state) within: Horizon,
    from: Place,
    most: usize,
}

macro_rules! dispatch {
    ($($kind:ident $key:ident $more:tt)+) => {
        impl Selection {
            /// Selects all records of a kind.
            pub fn all(kind: Kind) -> Self {
                let filters = Filters::default();
                Self { kind, filters }
            }

            /// Returns the filters that there are for a kind.
            pub fn filters(kind: Kind) -> &'static [Filter] {
                match kind {
                    $(Kind::$kind => <$kind as Listed>::FILTERS,)+
                    _ => &[],
                }
            }
        }

        impl Question<'_> {
            fn page(&self, kind: Kind) -> Option<Page> {
                match kind {
                    $(Kind::$kind => <$kind as Listed>::page(self),)+
                    _ => None,
                }
            }
        }
    };
}

tokenward_proto::for_each_fed_kind!(dispatch);

impl Question<'_> {
    /// Returns the row of the account that a filter names; `None` if the state doesn't know it.
    pub(in crate::state) fn account(&self, id: Option<&AccountId>) -> Option<Option<u32>> {
        match id {
            Some(id) => self.state.directory.accounts.find(id.as_str()).map(Some),
            None => Some(None),
        }
    }

    /// Lists what is found in the rows below `end`.
    pub(in crate::state) fn rows(&self, end: u32, find: &dyn Fn(u32) -> Option<Record>) -> Page {
        rows(self.from, end, self.most, find)
    }

    /// Lists what is found for the pairs of rows below `end`, of these rows only if they are set.
    pub(in crate::state) fn pairs(
        &self,
        all: &Pairs,
        only: (Option<u32>, Option<u32>),
        end: (u32, u32),
        find: &dyn Fn(u32, u32) -> Option<Record>,
    ) -> Page {
        pairs(all, self.from, self.most, only, end, find)
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
